# SPDX-License-Identifier: 0BSD
"""Four processes: each may die at any moment and comes back, the others go on; signals; settings."""

import itertools
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import time

import pytest

from harness.ports import free_port
from harness.server import ROLES, Server, Wire, wait_gone

NUMBERS = itertools.count(1)


def login_works(server, seconds=30):
    """Retries until a login is answered OK: a role may be coming back."""
    end = time.monotonic() + seconds
    while True:
        try:
            with Wire(("127.0.0.1", server.imap_port), timeout=10).login() as wire:
                wire.ok("SELECT INBOX")
                return
        except (OSError, AssertionError):
            assert time.monotonic() < end, server.log()
            time.sleep(0.05)


def delivery_works(server, seconds=30):
    end = time.monotonic() + seconds
    while True:
        try:
            server.deliver(f"Message-ID: <{next(NUMBERS)}@roles>\r\nSubject: a test\r\n\r\nbody\r\n")
            return
        except (OSError, AssertionError):
            assert time.monotonic() < end, server.log()
            time.sleep(0.05)


def comes_back(server, role, old):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if server.role_pid(role) != old:
            return
        time.sleep(0.02)
    raise AssertionError(f"{role} did not come back:\n{server.log()}")


@pytest.mark.parametrize("role", ROLES)
def test_a_killed_role_comes_back_and_the_service_with_it(fresh, role):
    fresh.start()
    delivery_works(fresh)
    for _ in range(3):
        old = fresh.kill_role(role)
        wait_gone(old)
        comes_back(fresh, role, old)
        login_works(fresh)
        delivery_works(fresh)
    with fresh.imap() as client:
        assert client.select() == ("OK", [b"4"])
    assert fresh.stop() == 0


@pytest.mark.parametrize("role", ("gate", "auth"))
def test_sessions_do_not_notice_that_gate_or_auth_died(fresh, role):
    fresh.start()
    with fresh.raw_imap().login() as wire:
        wire.ok("SELECT INBOX")
        wait_gone(fresh.kill_role(role))
        wire.ok("NOOP")
        delivery_works(fresh)
        assert b"* 1 EXISTS" in wire.ok("NOOP")


def test_a_login_without_auth_is_unavailable_and_not_refused(fresh):
    fresh.start()
    wire = fresh.raw_imap()
    wire.line()
    pid = fresh.role_pid("auth")
    os.kill(pid, signal.SIGSTOP)
    wire.send(f'a LOGIN demo "{fresh.password}"\r\n')
    time.sleep(0.3)
    os.kill(pid, signal.SIGKILL)
    answer = wire.until("a")[-1]
    assert answer.startswith(b"a NO [UNAVAILABLE]"), answer
    end = time.monotonic() + 20
    while b" OK" not in wire.command(f'LOGIN demo "{fresh.password}"')[-1][:8]:
        assert time.monotonic() < end
        time.sleep(0.1)
    wire.close()


def test_no_child_outlives_the_master(fresh):
    fresh.start()
    children = fresh.children()
    assert len(children) == 3
    os.kill(fresh.process.pid, signal.SIGKILL)
    fresh.process.wait(10)
    for pid in children:
        wait_gone(pid)
    fresh.process = None
    fresh.start()
    login_works(fresh)


def test_sigterm_tells_every_client_and_ends_with_0(fresh):
    fresh.start()
    session = fresh.raw_imap().login()
    stranger, sender, silent = fresh.raw_imap(), fresh.raw_lmtp(), fresh.raw_lmtp()
    stranger.line()
    assert silent.reply()[0] == 220
    assert sender.reply()[0] == 220 and sender.smtp("LHLO x")[0] == 250
    assert sender.smtp("MAIL FROM:<a@b>")[0] == 250
    fresh.process.send_signal(signal.SIGTERM)
    assert session.line().startswith(b"* BYE")
    assert stranger.line().startswith(b"* BYE")
    assert sender.reply()[0] == 421
    assert silent.reply()[0] == 421
    for wire in (session, stranger, sender, silent):
        assert wire.line() is None
    assert fresh.process.wait(20) == 0
    fresh.process = None
    assert "killed" not in fresh.log() and "died" not in fresh.log(), fresh.log()
    assert not os.path.exists(fresh.lmtp_socket)


def test_a_wrong_password_is_answered_late_and_nobody_else_waits(fresh):
    fresh.start()
    with fresh.raw_imap() as guesser:
        guesser.line()
        begin = time.monotonic()
        guesser.send("a LOGIN demo wrong\r\n")
        login_works(fresh)
        assert time.monotonic() - begin < 1
        assert guesser.until("a")[-1].startswith(b"a NO [AUTHENTICATIONFAILED]")
        assert time.monotonic() - begin >= 1


def test_sighup_takes_good_settings_and_keeps_the_old_for_bad_ones(fresh):
    fresh.start()
    with fresh.raw_imap().login() as wire:
        more = free_port()
        before = fresh.settings["imap_listen"]
        fresh.settings["imap_listen"] = f"{before} 127.0.0.1:{more}"
        fresh.write_conf()
        fresh.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 20
        while True:
            try:
                Wire(("127.0.0.1", more)).login().close()
                break
            except OSError:
                assert time.monotonic() < end, fresh.log()
                time.sleep(0.05)
        wire.ok("NOOP")  # the session lives in mail, which had no reason to restart
        fresh.conf.write_text(fresh.conf.read_text() + "colour: red\nsessions_max: many\n")
        fresh.process.send_signal(signal.SIGHUP)
        lines = len(fresh.conf.read_text().splitlines())
        while "settings stay as they were" not in fresh.log():
            assert time.monotonic() < end, fresh.log()
            time.sleep(0.05)
        fresh.wait_log(f"{fresh.conf}:{lines - 1}: unknown key colour")
        fresh.wait_log(f"{fresh.conf}:{lines}: sessions_max must be a number")
        wire.ok("NOOP")
    Wire(("127.0.0.1", more)).login().close()
    # A setting of mail: sessions are told to come again.
    fresh.settings["sessions_max"] = "16"
    fresh.write_conf()
    old = fresh.role_pid("mail")
    fresh.control("reload")
    comes_back(fresh, "mail", old)
    login_works(fresh)


def test_check_config_names_file_and_line(fresh):
    fresh.conf.write_text("hostname: a\n\nlisten_backlog: 0\nnot a setting\n")
    done = fresh.cli("--check-config", "-c", str(fresh.conf), check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"{fresh.conf}:3: listen_backlog must be a number from 1 to 65535",
        f"{fresh.conf}:4: expected `key: value'",
    ]
    fresh.conf.write_text("hostname: a\n")
    assert fresh.cli("--check-config", "-c", str(fresh.conf)).stdout == f"{fresh.conf}: ok\n"


def test_a_settings_file_in_the_spool_is_read_without_being_named(fresh):
    inside = fresh.data / "satchel.conf"
    assert fresh.cli("--check-config", "--data", str(fresh.data)).stdout == "defaults: ok\n"
    inside.write_text("drain_seconds: 7\n")
    inside.chmod(0o644)
    assert fresh.cli("--check-config", "--data", str(fresh.data)).stdout == f"{inside}: ok\n"
    assert "drain_seconds: 7\n" in fresh.cli("--data", str(fresh.data), "config").stdout
    fresh.write_conf()
    words = "--data", str(fresh.data), "-c", str(fresh.conf)
    assert "drain_seconds: 7\n" not in fresh.cli(*words, "config").stdout


def test_a_settings_file_in_the_spool_that_others_can_write_is_refused(fresh):
    """Started as root, the roles give it up for users that this file names; the mail role can write
    to the spool."""
    inside = fresh.data / "satchel.conf"
    real = fresh.dir / "real.conf"
    real.write_text("drain_seconds: 7\n")

    def refused():
        done = fresh.cli("--check-config", "--data", str(fresh.data), check=False)
        inside.unlink()
        return done.returncode == 1 and done.stderr.startswith(f"{inside}: ")

    inside.symlink_to(real)
    assert refused()
    os.mkfifo(inside)
    assert refused()
    shutil.copy(real, inside)
    inside.chmod(0o664)
    assert refused()
    if os.geteuid() == 0:
        shutil.copy(real, inside)
        os.chown(inside, 65505, 65506)
        assert refused()


def test_a_key_of_a_feature_that_is_not_in_the_binary_names_its_symbol(fresh, config):
    absent = "CONFIG_EXAMPLE" if "EXAMPLE" not in config else None
    fresh.conf.write_text("example_level: 1\nexampel_level: 1\n")
    done = fresh.cli("--check-config", "-c", str(fresh.conf), check=False)
    lines = done.stderr.splitlines()
    assert lines[-1] == f"{fresh.conf}:2: unknown key exampel_level"
    if absent:
        assert lines[0] == f"{fresh.conf}:1: example_level needs {absent}, which is not in this binary"


def test_the_manual_explains_every_key(fresh):
    page = pathlib.Path("docs/man/satchel.conf.5").read_text()
    keys = [line.split(":")[0] for line in fresh.cli("config").stdout.splitlines()]
    assert "imap_listen" in keys and len(keys) > 15
    assert [key for key in keys if f".BR {key} " not in page and not key.startswith("example_")] == []


def test_one_session_too_many_is_told_to_come_later(fresh):
    fresh.settings["sessions_max"] = "2"
    fresh.start()
    with fresh.raw_imap().login() as first, fresh.raw_imap().login() as second:
        with fresh.raw_imap() as third:
            third.line()
            assert third.command(f'LOGIN demo "{fresh.password}"')[-1].startswith(
                b"t1 NO [UNAVAILABLE] too many sessions")
            assert third.line().startswith(b"* BYE")
        first.ok("NOOP")
        second.ok("LOGOUT")
    login_works(fresh)


def test_a_busy_address_is_named_with_the_key_that_changes_it(fresh):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", fresh.imap_port))
        busy.listen()
        with pytest.raises(AssertionError) as refusal:
            fresh.start()
    fresh.process = None
    assert (f"127.0.0.1:{fresh.imap_port}: address in use; choose another with imap_listen"
            in str(refusal.value))


def test_a_socket_file_left_by_a_crash_is_taken_over(fresh):
    fresh.start()
    fresh.kill_all()
    assert stat.S_ISSOCK(os.stat(fresh.lmtp_socket).st_mode)
    fresh.start()
    with Wire(fresh.lmtp_socket) as wire:
        assert wire.reply()[0] == 220
        assert wire.smtp("LHLO x")[0] == 250


def figures(server):
    return dict(line.split(" ", 1) for line in server.control("stat").stdout.splitlines())


def test_those_who_ask_for_a_checkpoint_are_all_answered_when_it_is_there(fresh):
    fresh.start()
    for i in range(20):
        fresh.deliver(f"Subject: {i}\r\n\r\nx\r\n")
    before = figures(fresh)
    assert int(before["redo_records"]) > 40
    asking = [subprocess.Popen([fresh.binary, "--data", str(fresh.data), "checkpoint"],
                               stdout=subprocess.PIPE, text=True) for _ in range(8)]
    assert [p.communicate(timeout=60)[0] for p in asking] == ["checkpoint written\n"] * 8
    after = figures(fresh)
    assert int(after["redo_records"]) <= 2
    assert 1 <= int(after["checkpoints"]) - int(before["checkpoints"]) <= 8
    assert int(after["checkpoint_age_seconds"]) < 60
    for key in ("batch_records_p50", "sync_us_p50", "sync_us_p99", "sync_us_max", "segments",
                "live_bytes", "checkpoint_ms", "checkpoint_dirty_bytes", "redo_ms"):
        assert int(after[key]) >= 0, key


def test_figures_stand_below_each_other_on_a_terminal(fresh):
    fresh.start()
    master, slave = os.openpty()
    subprocess.run([fresh.binary, "--data", str(fresh.data), "stat"], stdout=slave, check=True, timeout=60)
    os.close(slave)
    text = b""
    with open(master, "rb", buffering=0) as terminal:
        try:
            while more := terminal.read(65536):
                text += more
        except OSError:  # the other end is closed
            pass
    lines = text.decode().splitlines()
    assert {re.match(r"\S+ +", line).end() for line in lines if len(line.split()[0]) <= 28} == {29}
    assert [line.split()[0] for line in lines][:2] == ["gate_pid", "gate_restarts"]


@pytest.mark.parametrize("seconds, good", [(4, False), (5, True), (86400, True), (86401, False)])
def test_the_checkpoint_interval_has_ends(fresh, seconds, good):
    fresh.settings["checkpoint_interval"] = str(seconds)
    fresh.write_conf()
    done = fresh.cli("-c", str(fresh.conf), "--check-config", check=False)
    assert (done.returncode == 0) == good, done.stderr
    assert good or "checkpoint_interval" in done.stderr


def test_checkpoints_come_at_the_interval_by_themselves(fresh):
    fresh.settings["checkpoint_interval"] = "5"
    fresh.start()
    fresh.deliver("Subject: x\r\n\r\nx\r\n")
    end = time.monotonic() + 30
    while int(figures(fresh)["redo_records"]) > 2 and time.monotonic() < end:
        time.sleep(0.2)
    assert int(figures(fresh)["checkpoints"]) > 0 and int(figures(fresh)["redo_records"]) <= 2


def test_control_requests_are_answered_and_the_socket_is_private(fresh):
    fresh.start()
    assert stat.S_IMODE(os.stat(fresh.data / "control.sock").st_mode) == 0o600
    counters = dict(line.split(" ", 1) for line in fresh.control("stat").stdout.splitlines())
    assert counters["sessions"] == "0" and int(counters["mail_pid"]) == fresh.role_pid("mail")
    with fresh.raw_imap().login():
        assert "\nsessions 1\n" in fresh.control("stat").stdout
    assert "written" in fresh.control("checkpoint").stdout
    with Wire(str(fresh.data / "control.sock")) as wire:
        wire.send("conquer the world\n")
        assert wire.line() == b"error"
        assert wire.line() == b"conquer: no such request in this binary"
        assert wire.line() is None
    with Wire(str(fresh.data / "control.sock")) as wire:
        wire.send("x" * 10000)
        assert wire.line() is None
    assert "no server runs" in Server(fresh.binary, fresh.dir / "other").control(
        "stat", check=False).stderr


def test_strangers_are_limited_in_number_time_and_bytes(fresh):
    fresh.settings.update(prelogin_connections="20", prelogin_per_address="5", prelogin_seconds="3")
    fresh.start()
    time.sleep(0.5)  # until the harness's own connections are forgotten
    begin = time.monotonic()
    crowd = [fresh.raw_imap() for _ in range(5)]
    for wire in crowd:
        assert wire.line().startswith(b"* OK")
    with fresh.raw_imap() as sixth:
        assert sixth.line().startswith(b"* BYE")
    crowd[0].send(b"a" * 100000)
    last = [line for line in iter(crowd[0].line, None)]
    assert any(b"BAD" in line or b"BYE" in line for line in last), last
    assert crowd[1].line().startswith(b"* BYE")
    assert 2.5 < time.monotonic() - begin < 20
    for wire in crowd:
        wire.close()
    login_works(fresh)


def test_what_is_pipelined_behind_a_login_is_not_lost(fresh):
    fresh.start()
    with fresh.raw_imap() as wire:
        wire.send(f'a CAPABILITY\r\nb LOGIN demo "{fresh.password}"\r\nc SELECT INBOX\r\nd LOGOUT\r\n')
        for tag in ("a", "b", "c", "d"):
            assert wire.until(tag)[-1].startswith(tag.encode() + b" OK")


@pytest.mark.needs_root
def test_roles_give_up_root_and_hide_their_memory(fresh):
    """Started as root, each role runs as somebody else, gate and auth in an empty root, and the
    memory through which passwords pass belongs to nobody but root."""
    users = {"gate": (65501, 65502), "auth": (65503, 65504), "mail": (65505, 65506)}
    fresh.settings.update({f"user_{role}": f"{u}:{g}" for role, (u, g) in users.items()})
    fresh.start()
    for role, (uid, gid) in users.items():
        proc = pathlib.Path(f"/proc/{fresh.role_pid(role)}")
        status = (proc / "status").read_text()
        assert f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}\n" in status
        assert f"Gid:\t{gid}\t{gid}\t{gid}\t{gid}\n" in status
        assert re.search(r"(?m)^Groups:\s*$", status)
        assert "NoNewPrivs:\t1" in status
        if role != "mail":
            assert os.listdir(proc / "root") == []
            if fresh.binary.endswith("build/satchel"):  # the sanitizers must be able to trace
                assert (proc / "mem").stat().st_uid == 0
    login_works(fresh)
    delivery_works(fresh)
    fresh.cli("-c", str(fresh.conf), "--data", str(fresh.data), "user", "add", "late",
              stdin=fresh.password + "\n")
    with fresh.raw_imap().login("late") as wire:
        wire.ok("SELECT INBOX")
    assert stat.S_IMODE((fresh.data / "users.cdb").stat().st_mode) == 0o600
    assert fresh.stop() == 0
