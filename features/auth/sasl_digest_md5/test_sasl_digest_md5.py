# SPDX-License-Identifier: 0BSD
"""AUTHENTICATE DIGEST-MD5 on the wire (RFC 2831), with a client written by hand."""

import hashlib
import re

from harness import sasl


def md5(data):
    return hashlib.md5(data.encode() if isinstance(data, str) else data)


class Digest:
    uri = "imap/mail.example.org"

    def __init__(self, challenge, user, password, realm=None):
        self.part = dict(re.findall(r'(\w+)="?([^",]*)"?', challenge.decode()))
        self.user, self.realm = user, self.part["realm"] if realm is None else realm
        first = md5(f"{user}:{self.realm}:{password}").digest()
        self.key = md5(first + f":{self.part['nonce']}:cnonce".encode()).hexdigest()

    def proof(self, what):
        inner = md5(f"{what}:{self.uri}").hexdigest()
        return md5(f"{self.key}:{self.part['nonce']}:00000001:cnonce:auth:{inner}").hexdigest()

    def response(self):
        return (f'charset=utf-8,username="{self.user}",realm="{self.realm}",nonce="{self.part["nonce"]}",'
                f'nc=00000001,cnonce="cnonce",digest-uri="{self.uri}",response={self.proof("AUTHENTICATE")},qop=auth')


def digest(wire, user, password, realm=None):
    exchange = sasl.Exchange(wire, "DIGEST-MD5")
    client = Digest(exchange.challenge, user, password, realm)
    assert client.part["qop"] == "auth" and "cipher" not in client.part
    exchange.step(client.response())
    if exchange.result is None:
        assert exchange.challenge.decode() == f"rspauth={client.proof('')}"
        exchange.step("")
    return exchange.result


def test_users_log_in_and_wrong_answers_and_unknown_names_have_one_reply(server, config):
    if "SASL_DIGEST_MD5" not in config:
        sasl.check_off(server, "DIGEST-MD5")
        return
    sasl.check_announced(server, "DIGEST-MD5")
    for user, password in (("demo", "wrong"), ("nobody", server.password), ("a/b", "x"), ("demo", "")):
        with sasl.connect(server) as wire:
            assert digest(wire, user, password) == sasl.REFUSED, user
    with sasl.connect(server) as wire:
        assert digest(wire, "Demo", server.password).startswith(b"OK")
        wire.ok("SELECT INBOX")
    with sasl.connect(server) as wire:
        assert digest(wire, "demo", server.password, realm="").startswith(b"OK")


def test_malformed_answers_are_refused_and_the_connection_lives(server, config):
    if "SASL_DIGEST_MD5" not in config:
        sasl.check_off(server, "DIGEST-MD5")
        return
    def changed(old, new):
        return lambda text: text.replace(old, new)

    for change in (lambda text: "", lambda text: "x", lambda text: "=", lambda text: 'username="',
                   lambda text: text + ',realm="twice"', lambda text: "a" * 5000, changed("auth", "auth-conf"),
                   changed("nonce=", "nonce=x"), changed("nc=00000001", "nc=zz"), changed("nc=00000001", "nc=00000002"),
                   changed("imap/", "pop/"), changed("response=", "response=0"), changed("utf-8", "ebcdic"),
                   lambda text: text + ",maxbuf=1", lambda text: text + ",maxbuf=99999999999"):
        with sasl.connect(server) as wire:
            exchange = sasl.Exchange(wire, "DIGEST-MD5")
            exchange.step(change(Digest(exchange.challenge, "demo", server.password).response()))
            assert exchange.result and exchange.result[:3] in (b"NO ", b"BAD")
            wire.ok("NOOP")


def test_a_user_without_the_password_stored_is_an_unknown_one_until_it_is_set(server, config):
    stored = b"PASSWORD$" in (server.data / "users.cdb").read_bytes()
    assert stored == ("SASL_DIGEST_MD5" in config)
    if stored:
        sasl.check_unprepared(server, "DIGEST-MD5", digest)
