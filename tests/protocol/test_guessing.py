# SPDX-License-Identifier: 0BSD
"""Who tries passwords: learns nothing, is slowed down and stopped, and keeps nobody else waiting."""

import base64
import hashlib
import hmac
import re
import socket
import statistics
import time

import pytest

from harness.sasl import scram
from harness.server import Wire, quote

WRONG = b"NO [AUTHENTICATIONFAILED] Wrong name or password"
STOPPED = b"NO [UNAVAILABLE] Too many failed logins from your address, try again later"


def secret(password, rounds):
    """An RFC 5803 text that costs so many rounds to check."""
    salt = b"sixteen bytes 16"
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    keys = [base64.b64encode(b).decode() for b in (salt, stored, hmac.digest(salted, b"Server Key", "sha256"))]
    return f"SCRAM-SHA-256${rounds}:{keys[0]}${keys[1]}:{keys[2]}"


def connect(server, source="127.0.0.1"):
    """Greeted, from an address of its own on loopback."""
    wire = Wire.__new__(Wire)
    wire.socket = socket.create_connection(("127.0.0.1", server.imap_port), 60, source_address=(source, 0))
    wire.buffer, wire.tags = b"", 0
    assert wire.line().startswith(b"* OK")
    return wire


def guess(server, source="127.0.0.1", user="demo", password="wrong"):
    with connect(server, source) as wire:
        return wire.command(f"LOGIN {user} {quote(password)}")[-1].split(b" ", 1)[1]


def test_an_address_with_too_many_failures_is_stopped_for_a_while_and_no_other(fresh):
    fresh.settings.update(login_failure_delay="0", login_failures_per_address="5", login_failure_seconds="2")
    fresh.start()
    for user in ("demo", "nobody", "demo", "x", "demo"):
        assert guess(fresh, user=user) == WRONG
    # No password is tried any more, the right one neither.
    assert guess(fresh) == STOPPED
    assert guess(fresh, password=fresh.password) == STOPPED
    with connect(fresh) as wire:
        assert wire.command("AUTHENTICATE PLAIN " + base64.b64encode(b"\0demo\0x").decode())[-1].endswith(STOPPED)
    fresh.wait_log(re.compile('warning: login refused service=imap peer=127.0.0.1 why="too many failed logins"'))
    with connect(fresh, "127.0.0.2") as other:
        other.ok(f"LOGIN demo {quote(fresh.password)}")
    # One is forgotten every two seconds, and what is refused adds nothing.
    time.sleep(2.2)
    assert guess(fresh) == WRONG
    assert guess(fresh) == STOPPED
    time.sleep(2.2)
    with connect(fresh) as wire:
        wire.ok(f"LOGIN demo {quote(fresh.password)}")
    assert fresh.log().count("login failed") == 6


def test_who_does_not_wait_for_the_answer_is_counted_too(fresh):
    fresh.settings.update(login_failure_delay="0", login_failures_per_address="5")
    fresh.start()
    fresh.cli("--data", str(fresh.data), "user", "import", "-", stdin=f"dear:{secret('x', 1000000)}\n")
    for _ in range(5):
        wire = connect(fresh)
        wire.send("a LOGIN dear y\r\n")
        time.sleep(0.1)
        wire.close()
    end = time.monotonic() + 20
    while guess(fresh, password=fresh.password) != STOPPED:
        assert time.monotonic() < end
        time.sleep(0.1)


def test_zero_is_no_limit(fresh):
    fresh.settings.update(login_failure_delay="0", login_failures_per_address="0")
    fresh.start()
    for _ in range(120):
        assert guess(fresh) == WRONG


def test_the_delay_grows_with_the_failures_of_the_address(fresh):
    """A new connection for each guess does not help."""
    fresh.settings.update(login_failure_delay="1")
    fresh.start()
    wires = [connect(fresh) for _ in range(12)]
    for wire in wires:
        wire.send("a LOGIN demo wrong\r\n")
    for wire in wires:
        assert wire.until("a")[-1].startswith(b"a NO")
    since = time.monotonic()
    assert guess(fresh) == WRONG
    assert 1.9 < time.monotonic() - since < 6


def test_a_clients_version_6_network_is_one_address(fresh, config):
    if "PROXY_PROTOCOL" not in config:
        return  # nothing else gives a client on loopback another network
    fresh.settings.update(login_failure_delay="0", login_failures_per_address="4", plaintext="yes",
                          proxy_protocol_from="127.0.0.1", proxy_protocol_listen=f"127.0.0.1:{fresh.imap_port}")
    if "TLS" in config:
        fresh.settings["tls_required"] = "no"
    fresh.write_conf()

    def say(address, password):
        with Wire(("127.0.0.1", fresh.imap_port)) as wire:
            wire.send(f"PROXY TCP6 {address} 2001:db8::1 1 143\r\n")
            assert wire.line().startswith(b"* OK")
            return wire.command(f"LOGIN demo {quote(password)}")[-1].split(b" ", 1)[1]

    fresh.start(by_log=True)
    for i in range(4):
        assert say(f"2001:db8:0:7:{i}::1", "wrong") == WRONG
    assert say("2001:db8:0:7:ffff::1", fresh.password) == STOPPED
    assert say("2001:db8:0:8::1", fresh.password).startswith(b"OK")


def test_slow_hashes_keep_neither_the_gate_nor_other_addresses_waiting(fresh):
    """Thirty checks of half a second from one address: strangers are greeted and answered meanwhile, and
    a login from elsewhere does not stand behind all of them."""
    fresh.settings.update(login_failure_delay="0")
    fresh.start()
    fresh.cli("--data", str(fresh.data), "user", "import", "-", stdin=f"dear:{secret('pass', 1000000)}\n")
    crowd = [connect(fresh) for _ in range(30)]
    for i, wire in enumerate(crowd):
        wire.send(f"a LOGIN dear {'pass' if i % 2 else 'wrong'}\r\n")
    waits = []
    for _ in range(20):
        since = time.monotonic()
        with connect(fresh) as wire:
            wire.ok("CAPABILITY")
        waits.append(time.monotonic() - since)
    assert statistics.median(waits) < 0.25
    with connect(fresh, "127.0.0.3") as other:
        other.ok(f"LOGIN demo {quote(fresh.password)}")
    left = 0
    for wire in crowd:
        wire.socket.setblocking(False)
        try:
            left += not wire.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            left += 1
        wire.socket.settimeout(60)
    assert left > 10
    for i, wire in enumerate(crowd):
        assert wire.until("a")[-1].startswith(b"a OK" if i % 2 else b"a NO")
        wire.close()


def test_those_who_queue_may_leave_and_auth_may_die(fresh):
    fresh.settings.update(login_failure_delay="0")
    fresh.start()
    fresh.cli("--data", str(fresh.data), "user", "import", "-", stdin=f"dear:{secret('pass', 1000000)}\n")
    crowd = [connect(fresh) for _ in range(40)]
    for wire in crowd:
        wire.send("a LOGIN dear wrong\r\n")
    for wire in crowd[::2]:
        wire.close()
    fresh.kill_role("auth")
    for wire in crowd[1::2]:
        said = wire.until("a")[-1]
        assert said.startswith(b"a NO [UNAVAILABLE]") or said.endswith(WRONG), said
        wire.close()
    end = time.monotonic() + 30
    while not guess(fresh, password=fresh.password).startswith(b"OK"):
        assert time.monotonic() < end
        time.sleep(0.1)


def plain(user):
    return "AUTHENTICATE PLAIN " + base64.b64encode(f"\0{user}\0wrong".encode()).decode()


def attempt(server, way, user):
    """Seconds that one failure takes, and its answer."""
    with connect(server) as wire:
        since = time.monotonic()
        if way == "SCRAM-SHA-256":
            said = scram(wire, way, user, "wrong")[0].result
        else:
            said = wire.command(f"LOGIN {user} wrong" if way == "LOGIN" else plain(user))[-1].split(b" ", 1)[1]
        return time.monotonic() - since, said


def medians(server, way, names):
    """Seconds of a failed login, by name, taken in turns."""
    taken = {name: [] for name in names}
    for _ in range(40):
        for name in names:
            seconds, said = attempt(server, way, name)
            assert said == WRONG
            taken[name].append(seconds)
    return {name: statistics.median(values) for name, values in taken.items()}


@pytest.mark.parametrize("way", ("LOGIN", "PLAIN", "SCRAM-SHA-256"))
def test_unknown_names_and_wrong_passwords_take_the_same_time(fresh, config, way):
    if way != "LOGIN" and "SASL_" + way.replace("SHA-", "SHA").replace("-", "_") not in config:
        return
    fresh.settings.update(login_failure_delay="0", login_failures_per_address="0")
    fresh.start()
    fresh.add_user("locked")
    fresh.cli("--data", str(fresh.data), "user", "disable", "locked")
    # What the machine does beside this is no name's fault: one that takes longer does so in all rounds.
    for _ in range(6):
        middle = medians(fresh, way, ("demo", "nobody", "locked", "a/b"))
        if max(middle.values()) < 1.4 * min(middle.values()):
            return
    raise AssertionError(middle)
