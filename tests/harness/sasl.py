# SPDX-License-Identifier: 0BSD
"""SASL clients written by hand, for the tests of the mechanisms' features."""

import base64
import hashlib
import hmac
import os

REFUSED = b"NO [AUTHENTICATIONFAILED] Wrong name or password"


def b64(data):
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def capability(wire):
    return b" ".join(wire.ok("CAPABILITY")).split()


def connect(server):
    """A wire with its greeting read."""
    wire = server.raw_imap()
    assert wire.line().startswith(b"* OK")
    return wire


def check_off(server, mechanism):
    """What must be true of a server without the mechanism: not announced, refused, no text of it."""
    with connect(server) as wire:
        assert f"AUTH={mechanism}".encode() not in capability(wire)
        assert b" NO [CANNOT]" in wire.command(f"AUTHENTICATE {mechanism}")[-1]
    # The LOGIN command and the form of all stored secrets have these names.
    if mechanism not in ("LOGIN", "SCRAM-SHA-256"):
        with open(server.binary, "rb") as file:
            assert b"\0" + mechanism.encode() not in file.read()


def check_announced(server, mechanism):
    with connect(server) as wire:
        assert f"AUTH={mechanism}".encode() in capability(wire)
    return True


class Exchange:
    """One AUTHENTICATE; step() sends a response and returns the next challenge, or None at the end."""

    def __init__(self, wire, mechanism, initial=None):
        self.wire, self.result = wire, None
        self.wire.send(f"s AUTHENTICATE {mechanism}" + ("" if initial is None else f" {b64(initial) or '='}")
                       + "\r\n")
        self.challenge = self.read()

    def read(self):
        line = self.wire.line()
        assert line is not None, "the connection ended"
        while line.startswith(b"* "):
            line = self.wire.line()
        if line.startswith(b"+"):
            return base64.b64decode(line[1:].strip(), validate=True)
        assert line.startswith(b"s "), line
        self.result = line[2:]
        return None

    def step(self, response):
        assert self.result is None, self.result
        self.wire.send(b64(response) + "\r\n")
        self.challenge = self.read()
        return self.challenge

    def ok(self):
        return self.result is not None and self.result.startswith(b"OK")


def escaped(name):
    return name.replace("=", "=3D").replace(",", "=2C")


class Scram:
    """The client of RFC 5802."""

    def __init__(self, name, user, password, authzid="", nonce=None, flag="n", binding=b""):
        """flag: how the GS2 header begins; binding: the channel's bytes, where the flag is `p=NAME`."""
        self.hash = name.removesuffix("-PLUS").replace("SCRAM-", "").replace("-", "").lower()
        self.gs2 = f"{flag},{'a=' + escaped(authzid) if authzid else ''},"
        self.binding = binding
        self.nonce = nonce or base64.b64encode(os.urandom(18)).decode()
        self.password = password.encode()
        self.bare = f"n={escaped(user)},r={self.nonce}"
        self.salt, self.rounds = None, 0

    def digest(self, key, data):
        return hmac.new(key, data.encode() if isinstance(data, str) else data, self.hash).digest()

    def first(self):
        return self.gs2 + self.bare

    def final(self, challenge):
        """The answer to the server's first message; remembers what the server must say then."""
        text = challenge.decode()
        part = dict(word.split("=", 1) for word in text.split(","))
        assert part["r"].startswith(self.nonce) and len(part["r"]) >= len(self.nonce) + 18
        self.salt, self.rounds = base64.b64decode(part["s"], validate=True), int(part["i"])
        assert self.rounds >= 4096 and len(self.salt) >= 16
        salted = hashlib.pbkdf2_hmac(self.hash, self.password, self.salt, self.rounds)
        client_key = self.digest(salted, "Client Key")
        without = f"c={b64(self.gs2.encode() + self.binding)},r={part['r']}"
        message = f"{self.bare},{text},{without}"
        signature = self.digest(hashlib.new(self.hash, client_key).digest(), message)
        self.verifier = "v=" + b64(self.digest(self.digest(salted, "Server Key"), message))
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        return f"{without},p={b64(proof)}"


def scram(wire, name, user, password, initial=True, **how):
    """A whole SCRAM exchange; returns (exchange, client)."""
    client = Scram(name, user, password, **how)
    exchange = Exchange(wire, name, client.first() if initial else None)
    if not initial:
        assert exchange.challenge == b""
        exchange.step(client.first())
    if exchange.result is None:
        exchange.step(client.final(exchange.challenge))
    if exchange.result is None:
        assert exchange.challenge.decode() == client.verifier, "the server does not know the password"
        exchange.step("")
    return exchange, client


def check_scram(server, name):
    """What holds for SCRAM with every hash."""
    check_announced(server, name)
    for initial in (True, False):
        with connect(server) as wire:
            exchange, client = scram(wire, name, "Demo", server.password, initial)
            assert exchange.ok(), exchange.result
            assert client.rounds == 4096
            wire.ok("SELECT INBOX")
    salts = set()
    for user, password in (("demo", "wrong"), ("nobody", server.password), ("a/b", server.password),
                           ("nobody", server.password), ("demo", "wrong")):
        with connect(server) as wire:
            exchange, client = scram(wire, name, user, password)
            assert exchange.result == REFUSED, (user, exchange.result)
            assert client.rounds == 4096 and len(client.salt) == 16
            salts.add(client.salt)
    # The made-up salt stays the same as the true one does, and names have salts of their own.
    assert len(salts) == 3
    for authzid in ("other", "nobody", "a/b"):
        with connect(server) as wire:
            exchange, client = scram(wire, name, "demo", server.password, authzid=authzid)
            assert b"OK" not in exchange.result[:3], exchange.result
            exchange, client = scram(wire, name, "demo", "wrong", authzid=authzid)
            assert exchange.result == REFUSED
    with connect(server) as wire:
        assert scram(wire, name, "demo", server.password, authzid="demo")[0].ok()


def check_scram_bad_input(server, name):
    good = Scram(name, "demo", server.password)
    for first in ("", "n", "n,,", "n,,n=demo", "x,,n=demo,r=abcdefgh", "p=tls-unique,,n=demo",
                  "n,,m=1,n=demo,r=abcdefgh", "n,,n=de=mo,r=abcdefgh", "n,,n=demo,r=a\0bcdefgh", "n,a=x",
                  "n,,n=demo,x=abcdefgh", "n,,n=demo,r=" + "a" * 3000, "\xff" * 50):
        with connect(server) as wire:
            exchange = Exchange(wire, name, first)
            if exchange.challenge == b"":
                exchange.step(first)
            assert exchange.result and exchange.result[:3] in (b"NO ", b"BAD"), first
            wire.ok("NOOP")
    for change in (lambda text: text[:-8] + "AAAAAAA=", lambda text: text.replace("c=", "c=A"),
                   lambda text: text.replace("c=biws", "c=eSws"), lambda text: text.replace("r=", "r=x"),
                   lambda text: text.split(",p=")[0], lambda text: text + ",x=y", lambda text: "",
                   lambda text: text.replace(",p=", ",p=AAAA"), lambda text: "p=" + "A" * 2500):
        with connect(server) as wire:
            exchange = Exchange(wire, name, good.first())
            exchange.step(change(good.final(exchange.challenge)))
            assert exchange.result and exchange.result[:3] in (b"NO ", b"BAD")
            assert scram(wire, name, "demo", server.password)[0].ok()
    with connect(server) as wire:
        exchange = Exchange(wire, name, good.first())
        wire.send("*\r\n")
        exchange.read()
        assert exchange.result.startswith(b"BAD")  # RFC 9051 6.2.2
        wire.ok("NOOP")


def check_unprepared(server, name, exchange_result):
    """A user whose value lacks what the mechanism needs is an unknown one to it, and can use the others.

    exchange_result(wire, user, password) runs the exchange and returns the tagged answer."""
    done = server.cli("--data", str(server.data), "user", "import", "-",
                      stdin="plainly:SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
                            ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n")
    assert done.returncode == 0
    with connect(server) as wire:
        assert exchange_result(wire, "plainly", "pencil") == REFUSED, name
        wire.ok('LOGIN plainly "pencil"')
    server.cli("--data", str(server.data), "user", "passwd", "plainly", stdin="pencil two\n")
    with connect(server) as wire:
        assert exchange_result(wire, "plainly", "pencil two").startswith(b"OK"), name


class ScramTests:
    """The tests of a SCRAM mechanism; each feature's file makes a Test class of it."""

    name = symbol = ""

    def test_users_log_in_and_nobody_else_whether_known_or_not(self, server, config):
        if self.symbol in config:
            check_scram(server, self.name)
        else:
            check_off(server, self.name)

    def test_malformed_messages_are_refused_and_the_connection_lives(self, server, config):
        if self.symbol in config:
            check_scram_bad_input(server, self.name)
        else:
            with connect(server) as wire:
                assert b" NO [CANNOT]" in wire.command(f"AUTHENTICATE {self.name} biws")[-1]
                wire.ok("NOOP")


class OwnSecretTests(ScramTests):
    """Of one that needs a secret of its own."""

    def test_a_user_without_the_secret_is_an_unknown_one_until_the_password_is_set(self, server, config):
        if self.symbol in config:
            check_unprepared(server, self.name, lambda wire, user, password:
                             scram(wire, self.name, user, password)[0].result)
        else:
            check_off(server, self.name)
