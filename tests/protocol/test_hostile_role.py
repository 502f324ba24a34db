# SPDX-License-Identifier: 0BSD
"""A gate, auth or mail that an intruder has taken over sends whatever it likes over its channels to the other
roles: their code survives it, and the service comes back without help."""

import array
import ctypes
import os
import random
import re
import socket
import struct
import time

import pytest

from harness.server import ROLES

pytestmark = pytest.mark.needs_root

PIDFD_GETFD = 438
PAYLOAD_MAX = 96 * 1024
TYPES = 40          # more than there are
FRAMES, ROUNDS = 60, 30
libc = ctypes.CDLL(None, use_errno=True)


def channels(pid):
    """Copies of the sockets by which a process speaks with other roles."""
    pidfd, found = os.pidfd_open(pid), []
    for name in os.listdir(f"/proc/{pid}/fd"):
        fd = libc.syscall(PIDFD_GETFD, pidfd, int(name), 0)
        if fd < 0:
            continue
        try:
            one = socket.socket(fileno=fd)
        except OSError:
            os.close(fd)
            continue
        if one.family == socket.AF_UNIX and one.type == socket.SOCK_SEQPACKET:
            found.append(one)
        else:
            one.close()
    os.close(pidfd)
    return found


def payload(dice):
    """Nothing, noise, or what looks like numbers and texts of the length that stands before them."""
    kind = dice.randrange(4)
    if kind == 0:
        return b""
    if kind == 1:
        return dice.randbytes(dice.choice((1, 8, 64, 4096, PAYLOAD_MAX)))
    parts = [dice.choice((struct.pack("<Q", dice.randrange(8)), bytes([dice.randrange(4)]),
                          struct.pack("<I", 4) + b"demo", struct.pack("<I", dice.randrange(1 << 32)),
                          b"\xff" * 8, struct.pack("<I", 5) + b"a\0b\r\n"))
             for _ in range(dice.randrange(12))]
    return b"".join(parts)


def frame(dice):
    text = payload(dice)
    length = len(text) if dice.randrange(8) else dice.choice((0, len(text) + 1, 1 << 31, (1 << 32) - 1))
    head = struct.pack("<HHI", dice.randrange(TYPES), 0 if dice.randrange(16) else 7, length)
    return (head + text)[:None if dice.randrange(16) else dice.randrange(8)]


def say(channel, dice):
    """One frame, sometimes with a descriptor that nobody expects; False when nobody listens any more."""
    rights = []
    if not dice.randrange(3):
        with open("/dev/null", "rb") as file:
            fds = array.array("i", [os.dup(file.fileno())])
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)]
    try:
        channel.sendmsg([frame(dice)], rights, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
    except BlockingIOError:
        time.sleep(0.01)
    except OSError:
        return False
    finally:
        for _, _, fds in rights:
            os.close(fds[0])
    return True


def works_again(server, seconds=60):
    """A role that had to be started anew may take a moment, and a session may meet that moment."""
    end = time.monotonic() + seconds
    while True:
        try:
            server.deliver("Subject: after it\r\n\r\nbody\r\n")
            with server.raw_imap().login() as wire:
                wire.ok("SELECT INBOX")
                wire.ok("FETCH 1 BODY[]")
            return
        except (AssertionError, OSError):
            assert time.monotonic() < end and server.process.poll() is None, server.log()
            time.sleep(0.1)


@pytest.mark.parametrize("role", ROLES)
def test_what_a_captured_role_says_harms_no_other(fresh, role):
    fresh.start()
    works_again(fresh)
    for seed in range(ROUNDS):
        dice = random.Random(seed)
        found = channels(fresh.role_pid(role))
        assert found
        try:
            for channel in found:
                for _ in range(FRAMES):
                    if not say(channel, dice):
                        break
        finally:
            for channel in found:
                channel.close()
        works_again(fresh)
    assert fresh.process.poll() is None
    fresh.check_log()
    # The master ends who sends nonsense; no other role dies.
    assert set(re.findall(r"role died role=(\w+) (.*)", fresh.log())) <= {(role, "signal=9")}, fresh.log()
    assert fresh.stop() == 0
