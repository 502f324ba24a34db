# SPDX-License-Identifier: 0BSD
"""STORE (RFC 9051 6.4.6) and EXPUNGE (RFC 9051 6.4.3, RFC 4315)."""

import re

import pytest

from harness.imap import append, expunged, fetched, new_mailbox, simple


def flags(wire, number=1):
    answer = fetched(wire.ok(f"FETCH {number} FLAGS"))[number]
    words = re.search(rb"FLAGS \(([^)]*)\)", answer).group(1).decode().split()
    return {word for word in words if word != "\\Recent"}


def test_flags_are_set_added_and_removed(wire):
    new_mailbox(wire, [simple()])
    answer = wire.ok(r"STORE 1 FLAGS (\Seen \Flagged)")
    assert b"\\Seen" in fetched(answer)[1] and b"UID" not in fetched(answer)[1]
    assert flags(wire) == {"\\Seen", "\\Flagged"}
    wire.ok(r"STORE 1 +FLAGS (\Answered $Forwarded)")
    assert flags(wire) == {"\\Seen", "\\Flagged", "\\Answered", "$Forwarded"}
    wire.ok(r"STORE 1 -FLAGS (\Seen $forwarded)")
    assert flags(wire) == {"\\Flagged", "\\Answered"}
    wire.ok("STORE 1 FLAGS ()")
    assert flags(wire) == set()
    wire.ok(r"STORE 1 +FLAGS \Draft")
    assert flags(wire) == {"\\Draft"}
    wire.ok(r"STORE 1 FLAGS \Seen \Deleted")
    assert flags(wire) == {"\\Seen", "\\Deleted"}


def test_silent_changes_are_not_told(wire):
    new_mailbox(wire, [simple(), simple()])
    assert fetched(wire.ok(r"STORE 1:2 +FLAGS.SILENT (\Seen)")) == {}
    assert fetched(wire.ok("NOOP")) == {}
    assert flags(wire, 2) == {"\\Seen"}


def test_the_uid_form_takes_and_tells_uids(wire):
    new_mailbox(wire, [simple() for _ in range(3)])
    wire.ok(r"STORE 1 +FLAGS.SILENT (\Deleted)")
    wire.ok("EXPUNGE")
    answers = fetched(wire.ok(r"UID STORE 3:9 +FLAGS (\Flagged)"))
    assert answers.keys() == {2} and b"UID 3" in answers[2] and b"\\Flagged" in answers[2]
    assert fetched(wire.ok(r"UID STORE 1 +FLAGS (\Seen)")) == {}


def test_an_answer_is_told_once(wire):
    new_mailbox(wire, [simple()])
    answers = wire.ok(r"STORE 1 +FLAGS (\Flagged)")
    assert len([a for a in answers if b" FETCH " in a]) == 1
    assert fetched(wire.ok("NOOP")) == {}


def test_new_keywords_are_announced_before_they_are_used(wire):
    new_mailbox(wire, [simple()])
    answers = wire.ok("STORE 1 +FLAGS (Fresh)")
    kinds = [a.split()[1] if a.split()[1] == b"FLAGS" else a.split()[2] for a in answers[:-1]]
    assert kinds == [b"FLAGS", b"FETCH"], answers
    assert b"Fresh" in answers[0]
    assert not [a for a in wire.ok("STORE 1 -FLAGS (Fresh)") if a.startswith(b"* FLAGS")]


def test_a_mailbox_holds_sixty_four_keywords_and_refuses_more(wire):
    new_mailbox(wire, [simple()])
    words = " ".join(f"word{i}" for i in range(64))
    wire.ok(f"STORE 1 FLAGS ({words})")
    assert flags(wire) == set(words.split())
    assert b" NO [LIMIT]" in wire.command("STORE 1 +FLAGS (word64)")[-1]
    assert flags(wire) == set(words.split())


@pytest.mark.parametrize("arguments", [
    "", "1", "1 FLAGS", r"1 FLAGS (\Recent)", r"1 FLAGS (\Nonsense)", r"1 FLAGS (\Seen", r"x FLAGS (\Seen)",
    r"5 FLAGS (\Seen)", r"1 *FLAGS (\Seen)", r"1 FLAGS.LOUD (\Seen)", r"1 FLAGS (\Seen) x", "1 FLAGS (a]b)",
])
def test_malformed_stores_are_bad_and_change_nothing(wire, arguments):
    new_mailbox(wire, [simple()])
    assert b" BAD " in wire.command(f"STORE {arguments}")[-1][:12]
    assert flags(wire) == set()


def test_examine_refuses_store_and_expunge(wire):
    name = new_mailbox(wire, select=False)
    append(wire, name, simple(), r"(\Deleted)")
    wire.ok(f"EXAMINE {name}")
    assert b" NO " in wire.command(r"STORE 1 +FLAGS (\Seen)")[-1][:12]
    assert b" NO " in wire.command("EXPUNGE")[-1][:12]
    assert flags(wire) == {"\\Deleted"}


def test_many_messages_are_stored_and_told_in_order(wire):
    count = 2500
    name = new_mailbox(wire, select=False)
    for _ in range(count):
        append(wire, name, "Subject: x\r\n\r\n")
    wire.ok(f"SELECT {name}")
    answers = wire.ok(r"STORE 1:* +FLAGS (\Answered)")
    told = [int(a.split()[1]) for a in answers if b" FETCH (" in a]
    assert told == list(range(1, count + 1))
    wire.ok(r"STORE 1:* +FLAGS.SILENT (\Deleted)")
    wire.ok(r"STORE 1000,2000 -FLAGS.SILENT (\Deleted)")
    gone = expunged(wire.ok("EXPUNGE"), count)
    assert gone == [n for n in range(1, count + 1) if n not in (1000, 2000)]
    assert fetched(wire.ok("FETCH 1:* UID")) == {1: b"UID 1000", 2: b"UID 2000"}


def test_expunge_removes_the_deleted_and_numbers_shift(wire):
    new_mailbox(wire, [simple() for _ in range(5)])
    wire.ok(r"STORE 2,4:5 +FLAGS.SILENT (\Deleted)")
    assert expunged(wire.ok("EXPUNGE"), 5) == [2, 4, 5]
    assert fetched(wire.ok("FETCH 1:* UID")) == {1: b"UID 1", 2: b"UID 3"}
    assert expunged(wire.ok("EXPUNGE"), 2) == []


def test_uid_expunge_removes_only_those_named(wire):
    new_mailbox(wire, [simple() for _ in range(4)])
    wire.ok(r"STORE 1:3 +FLAGS.SILENT (\Deleted)")
    assert expunged(wire.ok("UID EXPUNGE 2:4"), 4) == [2, 3]
    assert fetched(wire.ok("FETCH 1:* UID")) == {1: b"UID 1", 2: b"UID 4"}
    assert b" BAD " in wire.command("UID EXPUNGE")[-1][:12]
    assert b" BAD " in wire.command("EXPUNGE 1")[-1][:12]


def test_uids_are_never_given_twice(wire):
    name = new_mailbox(wire, [simple(), simple()])
    wire.ok(r"STORE 2 +FLAGS.SILENT (\Deleted)")
    wire.ok("EXPUNGE")
    assert append(wire, name, simple()) == 3


def test_close_removes_the_deleted_without_a_word(wire):
    name = new_mailbox(wire, [simple() for _ in range(3)])
    wire.ok(r"STORE 2 +FLAGS.SILENT (\Deleted)")
    assert len(wire.ok("CLOSE")) == 1
    wire.ok(f"SELECT {name}")
    assert fetched(wire.ok("FETCH 1:* UID")) == {1: b"UID 1", 2: b"UID 3"}
