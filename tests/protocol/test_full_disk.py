# SPDX-License-Identifier: 0BSD
"""A spool on a really small disk that fills up: a tmpfs in the spool's place, which takes root.

Others fill the rest of it as well, to the last byte.  What was acknowledged stays, reading goes on, removing
mail works and gives space back, and mail is taken again without a restart.
"""

import os
import subprocess

import pytest

from harness.disk import figure, send, subjects, wait_for
from harness.server import Server

pytestmark = pytest.mark.needs_root

SIZE = 48 << 20
RESERVE = SIZE // 8
INODES = 300


@pytest.fixture
def small(binary, fresh_folder):
    """A server whose spool is a file system of SIZE."""
    data = fresh_folder / "data"
    data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},nr_inodes={INODES},mode=755", "none", str(data)], check=True)
    try:
        instance = Server(binary, fresh_folder)
        yield instance.start()
        if instance.process is not None:
            instance.stop()
        instance.check_log()
    finally:
        subprocess.run(["umount", "-l", str(data)], check=True)


def free(server):
    v = os.statvfs(server.data)
    return v.f_bavail * v.f_frsize


def fill(server, leave=0):
    """Others take all but so many bytes."""
    with open(server.data / "others", "ab") as f:
        os.posix_fallocate(f.fileno(), 0, os.fstat(f.fileno()).st_size + free(server) - leave)
    assert free(server) <= leave


def fill_with_mail(server):
    """Delivers until mail is refused; returns how many were taken."""
    for n in range(1, 1000):
        replies = send(server, n)
        if replies[0][0] != 250:
            assert replies[0][0] == 452 and replies[0][1].startswith("4.3.1"), replies
            return n - 1
    raise AssertionError("a small disk takes any amount of mail")


def test_mail_is_refused_read_removed_and_taken_again_on_a_full_disk(small):
    assert figure(small, "reserve_bytes") == RESERVE
    assert figure(small, "disk_full") == 0
    began = figure(small, "epoch")
    taken = fill_with_mail(small)
    assert taken > 40
    small.wait_log("disk full, mail is refused")
    assert figure(small, "disk_full") == 1
    assert figure(small, "reserve_bytes") == RESERVE, "452 comes before the reserve is touched"
    fill(small)
    with small.raw_imap() as wire:
        wire.login()
        assert wire.command("CREATE more")[-1].startswith(b"t2 NO [UNAVAILABLE]")
        wire.send("a APPEND INBOX {100000}\r\n")
        assert wire.until("a")[-1].startswith(b"a NO [UNAVAILABLE]")
        assert wire.ok("SELECT INBOX")
        assert wire.command("COPY 1 INBOX")[-1].startswith(b"t4 NO [UNAVAILABLE]")
        assert subjects(wire) == list(range(1, taken + 1))
        wire.ok("FETCH 1 BODY[]")
        # Every second message goes: no segment of the log is wholly dead.
        odd = ",".join(map(str, range(1, taken + 1, 2)))
        wire.ok(rf"STORE {odd} +FLAGS.SILENT (\Deleted)")
        wire.ok("EXPUNGE")
        wait_for(lambda: figure(small, "disk_full") == 0, "space does not come back", small)
        small.wait_log("mail is taken again")
        # There is room for small ones first: compaction goes on.
        wait_for(lambda: send(small, 9001) == [(250, "2.1.5 <demo> stored")], "mail is refused", small)
        wire.ok("NOOP")
        assert subjects(wire) == [*range(2, taken + 1, 2), 9001]
    assert figure(small, "reserve_bytes") == RESERVE
    assert figure(small, "epoch") == began, "the store was opened again"
    assert small.stop() == 0
    small.start()
    with small.raw_imap() as wire:
        wire.login().ok("SELECT INBOX")
        assert subjects(wire) == [*range(2, taken + 1, 2), 9001]


def test_a_disk_that_others_fill_takes_mail_again_when_they_leave(small):
    assert send(small, 1)[0][0] == 250
    fill(small)
    wait_for(lambda: send(small, 2, size=3000)[0][0] == 452, "mail is taken", small)
    assert small.control("checkpoint").returncode == 0, "a checkpoint has the reserve"
    with small.raw_imap() as wire:
        wire.login().ok("SELECT INBOX")
        wire.ok(r"STORE 1 +FLAGS (\Flagged)")
    fill(small)
    (small.data / "others").unlink()
    wait_for(lambda: send(small, 3)[0][0] == 250, "mail is refused", small)
    assert figure(small, "reserve_bytes") == RESERVE


def test_a_large_message_that_does_not_fit_is_refused_and_leaves_nothing(small):
    assert send(small, 1)[0][0] == 250
    fill(small, leave=4 << 20)
    assert send(small, 2, to=("demo", "demo"), size=9 << 20) == [
        (452, "4.3.1 Out of disk space, try again later")] * 2
    wait_for(lambda: not list((small.data / "large").iterdir()), "the file stays", small)
    wait_for(lambda: send(small, 3, size=2 << 20)[0][0] == 250, "mail is refused", small)
    assert figure(small, "reserve_bytes") == RESERVE
    with small.raw_imap() as wire:
        wire.login().ok("SELECT INBOX")
        assert subjects(wire) == [1, 3]


def test_a_server_that_is_killed_on_a_full_disk_starts_and_has_all_that_was_acknowledged(small):
    taken = fill_with_mail(small)
    fill(small)
    for _ in range(3):
        small.kill_all()
        fill(small)
        small.start()
        with small.raw_imap() as wire:
            wire.login().ok("SELECT INBOX")
            assert subjects(wire) == list(range(1, taken + 1))
        assert send(small, 9002)[0][0] == 452


def test_a_disk_without_room_for_the_smallest_file_shows_what_is_durable_until_it_has_some(small):
    assert send(small, 1)[0][0] == 250
    others = small.data / "others"
    others.mkdir()
    with pytest.raises(OSError):
        for i in range(INODES):
            (others / str(i)).touch()
    small.kill_role("mail")
    small.wait_log("nothing can be written")
    with small.raw_imap() as wire:
        wire.login().ok("SELECT INBOX")
        assert subjects(wire) == [1]
        assert wire.command("CREATE more")[-1].startswith(b"t4 NO [UNAVAILABLE]")
        assert send(small, 2)[0][0] == 452
        assert figure(small, "disk_full") == 1
        for name in others.iterdir():
            name.unlink()
        assert wire.until("*")[-1].startswith(b"* BYE"), "the store is opened again"
    wait_for(lambda: "the store is opened again" in small.log(), "it stays", small)
    wait_for(lambda: delivered(small, 3), "mail is refused", small)
    with small.raw_imap() as wire:
        wire.login().ok("SELECT INBOX")
        assert subjects(wire) == [1, 3]


def delivered(server, n):
    try:
        return send(server, n)[0][0] == 250
    except (AssertionError, OSError):
        return False  # the role is being started
