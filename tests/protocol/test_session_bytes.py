# SPDX-License-Identifier: 0BSD
"""Memory of sessions: what `satchel stat` counts, against /proc."""

import os
import re

from harness.server import Server, Wire

SESSIONS = 700


def pss_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as text:
        return next(int(line.split()[1]) for line in text if line.startswith("Pss:"))


def sums(server):
    """{(figure, state, tls): value}, without those that are 0."""
    found = re.findall(r'(?m)^session_(\w+)\{state="(\w+)",tls="(\w+)"\} (\d+)$', server.control("stat").stdout)
    assert len(found) == 2 * 4 * 2
    return {(figure, state, tls): int(value) for figure, state, tls, value in found if int(value)}


def test_sessions_are_counted_by_what_they_do(fresh):
    fresh.start()
    assert sums(fresh) == {}
    with fresh.raw_imap() as wire, fresh.raw_lmtp() as lmtp:
        wire.login()
        (count, size) = (sums(fresh)[figure, "logged_in", "no"] for figure in ("count", "bytes"))
        assert count == 1 and 300 < size < 8192
        wire.ok("SELECT INBOX")
        selected = sums(fresh)
        assert selected["count", "selected", "no"] == 1 and selected["bytes", "selected", "no"] > size
        assert len(selected) == 2
        lmtp.reply()
        lmtp.smtp("LHLO pc")
        lmtp.smtp("MAIL FROM:<a@b>")
        assert sums(fresh)["count", "delivering", "no"] == 1
        wire.send("i IDLE\r\n")
        assert wire.line().startswith(b"+")
        idle = sums(fresh)
        assert idle["count", "idle", "no"] == 1 and ("count", "selected", "no") not in idle
        wire.send("DONE\r\n")
        wire.until("i")
        wire.ok("UNSELECT" if b"UNSELECT" in b" ".join(wire.ok("CAPABILITY")) else "CLOSE")
        assert sums(fresh)["count", "logged_in", "no"] == 1


def test_memory_of_the_roles_is_what_proc_says(fresh):
    fresh.start()
    stat = dict(line.split(" ", 1) for line in fresh.control("stat").stdout.splitlines())
    for role in ("gate", "auth", "mail"):
        with open(f"/proc/{fresh.role_pid(role)}/status") as text:
            rss = next(int(line.split()[1]) for line in text if line.startswith("VmRSS:")) * 1024
        # The kernel counts some pages late.
        assert abs(int(stat[f"{role}_resident_bytes"]) - rss) < rss // 4 + (1 << 20)


def test_bytes_of_idle_sessions_are_those_that_the_process_grew_by(tmp_path):
    """The static binary alone: sanitizers have memory of their own for each allocation."""
    server = Server(os.environ["SATCHEL"], tmp_path, {"prelogin_per_address": "1000000"})
    server.start()
    clients = []
    try:
        mail = server.role_pid("mail")
        with server.raw_imap() as wire:  # account and mailbox are loaded
            wire.login()
            wire.ok("SELECT INBOX")
            before = pss_kib(mail)
            for _ in range(SESSIONS):
                one = Wire(("127.0.0.1", server.imap_port))
                clients.append(one)
                one.login()
                one.ok("SELECT INBOX")
                one.send("i IDLE\r\n")
                assert one.line().startswith(b"+")
            grown = (pss_kib(mail) - before) * 1024
            counted = sums(server)
        assert counted["count", "idle", "no"] == SESSIONS
        each = counted["bytes", "idle", "no"]
        print(f"\n{SESSIONS} sessions in IDLE: counted {each // SESSIONS} bytes each, "
              f"the process grew by {grown // SESSIONS}")
        # What the allocator adds to each piece is not counted.
        assert 0.6 * grown < each < 1.1 * grown
    finally:
        for one in clients:
            one.close()
        if server.stop() != 0:
            server.kill_all()
