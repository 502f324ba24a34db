# SPDX-License-Identifier: 0BSD
"""What each role cannot do, tried from inside: system calls are made in the name of a running role,
as an intruder in it would make them (tests/sandbox/inject.c), and a kernel that lacks a layer is
played by a filter around the whole server (tests/sandbox/without.c)."""

import mmap
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from harness.server import ROLES, Server

pytestmark = pytest.mark.needs_root

# x86-64
OPEN, CLOSE, MMAP, SOCKET, CONNECT, CLONE, EXECVE, KILL = 2, 3, 9, 41, 42, 56, 59, 62
PTRACE, PRCTL, OPENAT, SECCOMP, LANDLOCK = 101, 157, 257, 317, (444, 445, 446)
MDWE = 65
AT_FDCWD = 2**64 - 100
SIGSYS = signal.SIGSYS.value
EXECUTABLE = mmap.PROT_READ | mmap.PROT_EXEC
USERS = {"user_gate": "65501:65501", "user_auth": "65503:65503", "user_mail": "65505:65505"}


@pytest.fixture(scope="module")
def shipped():
    """The sanitized flavour needs rights that the shipped one gives up."""
    return os.environ["SATCHEL"]


def tool(name):
    return str(pathlib.Path(os.environ["SATCHEL_O"]) / "tests" / name)


@pytest.fixture
def folder():
    """As fresh_folder, once and not for each flavour."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="satchel-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


class Inside:
    """A running server in which roles can be made to do things."""

    def __init__(self, binary, folder, **settings):
        self.server = Server(binary, folder, settings).start()

    def do(self, role, number, *args):
        """The result as an int, or "killed N"."""
        words = [str(a) if isinstance(a, int) else f"s:{a}" for a in args]
        done = subprocess.run([tool("inject"), str(self.server.role_pid(role)), str(number), *words],
                              capture_output=True, text=True, timeout=30, check=True)
        text = done.stdout.strip()
        return text if text.startswith("killed") else int(text)

    def status(self, role, key):
        text = pathlib.Path(f"/proc/{self.server.role_pid(role)}/status").read_text()
        return re.search(rf"(?m)^{key}:\s*(.*)$", text).group(1)

    def descriptors(self, role):
        folder = pathlib.Path(f"/proc/{self.server.role_pid(role)}/fd")
        return {int(path.name): os.readlink(path) for path in folder.iterdir()}

    def spool(self, role):
        """Number of its descriptor of the spool."""
        return next(fd for fd, name in self.descriptors(role).items() if name == str(self.server.data))


@pytest.fixture(params=("root", "users"))
def inside(request, shipped, folder):
    one = Inside(shipped, folder, **(USERS if request.param == "users" else {}))
    one.users = request.param == "users"
    yield one
    assert one.server.stop() == 0, one.server.log()


@pytest.fixture
def open_inside(shipped, folder):
    one = Inside(shipped, folder, sandbox="off")
    yield one
    assert one.server.stop() == 0, one.server.log()


def works(server):
    server.deliver("Subject: a test\r\n\r\nbody\r\n")
    with server.raw_imap().login() as wire:
        wire.ok("SELECT INBOX")
        wire.ok("FETCH 1 BODY[]")


def make_secret(folder):
    """A file that everybody may read."""
    path = folder / "secret"
    path.write_text("nothing for a role\n")
    path.chmod(0o644)
    return str(path)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_makes_no_connection_and_disturbs_no_process(inside, role, config):
    if "SECCOMP" not in config:
        assert inside.status(role, "Seccomp") == "0"
        return
    assert inside.status(role, "Seccomp") == "2"
    assert inside.status(role, "NoNewPrivs") == "1"
    assert inside.do(role, SOCKET, 2, 1, 0) == -1
    assert inside.do(role, SOCKET, 1, 1, 0) == -1
    assert inside.do(role, CONNECT, 0, 0, 0) == -1
    for pid in (inside.server.process.pid, *inside.server.children()):
        assert inside.do(role, KILL, pid, 0) == -1
    assert inside.do(role, CLONE, signal.SIGCHLD.value, 0, 0, 0, 0) == -1
    assert inside.do(role, MMAP, 0, 4096, EXECUTABLE, 0x22, 2**64 - 1, 0) == -1
    works(inside.server)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("number, args", ((EXECVE, ("/bin/true", 0, 0)), (PTRACE, (16, 1, 0, 0))))
def test_what_only_an_intruder_tries_ends_the_role_and_nothing_else(inside, role, number, args, config):
    if "SECCOMP" not in config:
        return
    before = {name: inside.server.role_pid(name) for name in ROLES}
    assert inside.do(role, number, *args) == f"killed {SIGSYS}"
    end = time.monotonic() + 20
    while len(inside.server.children()) < 3 or inside.server.role_pid(role) == before[role]:
        assert time.monotonic() < end, inside.server.log()
        time.sleep(0.02)
    inside.server.wait_ready()
    works(inside.server)
    inside.server.wait_log(f"system call that no role may make role={role}")
    assert [name for name in ROLES if inside.server.role_pid(name) != before[name]] == [role]


def test_the_gate_opens_nothing_and_holds_nothing_but_sockets(inside, config):
    secret = make_secret(inside.server.dir)
    for path in (secret, str(inside.server.data / "users.cdb"), ".", "/"):
        assert inside.do("gate", OPENAT, AT_FDCWD, path, os.O_RDONLY) in (-1, -2, -13)
    if "SECCOMP" in config:
        assert inside.do("gate", OPENAT, AT_FDCWD, "/", os.O_RDONLY) == -1
    held = [name for fd, name in inside.descriptors("gate").items() if fd > 2]
    # The empty directory in which it is rooted.
    assert [name for name in held if not name.startswith(("socket:", "anon_inode:"))] == \
        [str(inside.server.data / "empty")]
    assert inside.status("gate", "CapEff") == "0" * 16


def test_auth_reads_its_file_and_neither_mail_nor_anything_else(inside, config):
    secret = make_secret(inside.server.dir)
    works(inside.server)
    log = next((inside.server.data / "log").glob("*.seg")).name
    spool = inside.spool("auth")
    assert inside.do("auth", OPENAT, spool, "users.cdb", os.O_RDONLY) >= 0
    assert inside.do("auth", OPENAT, AT_FDCWD, secret, os.O_RDONLY) == -2
    assert inside.do("auth", OPENAT, spool, "../secret", os.O_RDONLY) in (
        (-13,) if "LANDLOCK" in config else (3, 4, 5, 6, 7, 8, 9, 10, 11, 12))
    if inside.users:
        assert inside.do("auth", OPENAT, spool, f"log/{log}", os.O_RDONLY) == -13
    if "SECCOMP" in config:
        assert inside.do("auth", OPENAT, spool, "users.cdb", os.O_RDWR) == -1
        assert inside.do("auth", OPENAT, spool, "new", os.O_RDONLY | os.O_CREAT, 0o600) == -1
    with inside.server.raw_imap() as wire:
        wire.line()
        time.sleep(0.1)
        inet = pathlib.Path("/proc/net/tcp").read_text()
        held = [name[8:-1] for name in inside.descriptors("auth").values() if name.startswith("socket:")]
        assert held and not [inode for inode in held if f" {inode} " in inet]


def test_mail_stays_in_its_spool_and_sees_no_hash(inside):
    secret = make_secret(inside.server.dir)
    spool = inside.spool("mail")
    # It is rooted in the spool: there is no way up.
    assert inside.do("mail", OPENAT, AT_FDCWD, secret, os.O_RDONLY) == -2
    assert inside.do("mail", OPENAT, spool, "../secret", os.O_RDONLY) == -2
    assert inside.do("mail", OPENAT, spool, "../lock", os.O_RDONLY) >= 0
    if inside.users:
        assert inside.do("mail", OPENAT, spool, "users.cdb", os.O_RDONLY) == -13
    held = inside.descriptors("mail").values()
    assert not [name for name in held if "users.cdb" in name]


@pytest.mark.parametrize("role", ROLES)
def test_no_core_file_and_no_look_into_memory(inside, role):
    pid = inside.server.role_pid(role)
    limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
    assert re.search(r"(?m)^Max core file size\s+0\s+0\s", limits)
    assert os.stat(f"/proc/{pid}/mem").st_uid == 0 and inside.status(role, "CoreDumping") == "0"
    if role == "gate":
        assert re.search(r"(?m)^Max processes\s+0\s+0\s", limits)
    if role == "auth":
        assert re.search(r"(?m)^Max open files\s+64\s+64\s", limits)


def test_without_the_sandbox_the_same_attempts_succeed(open_inside):
    """What shows that the tool works, and that the refusals above are the sandbox's."""
    for role in ROLES:
        assert open_inside.do(role, SOCKET, 1, 1, 0) >= 0
        assert open_inside.do(role, MMAP, 0, 4096, EXECUTABLE, 0x22, 2**64 - 1, 0) > 0
        assert open_inside.do(role, EXECVE, "/nowhere", 0, 0) == -2
        assert open_inside.status(role, "Seccomp") == "0"
    make_secret(open_inside.server.dir)
    assert open_inside.do("auth", OPENAT, open_inside.spool("auth"), "../secret", os.O_RDONLY) >= 0
    works(open_inside.server)


# ---- layers that are missing ----

def wrapped(server, *words):
    """The program behind another that changes the world for it."""
    script = server.dir / "wrapped"
    script.write_text(f"#!/bin/sh\nexec {shlex.join(words)} {shlex.quote(server.binary)} \"$@\"\n")
    script.chmod(0o755)
    server.binary = str(script)
    return server


LACKS = {"seccomp": ([str(SECCOMP), "prctl=22"], "SECCOMP"),
         "landlock": ([str(n) for n in LANDLOCK], "LANDLOCK"),
         "memory-deny-write-execute": ([f"prctl={MDWE}"], None)}


@pytest.fixture
def lacking(shipped, folder):
    server = Server(shipped, folder)
    yield server
    if server.process is not None:
        server.stop()


@pytest.mark.parametrize("layer", sorted(LACKS))
def test_a_missing_layer_is_told_in_one_line_and_it_serves(lacking, layer, config):
    calls, symbol = LACKS[layer]
    wrapped(lacking, tool("without"), ",".join(calls))
    lacking.start()
    works(lacking)
    said = [line for line in lacking.log().splitlines() if "sandbox" in line]
    if symbol and symbol not in config:
        assert said == []
    else:
        assert len(said) == 1 and f'missing="{layer} (' in said[0], lacking.log()
    assert lacking.stop() == 0


@pytest.mark.parametrize("layer", sorted(LACKS))
def test_a_missing_layer_stops_the_start_where_it_is_required(lacking, layer, config):
    calls, symbol = LACKS[layer]
    if symbol and symbol not in config:
        return
    wrapped(lacking, tool("without"), ",".join(calls))
    lacking.settings["sandbox"] = "require"
    with pytest.raises(AssertionError, match="ended with 1"):
        lacking.start()
    lacking.process = None
    lacking.wait_log(f'missing="{layer} (')


def test_a_complete_sandbox_satisfies_require(lacking):
    lacking.settings["sandbox"] = "require"
    lacking.start()
    works(lacking)
    assert "sandbox" not in lacking.log()
    assert lacking.stop() == 0


def test_another_word_for_sandbox_is_an_error(lacking):
    lacking.settings["sandbox"] = "perhaps"
    lacking.write_conf()
    done = lacking.cli("--check-config", "-c", str(lacking.conf), check=False)
    assert done.returncode != 0 and "sandbox must be auto, require or off" in done.stderr


def test_an_ordinary_user_serves_as_well_confined(shipped, folder, config):
    """No root, no capability: separate processes, Landlock and filters all the same."""
    folder = folder / "theirs"
    server = Server(shipped, folder, {"sandbox": "require"})
    secret = make_secret(folder)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 65510, 65510)
    wrapped(server, "setpriv", "--reuid", "65510", "--regid", "65510", "--clear-groups")
    server.start()
    try:
        works(server)
        one = Inside.__new__(Inside)
        one.server = server
        for role in ROLES:
            assert one.status(role, "Uid").split() == ["65510"] * 4
            if "SECCOMP" in config:
                assert one.do(role, SOCKET, 2, 1, 0) == -1
            if "LANDLOCK" in config:
                assert one.do(role, OPENAT, AT_FDCWD, secret, os.O_RDONLY) in (-1, -13)
                assert one.do(role, OPENAT, AT_FDCWD, "/etc/passwd", os.O_RDONLY) in (-1, -13)
        assert len({server.role_pid(role) for role in ROLES} | {server.process.pid}) == 4
    finally:
        assert server.stop() == 0, server.log()


def test_a_spool_below_a_read_only_root_is_enough(shipped, folder):
    """Nothing but the spool is ever written."""
    script = ("mount --bind \"$1\" \"$1\" && mount -o remount,ro,bind / 2>/dev/null; shift; exec \"$@\"")
    server = Server(shipped, folder, {"lmtp_listen": ""})
    server.settings["lmtp_listen"] = f"127.0.0.1:{server.lmtp_port}"
    wrapped(server, "unshare", "-m", "sh", "-c", script, "sh", str(folder))
    server.start()
    works(server)
    assert server.stop() == 0, server.log()
