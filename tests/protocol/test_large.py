# SPDX-License-Identifier: 0BSD
"""Messages of tens of megabytes pass through little memory, in at LMTP and APPEND and out at FETCH."""

import base64
import hashlib
import os
import random
import re
import subprocess
import threading
import time

import pytest

from harness.server import Server

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


def append(server, text, mailbox="INBOX"):
    with server.raw_imap() as wire:
        wire.socket.settimeout(120)
        wire.login()
        wire.send(f"a APPEND {mailbox} {{{len(text)}+}}\r\n".encode() + text + b"\r\n")
        assert b" OK [APPENDUID" in wire.until("a")[-1]


def small_fetch(wire, uid, item):
    """The literal of one small item."""
    text = b"\r\n".join(wire.ok(f"UID FETCH {uid} {item}"))
    size, rest = re.search(rb"\{(\d+)\}\r\n(.*)", text, re.S).groups()
    return rest[:int(size)]


def wait_for_no_file(server):
    for _ in range(100):
        if not files(server):
            break
        time.sleep(0.05)
    assert not files(server)


def test_a_large_delivery_and_its_fetch_pass_through_little_memory(server):
    text = attachment(SIZE, 1)
    before = len(files(server))
    with Bounded(server, "delivery of 50 MB"):
        assert deliver(server, text)[0] == 250
    with selected(server) as wire:
        with Bounded(server, "FETCH of 50 MB"):
            assert body_digest(server, wire, 1, text) == (len(text), hashlib.sha256(text).hexdigest())
    assert len(files(server)) == before + 1


def test_a_large_append_passes_through_little_memory(server):
    text = attachment(SIZE, 2)
    with Bounded(server, "APPEND of 50 MB"):
        append(server, text)
    with selected(server) as wire:
        uid = wire.ok("UID SEARCH SUBJECT \"large 2\"")[0].split()[-1].decode()
        assert read_literal(wire, f"UID FETCH {uid} BODY.PEEK[]") == (len(text), hashlib.sha256(text).hexdigest())


def test_several_large_messages_at_the_same_time_take_little_memory(server):
    texts = [attachment(20 * MEGABYTE, seed) for seed in range(10, 14)]
    answers = []

    def send(i):
        if i % 2:
            append(server, texts[i])
        else:
            assert deliver(server, texts[i], declared=i > 0)[0] == 250
        answers.append(i)

    threads = [threading.Thread(target=send, args=(i,)) for i in range(len(texts))]
    with Bounded(server, "four of 20 MB at once", 2 * BOUND_KB):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(answers) == [0, 1, 2, 3]


def test_parts_of_a_large_message_are_found_without_reading_it_into_memory(server):
    text = attachment(SIZE, 3)
    assert deliver(server, text)[0] == 250
    with selected(server) as wire:
        uid = wire.ok("UID SEARCH SUBJECT \"large 3\"")[0].split()[-1].decode()
        with Bounded(server, "FETCH of parts of 50 MB"):
            structure = wire.ok(f"UID FETCH {uid} BODYSTRUCTURE")[0]
            assert structure.count(b'"text" "plain"') == 2 and b'"octet-stream"' in structure
            assert small_fetch(wire, uid, "BODY.PEEK[1]") == b".first words"
            assert small_fetch(wire, uid, "BODY.PEEK[3]") == b"last w=F6rds"
            assert b"iso-8859-1" in small_fetch(wire, uid, "BODY.PEEK[3.MIME]")
            assert small_fetch(wire, uid, "BINARY.PEEK[3]") == b"last w\xf6rds"
            lines = text[text.index(b"base64\r\n\r\n") + 10:text.index(b"\r\n--edge\r\nContent-Type: text/plain; ch")]
            assert read_literal(wire, f"UID FETCH {uid} BODY.PEEK[2]") == \
                (len(lines), hashlib.sha256(lines).hexdigest())
            assert small_fetch(wire, uid, "BODY.PEEK[2]<40000000.100>") == lines[40000000:40000100]
            assert b" NIL" in wire.ok(f"UID FETCH {uid} BODY.PEEK[4]")[0]


def test_search_reads_a_large_message_piece_by_piece(server):
    text = attachment(SIZE, 4)
    inner = (b"From: a@example.org\r\nSubject: inner\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" +
             b"0123456789 needles are hard to find\r\n" * 800000 + "Heuhaufen: N\u00e4hnadel\r\n".encode())
    assert deliver(server, text)[0] == 250
    assert deliver(server, inner)[0] == 250
    with selected(server) as wire:
        last = int(re.search(rb"MESSAGES (\d+)", wire.ok("STATUS INBOX (MESSAGES)")[0]).group(1))

        def found(keys, literal=""):
            """Which of the two, 0 or 1, match the keys, of which the last may be a literal."""
            needle = literal.encode()
            end = f" {{{len(needle)}+}}\r\n".encode() + needle if needle else b""
            answer = wire.ok(f"SEARCH CHARSET UTF-8 {last - 1}:{last} {keys}".encode() + end)[0]
            return [int(word) - last + 1 for word in answer.split()[2:]]

        with Bounded(server, "SEARCH in 50 MB"):
            assert found('BODY "LAST W"') == [0]
            assert found('BODY ".first"') == [0]
            assert found('BODY "to find"') == [1]
            assert found('OR BODY "no such words" BODY "to find"') == [1]
            assert found('NOT BODY "last w" NOT BODY "no such words"') == [1]
            assert found('TEXT "inner"') == [1]
            assert found('TEXT "octet-stream"') == [0]
            assert found("BODY", "N\u00c4HNADEL") == [1]
            assert found("BODY", "W\u00d6RDS") == [0]
            assert found("BODY", "\u00fc") == []


def test_other_sessions_are_served_while_a_large_message_is_searched(server):
    with selected(server) as wire, selected(server) as other:
        wire.send("s SEARCH BODY \"words that are in no message\"\r\n")
        for _ in range(20):
            other.ok("NOOP")
        assert b"OK" in wire.until("s")[-1]


def test_damage_costs_the_message_it_hits_and_a_missing_file_too(fresh):
    fresh.start()
    first, second = attachment(2 * MEGABYTE, 20), attachment(2 * MEGABYTE, 21)
    assert deliver(fresh, first)[0] == 250
    name = fresh.data / "large" / files(fresh)[0]
    assert deliver(fresh, second)[0] == 250
    other = next(fresh.data / "large" / n for n in files(fresh) if n != name.name)
    with open(name, "r+b") as f:
        f.seek(512 + MEGABYTE)
        f.write(b"#damage#")
    with selected(fresh) as wire:
        assert b"NO [CORRUPTION]" in wire.command("UID FETCH 1 BODY.PEEK[3]")[-1]
        assert small_fetch(wire, 1, "BODY.PEEK[]<0.100>").startswith(b"Return-Path")
        assert body_digest(fresh, wire, 2, second)[1] == hashlib.sha256(second).hexdigest()
        other.unlink()
        assert b"NO [CORRUPTION]" in wire.command("UID FETCH 2 BODY.PEEK[3]")[-1]
        wire.ok("UID FETCH 2 (ENVELOPE BODYSTRUCTURE)")
    log = fresh.log()
    assert name.name in log and "damaged message" in log


def test_a_file_goes_when_its_message_was_expunged_and_a_checkpoint_is_past_that(fresh):
    fresh.start()
    assert deliver(fresh, attachment(2 * MEGABYTE, 30))[0] == 250
    with selected(fresh) as wire:
        wire.ok("COPY 1 INBOX")
        wire.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        wire.ok("EXPUNGE")
        fresh.control("checkpoint")
        assert len(files(fresh)) == 1
        wire.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        wire.ok("EXPUNGE")
        fresh.control("checkpoint")
    wait_for_no_file(fresh)


def test_a_delivery_that_is_broken_off_leaves_no_file(fresh):
    fresh.start()
    with fresh.raw_lmtp() as wire:
        wire.reply()
        for command in ("LHLO pc", "MAIL FROM:<a@example.org>", "RCPT TO:<demo>", "DATA"):
            wire.smtp(command)
        wire.send(attachment(3 * MEGABYTE, 40))
        for _ in range(100):
            if files(fresh):
                break
            time.sleep(0.05)
        assert files(fresh)
    wait_for_no_file(fresh)


@pytest.fixture
def small_disk(binary, tmp_path):
    """An instance on a disk of 64 MB."""
    tmp_path.chmod(0o755)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=755", "tmpfs", str(tmp_path)], check=True)
    instance = Server(binary, tmp_path)
    try:
        yield instance
        instance.stop()
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


@pytest.mark.needs_root
def test_a_disk_that_fills_while_a_large_message_comes_in_is_said_and_leaves_no_file(small_disk):
    small_disk.start()
    text = attachment(60 * MEGABYTE, 50)
    code, reply = deliver(small_disk, text, declared=False)
    assert (code, reply[:5]) == (452, "4.3.1")
    wait_for_no_file(small_disk)
    time.sleep(0.2)  # the store asks for free space ten times a second at most
    with small_disk.raw_imap() as wire:
        wire.login()
        wire.send(f"a APPEND INBOX {{{len(text)}}}\r\n")
        assert wire.until("a")[-1].startswith(b"a NO [UNAVAILABLE]")
    small = attachment(MEGABYTE, 51)
    assert deliver(small_disk, small)[0] == 250
    with selected(small_disk) as wire:
        assert body_digest(small_disk, wire, 1, small)[1] == hashlib.sha256(small).hexdigest()
