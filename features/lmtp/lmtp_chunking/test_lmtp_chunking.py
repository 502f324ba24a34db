# SPDX-License-Identifier: 0BSD
"""CHUNKING (RFC 3030), compiled in and not: counted chunks, one reply each, and one per recipient at the end."""

import pytest

from harness.client import message


@pytest.fixture
def wire(server, config):
    with server.raw_lmtp() as w:
        assert w.reply()[0] == 220
        w.lhlo = w.smtp("LHLO pc")[1].splitlines()
        w.on = "LMTP_CHUNKING" in config
        yield w


def begin(wire, *to):
    assert wire.smtp("MAIL FROM:<a@example.org>")[0] == 250
    for address in to or ("demo",):
        assert wire.smtp(f"RCPT TO:<{address}>")[0] == 250


def bdat(wire, data, last=False):
    data = data.encode() if isinstance(data, str) else data
    wire.send(b"BDAT %d%s\r\n" % (len(data), b" LAST" if last else b"") + data)


def test_it_is_offered_if_compiled_in_and_only_then(wire):
    assert ("CHUNKING" in wire.lhlo) == wire.on
    if not wire.on:
        begin(wire)
        assert wire.smtp("BDAT 0 LAST")[0] == 500


def test_chunks_make_one_message_and_each_recipient_gets_a_reply(server, wire):
    if not wire.on:
        return
    text = message("in chunks", "\r\n.\r\n..two dots\r\nend\r\n")
    begin(wire, "demo", "other")
    for i in range(0, len(text), 50):
        bdat(wire, text[i:i + 50])
        assert wire.reply()[0] == 250
    wire.send("BDAT 0 LAST\r\n")
    assert [wire.reply()[1] for _ in range(2)] == ["2.1.5 <demo> stored", "2.1.5 <other> stored"]
    assert wire.smtp("NOOP")[0] == 250
    for user in ("demo", "other"):
        assert server.newest(user).endswith(text.split("\r\n\r\n", 1)[1].encode())


def test_all_may_come_in_one_packet_and_again_after_it(server, wire):
    if not wire.on:
        return
    before = server.count()
    one = b""
    for i in range(3):
        text = message(f"pipelined {i}", "a\r\nBDAT 5 LAST\r\nQUIT\r\n").encode()
        one += b"MAIL FROM:<a@b>\r\nRCPT TO:<demo>\r\nBDAT 10\r\n" + text[:10]
        one += b"BDAT %d LAST\r\n" % len(text[10:]) + text[10:]
    wire.send(one + b"QUIT\r\n")
    for _ in range(3):
        assert [wire.reply()[0] for _ in range(4)] == [250] * 4
    assert wire.reply()[0] == 221
    assert server.count() == before + 3


def test_text_is_kept_as_it_is_but_for_bare_line_feeds(server, wire):
    if not wire.on:
        return
    head = message("raw").split("\r\n\r\n")[0].encode() + b"\r\n\r\n"
    begin(wire)
    bdat(wire, head + b"a\nb\r")
    assert wire.reply()[0] == 250
    bdat(wire, b"\n.\r\n8bit \xe9\r\nno end", last=True)
    assert wire.reply()[0] == 250
    assert server.newest().endswith(b"a\r\nb\r\n.\r\n8bit \xe9\r\nno end")


def test_a_chunk_without_recipient_is_swallowed_and_refused_once(server, wire):
    if not wire.on:
        return
    before = server.count()
    wire.smtp("MAIL FROM:<a@b>")
    assert wire.smtp("RCPT TO:<nobody>")[0] == 550
    bdat(wire, "RSET\r\n" * 1000, last=True)
    assert wire.reply() == (503, "5.5.1 No valid recipients")
    assert wire.smtp("RSET")[0] == 250
    bdat(wire, "QUIT\r\n")
    assert wire.reply() == (503, "5.5.1 Say MAIL first")
    assert wire.smtp("NOOP")[0] == 250
    assert server.count() == before


def test_rcpt_and_data_are_refused_after_a_chunk_and_rset_forgets_it(server, wire):
    if not wire.on:
        return
    before = server.count()
    begin(wire)
    bdat(wire, message("forgotten"))
    assert wire.reply()[0] == 250
    assert wire.smtp("RCPT TO:<other>")[0] == 503
    assert wire.smtp("DATA")[0] == 503
    assert wire.smtp("MAIL FROM:<x@y>")[0] == 503
    assert wire.smtp("RSET")[0] == 250
    assert server.count() == before
    begin(wire)
    bdat(wire, message("after it"), last=True)
    assert wire.reply()[0] == 250
    assert b"Subject: after it" in server.newest()


@pytest.mark.parametrize("words", ("", "x", "-1", "5 FIRST", "99999999999999999999999", "5 LAST x"))
def test_a_size_that_cannot_be_read_ends_the_connection(server, wire, words):
    if not wire.on:
        return
    before = server.count()
    begin(wire)
    wire.send(f"BDAT {words}\r\nMAIL FROM:<a@b>\r\n")
    assert wire.reply()[0] == 501
    assert wire.reply()[0] == 421
    assert wire.line() is None
    assert server.count() == before


def test_before_the_first_mail_it_ends_the_connection(wire):
    if not wire.on:
        return
    wire.send("BDAT 6\r\nQUIT\r\n")
    assert [wire.reply()[0] for _ in range(2)] == [503, 421]
    assert wire.line() is None


def test_nul_and_what_is_too_large_are_refused_at_the_end(server, wire, config):
    if not wire.on:
        return
    before = server.count()
    begin(wire, "demo", "other")
    bdat(wire, b"Subject: nul\r\n\r\n\0")
    assert wire.reply()[0] == 250
    bdat(wire, b"\r\n", last=True)
    assert [wire.reply()[1][:5] for _ in range(2)] == ["5.6.0"] * 2
    most = int(config["MESSAGE_MAX_MB"]) << 20
    begin(wire)
    piece = b"x" * 65534 + b"\r\n"
    for _ in range(most // len(piece) + 1):
        bdat(wire, piece)
        assert wire.reply()[0] == 250
    bdat(wire, b"", last=True)
    assert wire.reply() == (552, "5.3.4 Message is too large")
    assert server.count() == before


def test_a_peer_that_vanishes_in_a_chunk_leaves_nothing(server, wire):
    if not wire.on:
        return
    before = server.count()
    text = message("half").encode()
    for cut in (0, 1, len(text) // 2, len(text) - 1):
        with server.raw_lmtp() as w:
            w.reply()
            w.smtp("LHLO pc")
            begin(w)
            w.send(b"BDAT %d LAST\r\n" % len(text) + text[:cut])
    assert wire.smtp("NOOP")[0] == 250
    assert server.count() == before


def test_a_large_message_comes_whole_and_other_sizes_of_chunks_make_no_difference(server, wire):
    """Large enough for a file of its own, which is synced before the replies."""
    if not wire.on:
        return
    text = message("large", "".join(f"{i:070}\r\n" for i in range(40000))).encode()
    for size in (300001, 65536, len(text)):
        begin(wire, "demo", "other")
        for at in range(0, len(text), size):
            bdat(wire, text[at:at + size], last=at + size >= len(text))
            if at + size < len(text):
                assert wire.reply()[0] == 250
        replies = [wire.reply() for _ in range(2)]
        assert [code for code, _ in replies] == [250, 250]
    for user in ("demo", "other"):
        assert server.newest(user).endswith(text.split(b"\r\n\r\n", 1)[1])


def test_a_conversation_that_is_cut_anywhere_delivers_all_of_a_message_or_nothing(server, wire):
    if not wire.on:
        return
    text = b"Subject: cut anywhere\r\n\r\nbody\r\n"
    talk = b"LHLO pc\r\nMAIL FROM:<a@b>\r\nRCPT TO:<other>\r\nBDAT 9\r\n" + text[:9] + \
        b"BDAT %d LAST\r\n" % len(text[9:]) + text[9:]
    before = server.count("other")
    for cut in range(len(talk)):
        with server.raw_lmtp() as w:
            w.send(talk[:cut])
    assert server.count("other") == before
    for cut in range(0, len(talk), 7):
        with server.raw_lmtp() as w:
            assert w.reply()[0] == 220
            w.send(talk[:cut])
            w.send(talk[cut:])
            assert [w.reply()[0] for _ in range(5)] == [250] * 5
    assert server.newest("other").endswith(b"Subject: cut anywhere\r\n\r\nbody\r\n")
