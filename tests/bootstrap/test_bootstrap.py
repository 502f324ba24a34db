# SPDX-License-Identifier: 0BSD
"""The README's two commands on a fresh Debian: a debootstrapped root with nothing but the base system.

Needs root, debootstrap and the network that apt uses. The tests of this file build on each other and
run in their order.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest

from harness.ports import free_port
from harness.tree import copy_of_sources

USER = "postmistress"
SERVE_SECONDS = 900
CHECK_SECONDS = 3600


def host_mirror():
    """(codename, address) of the Debian mirror this host takes its own packages from."""
    release = pathlib.Path("/etc/os-release").read_text()
    codename = re.search(r"(?m)^VERSION_CODENAME=(\S+)", release).group(1)
    done = subprocess.run(["apt-get", "indextargets", "--format", "$(ORIGIN) $(CODENAME) $(REPO_URI)"],
                          capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        if line.startswith(f"Debian {codename} "):
            return codename, line.split()[2]
    raise AssertionError(f"apt names no Debian mirror for {codename}: {done.stdout}")


class Fresh:
    """A root directory; commands run in it with processes, mounts and /dev of their own."""

    def __init__(self, root):
        self.root = root

    def words(self, command, user, folder):
        inner = f"cd {folder} && {command}"
        if user != "root":
            inner = f"exec setpriv --reuid {user} --regid {user} --clear-groups " \
                    f"env HOME=/home/{user} sh -c '{inner}'"
        # The shell stays, as root: --kill-child's signal is lost on a process that changes its user, and
        # with the first process of its namespace everything in it ends.
        setup = f"mount --rbind /dev {self.root}/dev && mount -t proc proc {self.root}/proc && " \
                f"mount -t tmpfs tmpfs {self.root}/tmp && chroot {self.root} /bin/sh -c \"$0\"; exit $?"
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", setup, inner]

    def environment(self):
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C",
                **{k: v for k, v in os.environ.items() if k.lower().endswith("_proxy")}}

    def run(self, command, user="root", folder="/", timeout=300):
        return subprocess.run(self.words(command, user, folder), env=self.environment(),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=timeout, check=False)

    def start(self, command, log, user="root", folder="/"):
        with open(log, "wb") as file:
            return subprocess.Popen(self.words(command, user, folder), env=self.environment(),
                                    stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fresh")
    root = folder / "root"
    codename, uri = host_mirror()
    done = subprocess.run(["debootstrap", "--variant=minbase", codename, root, uri],
                          capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for path in (root / "var/lib/apt/lists").glob("*_*"):
        path.unlink()
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    subprocess.run(["chroot", root, "useradd", "-m", USER], check=True)
    source = copy_of_sources(folder)
    shutil.rmtree(source / "dl", ignore_errors=True)
    for home in ("root", f"home/{USER}"):
        subprocess.run(["cp", "-r", source, root / home / "satchel"], check=True)
    subprocess.run(["chroot", root, "chown", "-R", f"{USER}:{USER}", f"/home/{USER}"], check=True)
    yield Fresh(root)
    shutil.rmtree(folder, ignore_errors=True)


def test_a_fresh_root_has_neither_make_nor_compiler_nor_package_lists(fresh):
    assert fresh.run("command -v make || command -v gcc || command -v python3").returncode != 0
    assert not list((fresh.root / "var/lib/apt/lists").glob("*Packages*"))


def test_an_ordinary_user_is_told_the_one_command_and_status_3(fresh):
    for goal in ("run", "check"):
        done = fresh.run(f"./bootstrap {goal}", USER, f"/home/{USER}/satchel")
        assert done.returncode == 3, done.stdout
        assert f"su -c '/home/{USER}/satchel/bootstrap packages {goal}'" in done.stdout


def serves(fresh, tmp_path, user, folder):
    """./bootstrap run until its two lines are printed; then they work as printed, typed by a user."""
    imap, lmtp = free_port(), free_port()
    log = tmp_path / "log"
    process = fresh.start(f"./bootstrap run IMAP_PORT={imap} LMTP_PORT={lmtp}", log, user, folder)
    try:
        end = time.monotonic() + SERVE_SECONDS
        while "Ctrl-C ends it" not in log.read_text(errors="replace"):
            assert process.poll() is None, log.read_text(errors="replace")[-5000:]
            assert time.monotonic() < end, log.read_text(errors="replace")[-5000:]
            time.sleep(0.5)
        time.sleep(2)
        lines = log.read_text(errors="replace").splitlines()
        deliver = lines[lines.index("Deliver a message over LMTP:") + 1].strip()
        read = lines[lines.index("Read it over IMAP:") + 1].strip()
        script = tmp_path / "script"
        script.write_text(f"{deliver}\n{read}\n")
        shutil.copy(script, fresh.root / "var/tmp/script")
        typed = fresh.run("sh -eu /var/tmp/script", USER, "/")
        assert typed.returncode == 0, typed.stdout
        assert "250 " in typed.stdout.partition("221 ")[0]
        assert "Subject: Hello" in typed.stdout and "First mail." in typed.stdout
        busy = fresh.run(f"./bootstrap run IMAP_PORT={imap} LMTP_PORT={lmtp}", user, folder)
        assert busy.returncode != 0
        assert f"port {imap} on 127.0.0.1 is busy" in busy.stdout and "IMAP_PORT=N" in busy.stdout
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(30)


def test_bootstrap_run_serves_and_the_printed_lines_work_as_root(fresh, tmp_path):
    serves(fresh, tmp_path, "root", "/root/satchel")


def test_bootstrap_run_serves_and_the_printed_lines_work_as_a_user(fresh, tmp_path):
    serves(fresh, tmp_path, USER, f"/home/{USER}/satchel")


def test_no_service_was_started_and_no_policy_left_behind(fresh):
    assert not (fresh.root / "usr/sbin/policy-rc.d").exists()


def check_is_green(fresh, user, folder):
    """What it prints is kept in the build folder: nothing takes longer. Returns it."""
    log = pathlib.Path(os.environ["SATCHEL_O"]) / f"bootstrap-check-{'root' if user == 'root' else 'user'}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    process = fresh.start("./bootstrap check", log, user, folder)
    try:
        status = process.wait(CHECK_SECONDS)
    finally:
        process.kill()
        process.wait(30)
    text = log.read_text(errors="replace")
    assert status == 0, text[-8000:]
    assert re.search(r"== check: \d+ stages passed, 0 failed", text), text[-3000:]
    return text


def test_bootstrap_check_is_green_as_root_and_leaves_nothing_out(fresh):
    assert "NOT RUN" not in check_is_green(fresh, "root", "/root/satchel")


def test_bootstrap_check_is_green_as_a_user_and_names_what_needs_root(fresh):
    text = check_is_green(fresh, USER, f"/home/{USER}/satchel")
    left_out = set(re.findall(r"(?m)^NOT RUN \(needs root\): (\w+/\w+/\w+\.py)::", text))
    assert left_out == {"tests/clients/test_postfix.py", "tests/protocol/test_roles.py"}
