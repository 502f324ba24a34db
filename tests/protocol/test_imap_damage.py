# SPDX-License-Identifier: 0BSD
"""A message whose bytes were damaged on the disk costs that message alone."""

import pytest

from harness.imap import append, fetched, literal, new_mailbox, simple


def damage(server, marker):
    """Changes one byte behind each place where the marker stands in the spool's files; how many."""
    count = 0
    for path in server.data.rglob("*"):
        if not path.is_file():
            continue
        data = bytearray(path.read_bytes())
        at = data.find(marker)
        while at >= 0:
            data[at + len(marker)] ^= 0x40
            count += 1
            at = data.find(marker, at + 1)
        path.write_bytes(data)
    return count


@pytest.fixture
def damaged(fresh):
    """Three messages, the second with a changed byte in its body; the mailbox's name."""
    fresh.start()
    with fresh.raw_imap() as wire:
        wire.login()
        name = new_mailbox(wire, [simple(body=f"marker-{i}:" + "x" * 5000 + "\r\n") for i in range(3)])
    fresh.stop()
    assert damage(fresh, b"marker-1:") == 1
    fresh.start()
    with fresh.raw_imap() as wire:
        wire.login()
        wire.ok(f"SELECT {name}")
        yield wire


def test_the_others_are_answered_and_the_damaged_one_is_named(damaged):
    answers = damaged.command("FETCH 1:3 (UID BODY[])")
    told = fetched(answers)
    assert told.keys() == {1, 3} and b"marker-2:x" in literal(told[3], b"BODY[]")
    assert b" NO [CORRUPTION] " in answers[-1] and b"UID 2 " in answers[-1]


def test_what_was_not_read_is_not_seen(damaged):
    damaged.command("FETCH 1:3 (BODY[])")
    told = fetched(damaged.ok("FETCH 1:3 FLAGS"))
    assert [b"\\Seen" in told[n] for n in (1, 2, 3)] == [True, False, True]


def test_a_listing_and_other_commands_do_not_care(damaged):
    told = fetched(damaged.ok("FETCH 1:3 (FLAGS RFC822.SIZE ENVELOPE BODYSTRUCTURE)"))
    assert told.keys() == {1, 2, 3}
    damaged.ok(r"STORE 2 +FLAGS (\Flagged)")
    assert damaged.ok("SEARCH FLAGGED")[0] == b"* SEARCH 2"


def test_a_search_goes_on_behind_it_and_says_so(damaged):
    answers = damaged.ok("SEARCH BODY marker")
    assert answers[0] == b"* SEARCH 1 3" and b"could not be read" in answers[-1]


def test_new_mail_still_arrives(damaged, fresh):
    fresh.deliver(simple("After the damage"))
    damaged.ok("SELECT INBOX")
    assert b"After the damage" in damaged.ok("FETCH 1 BODY[]")[0]
    assert append(damaged, "INBOX", simple()) == 2
