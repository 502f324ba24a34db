# SPDX-License-Identifier: 0BSD
"""fetchmail drains a mailbox the old way: SELECT, FETCH, STORE \\Deleted, EXPUNGE."""

from harness.client import message, run


def test_fetchmail_fetches_all_and_deletes(server, tmp_path):
    server.add_user("fetch")
    for i in range(5):
        server.deliver(message(f"fetch {i}", f"body {i}\r\n"), to=("fetch",))
    out = tmp_path / "mbox"
    rc = tmp_path / "fetchmailrc"
    rc.write_text(
        f'poll 127.0.0.1 service {server.imap_port} protocol imap auth password\n'
        f'  user "fetch" password "{server.password}" sslproto "" no sslcertck\n'
        f'  mda "cat >> {out}" fetchall\n')
    rc.chmod(0o600)
    run("fetchmail", "-f", rc, "--nodetach", "--nosyslog", "-v", "--pidfile", tmp_path / "pid",
        env={"FETCHMAILHOME": str(tmp_path), "HOME": str(tmp_path)})
    text = out.read_text()
    assert all(f"body {i}" in text for i in range(5))
    client = server.imap("fetch")
    assert client.select()[1] == [b"0"]
    client.logout()
