# SPDX-License-Identifier: 0BSD
"""A disk that fails under the running server: strace makes system calls of the mail role fail.

The calls are not made, as with a disk that is gone; the kernel's own memory of the files is left as it was, and so
is what a second sync would say.  The role is a process of the real program, without its filter of system calls,
which would end it for the ones that strace takes away.
"""

import re
import subprocess

import pytest

from harness.disk import send, subjects, wait_for
from harness.server import Server

pytestmark = pytest.mark.needs_root


@pytest.fixture
def failing(binary, fresh_folder):
    """A server with one message, and a way to have a call of its mail role fail from now on."""
    instance = Server(binary, fresh_folder, settings={"sandbox": "off"})
    # Who is traced cannot look for its own leaks.
    instance.start(env={"ASAN_OPTIONS": "detect_leaks=0"})
    tracers = []

    def fail(call, error):
        tracer = subprocess.Popen(
            ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:error={error}",
             "-p", str(instance.role_pid("mail"))], stderr=subprocess.PIPE, text=True)
        tracers.append(tracer)
        wait_for(lambda: traced(instance), "strace does not attach", instance)
        return tracer

    assert send(instance, 1)[0][0] == 250
    yield instance, fail
    for tracer in tracers:
        tracer.terminate()
        tracer.communicate(timeout=20)
    if instance.process is not None:
        instance.stop()
    instance.check_log()


def traced(server):
    """Are all threads of the role?"""
    pid = server.role_pid("mail")
    text = subprocess.run(f"cat /proc/{pid}/task/*/status", shell=True, capture_output=True, text=True,
                          check=False).stdout
    tracers = re.findall(r"(?m)^TracerPid:\t(\d+)$", text)
    return tracers and "0" not in tracers


def ended(server, pid):
    return pid not in server.children()


@pytest.mark.parametrize("call,error", [("fdatasync", "EIO"), ("pwritev", "EIO"), ("fdatasync", "ENOSPC")])
def test_after_an_error_of_the_disk_the_server_shows_what_is_durable_until_it_is_started_anew(
        failing, call, error):
    server, fail = failing
    role = server.role_pid("mail")
    with server.raw_imap() as idle:
        idle.login().ok("SELECT INBOX")
        fail(call, error)
        replies = send(server, 2)
        assert replies[0][0] == 451, replies
        while (line := idle.response()) is not None:
            assert b"2 EXISTS" not in line, "a message was shown that is not durable"
            last = line
        assert last.startswith(b"* BYE"), last
    wait_for(lambda: ended(server, role), "the role goes on", server)
    server.wait_log("earlier failure")
    assert (server.data / "FAILED").exists()
    server.wait_ready()
    with server.raw_imap() as wire:
        wire.login().ok("SELECT INBOX")
        assert subjects(wire) == [1], "what is durable, no less and no more"
        wire.send("a APPEND INBOX {1000}\r\n")
        assert wire.until("a")[-1].startswith(b"a NO [UNAVAILABLE]")
        assert wire.command(r"STORE 1 +FLAGS (\Deleted)")[-1].split(b" ", 1)[1].startswith(b"NO [UNAVAILABLE]")
    assert send(server, 3)[0][0] == 451
    server.restart()
    assert not (server.data / "FAILED").exists()
    assert send(server, 4) == [(250, "2.1.5 <demo> stored")]
    with server.raw_imap() as wire:
        wire.login().ok("SELECT INBOX")
        assert subjects(wire) == [1, 4]


def test_a_write_that_finds_no_block_although_the_disk_has_room_undoes_the_batch_and_no_more(failing):
    """As on a file system that writes everything anew: no reserve helps, and then there is room again."""
    server, fail = failing
    role = server.role_pid("mail")
    tracer = fail("pwritev", "ENOSPC")
    assert send(server, 2)[0] == (452, "4.3.1 Out of disk space, try again later")
    wait_for(lambda: ended(server, role), "the role goes on", server)
    tracer.wait(20)
    server.wait_ready()
    wait_for(lambda: send(server, 3)[0][0] == 250, "mail is refused", server)
    with server.raw_imap() as wire:
        wire.login().ok("SELECT INBOX")
        assert subjects(wire) == [1, 3]
