# SPDX-License-Identifier: 0BSD
"""offlineimap keeps a Maildir and an account the same, both ways, and believes every UID."""

import pathlib
import random
import re

import pytest

from harness.client import message, run


@pytest.fixture
def sync(server, tmp_path):
    server.add_user("offline")
    maildir = tmp_path / "Mail"
    rc = tmp_path / "offlineimaprc"
    rc.write_text(f"""[general]
accounts = a
metadata = {tmp_path}/state
[Account a]
localrepository = local
remoterepository = remote
[Repository local]
type = Maildir
localfolders = {maildir}
[Repository remote]
type = IMAP
remotehost = 127.0.0.1
remoteport = {server.imap_port}
remoteuser = offline
remotepass = {server.password}
ssl = no
starttls = no
auth_mechanisms = LOGIN
""")
    rc.chmod(0o600)

    def once():
        run("offlineimap", "-c", rc, "-o", "-u", "basic", env={"HOME": str(tmp_path)}, timeout=120)
        return maildir
    return once


def here(maildir):
    """{folder: sorted [(subject, flags)]}; F flagged, R answered, S seen."""
    return {folder.name: sorted(
        (re.search(r"Subject: (.*)", path.read_text()).group(1),
         "".join(sorted(set(path.name.partition(":2,")[2]) & set("FRS"))))
        for kind in ("cur", "new") for path in (folder / kind).iterdir())
        for folder in pathlib.Path(maildir).iterdir()}


def there(client):
    letters = {b"\\Flagged": "F", b"\\Answered": "R", b"\\Seen": "S"}
    found = {}
    for line in client.list()[1]:
        name = line.decode().rsplit(" ", 1)[1].strip('"')
        count = int(client.select(name, readonly=True)[1][0])
        parts = client.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1] if count else []
        found[name] = sorted(
            (re.search(rb"Subject: (.*)\r", p[1]).group(1).decode(),
             "".join(sorted(letters[f] for f in letters if f in p[0])))
            for p in parts if isinstance(p, tuple))
    return found


def test_both_sides_change_and_become_the_same(server, sync):
    chance = random.Random(7)
    client = server.imap("offline")
    client.create("work")
    for i in range(12):
        client.append(chance.choice(["INBOX", "work"]), chance.choice([None, r"(\Seen)", r"(\Flagged \Answered)"]),
                      None, message(f"first {i}").encode())
    maildir = sync()
    assert here(maildir) == there(client)
    for _ in range(3):
        for name in ("INBOX", "work"):
            client.select(name)
            client.store("1", "+FLAGS", r"(\Flagged)")
            client.store("2", "+FLAGS", r"(\Deleted)")
            client.expunge()
            cur = sorted(path for kind in ("cur", "new") for path in (maildir / name / kind).iterdir())
            cur[-1].unlink()
            flags = "".join(sorted({*cur[-2].name.partition(":2,")[2], "S", "R"}))
            cur[-2].rename(maildir / name / "cur" / f"{cur[-2].name.partition(':2,')[0]}:2,{flags}")
            (maildir / name / "new" / f"{chance.random()}.here").write_text(
                message(f"local {chance.random()}").replace("\r\n", "\n"))
            client.append(name, None, None, message(f"remote {chance.random()}").encode())
        sync()
        assert here(maildir) == there(client)
    client.logout()
