# SPDX-License-Identifier: 0BSD
"""The queues of listeners: what `satchel stat` says of them, against what clients and the kernel see."""

import os
import pathlib
import re
import signal
import socket
import time

HOST = ("host_listen_overflows_total", "host_listen_drops_total")


def figures(server):
    return dict(line.split(" ", 1) for line in server.control("stat").stdout.splitlines())


def of(stat, name, service, listener):
    return int(stat[f'{name}{{service="{service}",listener="{listener}"}}'])


def wait_for(what, seconds=20):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


def crowd(family, address, count):
    """So many clients that do not wait for their connection."""
    made = []
    for _ in range(count):
        one = socket.socket(family, socket.SOCK_STREAM)
        one.setblocking(False)
        one.connect_ex(address)
        made.append(one)
    return made


def test_a_queue_that_fills_is_seen_and_those_turned_away_are_counted(fresh):
    fresh.settings["listen_backlog"] = "2"
    fresh.start()
    port = f"127.0.0.1:{fresh.imap_port}"
    quiet = figures(fresh)
    assert of(quiet, "listen_queue", "imap", port) == of(quiet, "listen_drops_total", "imap", port) == 0
    assert of(quiet, "listen_queue_max", "imap", port) == 2
    assert "listen_hint" not in quiet
    gate = fresh.role_pid("gate")
    os.kill(gate, signal.SIGSTOP)
    try:
        clients = crowd(socket.AF_INET, ("127.0.0.1", fresh.imap_port), 12)
        clients += crowd(socket.AF_UNIX, fresh.lmtp_socket, 3)
        wait_for(lambda: of(figures(fresh), "listen_drops_total", "imap", port) > 0)
        full = figures(fresh)
    finally:
        os.kill(gate, signal.SIGCONT)
    assert of(full, "listen_queue", "imap", port) == 3  # Linux lets one more in than listen(2) asked for
    assert of(full, "listen_queue", "lmtp", fresh.lmtp_socket) == 3
    assert of(full, "listen_queue", "lmtp", f"127.0.0.1:{fresh.lmtp_port}") == 0
    assert all(int(full[name]) > int(quiet[name]) for name in HOST)
    assert re.fullmatch(r"\d+ connections were turned away at a full queue: raise listen_backlog \(2\)",
                        full["listen_hint"])
    for one in clients:
        one.close()
    wait_for(lambda: of(figures(fresh), "listen_queue", "imap", port) == 0)
    with fresh.raw_imap() as wire:
        wire.login()


def test_a_backlog_longer_than_the_kernel_allows_is_said(fresh):
    most = int(pathlib.Path("/proc/sys/net/core/somaxconn").read_text())
    fresh.settings["listen_backlog"] = "65535"
    fresh.start()
    listener = f"127.0.0.1:{fresh.imap_port}"
    assert of(figures(fresh), "listen_queue_max", "imap", listener) == min(most, 65535)
    told = [line for line in fresh.log().splitlines() if "shorter than listen_backlog" in line]
    assert len(told) == (1 if most < 65535 else 0)
    assert all(str(most) in line and "65535" in line for line in told)
