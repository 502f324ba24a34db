# SPDX-License-Identifier: 0BSD
"""AUTHENTICATE PLAIN on the wire (RFC 4616, RFC 4959)."""

import base64

import pytest


def message(authcid, password, authzid=""):
    return base64.b64encode(f"{authzid}\0{authcid}\0{password}".encode()).decode()


@pytest.fixture
def stranger(server):
    with server.raw_imap() as wire:
        assert wire.line().startswith(b"* OK")
        yield wire


def capability(wire):
    return b" ".join(wire.ok("CAPABILITY")).split()


def test_plain_is_announced_if_compiled_in_and_only_then(stranger, config):
    assert (b"AUTH=PLAIN" in capability(stranger)) == ("SASL_PLAIN" in config)


def test_plain_is_not_announced_after_login(stranger):
    stranger.ok(f"AUTHENTICATE PLAIN {message('demo', 'demo secret')}")
    assert b"AUTH=PLAIN" not in capability(stranger)


def test_the_initial_response_may_come_with_the_command_or_after_it(server):
    with server.raw_imap() as wire:
        wire.line()
        wire.ok(f"AUTHENTICATE PLAIN {message('demo', server.password)}")
    with server.raw_imap() as wire:
        wire.line()
        wire.send("a AUTHENTICATE PLAIN\r\n")
        assert wire.line().rstrip() == b"+"
        wire.send(message("Demo", server.password) + "\r\n")
        assert wire.until("a")[-1].startswith(b"a OK")


@pytest.mark.parametrize("name, password", [("demo", "wrong"), ("nobody", "demo secret"), ("", "x"),
                                            ("demo", ""), ("a/b", "demo secret")])
def test_wrong_passwords_and_unknown_names_have_one_answer(stranger, name, password):
    said = stranger.command(f"AUTHENTICATE PLAIN {message(name, password)}")[-1]
    assert said.split(b" ", 1)[1] == b"NO [AUTHENTICATIONFAILED] Wrong name or password"
    stranger.ok(f"AUTHENTICATE PLAIN {message('demo', 'demo secret')}")


def test_nobody_logs_in_as_somebody_else(stranger):
    said = stranger.command(f"AUTHENTICATE PLAIN {message('demo', 'demo secret', 'other')}")[-1]
    assert b" NO " in said
    stranger.ok(f"AUTHENTICATE PLAIN {message('demo', 'demo secret', 'demo')}")


@pytest.mark.parametrize("text", ["=", "AAAA", "####", "AA", base64.b64encode(b"demo").decode(),
                                  base64.b64encode(b"\0demo\0demo secret\0").decode()])
def test_a_malformed_message_is_refused_and_the_connection_lives(stranger, text):
    said = stranger.command(f"AUTHENTICATE PLAIN {text}")[-1]
    assert b" NO " in said[:8] or b" BAD " in said[:9], said
    stranger.ok("NOOP")


def test_the_client_may_cancel(stranger):
    stranger.send("a AUTHENTICATE PLAIN\r\n")
    assert stranger.line().rstrip() == b"+"
    stranger.send("*\r\n")
    assert stranger.until("a")[-1].startswith(b"a BAD")  # RFC 9051 6.2.2
    stranger.ok(f"AUTHENTICATE PLAIN {message('demo', 'demo secret')}")


@pytest.mark.parametrize("initial", (True, False))
@pytest.mark.parametrize("length, answer", ((5000, b"a NO "), (20000, b"a BAD "), (200000, b"a BAD ")))
def test_an_overlong_response_is_refused(server, initial, length, answer):
    with server.raw_imap() as wire:
        wire.line()
        if initial:
            wire.send(f"a AUTHENTICATE PLAIN {'A' * length}\r\n")
        else:
            wire.send("a AUTHENTICATE PLAIN\r\n")
            assert wire.line().rstrip() == b"+"
            wire.send("A" * length + "\r\n")
        assert wire.line().startswith(answer)
