# SPDX-License-Identifier: 0BSD
"""AUTHENTICATE CRAM-MD5 on the wire (RFC 2195)."""

import hmac
import imaplib
import re

from harness import sasl


def cram(wire, user, password):
    exchange = sasl.Exchange(wire, "CRAM-MD5")
    assert re.fullmatch(rb"<\d+\.\d+@mail\.example\.org>", exchange.challenge)
    exchange.step(f"{user} {hmac.new(password.encode(), exchange.challenge, 'md5').hexdigest()}")
    return exchange.result


def test_users_log_in_and_wrong_answers_and_unknown_names_have_one_reply(server, config):
    if "SASL_CRAM_MD5" not in config:
        sasl.check_off(server, "CRAM-MD5")
        return
    sasl.check_announced(server, "CRAM-MD5")
    for user, password in (("demo", "wrong"), ("nobody", server.password), ("a/b", "x"), ("demo", "")):
        with sasl.connect(server) as wire:
            assert cram(wire, user, password) == sasl.REFUSED, user
    with sasl.connect(server) as wire:
        assert cram(wire, "Demo", server.password).startswith(b"OK")
        wire.ok("SELECT INBOX")
    client = imaplib.IMAP4("127.0.0.1", server.imap_port, timeout=30)
    client.login_cram_md5("demo", server.password)
    client.logout()


def test_malformed_answers_are_refused_and_the_connection_lives(server, config):
    if "SASL_CRAM_MD5" not in config:
        sasl.check_off(server, "CRAM-MD5")
        return
    for text in ("", " ", "demo", "demo ", " 00", "demo 00", "\0 \0", "x" * 2000, "demo " + "0" * 1000):
        with sasl.connect(server) as wire:
            exchange = sasl.Exchange(wire, "CRAM-MD5")
            exchange.step(text)
            assert exchange.result[:3] in (b"NO ", b"BAD"), text
            wire.ok("NOOP")
    with sasl.connect(server) as wire:
        exchange = sasl.Exchange(wire, "CRAM-MD5", "demo 00")
        assert exchange.result[:3] in (b"NO ", b"BAD")


def test_a_user_without_the_secret_is_an_unknown_one_until_the_password_is_set(server, config):
    stored = b"CRAM-MD5$" in (server.data / "users.cdb").read_bytes()
    assert stored == ("SASL_CRAM_MD5" in config)
    if stored:
        sasl.check_unprepared(server, "CRAM-MD5", cram)
