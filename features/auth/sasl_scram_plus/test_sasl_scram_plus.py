# SPDX-License-Identifier: 0BSD
"""SCRAM bound to a real TLS connection: by a client written by hand, and by GNU SASL."""

import hashlib
import ssl

import pytest

from harness import sasl
from harness.client import run
from harness.libssl import Client
from harness.tls import TlsServer, TlsWire, make_ca, make_cert

NAMES = {"SCRAM-SHA-1": "SASL_SCRAM_SHA1", "SCRAM-SHA-256": "SASL_SCRAM_SHA256", "SCRAM-SHA-512": "SASL_SCRAM_SHA512"}
VERSIONS = {"TLS_V12": 0x0303, "TLS_V13": 0x0304}
NAME = "SCRAM-SHA-256-PLUS"


@pytest.fixture(scope="module")
def tls(binary, server_folder, config):
    if "TLS" not in config:
        yield None
        return
    server = TlsServer(binary, server_folder)
    make_ca(server.dir)
    make_cert(server.dir, "server")
    server.settings |= {"tls_cert": server.dir / "server.pem", "tls_key": server.dir / "server.key",
                        "login_failure_delay": "0"}
    server.start()
    yield server
    assert server.stop() == 0, server.log()
    server.check_log()


def connect(tls, version):
    wire = TlsWire(Client(tls.imaps_port, version))
    assert wire.line().startswith(b"* OK")
    return wire


def end_point(tls):
    """tls-server-end-point, RFC 5929 4; the certificate is signed with SHA-256."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert((tls.dir / "server.pem").read_text())).digest()


def has(tls, config):
    """True if the forms are there; else what must be true without them has been looked at."""
    if tls and "SASL_SCRAM_PLUS" not in config:
        for version in (v for symbol, v in VERSIONS.items() if symbol in config):
            with connect(tls, version) as wire:
                assert not [word for word in sasl.capability(wire) if b"-PLUS" in word]
                assert b" NO [CANNOT]" in wire.command(f"AUTHENTICATE {NAME}")[-1]
    return tls and "SASL_SCRAM_PLUS" in config and "SASL_SCRAM_SHA256" in config


def attempt(wire, flag, binding, name=NAME, password=TlsServer.password):
    """The whole exchange; its tagged answer."""
    return sasl.scram(wire, name, "demo", password, flag=flag, binding=binding)[0].result


def test_each_mechanism_has_its_form_over_tls_and_none_without(tls, config):
    if not has(tls, config):
        return
    with sasl.connect(tls) as plain:
        assert not [word for word in sasl.capability(plain) if b"-PLUS" in word]
        assert plain.command(f"AUTHENTICATE {NAME}")[-1][3:].startswith(b"NO")
    for symbol, version in VERSIONS.items():
        if symbol not in config:
            continue
        for name, mechanism in NAMES.items():
            with connect(tls, version) as wire:
                announced = f"AUTH={name}-PLUS".encode() in sasl.capability(wire)
                assert announced == (mechanism in config)
        # Its user got a secret for each form when the password was set.
        for name in (n for n, mechanism in NAMES.items() if mechanism in config):
            with connect(tls, version) as wire:
                assert attempt(wire, "p=tls-server-end-point", end_point(tls), f"{name}-PLUS").startswith(b"OK")
                wire.ok("SELECT INBOX")


def test_the_exporter_of_tls_1_3_binds(tls, config):
    if not has(tls, config) or "TLS_V13" not in config:
        return
    with connect(tls, VERSIONS["TLS_V13"]) as wire:
        assert attempt(wire, "p=tls-exporter", wire.socket.exporter()).startswith(b"OK")
        wire.ok("SELECT INBOX")
    tls.wait_log(f"mech={NAME}")


def test_a_binding_of_another_connection_or_of_none_is_refused(tls, config):
    if not has(tls, config) or "TLS_V13" not in config:
        return
    # What each wrong one says, from the exporters of its own connection and of another.
    wrong = (("p=tls-exporter", lambda mine, theirs: theirs), ("p=tls-exporter", lambda mine, theirs: b""),
             ("p=tls-exporter", lambda mine, theirs: mine[:31]), ("p=tls-exporter", lambda mine, theirs: mine + b"x"),
             ("p=tls-exporter", lambda mine, theirs: end_point(tls)),
             ("p=tls-server-end-point", lambda mine, theirs: mine), ("p=tls-unique", lambda mine, theirs: mine),
             ("n", lambda mine, theirs: b""), ("y", lambda mine, theirs: b""))
    with connect(tls, VERSIONS["TLS_V13"]) as other:
        for flag, binding in wrong:
            with connect(tls, VERSIONS["TLS_V13"]) as wire:
                mine, theirs = wire.socket.exporter(), other.socket.exporter()
                assert mine != theirs
                assert not attempt(wire, flag, binding(mine, theirs)).startswith(b"OK"), flag
                assert attempt(wire, "p=tls-exporter", mine, password="wrong") == sasl.REFUSED
                assert attempt(wire, "p=tls-exporter", mine).startswith(b"OK")


def test_tls_1_2_has_no_exporter(tls, config):
    """RFC 9266 2: before 1.3 it is safe under conditions that are not looked at here."""
    if not has(tls, config) or "TLS_V12" not in config:
        return
    with connect(tls, VERSIONS["TLS_V12"]) as wire:
        assert not attempt(wire, "p=tls-exporter", wire.socket.exporter()).startswith(b"OK")
        assert not attempt(wire, "p=tls-server-end-point", b"\0" * 32).startswith(b"OK")
        assert attempt(wire, "p=tls-server-end-point", end_point(tls)).startswith(b"OK")


def test_a_client_from_whom_the_forms_were_hidden_is_refused(tls, config):
    """RFC 5802 6: `y' says that it could bind and was not offered it."""
    if not has(tls, config):
        return
    for version in (v for symbol, v in VERSIONS.items() if symbol in config):
        with connect(tls, version) as wire:
            assert not attempt(wire, "y", b"", "SCRAM-SHA-256").startswith(b"OK")
            assert not attempt(wire, "p=tls-server-end-point", end_point(tls), "SCRAM-SHA-256").startswith(b"OK")
            assert attempt(wire, "n", b"", "SCRAM-SHA-256").startswith(b"OK")


def test_a_proof_that_somebody_between_carries_over_is_worth_nothing(tls, config):
    """The client's messages, bound to its connection with the one between, come on another connection."""
    if not has(tls, config) or "TLS_V13" not in config:
        return
    with connect(tls, VERSIONS["TLS_V13"]) as clients, connect(tls, VERSIONS["TLS_V13"]) as between:
        honest = sasl.Scram(NAME, "demo", tls.password, flag="p=tls-exporter", binding=clients.socket.exporter())
        exchange = sasl.Exchange(between, NAME, honest.first())
        exchange.step(honest.final(exchange.challenge))
        assert not exchange.ok()


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"])
def test_gnu_sasl_logs_in(tls, config, mechanism):
    """With TLS 1.2 it knows only tls-unique, which is not there."""
    if not has(tls, config) or NAMES[mechanism.removesuffix("-PLUS")] not in config or "TLS_V13" not in config:
        return
    done = run("gsasl", "--imap", "--connect", f"localhost:{tls.imap_port}", "--starttls", "--x509-ca-file",
               tls.dir / "ca.pem", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.3", "--mechanism", mechanism,
               "--authentication-id", "demo", "--password", tls.password, "--no-client-first", stdin="")
    assert "client authentication finished" in (done.stdout + done.stderr).lower(), done
    tls.wait_log(f"mech={mechanism}")
