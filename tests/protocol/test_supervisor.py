# SPDX-License-Identifier: 0BSD
"""Started by somebody else: NOTIFY_SOCKET, LISTEN_FDS, the units in docs/, and an empty root folder."""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

from harness.ports import free_port
from harness.server import ROLES, Wire
from harness.tree import TOP

UNITS = [TOP / "docs" / name for name in ("satchel.service", "satchel.socket", "satchel-lmtp.socket")]
# What `systemd-analyze security` gives the unit; 10 is worst.
EXPOSURE_MAX = 1.3


@pytest.fixture
def notify(fresh):
    """What the server says to its supervisor."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(str(fresh.dir / "notify"))
        s.settimeout(20)
        yield s


def told(notify):
    """One message as a dict."""
    return dict(line.split("=", 1) for line in notify.recv(500).decode().splitlines())


def wait_for(notify, key):
    while True:
        state = told(notify)
        if key in state:
            return state


def start(server, notify, **env):
    path = notify.getsockname()
    server.start(env={"NOTIFY_SOCKET": path if isinstance(path, str) else "@" + path[1:].decode(), **env})


def test_a_supervisor_hears_of_start_reload_and_end(fresh, notify):
    start(fresh, notify)
    assert told(notify).keys() == {"STATUS"}
    assert told(notify) == {"READY": "1", "STATUS": "serving"}
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    fresh.process.send_signal(signal.SIGHUP)
    state = told(notify)
    assert state["RELOADING"] == "1"
    assert before <= int(state["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert told(notify) == {"READY": "1", "STATUS": "serving"}
    fresh.conf.write_text("nonsense\n")
    fresh.process.send_signal(signal.SIGHUP)
    assert told(notify)["RELOADING"] == "1"
    assert told(notify)["READY"] == "1"  # it serves, with the settings it had
    assert fresh.stop() == 0
    assert told(notify)["STOPPING"] == "1"
    notify.setblocking(False)
    with pytest.raises(BlockingIOError):
        notify.recv(500)


def test_a_socket_without_a_file_will_do(fresh):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(f"\0satchel-test-{os.getpid()}")
        s.settimeout(20)
        start(fresh, s)
        wait_for(s, "READY")


def test_a_long_end_asks_for_more_time(fresh, notify):
    """The supervisor's timeout is for a server that hangs, not for a large last checkpoint."""
    start(fresh, notify)
    wait_for(notify, "READY")
    mail = fresh.role_pid("mail")
    os.kill(mail, signal.SIGSTOP)
    fresh.process.send_signal(signal.SIGTERM)
    assert int(wait_for(notify, "EXTEND_TIMEOUT_USEC")["EXTEND_TIMEOUT_USEC"]) > 10_000_000
    os.kill(mail, signal.SIGCONT)
    assert fresh.stop() == 0


def test_the_watchdog_is_fed_twice_as_often_as_it_asks(fresh, notify):
    start(fresh, notify, WATCHDOG_USEC="400000")
    wait_for(notify, "READY")
    wait_for(notify, "WATCHDOG")
    since = time.monotonic()
    for _ in range(5):
        assert told(notify) == {"WATCHDOG": "1"}
    assert 0.8 < time.monotonic() - since < 2


def test_a_watchdog_that_is_meant_for_another_process_is_not_fed(fresh, notify):
    start(fresh, notify, WATCHDOG_USEC="100000", WATCHDOG_PID="1")
    wait_for(notify, "READY")
    notify.settimeout(0.5)
    with pytest.raises(TimeoutError):
        notify.recv(500)


def test_sockets_of_a_supervisor_take_the_place_of_the_settings(fresh):
    """The activator listens, starts the server at the first connection, and both ports are served."""
    fresh.write_conf()
    imap, lmtp = free_port(), free_port()
    with open(fresh.log_path, "ab") as log:
        fresh.process = subprocess.Popen(
            ["systemd-socket-activate", "-l", f"127.0.0.1:{imap}", "-l", f"127.0.0.1:{lmtp}", "--fdname=imap:lmtp",
             fresh.binary, "serve", "-c", str(fresh.conf), "--data", str(fresh.data)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    end = time.monotonic() + 20
    while "Listening on" not in fresh.log() or fresh.log().count("Listening on") < 2:
        assert time.monotonic() < end and fresh.process.poll() is None, fresh.log()
        time.sleep(0.02)
    with Wire(("127.0.0.1", imap)) as wire:
        wire.login()
    with Wire(("127.0.0.1", lmtp)) as wire:
        assert wire.reply()[0] == 220
        assert wire.smtp("LHLO pc")[0] == 250
    with pytest.raises(OSError):
        fresh.raw_imap()
    end = time.monotonic() + 20
    # They outlive a reload, and are not this server's to close or remove.
    fresh.process.send_signal(signal.SIGHUP)
    while "settings read again" not in fresh.log():
        assert time.monotonic() < end, fresh.log()
        time.sleep(0.02)
    with Wire(("127.0.0.1", imap)) as wire:
        wire.login()


def analyze(*words):
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, timeout=60)


def test_the_unit_is_as_closed_as_it_says():
    done = analyze("security", "--offline=true", str(UNITS[0]))
    exposure = float(re.search(r"exposure level for satchel.service: ([0-9.]+)", done.stdout).group(1))
    assert exposure <= EXPOSURE_MAX, done.stdout


def test_the_units_have_no_fault(tmp_path):
    """With the paths of this test, because verify looks whether the program is there."""
    for unit in UNITS:
        text = unit.read_text().replace("/usr/sbin/satchel", os.environ["SATCHEL"])
        (tmp_path / unit.name).write_text(re.sub("(?m)^Documentation=.*\n", "", text))
    done = analyze("verify", "--man=no", *(str(tmp_path / unit.name) for unit in UNITS))
    ours = [line for line in done.stderr.splitlines() if "satchel" in line]
    assert done.returncode == 0 and not ours, done.stderr


def allowed_by_unit():
    """System calls that the unit's filter lets through, with its groups taken apart."""
    groups, name = {}, None
    for line in analyze("syscall-filter").stdout.splitlines():
        if line.startswith("@"):
            name = line.split()[0]
            groups[name] = set()
        elif line.startswith("    ") and name and not line.strip().startswith("#"):
            groups[name].add(line.strip())

    def flat(word):
        if not word.startswith("@"):
            return {word}
        return set().union(*(flat(w) for w in groups[word]))

    calls = set()
    for value in re.findall(r"(?m)^SystemCallFilter=(.*)$", UNITS[0].read_text()):
        named = set().union(*(flat(w) for w in value.lstrip("~").split()))
        calls = calls - named if value.startswith("~") else calls | named
    return calls


def test_the_unit_lets_through_what_the_roles_call():
    """Each role's own filter is made from a list; nothing on it may be refused by the unit."""
    source = TOP / "features" / "sandbox" / "seccomp" / "calls.c"
    if not source.exists():
        return  # a tree without that feature
    wanted = set(re.findall(r"\bCALL(?:_IF)?\((?:[A-Z_]+), ([a-z0-9_]+)", 
                            source.read_text().split("{0, 0, 0, 0, 0}")[0]))
    assert len(wanted) > 60
    assert wanted - allowed_by_unit() == set()


@pytest.mark.needs_root
def test_an_empty_root_and_numbers_for_users_are_enough(fresh):
    """No /etc/passwd, no library, no /dev, no /proc: the program, its settings and the spool."""
    if fresh.binary != os.environ["SATCHEL"]:
        return  # the other flavours are linked with shared libraries
    root = fresh.dir / "root"
    root.mkdir()
    shutil.copy(fresh.binary, root / "satchel")
    users = {"gate": "65501:65502", "auth": "65503:65504", "mail": "65505:65506"}
    fresh.settings.update({f"user_{role}": numbers for role, numbers in users.items()})
    fresh.settings["lmtp_listen"] = f"127.0.0.1:{fresh.lmtp_port}"
    fresh.write_conf()
    shutil.copy(fresh.conf, root / "satchel.conf")
    inside = ["chroot", str(root), "/satchel", "-c", "/satchel.conf", "--data", "/spool"]
    (root / "spool").mkdir()
    subprocess.run([*inside, "user", "add", "demo"], input=fresh.password + "\n", text=True, check=True, timeout=30)
    with open(fresh.log_path, "ab") as log:
        fresh.process = subprocess.Popen([*inside, "serve"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    fresh.wait_ready()
    for role in ROLES:
        status = pathlib.Path(f"/proc/{fresh.role_pid(role)}/status").read_text()
        uid, gid = users[role].split(":")
        assert f"Uid:\t{uid}\t{uid}" in status and f"Gid:\t{gid}\t{gid}" in status
    fresh.deliver("Subject: x\r\n\r\nx\r\n")
    with fresh.raw_imap().login() as wire:
        wire.ok("SELECT INBOX")
        wire.ok("FETCH 1 BODY[]")
    assert fresh.stop() == 0
    assert {path.name for path in root.iterdir()} == {"satchel", "satchel.conf", "spool"}
