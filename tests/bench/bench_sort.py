# SPDX-License-Identifier: 0BSD
"""Measures SORT and THREAD in a large mailbox: time, CPU, and how long others on the same loop wait meanwhile.

usage: bench_sort.py [--messages N[,N...]] [--rounds N]
"""

import argparse
import os
import pathlib
import random
import shutil
import socket
import statistics
import sys
import tempfile
import threading
import time

sys.path[:0] = [str(pathlib.Path(__file__).parent.parent), str(pathlib.Path(__file__).parent)]

from measure import cpu_seconds, peak_kib, tree  # noqa: E402
from targets import PASSWORD, Satchel  # noqa: E402

COMMANDS = ("SEARCH ALL", "SORT (ARRIVAL) UTF-8 ALL", "SORT (SUBJECT) UTF-8 ALL", "SORT (REVERSE DATE FROM) UTF-8 ALL",
            "SORT RETURN (COUNT MIN) (SUBJECT) UTF-8 ALL", "THREAD REFERENCES UTF-8 ALL",
            "THREAD ORDEREDSUBJECT UTF-8 ALL")
BATCH = 200


class Client:
    def __init__(self, server, user):
        self.socket = socket.create_connection(("127.0.0.1", server.imap_port), 60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(120)
        self.tail = b""
        self.read_to(b"\r\n")
        self.ask(f'LOGIN {user} "{PASSWORD}"')

    def read_to(self, end):
        while end not in self.tail:
            more = self.socket.recv(1 << 20)
            if not more:
                raise RuntimeError("the server hung up")
            # Only the end of an answer matters here.
            self.tail = self.tail[-64:] + more
        self.tail = self.tail.rpartition(end)[2]

    def ask(self, command):
        self.socket.sendall(f"x {command}\r\n".encode())
        self.read_to(b"x OK ")
        self.read_to(b"\r\n") if b"\r\n" not in self.tail else None
        self.tail = b""


def mail(r, n):
    """One of a mailing list: threads of some depth, subjects that repeat."""
    parents = [f"<{n - r.randint(1, 20)}.list@example.org>" for _ in range(r.choice((0, 1, 1, 2, 4)))]
    subject = f"{r.choice(('', 'Re: ', '[list] Re: '))}subject number {n // 8} of the list"
    return ("Received: from a.example.org by b.example.org with LMTP; Thu, 1 Feb 2024 12:00:00 +0000\r\n"
            f"From: \"Person {n % 997}\" <person{n % 997}@example.org>\r\nTo: list@example.org\r\nSubject: {subject}\r\n"
            f"Date: Thu, {1 + r.randrange(28)} Feb 2024 {n % 24:02}:{n % 60:02}:00 +0100\r\n"
            f"Message-ID: <{n}.list@example.org>\r\n" + (f"References: {' '.join(parents)}\r\n" if parents else "")
            + "\r\n" + "A line of the text of this message.\r\n" * 12).encode()


def fill(client, count):
    r = random.Random(count)
    for first in range(0, count, BATCH):
        texts = [mail(r, n) for n in range(first, min(first + BATCH, count))]
        for n, text in enumerate(texts):
            tag = "x" if n == len(texts) - 1 else "y"
            client.socket.sendall(f"{tag} APPEND INBOX {{{len(text)}+}}\r\n".encode() + text + b"\r\n")
        client.read_to(b"x OK ")
        client.tail = b""


class Probe(threading.Thread):
    """Another session, of the same account and so of the same loop: how long does each NOOP take?"""

    def __init__(self, client):
        super().__init__(daemon=True)
        self.client, self.ends, self.times = client, threading.Event(), []

    def run(self):
        while not self.ends.is_set():
            begun = time.perf_counter()
            self.client.ask("NOOP")
            self.times.append((time.perf_counter() - begun) * 1000)
            time.sleep(0.0003)

    def stop(self):
        self.ends.set()
        self.join()
        times = sorted(self.times)
        return times[int(len(times) * 0.99)], times[-1]


def measure(server, client, user, command, rounds):
    """(ms, ms of CPU, the others' p99 and longest in ms), medians of the rounds."""
    other = Client(server, user)
    client.ask(command)
    rows = []
    for _ in range(rounds):
        probe = Probe(other)
        cpu, begun = cpu_seconds(server.pid), time.perf_counter()
        for _ in range(5):
            client.ask(command)
        plain, plain_cpu = (time.perf_counter() - begun) / 5, (cpu_seconds(server.pid) - cpu) / 5
        probe.start()
        for _ in range(5):
            client.ask(command)
        rows.append((plain * 1000, plain_cpu * 1000, *probe.stop()))
    return [statistics.median(column) for column in zip(*rows)]


def idle(server, user):
    probe = Probe(Client(server, user))
    probe.start()
    time.sleep(1)
    return probe.stop()


def main():
    o = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    o.add_argument("--messages", default="5000,100000")
    o.add_argument("--rounds", type=int, default=3)
    o = o.parse_args()
    counts = [int(n) for n in o.messages.split(",")]
    root = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=os.environ.get("DIR") or os.environ["SATCHEL_O"]))
    server = Satchel(root, [f"m{n}" for n in counts])
    server.start()
    try:
        print(server.version)
        for count in counts:
            user = f"m{count}"
            client = Client(server, user)
            fill(client, count)
            client.ask("SELECT INBOX")
            print(f"\n{count} messages; with nothing else running others wait p99 "
                  "{:.2f} ms, at most {:.2f} ms".format(*idle(server, user)))
            print(f"{'':46} {'ms':>8} {'CPU ms':>8} {'us each':>8}   others: p99, longest ms")
            for command in COMMANDS:
                ms, cpu, p99, longest = measure(server, client, user, command, o.rounds)
                print(f"{command:46} {ms:8.1f} {cpu:8.1f} {cpu * 1000 / count:8.2f}   {p99:8.2f} {longest:8.2f}",
                      flush=True)
        print(f"\npeak memory of the roles: {max(peak_kib(pid) for pid in tree(server.pid))} KiB")
    finally:
        server.stop()
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
