# SPDX-License-Identifier: 0BSD
"""Strangers: what those who have not logged in may take, and that they keep nobody out."""

import os
import resource
import socket
import subprocess
import sys
import time

import pytest

from harness.client import message
from harness.server import Server


def pss_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as text:
        return next(int(line.split()[1]) for line in text if line.startswith("Pss:"))


def connect(port, source="127.0.0.1"):
    one = socket.socket()
    one.bind((source, 0))
    one.setblocking(False)
    one.connect_ex(("127.0.0.1", port))
    return one


def works(server):
    server.deliver(message("among strangers"))
    with server.raw_imap().login() as wire:
        wire.ok("SELECT INBOX")


@pytest.fixture
def strangers():
    held = []
    yield held
    for one in held:
        one.close()


def ended(sockets):
    """Those whose connection the server has closed."""
    gone = 0
    for one in sockets:
        try:
            while one.recv(4096):
                pass
            gone += 1
        except BlockingIOError:
            pass
        except OSError:
            gone += 1
    return gone


def test_with_too_many_the_oldest_silent_one_makes_room(fresh, strangers):
    fresh.settings.update(prelogin_connections="20", prelogin_per_address="1000")
    fresh.start()
    for _ in range(50):
        strangers.append(connect(fresh.imap_port))
        time.sleep(0.01)
    time.sleep(0.5)
    works(fresh)
    assert 30 <= ended(strangers) <= 33  # 50, less 20 that may stay, and the three of works()
    assert ended(strangers[:25]) == 25
    lines = [line for line in fresh.log().splitlines() if "connection refused" in line]
    assert 1 <= len(lines) <= 5 and "since_last_line=" in lines[0], lines


def test_those_who_say_something_do_not_keep_newcomers_out_either(fresh, strangers):
    fresh.settings.update(prelogin_connections="20", prelogin_per_address="1000")
    fresh.start()
    for _ in range(60):
        strangers.append(connect(fresh.imap_port))
        time.sleep(0.02)
        try:
            strangers[-1].send(b"a NOOP\r\n")
        except OSError:
            pass
    for _ in range(5):
        works(fresh)


def test_the_silent_go_before_those_who_talk(fresh, strangers):
    fresh.settings.update(prelogin_connections="20", prelogin_per_address="1000")
    fresh.start()
    with fresh.raw_imap() as talker:
        talker.line()
        talker.ok("NOOP")
        for _ in range(15):
            strangers.append(connect(fresh.imap_port))
        time.sleep(2.5)
        for _ in range(15):
            strangers.append(connect(fresh.imap_port))
            time.sleep(0.01)
        talker.ok("NOOP")


def test_bytes_without_login_have_an_end(fresh, config):
    fresh.start()
    with fresh.raw_imap() as wire:
        wire.line()
        done, answers = 0, []
        while not answers or answers[-1].startswith(b"a OK"):
            assert done < 2 * int(config["PRELOGIN_BYTES_MAX"])
            wire.send(b"a NOOP\r\n" * 50)
            answers = [wire.line() for _ in range(50)]
            if b"* BYE too much without login" in answers:
                break
            done += 8 * 50
        assert b"* BYE too much without login" in answers, answers[-3:]
        assert done > int(config["PRELOGIN_BYTES_MAX"]) // 2
    works(fresh)


class Crowd:
    """Connections that say nothing, from 127.0.1.1, 127.0.1.2 and so on, in processes of their own: one
    may not have descriptors for all."""

    SCRIPT = """
import resource, socket, sys, time
port, first, count = map(int, sys.argv[1:])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
held = []
for i in range(first, first + count):
    one = socket.socket()
    one.bind((f"127.0.{1 + i // 100 // 250}.{1 + i // 100 % 250}", 0))
    one.settimeout(20)
    one.connect(("127.0.0.1", port))
    held.append(one)
print("there", flush=True)
sys.stdin.read()
gone = 0
for one in held:
    one.setblocking(False)
    try:
        while one.recv(4096):
            pass
        gone += 1
    except BlockingIOError:
        pass
    except OSError:
        gone += 1
print(gone, flush=True)
"""

    def __init__(self, port, total, parts=5):
        each = total // parts
        self.parts = [subprocess.Popen([sys.executable, "-c", self.SCRIPT, str(port), str(i * each), str(each)],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
                      for i in range(parts)]
        for part in self.parts:
            assert part.stdout.readline() == "there\n"

    def end(self):
        """How many the server has closed."""
        return sum(int(part.communicate(timeout=60)[0]) for part in self.parts)


# The first: as configured, most are shown out. The second: all may stay.
@pytest.mark.parametrize("limit", (None, 25000))
def test_20000_that_say_nothing_cost_little_and_keep_nobody_out(tmp_path, limit, config):
    server = Server(os.environ["SATCHEL"], tmp_path,
                    {"listen_backlog": "4096", **({"prelogin_connections": str(limit)} if limit else {})})
    server.start()
    try:
        gate = server.role_pid("gate")
        before = pss_kib(gate)
        crowd = Crowd(server.imap_port, 20000)
        begin = time.monotonic()
        works(server)
        took = time.monotonic() - begin
        more = pss_kib(gate) - before
        stay = min(limit or int(config["PRELOGIN_CONNECTIONS"]),
                   resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 32 - 3)
        gone = crowd.end()
        print(f"\n20,000 silent connections, {20000 - gone} may stay: {more} KiB more in the gate, a login "
              f"and a delivery in {took:.3f} s")
        assert took < 5
        assert more < 2 * stay
        assert abs(gone - max(0, 20000 - stay)) < 20
        assert server.stop() == 0
    finally:
        if server.process is not None:
            server.kill_all()
