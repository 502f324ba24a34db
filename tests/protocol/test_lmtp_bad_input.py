# SPDX-License-Identifier: 0BSD
"""Deliveries that are broken: each is answered as its RFC says, and nothing is delivered by halves."""

import pytest

from harness.client import message


@pytest.fixture
def wire(server):
    with server.raw_lmtp() as w:
        assert w.reply()[0] == 220
        assert w.smtp("LHLO pc")[0] == 250
        yield w


def begin(wire, *recipients):
    wire.smtp("MAIL FROM:<a@example.org>")
    for recipient in recipients:
        assert wire.smtp(f"RCPT TO:<{recipient}>")[0] == 250
    assert wire.smtp("DATA")[0] == 354


def deliver(wire, text, *recipients):
    """Sends text as DATA (it holds no lines with dots); the replies, one for each recipient."""
    recipients = recipients or ("other",)
    begin(wire, *recipients)
    wire.send(text + b".\r\n")
    return [wire.reply() for _ in recipients]


@pytest.mark.parametrize("length", [999, 1000, 65536, 1000000])
def test_lines_over_998_octets_are_kept_as_they_came(server, wire, length):
    text = b"Subject: long\r\nX-Long: " + b"h" * length + b"\r\n\r\n" + b"b" * length + b"\r\nend\r\n"
    assert deliver(wire, text)[0][0] == 250
    assert server.newest("other").endswith(text)


def test_nul_is_refused_for_every_recipient_and_the_session_goes_on(server, wire):
    before = server.count("other")
    for text in (b"\0", b"Subject: a\0b\r\n\r\nx", b"Subject: x\r\n\r\nbody\0", b"Subject: x\r\n\0\r\n\r\nx"):
        replies = deliver(wire, text + b"\r\n", "other", "demo", "other")
        assert [(code, why[:5]) for code, why in replies] == [(554, "5.6.0")] * 3
    assert server.count("other") == before
    assert deliver(wire, b"Subject: after NUL\r\n\r\n")[0][0] == 250
    assert server.newest("other").endswith(b"Subject: after NUL\r\n\r\n")


@pytest.mark.parametrize("text", [
    b"", b"\r\n", b"\r\n\r\n", b"no header at all\r\n", b"\r\nonly a body\r\n", b": no name\r\n\r\nx\r\n",
    b" continues nothing\r\n\r\nx\r\n", b"Subject\r\n\r\nno colon\r\n", b"Subject: no end of the header\r\n",
    b"From: \xff\xfe\xc3(\r\nSubject: \xe9\xed\xa0\x80 \xf8\r\n\r\n\xff\xc0\x80\r\n",
    b"Content-Type: multipart/mixed\r\n\r\n--\r\n", b"Date: never\r\nTo: <<>>,;:,@\r\nFrom: \"\r\n\r\nx\r\n",
])
def test_mail_without_a_proper_header_is_taken_and_can_be_listed(server, wire, text):
    assert deliver(wire, text)[0][0] == 250
    assert server.newest("other").endswith(text)
    wanted = "(ENVELOPE BODYSTRUCTURE RFC822.SIZE)"
    client = server.imap("other")
    client.select(readonly=True)
    ok, listed = client.fetch("*", wanted)  # imaplib reads literals; a broken line would stop it here
    client.logout()
    whole = b"".join(b"".join(p) if isinstance(p, tuple) else p for p in listed)
    assert ok == "OK" and all(word.encode() in whole for word in wanted.strip("()").split())


def test_ten_thousand_fields_are_one_message(server, wire):
    fields = b"".join(b"X-Field-%d: value %d\r\n" % (i, i) for i in range(10000))
    text = fields + b"Subject: behind them all\r\n\r\nbody\r\n"
    assert deliver(wire, text)[0][0] == 250
    assert server.newest("other").endswith(text)
    assert server.newest("other", items="(BODY.PEEK[HEADER.FIELDS (X-Field-9999 SUBJECT)])") == \
        b"X-Field-9999: value 9999\r\nSubject: behind them all\r\n\r\n"


def test_more_than_the_largest_message_is_refused_for_every_recipient(server, wire, config):
    before = server.count("other")
    size = max(100, int(config["MESSAGE_MAX_MB"]) + 1) << 20
    piece = (b"x" * 78 + b"\r\n") * 8192
    begin(wire, "other", "demo")
    for _ in range(size // len(piece) + 1):
        wire.send(piece)
    wire.send(b".\r\n")
    assert [wire.reply() for _ in range(2)] == [(552, "5.3.4 Message is too large")] * 2
    assert server.count("other") == before
    assert deliver(wire, b"Subject: after too much\r\n\r\n")[0][0] == 250


@pytest.mark.parametrize("address", [
    b"", b"<", b">", b"<a@b", b"a@b>", b"<<a@b>>", b"<a@b>>", b"<a b@c>", b"<a@b c>", b"<@>", b"<@b>",
    b"<\"a@b>", b"<a@>", b"<a@@b>", b"<a\x01b@c>", b"<a\x7f@c>", b"<a@b>x", b"<@a,@b>", b"<a@[1.2.3>",
    b"<" + b"a" * 70000 + b"@b>", b"<\xff@b>", b"<\xc3(@b>", b"<\xed\xa0\x80@b>", b"<a@\xc0\x80>",
])
def test_a_malformed_recipient_is_refused_for_good_and_alone(server, wire, address):
    wire.smtp("MAIL FROM:<a@example.org>")
    assert wire.smtp("RCPT TO:<other>")[0] == 250
    wire.send(b"RCPT TO:" + address + b"\r\n")
    code, why = wire.reply()
    assert 500 <= code < 560 and why.startswith("5."), (code, why)
    assert wire.smtp("DATA")[0] == 354
    wire.send(message("beside a malformed one") + ".\r\n")
    assert wire.reply()[0] == 250
    assert wire.smtp("NOOP")[0] == 250
    assert b"Subject: beside a malformed one" in server.newest("other")


def test_recipients_by_the_thousand_each_get_their_reply(server, wire, config):
    before = server.count("other")
    wire.smtp("MAIL FROM:<a@example.org>")
    wire.send("RCPT TO:<other>\r\nRCPT TO:<nobody>\r\n" * 2500)
    replies = [wire.reply() for _ in range(5000)]
    taken = [code for code, _ in replies].count(250)
    assert taken >= 100  # RFC 5321 4.5.3.1.8
    assert {(code, why[:5]) for code, why in replies} <= {(250, "2.1.5"), (550, "5.1.1"), (452, "4.5.3")}
    assert wire.smtp("DATA")[0] == 354
    wire.send(message("to thousands") + ".\r\n")
    assert {wire.reply()[0] for _ in range(taken)} == {250}
    assert wire.smtp("NOOP")[0] == 250  # and not one reply more
    assert server.count("other") == before + (1 if "DEDUP" in config else taken)


def talk(number):
    """A delivery from its first byte to its last, of a message that no other is like."""
    return (b"LHLO pc\r\nMAIL FROM:<a@b>\r\nRCPT TO:<other>\r\nDATA\r\n"
            b"Subject: stalled %03d\r\n\r\n..b\r\n.\r\n" % number)


LENGTH = len(talk(0))


def test_a_peer_that_vanishes_at_any_byte_leaves_nothing(server, wire):
    before = server.count("other")
    for cut in range(LENGTH):
        with server.raw_lmtp() as w:
            w.send(talk(cut)[:cut])
    assert deliver(wire, b"Subject: after those\r\n\r\n")[0][0] == 250
    assert server.count("other") == before + 1


def test_peers_that_stall_at_any_byte_hold_nobody_up_and_may_go_on(server, wire):
    before, rounds = server.count("other"), range(0, LENGTH, 16)
    for first in rounds:
        stalled = [(server.raw_lmtp(), cut) for cut in range(first, min(first + 16, LENGTH))]
        for w, cut in stalled:
            assert w.reply()[0] == 220
            w.send(talk(cut)[:cut])
        text = b"Subject: past those at byte %d\r\n\r\n" % first
        assert deliver(wire, text)[0][0] == 250
        assert server.newest("other").endswith(text)
        for w, cut in stalled:
            w.send(talk(cut)[cut:])
            assert [w.reply()[0] for _ in range(5)] == [250, 250, 250, 354, 250]
            w.close()
    assert server.count("other") == before + LENGTH + len(rounds)
    assert server.newest("other").endswith(b"Subject: stalled %03d\r\n\r\n.b\r\n" % (LENGTH - 1))
