# SPDX-License-Identifier: 0BSD
"""What tests of a disk that is full or fails do with a server (harness.server.Server)."""

import re
import time

SECONDS = 40


def figures(server):
    return dict(re.findall(r"(?m)^(\S+) (\d+)$", server.control("stat").stdout))


def figure(server, name):
    return int(figures(server)[name])


def wait_for(condition, what, server):
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, f"{what}: {figures(server)}\n{server.log()[-3000:]}"
        time.sleep(0.05)


def message(n, size=200_000):
    return (f"Subject: number {n}\r\n\r\n" + "x" * 70 + "\r\n").encode() + (b"y" * 70 + b"\r\n") * (size // 72)


def send(server, n, to=("demo",), size=200_000):
    """The replies, one per recipient, to a whole transaction; or the one that ended it early."""
    with server.raw_lmtp() as wire:
        assert wire.reply()[0] == 220
        assert wire.smtp("LHLO client")[0] == 250
        code, text = wire.smtp("MAIL FROM:<a@example.org>")
        if code != 250:
            return [(code, text)]
        for name in to:
            assert wire.smtp(f"RCPT TO:<{name}>")[0] == 250
        code, text = wire.smtp("DATA")
        if code != 354:
            return [(code, text)]
        wire.send(message(n, size) + b".\r\n")
        return [wire.reply() for _ in to]


def subjects(wire):
    text = b"\n".join(wire.ok("FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])"))
    return [int(n) for n in re.findall(rb"Subject: number (\d+)", text)]
