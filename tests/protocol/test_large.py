# SPDX-License-Identifier: 0BSD
"""Messages of tens of megabytes pass through little memory, in at LMTP and APPEND and out at FETCH."""

import base64
import hashlib
import os
import random
import re
import threading

MEGABYTE = 1 << 20
SIZE = 50 * MEGABYTE
# What the mail role may grow by, whatever passes through it: far below one message, well above what
# sockets, pieces and allocator take.
BOUND_KB = 2 * 1024


def peak(server, reset=False):
    """Most resident memory of the mail role since the last reset, in KB."""
    pid = server.role_pid("mail")
    if reset:
        with open(f"/proc/{pid}/clear_refs", "w") as f:
            f.write("5")
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM:"))


class Bounded:
    """Within it the mail role's memory grows little."""

    def __init__(self, server, what, bound=BOUND_KB):
        self.server, self.what, self.bound = server, what, bound

    def __enter__(self):
        self.before = peak(self.server, reset=True)

    def __exit__(self, kind, *_):
        grown = peak(self.server) - self.before
        print(f"{self.what}: mail grew by {grown} KB")
        # AddressSanitizer keeps what was freed; only the real program is measured.
        assert kind or "asan" in str(self.server.binary) or grown < self.bound, f"{self.what}: {grown} KB"


def attachment(size, seed):
    """A multipart with a text, a large base64 part and a text that comes last."""
    raw = random.Random(seed).randbytes(size * 3 // 4)
    lines = base64.encodebytes(raw).replace(b"\n", b"\r\n")
    head = (f"From: a@example.org\r\nSubject: large {seed}\r\nMessage-ID: <large-{seed}-{size}@example.org>\r\n"
            "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=edge\r\n\r\n"
            "--edge\r\nContent-Type: text/plain\r\n\r\n.first words\r\n"
            "--edge\r\nContent-Type: application/octet-stream\r\n"
            "Content-Transfer-Encoding: base64\r\n\r\n").encode()
    tail = (b"--edge\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable"
            b"\r\n\r\nlast w=F6rds\r\n--edge--\r\n")
    return head + lines + tail


def deliver(server, text, user="demo", declared=True):
    with server.raw_lmtp() as wire:
        wire.socket.settimeout(120)
        wire.reply()
        wire.smtp("LHLO pc")
        wire.smtp("MAIL FROM:<a@example.org>" + (f" SIZE={len(text)}" if declared else ""))
        wire.smtp(f"RCPT TO:<{user}>")
        assert wire.smtp("DATA")[0] == 354
        wire.socket.sendall(text.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        return wire.reply()


def selected(server, mailbox="INBOX", user="demo"):
    wire = server.raw_imap()
    wire.socket.settimeout(120)
    wire.login(user)
    wire.ok(f"SELECT {mailbox}")
    return wire


def read_literal(wire, command):
    """Sends a FETCH of one literal; its digest and length, without keeping it."""
    wire.send(f"x {command}\r\n")
    line = wire.line()
    size = int(line[line.rindex(b"{") + 1:-1])
    digest, left = hashlib.sha256(), size
    while left:
        piece = wire.exactly(min(left, MEGABYTE))
        digest.update(piece)
        left -= len(piece)
    wire.until("x")
    return size, digest.hexdigest()


def body_digest(server, wire, uid, text):
    """Of a message that was delivered, without the fields that delivery put in front."""
    size = int(re.search(rb"RFC822.SIZE (\d+)", wire.ok(f"UID FETCH {uid} RFC822.SIZE")[0]).group(1))
    prefix = size - len(text)
    return read_literal(wire, f"UID FETCH {uid} BODY.PEEK[]<{prefix}.{size}>")


def files(server):
    return sorted(os.listdir(server.data / "large"))


def test_a_large_delivery_and_its_fetch_pass_through_little_memory(server):
    text = attachment(SIZE, 1)
    with Bounded(server, "delivery of 50 MB"):
        assert deliver(server, text)[0] == 250
    with selected(server) as wire:
        with Bounded(server, "FETCH of 50 MB"):
            assert body_digest(server, wire, 1, text) == (len(text), hashlib.sha256(text).hexdigest())
    assert len(files(server)) == 1
