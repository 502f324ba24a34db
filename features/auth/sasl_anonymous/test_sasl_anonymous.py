# SPDX-License-Identifier: 0BSD
"""AUTHENTICATE ANONYMOUS on the wire (RFC 4505)."""

from harness import sasl


def anonymous(wire, initial=True):
    exchange = sasl.Exchange(wire, "ANONYMOUS", "guest@example.org" if initial else None)
    if not initial:
        exchange.step("guest@example.org")
    return exchange.result


def test_it_lets_in_only_where_the_user_anonymous_was_added(fresh, config):
    fresh.start()
    if "SASL_ANONYMOUS" not in config:
        sasl.check_off(fresh, "ANONYMOUS")
        return
    sasl.check_announced(fresh, "ANONYMOUS")
    with sasl.connect(fresh) as wire:
        assert anonymous(wire) == sasl.REFUSED
    fresh.add_user("anonymous")
    for initial in (True, False):
        with sasl.connect(fresh) as wire:
            assert anonymous(wire, initial).startswith(b"OK")
            wire.ok("SELECT INBOX")


def test_a_long_trace_is_no_trouble(fresh, config):
    fresh.start()
    if "SASL_ANONYMOUS" not in config:
        sasl.check_off(fresh, "ANONYMOUS")
        return
    with sasl.connect(fresh) as wire:
        assert sasl.Exchange(wire, "ANONYMOUS", "x" * 2000).result == sasl.REFUSED
        wire.ok("NOOP")
