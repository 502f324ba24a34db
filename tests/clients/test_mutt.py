# SPDX-License-Identifier: 0BSD
"""mutt and neomutt open a mailbox on a terminal, copy its mail, flag and delete."""

import pytest

from harness.client import message, run_on_terminal


@pytest.mark.parametrize("program", ["mutt", "neomutt"])
def test_mutt_reads_copies_flags_and_deletes(server, tmp_path, program):
    user = f"{program}user"
    server.add_user(user)
    for i in range(3):
        server.deliver(message(f"{program} {i}", f"text {i}\r\n"), to=(user,))
    out = tmp_path / "saved"
    rc = tmp_path / "rc"
    rc.write_text(f"""
set folder="imap://{user}@127.0.0.1:{server.imap_port}/"
set spoolfile="imap://{user}@127.0.0.1:{server.imap_port}/INBOX"
set imap_user="{user}"
set imap_pass="{server.password}"
set imap_authenticators="plain:login"
set ssl_starttls=no
set ssl_force_tls=no
set header_cache="{tmp_path}/cache"
set confirmcreate=no
set confirmappend=no
set mbox_type=mbox
set delete=yes
set move=no
set copy=no
set quit=yes
set wait_key=no
set sort=date
push "<tag-pattern>~A<enter><tag-prefix><copy-message>{out}<enter><untag-pattern>~A<enter><first-entry><flag-message><last-entry><delete-message><sync-mailbox><quit>"
""")
    status, drawn = run_on_terminal(program, "-n", "-F", rc, env={"HOME": str(tmp_path)})
    assert status == 0, drawn
    saved = out.read_text()
    assert all(f"text {i}" in saved for i in range(3)), drawn
    client = server.imap(user)
    assert client.select()[1] == [b"2"], drawn
    assert len(client.search(None, "FLAGGED")[1][0].split()) == 1
    client.logout()
