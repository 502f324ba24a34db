# SPDX-License-Identifier: 0BSD
"""Mail that is not in the page cache: fetched beside the loop, and told as if it had been there."""

import os
import re
import shutil
import tempfile

import pytest

from harness.imap import fetched, new_mailbox, simple
from harness.server import Server
from test_large import attachment

COMMANDS = [
    "FETCH 1:* (FLAGS UID INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)",
    "FETCH 1:* BODY.PEEK[]",
    "FETCH 1:* (BODY.PEEK[HEADER.FIELDS (X-Far Subject)] BODY.PEEK[TEXT]<3.40> UID)",
    "FETCH 1:* (BODY.PEEK[1] BODY.PEEK[1.MIME] BINARY.SIZE[1] BINARY.PEEK[1])",
    "FETCH 2:* (UID BODY.PEEK[HEADER] BODY.PEEK[1] BODY.PEEK[2]<5.70000>)",
    'SEARCH BODY "needle 7"',
    'SEARCH TEXT "last w"',
    'SEARCH HEADER X-Far yes NOT SUBJECT "none"',
]


@pytest.fixture(scope="module")
def cold(binary):
    """On the build folder's disk: a memory file system has nothing but page cache."""
    folder = tempfile.mkdtemp(prefix="cold-", dir=os.environ["SATCHEL_O"])
    server = Server(binary, folder)
    server.start()
    try:
        with server.raw_imap() as wire:
            wire.login()
            name = new_mailbox(wire, [simple(f"Subject {i}", f"needle {i}\r\n" * 900, X_Far="yes" if i % 2 else "no")
                                      for i in range(40)])
            for seed, size in ((1, 300_000), (2, 3_000_000), (3, 900_000)):
                data = attachment(size, seed)
                wire.send(f"a{seed} APPEND {name} {{{len(data)}+}}\r\n".encode() + data + b"\r\n")
                assert b" OK " in wire.until(f"a{seed}")[-1]
        server.restart()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def forget(server):
    """Takes all mail out of the page cache; the sync of the folder's files comes first."""
    for path in [*(server.data / "log").glob("*.seg"), *(server.data / "large").glob("*")]:
        fd = os.open(path, os.O_RDONLY)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def cold_reads(server):
    return int(re.search(r"(?m)^cold_reads\s+(\d+)", server.control("stat").stdout).group(1))


def mailbox(wire):
    return next(line.split()[-1].decode() for line in wire.ok('LIST "" box%') if line.startswith(b"* LIST"))


@pytest.fixture
def wire(cold):
    with cold.raw_imap() as client:
        client.login().ok(f"EXAMINE {mailbox(client)}")
        yield client


@pytest.mark.parametrize("command", COMMANDS)
def test_cold_mail_is_told_as_warm_mail_is(cold, wire, command):
    warm = wire.ok(command)[:-1]
    assert len(warm) >= 1
    was_cold = 0
    for _ in range(100):  # some disks have answered before the kernel says that they were asked
        forget(cold)
        before = cold_reads(cold)
        assert wire.ok(command)[:-1] == warm
        was_cold += cold_reads(cold) > before
        if was_cold == 3:
            break
    assert was_cold == 3, "nothing was cold: is the build folder on a disk?"
    before = cold_reads(cold)
    assert wire.ok(command)[:-1] == warm
    assert cold_reads(cold) == before, "it was warm"


def test_a_client_that_leaves_while_its_mail_is_read_leaves_no_trace(cold, wire):
    for command in COMMANDS * 3:
        with cold.raw_imap() as gone:
            gone.login().ok(f"EXAMINE {mailbox(gone)}")
            forget(cold)
            gone.send(f"x {command}\r\n")
    assert len(fetched(wire.ok("FETCH 1:* UID"))) == 43
    cold.check_log()


def test_many_sessions_read_cold_mail_at_once(cold, wire):
    warm = wire.ok("FETCH 1:* BODY.PEEK[]")[:-1]
    others = [cold.raw_imap().login() for _ in range(8)]
    try:
        for other in others:
            other.ok(f"EXAMINE {mailbox(other)}")
        forget(cold)
        for other in others:
            other.send("x FETCH 1:* BODY.PEEK[]\r\n")
        for other in others:
            assert other.until("x")[:-1] == warm
    finally:
        for other in others:
            other.close()


def test_a_server_that_stops_while_mail_is_read_ends_cleanly(cold, wire):
    forget(cold)
    wire.send("x FETCH 1:* BODY.PEEK[]\r\ny SEARCH BODY nothing\r\n")
    assert cold.stop() == 0
    cold.start()
    cold.check_log()
