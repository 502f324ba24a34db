# SPDX-License-Identifier: 0BSD
"""Hostile and broken clients: a tagged BAD or a 5xx that names the problem, bounded memory, no crash."""

import os
import pathlib
import random
import re
import socket

import pytest

from harness.server import Wire


@pytest.fixture
def imap(server):
    with server.raw_imap() as wire:
        yield wire.login()


@pytest.fixture
def stranger(server):
    """An IMAP connection before login."""
    with server.raw_imap() as wire:
        assert wire.line().startswith(b"* OK")
        yield wire


@pytest.fixture(autouse=True)
def same_processes(server):
    """No test here may cost the server a process."""
    before = server.children()
    yield
    assert server.children() == before, server.log()[-4000:]


LOGGED_IN = [
    "FROBNICATE", "SELECT", "SELECT \"unfinished", "FETCH 1 FLAGS", "UID", "UID FROB 1", "LIST", "LIST \"\"",
    "STATUS INBOX", "STATUS INBOX (FROB)", "APPEND INBOX", "APPEND INBOX (\\Seen) \"bad date\" {3}",
    "RENAME a", "CREATE \"\"", "ENABLE", "LOGIN a b", "AUTHENTICATE PLAIN", "STARTTLS x", "IDLE x", "",
    "  ", "SELECT INBOX extra", "SELECT {1000000000}", "SELECT {99999999999999999999}", "SELECT {-1}",
    "SELECT {abc}", "CREATE a\x01b", "LIST () \"\" (a b", "NOOP extra",
]


@pytest.mark.parametrize("command", LOGGED_IN)
def test_a_malformed_command_gets_a_tagged_bad_that_says_why(imap, command):
    imap.send(f"x1 {command}\r\n")
    seen = imap.until("x1")
    assert re.match(rb"x1 (BAD|NO) .{5,}", seen[-1]), seen
    assert b"OK" in imap.command("NOOP")[-1]


SELECTED = [
    "FETCH", "FETCH 1", "FETCH 0 FLAGS", "FETCH 1 (FLAGS", "FETCH 1 FROB", "FETCH 1 BODY[", "FETCH 1 BODY[FROB]",
    "FETCH 1 BODY[0]", "FETCH 1 BODY[1.HEADER.FIELDS]", "FETCH 1 BODY[]<1>", "FETCH 1 BODY[]<1.0>",
    "FETCH 1: FLAGS", "FETCH 1,,2 FLAGS", "FETCH 4294967296 FLAGS", "FETCH 1 BODY[1.2.3.4.5.6.7.8.9.10.",
    "STORE 1", "STORE 1 FLAGS", "STORE 1 FLAGS (\\Frob)", "STORE 1 FLAGS (\\Recent)", "STORE 1 +FLAGS (a", "COPY 1",
    "SEARCH", "SEARCH FROB", "SEARCH SINCE yesterday", "SEARCH SINCE 32-Jan-2024", "SEARCH (((", "SEARCH NOT",
    "SEARCH OR ALL", "SEARCH HEADER a", "SEARCH LARGER x", "SEARCH CHARSET KLINGON ALL", "SEARCH RETURN (FROB) ALL",
    "UID EXPUNGE", "EXPUNGE 1", "CLOSE 1",
]


@pytest.mark.parametrize("command", SELECTED)
def test_a_malformed_message_command_gets_a_tagged_bad(imap, command):
    imap.ok("SELECT INBOX")
    imap.send(f"x1 {command}\r\n")
    seen = imap.until("x1")
    assert re.match(rb"x1 (BAD|NO) .{5,}", seen[-1]), seen
    assert b"OK" in imap.command("NOOP")[-1]


@pytest.mark.parametrize("command", ["SELECT INBOX", "FETCH 1 FLAGS", "LIST \"\" *", "APPEND INBOX {1}", "FROB",
                                     "AUTHENTICATE KLINGON", "AUTHENTICATE PLAIN ====", "LOGIN a", "LOGIN {5000000}",
                                     "LOGIN \"a", "UID FETCH 1 FLAGS"])
def test_wrong_commands_before_login_get_a_tagged_bad(stranger, command):
    stranger.send(f"x1 {command}\r\n")
    assert re.match(rb"x1 (BAD|NO) .{5,}", stranger.until("x1")[-1])


@pytest.mark.parametrize("name, password", [("demo", "wrong"), ("nobody", "wrong"), ("", ""), ("a" * 500, "b" * 500)])
def test_every_failed_login_gets_the_same_answer(stranger, name, password):
    seen = stranger.command(f'LOGIN "{name}" "{password}"')
    assert re.match(rb"t1 NO \[AUTHENTICATIONFAILED\]", seen[-1]), seen


def test_deep_nesting_is_refused(imap):
    imap.ok("SELECT INBOX")
    for text in ("SEARCH " + "(" * 20000 + "ALL" + ")" * 20000, "SEARCH " + "NOT " * 15000 + "ALL",
                 "SEARCH " + "OR ALL " * 9000 + "ALL", "FETCH 1 " + "(" * 20000):
        assert b" BAD" in imap.command(text)[-1][:8]


def test_an_endless_line_is_refused_with_bounded_memory(server, imap):
    pid = server.role_pid("mail")
    imap.send("x1 SELECT ")
    line = None
    try:
        for _ in range(64):
            imap.send("a" * 65536)
        imap.send("\r\n")
        line = imap.line()
    except OSError:
        pass
    assert line is None or re.match(rb"(x1 BAD|\* BYE) ", line), line
    assert resident_kib(pid) < (400 if "asan" in server.binary else 60) * 1024


def test_an_endless_line_before_login_is_refused(server, stranger):
    try:
        for _ in range(64):
            stranger.send("a" * 65536)
        seen = stranger.line()
    except OSError:
        seen = None
    assert seen is None or re.match(rb"(\* (BAD|BYE)|\S+ BAD) ", seen), seen


def resident_kib(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text).group(1))


def test_a_huge_literal_is_refused_before_it_is_read(imap):
    imap.send("x1 APPEND INBOX {4000000000}\r\n")
    assert re.match(rb"x1 (NO|BAD) .*(TOOBIG|LIMIT|large|big)", imap.line())
    assert b"OK" in imap.command("NOOP")[-1]


def test_a_huge_literal_plus_is_swallowed_or_ends_the_session(imap):
    imap.send("x1 CREATE {300000+}\r\n" + "a" * 300000 + "\r\n")
    line = imap.line()
    assert re.match(rb"(x1 (NO|BAD)|\* BYE) ", line), line


def test_nul_is_refused(imap):
    imap.send(b"x1 CREATE a\0b\r\n")
    assert re.match(rb"(x1|\*) BAD ", imap.line())


def test_a_bare_lf_does_not_confuse_the_next_command(imap):
    imap.send(b"x1 NOOP\nx2 NOOP\r\n")
    seen = imap.until("x2")
    assert seen[-1].startswith((b"x2 OK", b"x2 BAD"))


def test_many_bad_commands_end_the_session(imap):
    try:
        for i in range(1000):
            imap.send(f"x{i} FROB\r\n")
    except OSError:
        pass
    last = None
    while (line := imap.line()) is not None:
        last = line
    assert last.startswith(b"* BYE"), last


def test_random_garbage_never_harms(server):
    seed = int(os.environ.get("SEED", "0")) or int.from_bytes(os.urandom(4), "little")
    print("SEED", seed)
    rng = random.Random(seed)
    words = [b"a1 LOGIN demo ", b"x FETCH 1:* ", b"BODY[", b"{10}\r\n", b"{10+}\r\n", b"\r\n", b"(", b")", b"\"",
             b"\\", b"UID ", b"SEARCH ", b"\0", b"APPEND INBOX ", b"~{5}\r\n", b"* ", b"+", b"DONE\r\n", b"MAIL FROM:<",
             b"RCPT TO:<demo>\r\n", b"DATA\r\n", b".\r\n", b"LHLO x\r\n", bytes(range(256))]
    for i in range(150):
        port = server.imap_port if i % 2 else server.lmtp_port
        with Wire(("127.0.0.1", port), timeout=5) as wire:
            try:
                if i % 4 == 1:
                    wire.login()
                    wire.ok("SELECT INBOX")
                for _ in range(rng.randrange(1, 30)):
                    wire.send(rng.choice(words) + rng.randbytes(rng.randrange(0, 20)))
                wire.socket.shutdown(socket.SHUT_WR)
                while wire.socket.recv(65536):
                    pass
            except OSError:
                pass
    server.imap().logout()


def test_one_address_may_not_take_all_connections(binary, tmp_path, config):
    from harness.server import Server
    server = Server(binary, tmp_path, settings={"prelogin_per_address": "10"})
    server.start()
    held = []
    try:
        refused = 0
        for _ in range(14):
            wire = server.raw_imap()
            held.append(wire)
            line = wire.line()
            refused += line is None or line.startswith(b"* BYE")
        assert refused >= 3, refused
        for wire in held:
            wire.close()
        server.wait_ready()
        server.imap().logout()
    finally:
        server.stop()
        server.check_log()


def test_a_silent_stranger_is_shown_out(binary, tmp_path):
    from harness.server import Server
    server = Server(binary, tmp_path, settings={"prelogin_seconds": "1"})
    server.start()
    try:
        with server.raw_imap() as imap, server.raw_lmtp() as lmtp:
            assert imap.line().startswith(b"* OK") and lmtp.reply()[0] == 220
            assert imap.line().startswith(b"* BYE") and imap.line() is None
            assert lmtp.reply()[0] == 421 and lmtp.line() is None
    finally:
        server.stop()
        server.check_log()
