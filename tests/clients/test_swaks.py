# SPDX-License-Identifier: 0BSD
"""swaks speaks LMTP over TCP and over the unix socket."""

from harness.client import message, run


def swaks(*words, check=True):
    return run("swaks", "--protocol", "LMTP", "--from", "swaks@example.org", *words, check=check)


def test_swaks_delivers_over_tcp(server, tmp_path):
    file = tmp_path / "message"
    file.write_text(message("swaks over tcp").replace("\r\n", "\n"))
    swaks("--server", f"127.0.0.1:{server.lmtp_port}", "--to", "demo,other", "--data", f"@{file}")
    for user in ("demo", "other"):
        client = server.imap(user)
        client.select()
        assert client.search(None, "SUBJECT", '"swaks over tcp"')[1][0].split()
        client.logout()


def test_swaks_delivers_over_the_unix_socket(server):
    swaks("--socket", server.lmtp_socket, "--to", "demo", "--header", "Subject: swaks over unix")
    client = server.imap()
    client.select()
    assert client.search(None, "SUBJECT", '"swaks over unix"')[1][0].split()
    client.logout()


def test_swaks_is_told_that_a_user_is_unknown(server):
    done = swaks("--server", f"127.0.0.1:{server.lmtp_port}", "--to", "nobody", check=False)
    assert done.returncode == 24 and "550 5.1.1" in done.stdout, done.stdout
