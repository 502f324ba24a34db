# SPDX-License-Identifier: 0BSD
"""SMTPUTF8 (RFC 6531), compiled in and not: addresses beyond ASCII."""

import re

import pytest

from harness.client import message, run


@pytest.fixture
def there(fresh, config):
    fresh.add_user("jürgen@bücher.example")
    fresh.start()
    fresh.on = "LMTP_SMTPUTF8" in config
    return fresh


def talk(server):
    wire = server.raw_lmtp()
    wire.reply()
    wire.lhlo = wire.smtp("LHLO pc")[1].splitlines()
    return wire


def test_it_is_offered_if_compiled_in_and_only_then(there):
    with talk(there) as wire:
        assert ("SMTPUTF8" in wire.lhlo) == there.on
        code, said = wire.smtp("MAIL FROM:<a@example.org> SMTPUTF8")
        assert (code, said[:5]) == ((250, "2.1.0") if there.on else (555, "5.5.4"))


def test_sender_and_recipient_in_utf_8_are_taken_and_shown(there):
    if not there.on:
        return
    with talk(there) as wire:
        assert wire.smtp("MAIL FROM:<用户@例え.example> SMTPUTF8")[0] == 250
        assert wire.smtp("RCPT TO:<jürgen@bücher.example>")[0] == 250
        assert wire.smtp("RCPT TO:<JÜRGEN@bücher.example>")[0] == 550
        assert wire.smtp("DATA")[0] == 354
        wire.send(message("internationalised") + ".\r\n")
        assert wire.reply() == (250, "2.1.5 <jürgen@bücher.example> stored")
    with there.raw_imap() as imap:
        imap.line()
        imap.send('a LOGIN {%d+}\r\njürgen@bücher.example {%d+}\r\n%s\r\n' % (
            len("jürgen@bücher.example".encode()), len(there.password), there.password))
        assert b"a OK" in imap.until("a")[-1]
        imap.ok("SELECT INBOX")
        text = b"".join(imap.ok("FETCH 1 BODY[HEADER]")).decode()
    assert text.index("Return-Path: <用户@例え.example>\r\nDelivered-To: jürgen@bücher.example\r\n")
    assert re.search(r"with UTF8LMTP id", text)


@pytest.mark.parametrize("command", ("MAIL FROM:<ü@example.org>", "MAIL FROM:<u@exämple.org> SIZE=100"))
def test_without_the_parameter_such_a_sender_is_refused(there, command):
    with talk(there) as wire:
        assert wire.smtp(command) == (553, "5.6.7 Such an address needs SMTPUTF8")


def test_without_the_parameter_such_a_recipient_is_refused_and_others_are_not(there):
    with talk(there) as wire:
        assert wire.smtp("MAIL FROM:<a@example.org>")[0] == 250
        assert wire.smtp("RCPT TO:<jürgen@bücher.example>")[0] == 553
        assert wire.smtp("RCPT TO:<demo>")[0] == 250


@pytest.mark.parametrize("address", (b"\xff@example.org", b"a@\xc3.example", b"\xed\xa0\x80@example.org",
                                     b'"\xc0\x80"@example.org', b"\xe4\xb8@x"))
def test_what_is_not_utf_8_is_no_address(there, address):
    with talk(there) as wire:
        wire.send(b"MAIL FROM:<" + address + b"> SMTPUTF8\r\n")
        assert wire.reply()[0] == 501


def test_the_parameter_takes_no_value_and_holds_for_one_message(there):
    if not there.on:
        return
    with talk(there) as wire:
        assert wire.smtp("MAIL FROM:<a@example.org> SMTPUTF8=yes")[0] == 501
        assert wire.smtp("MAIL FROM:<a@example.org> SMTPUTF8")[0] == 250
        assert wire.smtp("RSET")[0] == 250
        assert wire.smtp("MAIL FROM:<ü@example.org>")[0] == 553


def test_python_sends_to_such_an_address(there):
    """smtplib says SMTPUTF8 by itself."""
    if not there.on:
        return
    text = message("from smtplib").encode()
    with there.lmtp() as client:
        client.ehlo_or_helo_if_needed()
        assert not client.sendmail("ü@example.org", ["jürgen@bücher.example"], text, mail_options=["SMTPUTF8"])


def test_swaks_is_refused_without_the_parameter(there):
    done = run("swaks", "--protocol", "LMTP", "--server", f"127.0.0.1:{there.lmtp_port}", "--from",
               "ü@example.org", "--to", "demo", check=False)
    assert "553 5.6.7" in done.stdout, done.stdout
