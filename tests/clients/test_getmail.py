# SPDX-License-Identifier: 0BSD
"""getmail drains mailboxes and deletes what it has."""

from harness.client import message, run


def test_getmail_fetches_all_and_deletes(server, tmp_path):
    server.add_user("getmail")
    client = server.imap("getmail")
    client.create("lists")
    for i in range(3):
        server.deliver(message(f"get {i}", f"body {i}\r\n"), to=("getmail",))
        client.append("lists", None, None, message(f"list {i}", f"list body {i}\r\n").encode())
    out = tmp_path / "out"
    (tmp_path / "getmailrc").write_text(
        "[retriever]\ntype = SimpleIMAPRetriever\nserver = 127.0.0.1\n"
        f"port = {server.imap_port}\nusername = getmail\npassword = {server.password}\n"
        'mailboxes = ("INBOX", "lists")\n'
        "[destination]\ntype = MDA_external\npath = /usr/bin/tee\nallow_root_commands = true\n"
        f'arguments = ("-a", "{out}")\n'
        "[options]\ndelete = true\nread_all = true\nverbose = 2\n")
    run("getmail", "--getmaildir", tmp_path, "--rcfile", "getmailrc", env={"HOME": str(tmp_path)})
    text = out.read_text()
    assert all(text.count(f"\nbody {i}") == text.count(f"list body {i}") == 1 for i in range(3))
    for name in ("INBOX", "lists"):
        assert client.select(name)[1] == [b"0"]
    client.logout()
