# SPDX-License-Identifier: 0BSD
"""FETCH (RFC 3501 6.4.5, RFC 9051 6.4.5)."""

import pathlib
import re
import time

import pytest

from harness.imap import append, fetched, literal, new_mailbox, simple

INNER = simple("Inner", "Inner text.\r\n")
NESTED = (
    "From: Outer <outer@example.org>\r\n"
    "Subject: Outer\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=cut\r\n"
    "\r\n"
    "Preamble\r\n"
    "--cut\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\n"
    "\r\n"
    "caf=C3=A9\r\n"
    "--cut\r\n"
    "Content-Type: message/rfc822\r\n"
    "\r\n" + INNER +
    "--cut\r\n"
    "Content-Type: application/octet-stream\r\n"
    "Content-Transfer-Encoding: base64\r\n"
    "\r\n"
    "AAECAw==\r\n"
    "--cut--\r\n"
)


def one(wire, items, number=1):
    return fetched(wire.ok(f"FETCH {number} {items}"))[number]


def section(wire, name):
    return literal(one(wire, f"BODY.PEEK[{name}]"), f"BODY[{name}]".encode())


def test_a_message_comes_back_byte_by_byte(wire):
    message = simple(body="".join(f"{i:6} \xff\xfe binary\r\n" for i in range(300))).encode("latin-1")
    new_mailbox(wire, [message])
    answer = one(wire, "(BODY.PEEK[] RFC822.SIZE)")
    assert literal(answer, b"BODY[]") == message
    assert b"RFC822.SIZE %d" % len(message) in answer


def test_a_message_larger_than_any_buffer_comes_back_byte_by_byte(wire):
    message = simple(body="0123456789abcdef" * 64 * 3000).encode()
    new_mailbox(wire, [message, simple()])
    answers = fetched(wire.ok("FETCH 1:2 (UID BODY.PEEK[] FLAGS)"))
    assert literal(answers[1], b"BODY[]") == message
    assert answers[1].endswith(b" FLAGS (\\Recent)") or answers[1].endswith(b" FLAGS ()")
    assert literal(answers[2], b"BODY[]").endswith(b"A body.\r\n")


def test_header_and_text_are_the_two_halves_of_the_message(wire):
    message = simple()
    new_mailbox(wire, [message])
    head, text = message.split("\r\n\r\n", 1)
    assert section(wire, "HEADER") == head.encode() + b"\r\n\r\n"
    assert section(wire, "TEXT") == text.encode()
    answer = one(wire, "(RFC822.HEADER)")
    assert literal(answer, b"RFC822.HEADER") == head.encode() + b"\r\n\r\n"
    assert literal(one(wire, "RFC822.TEXT"), b"RFC822.TEXT") == text.encode()
    assert literal(one(wire, "RFC822"), b"RFC822") == message.encode()


def test_header_fields_are_chosen_and_left_out(wire):
    message = simple("Chosen", X_One="1", X_Two="2\r\n folded")
    new_mailbox(wire, [message])
    answer = one(wire, "BODY.PEEK[HEADER.FIELDS (subject FROM)]")
    assert literal(answer, b"BODY[HEADER.FIELDS (subject FROM)]") == (
        b"From: Sender <sender@example.org>\r\nSubject: Chosen\r\n\r\n")
    assert section(wire, "HEADER.FIELDS (X-Two)") == b"X-Two: 2\r\n folded\r\n\r\n"
    assert section(wire, "HEADER.FIELDS (Nowhere)") == b"\r\n"
    rest = section(wire, "HEADER.FIELDS.NOT (From To Date Message-ID X-Two)")
    assert rest == b"Subject: Chosen\r\nX-One: 1\r\n\r\n"


def test_delivered_messages_show_their_trace_fields(server, wire):
    server.deliver(simple("Traced"))
    wire.ok("SELECT INBOX")
    exists = len(wire.ok("SEARCH ALL")[0].split()) - 2
    head = literal(one(wire, "BODY.PEEK[HEADER]", exists), b"BODY[HEADER]")
    assert head.startswith(b"Return-Path: <sender@example.org>\r\n") and b"\r\nReceived: " in head
    fields = literal(one(wire, "BODY.PEEK[HEADER.FIELDS (Return-Path Subject)]", exists),
                     b"BODY[HEADER.FIELDS (Return-Path Subject)]")
    assert fields == b"Return-Path: <sender@example.org>\r\nSubject: Traced\r\n\r\n"
    answer = one(wire, "(RFC822.SIZE BODY.PEEK[])", exists)
    assert b"RFC822.SIZE %d " % len(literal(answer, b"BODY[]")) in answer
    assert literal(answer, b"BODY[]").startswith(head)


@pytest.mark.parametrize("name, want", [
    ("1", "caf=C3=A9"),
    ("1.MIME", "Content-Type: text/plain; charset=utf-8\r\n"
               "Content-Transfer-Encoding: quoted-printable\r\n\r\n"),
    ("2", INNER.removesuffix("\r\n")),
    ("2.MIME", "Content-Type: message/rfc822\r\n\r\n"),
    ("2.HEADER", INNER.split("\r\n\r\n")[0] + "\r\n\r\n"),
    ("2.TEXT", "Inner text."),
    ("2.1", "Inner text."),
    ("2.HEADER.FIELDS (Subject)", "Subject: Inner\r\n\r\n"),
    ("3", "AAECAw=="),
])
def test_parts_are_found_by_number(wire, name, want):
    new_mailbox(wire, [NESTED])
    assert section(wire, name) == want.encode()


@pytest.mark.parametrize("name", ["4", "1.1", "1.HEADER", "3.TEXT", "2.2"])
def test_parts_that_do_not_exist_are_nil(wire, name):
    new_mailbox(wire, [NESTED])
    assert one(wire, f"BODY.PEEK[{name}]") == f"BODY[{name}] NIL".encode()


def test_partials_are_cut_and_name_their_start(wire):
    message = simple()
    new_mailbox(wire, [message])
    data = message.encode()
    assert literal(one(wire, "BODY.PEEK[]<5.10>"), b"BODY[]<5>") == data[5:15]
    assert literal(one(wire, "BODY.PEEK[]<0.99999>"), b"BODY[]<0>") == data
    assert literal(one(wire, "BODY.PEEK[]<99999.5>"), b"BODY[]<99999>") == b""
    assert literal(one(wire, "BODY.PEEK[TEXT]<2.4>"), b"BODY[TEXT]<2>") == b"body"
    assert literal(one(wire, "BODY.PEEK[1]<2.4>"), b"BODY[1]<2>") == b"body"


def test_macros_and_lists_give_what_they_name(wire):
    new_mailbox(wire, [simple("Macro")])
    fast = one(wire, "FAST")
    assert all(word in fast for word in (b"FLAGS (", b'INTERNALDATE "', b"RFC822.SIZE "))
    assert b"ENVELOPE" not in fast
    every = one(wire, "all")
    assert b'ENVELOPE ("Thu, 1 Feb 2024 12:00:00 +0100" "Macro" (("Sender" NIL "sender" "example.org"))' in every
    full = one(wire, "FULL")
    assert b'BODY ("text" "plain"' in full.lower().replace(b"body", b"BODY") and b"ENVELOPE (" in full
    both = one(wire, "(UID UID BODYSTRUCTURE)")
    assert both.startswith(b"UID 1 BODYSTRUCTURE (") and both.count(b"UID") == 1


def test_internal_date_and_flags_are_those_of_append(wire):
    name = new_mailbox(wire, select=False)
    append(wire, name, simple(), r'(\Seen \Flagged $Forwarded) "03-Mar-2021 04:05:06 -0730"')
    wire.ok(f"EXAMINE {name}")
    answer = one(wire, "(INTERNALDATE FLAGS)")
    assert b'INTERNALDATE " 3-Mar-2021 04:05:06 -0730"' in answer
    for flag in (b"\\Seen", b"\\Flagged", b"$Forwarded"):
        assert flag in answer


def test_fetching_a_body_sets_seen_and_says_so(wire):
    new_mailbox(wire, [simple(), simple(), simple()])
    assert b"\\Seen" not in one(wire, "(FLAGS BODY.PEEK[] RFC822.HEADER)")
    answer = one(wire, "(FLAGS BODY[TEXT])")
    assert answer.count(b"FLAGS") == 1 and b"\\Seen" in answer
    assert b"\\Seen" in one(wire, "RFC822", 2)
    assert b"\\Seen" in one(wire, "FLAGS")
    assert b"FLAGS" not in one(wire, "BODY[]"), "nothing changed, nothing to tell"
    assert b"\\Seen" not in one(wire, "FLAGS", 3)


def test_examine_never_sets_seen(wire):
    name = new_mailbox(wire, [simple()], select=False)
    wire.ok(f"EXAMINE {name}")
    assert literal(one(wire, "BODY[]"), b"BODY[]")
    assert b"\\Seen" not in one(wire, "FLAGS")


def test_uid_fetch_takes_and_tells_uids(wire):
    name = new_mailbox(wire, [simple(str(i)) for i in range(5)])
    wire.ok(r"STORE 2 +FLAGS.SILENT (\Deleted)")
    wire.ok("EXPUNGE")
    assert fetched(wire.ok("UID FETCH 2:4 FLAGS")).keys() == {2, 3}
    assert fetched(wire.ok("UID FETCH 4 RFC822.SIZE"))[3].startswith(b"UID 4 RFC822.SIZE ")
    assert fetched(wire.ok("UID FETCH 900:* (UID)")) == {4: b"UID 5"}
    assert fetched(wire.ok("UID FETCH 2,77 (UID)")) == {}
    assert fetched(wire.ok("FETCH 4,1:2,2 UID")) == {1: b"UID 1", 2: b"UID 3", 4: b"UID 5"}
    assert name


@pytest.mark.parametrize("arguments", [
    "1", "1 ", "1 NOTHING", "1 (FLAGS", "1 (FLAGS) x", "1 ()", "1 BODY[", "1 BODY[MIME]", "1 BODY[1.]",
    "1 BODY[HEADER.FIELDS]", "1 BODY[HEADER.FIELDS ()]", "1 BODY[]<1>", "1 BODY[]<1.0>", "1 BODY[0]",
    "1 BODY.PEEK", "1 BODY[1.2.3.x]", "x FLAGS", "0 FLAGS", "2 FLAGS", "1:* (ALL)", "1 BINARY[TEXT]",
    "1 BODY[" + ".".join("1" * 500) + "]", "1 (" + " ".join(["BODY[1]"] * 1500) + ")",
])
def test_malformed_fetches_are_bad_and_the_session_goes_on(wire, arguments):
    new_mailbox(wire, [simple()])
    assert b" BAD " in wire.command(f"FETCH {arguments}")[-1][:12]
    assert one(wire, "UID") == b"UID 1"


def test_binary_is_decoded(wire):
    new_mailbox(wire, [NESTED])
    assert literal(one(wire, "BINARY.PEEK[1]"), b"BINARY[1]") == "caf\u00e9".encode()
    assert b"~{4}\r\n\0\1\2\3" in wire.command("FETCH 1 BINARY.PEEK[3]")[0]
    assert one(wire, "BINARY.SIZE[3]") == b"BINARY.SIZE[3] 4"
    strange = simple(Content_Transfer_Encoding="x-unknown")
    new_mailbox(wire, [strange])
    assert b"NO [UNKNOWN-CTE]" in wire.command("FETCH 1 BINARY[1]")[-1]


def test_a_listing_of_many_messages_is_complete_and_in_order(wire):
    count = 1500
    name = new_mailbox(wire, select=False)
    message = simple("Many")
    for _ in range(count):
        append(wire, name, message)
    wire.ok(f"SELECT {name}")
    answers = wire.ok("FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)")
    listed = [a for a in answers if b" FETCH (" in a]
    assert [int(a.split()[1]) for a in listed] == list(range(1, count + 1))
    assert all(b'"Many"' in a for a in listed)


BIG = (b"Subject: big\r\nContent-Type: multipart/mixed; boundary=cut\r\n\r\n--cut\r\n"
       b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n"
       + b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2\r\n" * 45000 + b"--cut--\r\n")


def memory_kib(server):
    status = pathlib.Path(f"/proc/{server.role_pid('mail')}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))


def test_large_parts_come_whole_and_in_any_number(wire):
    new_mailbox(wire, [BIG])
    part = BIG.split(b"base64\r\n\r\n")[1].split(b"\r\n--cut--")[0]
    answer = one(wire, "(BODY.PEEK[1] BINARY.PEEK[1] BODY.PEEK[1.MIME] BODY.PEEK[] BODY.PEEK[1]<1000000.900000>)")
    assert literal(answer, b"BODY[1]") == part
    assert literal(answer, b"BINARY[1]") == b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuv" * 45000
    assert literal(answer, b"BODY[]") == BIG
    assert literal(answer, b"BODY[1]<1000000>") == part[1000000:1900000]


def test_a_client_that_asks_for_much_and_reads_nothing_costs_little_memory(server, wire):
    new_mailbox(wire, [BIG])
    wire.ok("FETCH 1 BODY.PEEK[1.MIME]")
    before = memory_kib(server)
    wire.send("x FETCH 1 (" + " ".join(["BODY.PEEK[1]"] * 40) + " BODY.PEEK[])\r\n")
    time.sleep(1)
    sanitized = "asan" in str(server.binary)  # keeps what was freed
    assert sanitized or memory_kib(server) - before < 5000
    with server.raw_imap() as other:
        other.login().ok("NOOP")
    answers = wire.until("x")
    assert len(answers) == 2 and answers[0].count(b"BODY[1] {") == 40 and answers[0].endswith(b"--cut--\r\n)")


def test_commands_may_be_pipelined(wire):
    new_mailbox(wire, [simple(str(i)) for i in range(3)])
    wire.send("a FETCH 1 UID\r\nb FETCH 2 UID\r\nc NOOP\r\nd UID FETCH 3 UID\r\n")
    assert wire.until("a")[0] == b"* 1 FETCH (UID 1)"
    assert wire.until("b")[0] == b"* 2 FETCH (UID 2)"
    wire.until("c")
    assert wire.until("d")[0] == b"* 3 FETCH (UID 3)"
