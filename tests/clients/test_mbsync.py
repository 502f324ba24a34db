# SPDX-License-Identifier: 0BSD
"""mbsync keeps a Maildir and the server the same in both directions."""

import pathlib

from harness.client import message, run


def config(server, user, root):
    (root / "mail").mkdir(exist_ok=True)
    path = root / "mbsyncrc"
    path.write_text(f"""
IMAPAccount satchel
Host 127.0.0.1
Port {server.imap_port}
User {user}
Pass "{server.password}"
SSLType None
AuthMechs LOGIN

IMAPStore far
Account satchel

MaildirStore near
Path {root}/mail/
Inbox {root}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
SyncState *
""")
    return path


def files(root, box):
    return sorted(p for sub in ("cur", "new") for p in (root / "mail" / box / sub).glob("*"))


def test_mbsync_syncs_both_ways(server, tmp_path):
    server.add_user("sync")
    rc = config(server, "sync", tmp_path)
    for i in range(30):
        server.deliver(message(f"sync {i}", f"body {i}\r\n"), to=("sync",))
    client = server.imap("sync")
    client.create("Archive/2024")
    client.append("Archive/2024", r"(\Seen)", None, message("old one").encode())

    run("mbsync", "-c", rc, "-a")
    assert len(files(tmp_path, "INBOX")) == 30
    assert len(files(tmp_path, "Archive/2024")) == 1
    assert files(tmp_path, "Archive/2024")[0].name.endswith(",S")

    # Near side: a new message, a flag, a deletion, a new folder; far side: a flag, a deletion.
    inbox = files(tmp_path, "INBOX")
    bare = inbox[0].name.split(":")[0].split(",U=")
    (tmp_path / "mail/INBOX/cur/1700000000.new.host:2,S").write_text(message("from near").replace("\r\n", "\n"))
    inbox[1].rename(tmp_path / "mail/INBOX/cur" / (inbox[1].name.split(":")[0] + ":2,F"))
    inbox[2].rename(tmp_path / "mail/INBOX/cur" / (inbox[2].name.split(":")[0] + ":2,T"))
    for sub in ("cur", "new", "tmp"):
        (tmp_path / "mail/Drafts" / sub).mkdir(parents=True)
    (tmp_path / "mail/Drafts/cur/1700000001.draft.host:2,D").write_text(message("a draft").replace("\r\n", "\n"))
    client.select()
    client.store("30", "+FLAGS", r"(\Answered)")
    client.store("29", "+FLAGS", r"(\Deleted)")
    client.expunge()
    assert bare

    run("mbsync", "-c", rc, "-a")
    client.noop()
    assert client.select()[1] == [b"29"]  # 30 + 1 new - 1 here - 1 there
    assert client.search(None, "SUBJECT", '"from near"', "SEEN")[1][0].split()
    assert client.search(None, "FLAGGED")[1][0].split()
    assert client.select("Drafts")[1] == [b"1"]
    assert client.search(None, "DRAFT")[1][0].split()
    assert len(files(tmp_path, "INBOX")) == 29
    assert [p for p in files(tmp_path, "INBOX") if "R" in p.name.rsplit(",", 1)[1]]

    before = {p.name for p in pathlib.Path(tmp_path / "mail").rglob("*") if p.is_file()}
    run("mbsync", "-c", rc, "-a")
    assert before == {p.name for p in pathlib.Path(tmp_path / "mail").rglob("*") if p.is_file()}
    client.logout()


def test_mbsync_carries_on_after_the_server_was_killed(fresh, tmp_path):
    fresh.start()
    for i in range(10):
        fresh.deliver(message(f"kill {i}"))
    rc = config(fresh, "demo", tmp_path)
    run("mbsync", "-c", rc, "-a")
    fresh.kill_all()
    fresh.start()
    fresh.deliver(message("after the kill"))
    run("mbsync", "-c", rc, "-a")
    assert len(files(tmp_path, "INBOX")) == 11
