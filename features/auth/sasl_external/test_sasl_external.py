# SPDX-License-Identifier: 0BSD
"""Logging in by a client certificate over real TLS: who may, who may not, and after a resumption."""

import base64
import imaplib
import ssl
import subprocess

import pytest

from harness import sasl
from harness.client import run
from harness.tls import TlsServer, TlsWire, make_ca, make_cert


@pytest.fixture(scope="module")
def tls(binary, server_folder, config):
    """None where the build has no client certificates."""
    if "TLS_CLIENT_CERT" not in config:
        yield None
        return
    server = TlsServer(binary, server_folder, users=("demo", "other", "anna@example.org"))
    make_ca(server.dir)
    make_ca(server.dir, "strange")
    make_cert(server.dir, "server")
    make_cert(server.dir, "person", subject="/CN=Demo", san=None)
    make_cert(server.dir, "anna", subject="/CN=demo", san="email:anna@example.org")
    make_cert(server.dir, "nobody", subject="/CN=nobody", san=None)
    make_cert(server.dir, "host", subject="/CN=demo", san=None, usage="serverAuth")
    make_cert(server.dir, "stranger", ca="strange", subject="/CN=demo", san=None)
    server.settings |= {"tls_cert": server.dir / "server.pem", "tls_key": server.dir / "server.key",
                        "tls_client_ca": server.dir / "ca.pem", "login_failure_delay": "0"}
    server.start()
    yield server
    assert server.stop() == 0, server.log()
    server.check_log()


def external(client, authzid=b""):
    return client.authenticate("EXTERNAL", lambda _: authzid)


def versions(config):
    return [v for v, symbol in ((ssl.TLSVersion.TLSv1_2, "TLS_V12"), (ssl.TLSVersion.TLSv1_3, "TLS_V13"))
            if symbol in config]


def has(tls, config):
    """True if the mechanism is there; else what must be true without it has been looked at."""
    if not tls:
        return False
    if "SASL_EXTERNAL" not in config:
        sasl.check_off(tls, "EXTERNAL")
        client = tls.imaps(tls.context(client="person"), login=False)
        assert "AUTH=EXTERNAL" not in client.capabilities
        with pytest.raises(imaplib.IMAP4.error):
            external(client)
        client.logout()
    return "SASL_EXTERNAL" in config


def test_the_certificate_is_enough_with_both_versions_of_tls(tls, config):
    if not has(tls, config):
        return
    for version in versions(config):
        client = tls.imaps(tls.context(version=version, client="person"), login=False)
        assert "AUTH=EXTERNAL" in client.capabilities
        assert external(client)[0] == "OK" and client.select()[0] == "OK"
        client.logout()
    assert "mech=EXTERNAL" in tls.log() and "user=demo" in tls.log()


def test_it_is_the_same_person_after_a_resumption_or_there_is_none(tls, config):
    if not has(tls, config):
        return
    for version in versions(config):
        context = tls.context(version=version, client="person")
        session = None
        for _ in range(3):
            wire = sasl_wire(tls, context, session)
            assert sasl.Exchange(wire, "EXTERNAL", "").ok(), version
            wire.ok("NOOP")
            session = wire.socket.session
            wire.close()


def sasl_wire(tls, context, session=None):
    wire = TlsWire(tls.connect(context, session=session))
    assert wire.line().startswith(b"* OK")
    return wire


def test_an_address_in_the_certificate_goes_before_its_common_name(tls, config):
    if not has(tls, config):
        return
    client = tls.imaps(tls.context(client="anna"), login=False)
    assert external(client, b"anna@example.org")[0] == "OK"
    client.logout()


@pytest.mark.parametrize("who", [None, "stranger", "host"])
def test_who_shows_none_that_is_believed_is_not_offered_it(tls, config, who):
    """host: signed by the authority, but for servers only (RFC 5280 4.2.1.12)"""
    if not has(tls, config):
        return
    for version in versions(config):
        client = tls.imaps(tls.context(version=version, client=who), login=False)
        assert "AUTH=EXTERNAL" not in client.capabilities
        with pytest.raises(imaplib.IMAP4.error):
            external(client)
        with pytest.raises(imaplib.IMAP4.error):
            external(client, b"demo")
        client.login("demo", tls.password)
        client.logout()


def test_a_certificate_of_nobody_and_a_name_of_somebody_else_are_refused(tls, config):
    if not has(tls, config):
        return
    for who, authzid in (("nobody", b""), ("nobody", b"demo"), ("person", b"other"), ("person", b"nobody")):
        client = tls.imaps(tls.context(client=who), login=False)
        with pytest.raises(imaplib.IMAP4.error):
            external(client, authzid)
        client.logout()


def test_by_starttls_with_openssl(tls, config):
    if not has(tls, config):
        return
    done = subprocess.run(
        ["openssl", "s_client", "-quiet", "-ign_eof", "-starttls", "imap", "-cert", tls.dir / "person.pem", "-key",
         tls.dir / "person.key", "-connect", f"127.0.0.1:{tls.imap_port}"],
        input=b"a AUTHENTICATE EXTERNAL " + base64.b64encode(b"demo") + b"\r\nb STATUS INBOX (MESSAGES)\r\nc LOGOUT\r\n",
        capture_output=True, timeout=30, check=False)
    assert b"a OK" in done.stdout and b"b OK" in done.stdout, done


def test_with_curl(tls, config):
    if not has(tls, config):
        return
    done = run("curl", "-sS", "--max-time", "30", "--cacert", tls.dir / "ca.pem", "--cert", tls.dir / "person.pem",
               "--key", tls.dir / "person.key", "-u", "demo:", "--login-options", "AUTH=EXTERNAL",
               f"imaps://localhost:{tls.imaps_port}/")
    assert "INBOX" in done.stdout
