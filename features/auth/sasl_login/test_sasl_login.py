# SPDX-License-Identifier: 0BSD
"""AUTHENTICATE LOGIN on the wire."""

from harness import sasl


def login(wire, user, password, initial=False):
    exchange = sasl.Exchange(wire, "LOGIN", user if initial else None)
    if not initial:
        assert exchange.challenge == b"Username:"
        exchange.step(user)
    assert exchange.challenge == b"Password:"
    exchange.step(password)
    return exchange.result


def test_name_and_password_are_asked_for_one_after_the_other(server, config):
    if "SASL_LOGIN" not in config:
        sasl.check_off(server, "LOGIN")
        return
    sasl.check_announced(server, "LOGIN")
    for initial in (False, True):
        with sasl.connect(server) as wire:
            assert login(wire, "Demo", server.password, initial).startswith(b"OK")
            wire.ok("SELECT INBOX")


def test_wrong_passwords_and_unknown_names_have_one_answer(server, config):
    if "SASL_LOGIN" not in config:
        sasl.check_off(server, "LOGIN")
        return
    for user, password in (("demo", "wrong"), ("nobody", server.password), ("a/b", "x"), ("demo", "")):
        with sasl.connect(server) as wire:
            assert login(wire, user, password) == sasl.REFUSED, user
    with sasl.connect(server) as wire:
        assert login(wire, "demo", server.password).startswith(b"OK")


def test_overlong_answers_are_refused_and_the_connection_lives(server, config):
    if "SASL_LOGIN" not in config:
        sasl.check_off(server, "LOGIN")
        return
    with sasl.connect(server) as wire:
        exchange = sasl.Exchange(wire, "LOGIN")
        exchange.step("u" * 1025)
        assert exchange.result.startswith(b"NO ")
        assert login(wire, "demo", "p" * 1025).startswith(b"NO ")
        wire.ok("NOOP")
