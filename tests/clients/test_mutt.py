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


def test_neomutt_catches_up_with_its_header_cache_by_qresync(server, tmp_path, config):
    server.add_user("cached")
    for i in range(5):
        server.deliver(message(f"cached {i}", f"text {i}\r\n"), to=("cached",))
    rc, traffic = tmp_path / "rc", tmp_path / "traffic"

    def open_and_save(pattern):
        """Tags by pattern, copies what is tagged to a new file, quits; returns the file's text."""
        out = tmp_path / f"saved{len(list(tmp_path.iterdir()))}"
        rc.write_text(f"""
set folder="imap://cached@127.0.0.1:{server.imap_port}/"
set spoolfile="imap://cached@127.0.0.1:{server.imap_port}/INBOX"
set imap_user="cached"
set imap_pass="{server.password}"
set imap_authenticators="plain:login"
set ssl_starttls=no
set ssl_force_tls=no
set imap_condstore=yes
set imap_qresync=yes
set header_cache="{tmp_path}/cache"
set mbox_type=mbox
set confirmcreate=no confirmappend=no move=no copy=no quit=yes wait_key=no sort=date
push "<tag-pattern>{pattern}<enter><tag-prefix><copy-message>{out}<enter><untag-pattern>~A<enter><quit>"
""")
        status, drawn = run_on_terminal("neomutt", "-n", "-F", rc, "-d", "3", "-l", traffic,
                                        env={"HOME": str(tmp_path)})
        assert status == 0, drawn
        return out.read_text()

    saved = open_and_save("~A")
    assert [f"text {i}" in saved for i in range(5)] == [True] * 5
    client = server.imap("cached")
    client.select()
    client.store("2", "+FLAGS", r"(\Deleted)")
    client.expunge()
    client.store("3", "+FLAGS", r"(\Flagged)")
    client.logout()
    server.deliver(message("cached 5", "text 5\r\n"), to=("cached",))
    saved = open_and_save("~A")
    assert [f"text {i}" in saved for i in range(6)] == [True, False, True, True, True, True]
    saved = open_and_save("~F")
    assert [f"text {i}" in saved for i in range(6)] == [False, False, False, True, False, False]
    if config.get("QRESYNC") == "y":
        seen = "".join(path.read_text(errors="replace") for path in tmp_path.glob("traffic*"))
        assert " VANISHED)" in seen and "Handling VANISHED" in seen
