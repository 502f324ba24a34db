# SPDX-License-Identifier: 0BSD
"""LMTP on the wire (RFC 2033): commands, replies per recipient, and what ends up in the mailbox."""

import email
import re
import smtplib

import pytest

from harness.client import message
from harness.server import Wire


@pytest.fixture
def wire(server):
    with server.raw_lmtp() as w:
        assert w.reply()[0] == 220
        yield w


def transaction(wire, *recipients, data):
    wire.smtp("MAIL FROM:<a@example.org>")
    for recipient in recipients:
        assert wire.smtp(f"RCPT TO:<{recipient}>")[0] == 250
    assert wire.smtp("DATA")[0] == 354
    wire.send(data + ("" if data.endswith("\r\n") else "\r\n") + ".\r\n")
    return [wire.reply() for _ in recipients]


def test_lhlo_lists_the_extensions(wire):
    code, text = wire.smtp("LHLO client.example.org")
    assert code == 250
    words = text.splitlines()[1:]
    assert {"PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"} <= set(words)
    assert any(w.startswith("SIZE ") and int(w.split()[1]) > 1000000 for w in words)


@pytest.mark.parametrize("command", ["HELO client", "EHLO client"])
def test_smtp_greetings_are_refused_with_a_hint(wire, command):
    code, text = wire.smtp(command)
    assert code == 500 and "LHLO" in text


@pytest.mark.parametrize("command, expected", [
    ("NOOP", "250 2"), ("RSET", "250 2"), ("VRFY demo", "252 2"), ("FROBNICATE", "500 5.5.1"),
    ("MAIL TO:<x>", "501 5.5"), ("LHLO", "501 5.5"), ("DATA", "503 5.5.1"),
    ("RCPT TO:<demo>", "503 5.5.1"), ("", "500 5.5"),
])
def test_commands_before_mail(wire, command, expected):
    wire.smtp("LHLO pc")
    code, text = wire.smtp(command)
    assert f"{code} {text}".startswith(expected), (code, text)


@pytest.mark.parametrize("command, expected", [
    ("MAIL FROM:<b@example.org>", "503 5.5.1"), ("RCPT TO:<nobody>", "550 5.1.1"),
    ("RCPT TO:demo", "501 5"), ("RCPT TO:<demo", "501 5"), ("RCPT FROM:<demo>", "501 5"),
    ("RCPT TO:<demo> FOO=BAR", "555 5.5.4"), ("DATA", "503 5.5.1"), ("NOOP x", "250 2"),
    ("VRFY demo", "252 2"), ("BLAH", "500 5.5.1"),
])
def test_commands_after_mail(wire, command, expected):
    wire.smtp("LHLO pc")
    assert wire.smtp("MAIL FROM:<a@example.org>")[0] == 250
    code, text = wire.smtp(command)
    assert f"{code} {text}".startswith(expected), (code, text)


def test_each_recipient_gets_its_own_reply_after_data(server, wire):
    wire.smtp("LHLO pc")
    wire.smtp("MAIL FROM:<a@example.org>")
    assert wire.smtp("RCPT TO:<demo@example.org>")[0] == 250
    assert wire.smtp("RCPT TO:<nobody@example.org>")[0] == 550
    assert wire.smtp("RCPT TO:<other@example.org>")[0] == 250
    assert wire.smtp("DATA")[0] == 354
    wire.send(message("two replies", ident="two-replies") + ".\r\n")
    replies = [wire.reply(), wire.reply()]
    assert [code for code, _ in replies] == [250, 250]
    assert wire.smtp("NOOP")[0] == 250  # and no third reply
    for user in ("demo", "other"):
        assert b"Subject: two replies" in server.newest(user)


def test_trace_fields_stand_in_front(server, wire):
    wire.smtp("LHLO pc.example.org")
    assert transaction(wire, "demo", data=message("traced"))[0][0] == 250
    text = server.newest()
    parsed = email.message_from_bytes(text)
    assert text.startswith(b"Return-Path: <a@example.org>\r\n")
    assert parsed["Delivered-To"] == "demo"
    received = re.sub(r"\s+", " ", parsed["Received"])
    assert re.match(r"from pc\.example\.org \(.*127\.0\.0\.1.*\) by mail\.example\.org .*with LMTP.*;",
                    received), received


def test_a_bounce_has_the_empty_return_path(server, wire):
    wire.smtp("LHLO pc")
    assert wire.smtp("MAIL FROM:<>")[0] == 250
    wire.smtp("RCPT TO:<demo>")
    wire.smtp("DATA")
    wire.send(message("a bounce") + ".\r\n")
    assert wire.reply()[0] == 250
    assert server.newest().startswith(b"Return-Path: <>\r\n")


@pytest.mark.parametrize("body", [
    ".\r\n", "..\r\n", ".dot\r\n", "a\r\n.\r\n..b\r\n", "", "x" * 998 + "\r\n", "no end",
    "\r\n\r\n\r\n", "8bit \xe9\xff\r\n",
])
def test_dots_and_odd_bodies_survive(server, wire, body):
    wire.smtp("LHLO pc")
    wire.smtp("MAIL FROM:<a@example.org> BODY=8BITMIME")
    wire.smtp("RCPT TO:<demo>")
    wire.smtp("DATA")
    ident = f"dots-{hash(body) & 0xffffffff}"
    whole = (message("dots", ident=ident) + "").replace("Hello.\r\n", "") + body
    if not whole.endswith("\r\n"):
        whole += "\r\n"
    wire.send(re.sub(r"(?m)^\.", "..", whole).encode("latin-1") + b".\r\n")
    assert wire.reply()[0] == 250
    assert server.newest().split(b"\r\n\r\n", 1)[1] == whole.split("\r\n\r\n", 1)[1].encode("latin-1")


def test_everything_may_arrive_in_one_packet(server, wire):
    before = server.count("other")
    one = ("LHLO pc\r\n" + "".join(
        f"MAIL FROM:<a@b>\r\nRCPT TO:<other>\r\nDATA\r\n{message(f'pipelined {i}')}.\r\n" for i in range(20))
        + "QUIT\r\n")
    wire.send(one)
    assert wire.reply()[0] == 250
    for _ in range(20):
        assert [wire.reply()[0] for _ in range(4)] == [250, 250, 354, 250]
    assert wire.reply()[0] == 221
    assert wire.line() is None
    assert server.count("other") == before + 20


def test_bytes_may_arrive_one_by_one(server, wire):
    for byte in f"LHLO pc\r\nMAIL FROM:<a@b>\r\nRCPT TO:<demo>\r\nDATA\r\n{message('slow')}.\r\n":
        wire.send(byte)
    assert [wire.reply()[0] for _ in range(5)] == [250, 250, 250, 354, 250]
    assert b"Subject: slow" in server.newest()


def test_a_connection_cut_in_data_delivers_nothing(server):
    before = server.count("demo")
    with server.raw_lmtp() as wire:
        wire.reply()
        wire.smtp("LHLO pc")
        wire.smtp("MAIL FROM:<a@b>")
        wire.smtp("RCPT TO:<demo>")
        wire.smtp("DATA")
        wire.send(message("cut") + "no final dot\r\n")
    with server.raw_lmtp() as wire:  # the server has seen the end of the first by now
        wire.reply()
        wire.smtp("LHLO pc")
        assert transaction(wire, "other", data=message("after the cut"))[0][0] == 250
    assert server.count("demo") == before


def test_a_lone_dot_needs_both_line_ends(server, wire):
    """SMTP smuggling: LF.LF and the like do not end the data."""
    wire.smtp("LHLO pc")
    wire.smtp("MAIL FROM:<a@b>")
    wire.smtp("RCPT TO:<demo>")
    wire.smtp("DATA")
    wire.send("Subject: smuggle\r\n\r\nhere\n.\nMAIL FROM:<evil@b>\r\nstill data\n.\r\nand\r\n.\nhere\r\n.\r\n")
    code, _ = wire.reply()
    assert wire.smtp("NOOP")[0] == 250  # no stray replies
    if code == 250:
        assert b"still data" in server.newest()
    else:
        assert 500 <= code < 600


def test_a_declared_size_over_the_limit_is_refused_at_once(wire):
    _, text = wire.smtp("LHLO pc")
    limit = int(re.search(r"SIZE (\d+)", text).group(1))
    code, text = wire.smtp(f"MAIL FROM:<a@b> SIZE={limit + 1}")
    assert (code, text[:5]) == (552, "5.3.4")
    assert wire.smtp(f"MAIL FROM:<a@b> SIZE={limit}")[0] == 250


def test_rset_forgets_the_transaction(wire):
    wire.smtp("LHLO pc")
    wire.smtp("MAIL FROM:<a@b>")
    wire.smtp("RCPT TO:<demo>")
    assert wire.smtp("RSET")[0] == 250
    assert wire.smtp("DATA")[0] == 503


def test_many_recipients_share_one_stored_body(server, wire):
    wire.smtp("LHLO pc")
    before = stored_bytes(server)
    big = message("shared", "x" * 900 + "\r\n" + ("y" * 76 + "\r\n") * 6000)
    assert [c for c, _ in transaction(wire, *["demo", "other"] * 10, data=big)] == [250] * 20
    grown = stored_bytes(server) - before
    assert grown < 2 * len(big), f"{grown} bytes for {len(big)}"


def stored_bytes(server):
    stat = server.control("stat").stdout
    found = re.search(r"(?m)^(?:store_)?log_bytes (\d+)", stat)
    assert found, stat
    return int(found.group(1))


def test_smtplib_reports_the_refused_recipient(server):
    with server.lmtp() as client:
        refused = client.sendmail("a@b", ["demo", "nobody"], message("by smtplib"))
    assert list(refused) == ["nobody"] and refused["nobody"][0] == 550


def test_all_recipients_refused_means_no_data(server):
    with server.lmtp() as client, pytest.raises(smtplib.SMTPRecipientsRefused):
        client.sendmail("a@b", ["nobody"], message("to nobody"))


def test_the_case_of_a_name_does_not_make_another_account(server, wire):
    wire.smtp("LHLO pc")
    assert transaction(wire, "DeMo@Example.ORG", data=message("in mixed case"))[0][0] == 250
    assert b"Subject: in mixed case" in server.newest()
    client = server.imap("DEMO")
    client.select()
    assert client.search(None, "SUBJECT", '"in mixed case"')[1][0].split()
    client.logout()


def test_only_the_listed_peers_may_deliver(fresh):
    fresh.settings["lmtp_peers"] = "192.0.2.0/24, unix"
    fresh.start(by_log=True)
    with fresh.raw_lmtp() as wire:
        code, said = wire.reply()
        assert code == 421 and "may not deliver" in said
        assert wire.line() is None
    with Wire(fresh.lmtp_socket) as wire:
        assert wire.reply()[0] == 220
    fresh.imap().logout()  # it is for LMTP alone
    fresh.settings["lmtp_peers"] = "127.0.0.0/8"
    fresh.restart()
    fresh.deliver(message("from a listed peer"))


def test_bad_words_of_lmtp_peers_are_told(fresh):
    fresh.settings["lmtp_peers"] = "10.0.0.0/33 host.example ::1"
    fresh.write_conf()
    done = fresh.cli("--check-config", "-c", str(fresh.conf), check=False)
    assert done.returncode and "10.0.0.0/33 in lmtp_peers" in done.stderr and "host.example in" in done.stderr
    assert "::1 in" not in done.stderr
