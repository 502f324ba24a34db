# SPDX-License-Identifier: 0BSD
"""COPY (RFC 9051 6.4.7) with COPYUID (RFC 4315)."""

import re

import pytest

from harness.imap import append, fetched, literal, new_mailbox, simple


def test_copies_carry_bytes_flags_keywords_and_dates(wire):
    target = new_mailbox(wire, select=False)
    source = new_mailbox(wire, select=False)
    append(wire, source, simple("Copied"), r'(\Seen $Label) "03-Mar-2021 04:05:06 +0000"')
    wire.ok(f"SELECT {source}")
    before = fetched(wire.ok("FETCH 1 (INTERNALDATE RFC822.SIZE BODY.PEEK[])"))[1]
    wire.ok(f"COPY 1 {target}")
    assert fetched(wire.ok("FETCH 1 UID")) == {1: b"UID 1"}, "the original stays"
    wire.ok(f"SELECT {target}")
    after = fetched(wire.ok("FETCH 1 (INTERNALDATE RFC822.SIZE BODY.PEEK[] FLAGS)"))[1]
    assert after.startswith(before) and b"\\Seen" in after and b"$Label" in after


def test_copyuid_pairs_the_uids(wire):
    target = new_mailbox(wire, [simple()], select=False)
    validity = wire.ok(f"STATUS {target} (UIDVALIDITY)")[0]
    validity = re.search(rb"UIDVALIDITY (\d+)", validity).group(1)
    new_mailbox(wire, [simple() for _ in range(6)])
    done = wire.ok(f"COPY 6,1:2,4 {target}")[-1]
    assert b"[COPYUID %s 1:2,4,6 2:5]" % validity in done
    done = wire.ok(f"UID COPY 3,900 {target}")[-1]
    assert b"[COPYUID %s 3 6]" % validity in done
    assert b"COPYUID" not in wire.ok(f"UID COPY 900 {target}")[-1]


def test_a_missing_target_says_trycreate(wire):
    new_mailbox(wire, [simple()])
    assert b" NO [TRYCREATE]" in wire.command("COPY 1 nowhere")[-1]
    assert b" NO [TRYCREATE]" in wire.command("UID COPY 1 nowhere")[-1]


def test_a_mailbox_can_be_copied_into_itself(wire):
    name = new_mailbox(wire, [simple("Twice")])
    answers = wire.ok(f"COPY 1 {name}")
    assert b"* 2 EXISTS" in answers
    bodies = fetched(wire.ok("FETCH 1:2 BODY.PEEK[]"))
    assert literal(bodies[1], b"BODY[]") == literal(bodies[2], b"BODY[]")


def test_a_copy_outlives_its_original(wire):
    target = new_mailbox(wire, select=False)
    message = simple("Outlives")
    new_mailbox(wire, [message])
    wire.ok(f"COPY 1 {target}")
    wire.ok(r"STORE 1 +FLAGS.SILENT (\Deleted)")
    wire.ok("EXPUNGE")
    wire.ok(f"SELECT {target}")
    assert literal(fetched(wire.ok("FETCH 1 BODY.PEEK[]"))[1], b"BODY[]") == message.encode()


@pytest.mark.parametrize("arguments", ["", "1", "1 ", "x INBOX", "2 INBOX", "1 INBOX x", "1:* \"INBOX"])
def test_malformed_copies_are_bad(wire, arguments):
    new_mailbox(wire, [simple()])
    assert b" BAD " in wire.command(f"COPY {arguments}")[-1][:12]


def test_thousands_are_copied_in_one_step(wire):
    target = new_mailbox(wire, select=False)
    name = new_mailbox(wire, [simple()])
    for size in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024):
        wire.ok(f"COPY 1:{size} {name}")
    done = wire.ok(f"COPY 1:* {target}")[-1]
    assert re.search(rb"COPYUID \d+ 1:2048 1:2048\]", done), done
    assert b"MESSAGES 2048" in wire.ok(f"STATUS {target} (MESSAGES)")[0]
