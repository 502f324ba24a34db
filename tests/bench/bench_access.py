# SPDX-License-Identifier: 0BSD
"""Measures who gets in: logins by password and SCRAM, over plaintext and TLS, handshakes beside
`openssl s_server`, and what an idle session costs.

usage: bench_access.py [--seconds N] [--rounds N] [--only WORD] [--json FILE]
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path[:0] = [str(pathlib.Path(__file__).parent.parent), str(pathlib.Path(__file__).parent)]

import bench  # noqa: E402
from harness.tls import make_ca, make_cert  # noqa: E402
from measure import bench_tool, free_port, kernel_socket_kib, pss_kib  # noqa: E402
from targets import PASSWORD, Satchel, Target  # noqa: E402

LOGINS, SESSIONS = 500, 2000
PER_ACCOUNT = 3                                  # messages that each idle session has read
LOGIN_USERS, IDLE_USERS, READERS = f"u:{LOGINS}", f"i:{SESSIONS}", f"r:{bench.READERS}"
USERS = [f"{kind}{i}" for kind, count in (("u", LOGINS), ("i", SESSIONS), ("r", bench.READERS))
         for i in range(count)]
IDLE_TARGETS_KIB = {"plain": 8, "TLS": 36}


class Encrypted(Satchel):
    """Satchel with a listener for TLS; load(tls=...) goes there."""

    def __init__(self, root):
        super().__init__(root, USERS, salted=True)
        self.imaps_port = free_port()
        folder = self.server.dir
        make_ca(folder)
        make_cert(folder, "server")
        self.server.settings |= {"imaps_listen": f"127.0.0.1:{self.imaps_port}",
                                 "tls_cert": folder / "server.pem", "tls_key": folder / "server.key"}

    def load(self, mode, **options):
        if "tls" in options:
            options["port"] = self.imaps_port
        return super().load(mode, **options)


class SServer(Target):
    """OpenSSL's own server, with the same certificate. It serves one connection after the other."""

    name = "s_server"

    def __init__(self, folder):
        self.folder, self.imap_port = folder, free_port()
        self.version = subprocess.run(["openssl", "version"], capture_output=True, text=True,
                                      check=True).stdout.strip()

    def start(self):
        self.process = subprocess.Popen(
            ["openssl", "s_server", "-accept", f"127.0.0.1:{self.imap_port}", "-cert", "server.pem", "-key",
             "server.key", "-quiet", "-num_tickets", "1"], cwd=self.folder, stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.pid = self.process.pid
        return self

    def stop(self):
        self.process.kill()
        self.process.wait()


def in_turns(report, o, name, unit, targets, mode, **options):
    if o.only and o.only.lower() not in name.lower():
        return
    line = bench.measure(targets, (name, unit, False, mode, options), o)
    report["works"][name] = line
    bench.progress(line)


def cold(report, o, satchel):
    """Each user once after a start: every password is hashed."""
    name = "LOGIN + LOGOUT, 8, cold"
    if o.only and o.only.lower() not in name.lower():
        return
    rows = []
    for _ in range(o.rounds):
        satchel.stop()
        satchel.start()
        rows.append(satchel.load("imap", what="login", conns=8, users=LOGIN_USERS, count=LOGINS))
    report["works"][name] = {"work": name, "unit": "session", "satchel": bench.median(rows)}
    bench.progress(report["works"][name])


def logins(report, o, satchel):
    cold(report, o, satchel)
    load = {"what": "login", "conns": 8, "users": LOGIN_USERS}
    satchel.load("imap", **load, count=2 * LOGINS)       # now the cache is warm
    in_turns(report, o, "LOGIN + LOGOUT, 8, warm", "session", [satchel], "imap", **load)
    in_turns(report, o, "SCRAM-SHA-256 + LOGOUT, 8", "session", [satchel], "imap", **load, auth="scram",
             warm=2)                                 # the client too hashes each password once
    for text, options in (("TLS 1.3", {"tls": 13}), ("TLS 1.3 resumed", {"tls": 13, "resume": 1})):
        in_turns(report, o, f"LOGIN + LOGOUT, 8, {text}", "session", [satchel], "imap", **load, **options)


def handshakes(report, o, satchel):
    server = SServer(satchel.server.dir).start()
    report["versions"][server.name] = server.version
    try:
        for text, more in (("full", {}), ("resumed", {"resume": 1})):
            in_turns(report, o, f"TLS 1.3 handshakes, 8, {text}", "handshake", [satchel, server], "handshake",
                     conns=8, tls=13, **more)
    finally:
        server.stop()


def bodies(report, o, satchel):
    for text, options in (("", {}), (", TLS 1.3", {"tls": 13})):
        in_turns(report, o, f"FETCH bodies, 8{text}", "message", [satchel], "imap", what="body", conns=8,
                 users=READERS, **options)


def idle(report, o, satchel):
    """PSS of all roles with SESSIONS sessions, each of an account of its own, that have selected,
    fetched all there is, and begun IDLE."""
    for name, tls in (("plain", 0), ("TLS", 13)):
        if o.only and o.only.lower() not in f"idle {name}".lower():
            continue
        satchel.stop()
        satchel.start()
        before, kernel = pss_kib(satchel.pid), kernel_socket_kib()
        holder = subprocess.Popen(
            [bench_tool("load"), "idle", f"conns={SESSIONS}", "seconds=600", f"users={IDLE_USERS}", "use=1",
             f"port={satchel.imaps_port if tls else satchel.imap_port}", f"tls={tls}", f"password={PASSWORD}"],
            stdout=subprocess.PIPE, text=True)
        try:
            line = holder.stdout.readline()
            if not line:
                raise RuntimeError(f"{SESSIONS} idle sessions were refused")
            time.sleep(2)                            # what is given back later has been given back
            row = json.loads(line)
            total = pss_kib(satchel.pid)
            row["kib_each"] = total / SESSIONS       # all of the server, spread over its sessions
            row["kib_more_each"] = (total - before) / SESSIONS
            row["kernel_kib_each"] = (kernel_socket_kib() - kernel) / SESSIONS
            row["target_kib"] = IDLE_TARGETS_KIB[name]
            row["roles_kib"] = {role: pss_kib(satchel.server.role_pid(role)) for role in ("gate", "auth", "mail")}
        finally:
            holder.send_signal(signal.SIGKILL)
            holder.wait()
        report["idle"][name] = row


def measure(root, o):
    """All figures as a dict; the folder `root` is used and emptied by the caller."""
    report = {"versions": {}, "works": {}, "idle": {}}
    satchel = Encrypted(root).start()
    report["versions"]["satchel"] = satchel.version
    try:
        satchel.load("lmtp", conns=8, users=IDLE_USERS, count=SESSIONS * PER_ACCOUNT)
        bench.fill(satchel)
        logins(report, o, satchel)
        handshakes(report, o, satchel)
        bodies(report, o, satchel)
        idle(report, o, satchel)
    finally:
        satchel.stop()
    return report


def show(report):
    bench.table({"works": report["works"], "sessions": {}}, ["satchel", "s_server"])
    if report["idle"]:
        print(f"{f'{SESSIONS} idle sessions':<31} {'KiB each':>10} {'target':>8} {'without base':>13} "
              f"{'kernel KiB':>11} {'all in s':>9}  roles KiB")
    for name, row in report["idle"].items():
        print(f"{name:<31} {row['kib_each']:>10.2f} {row['target_kib']:>8} {row['kib_more_each']:>13.2f} "
              f"{row['kernel_kib_each']:>11.1f} {row['login_seconds']:>9.2f}  {row['roles_kib']}")


def main():
    o = bench.parser(__doc__.splitlines()[0]).parse_args()
    base = os.environ.get("DIR") or os.environ["SATCHEL_O"]
    root = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=base))
    try:
        report = {"machine": bench.machine(root), **measure(root, o)}
    finally:
        shutil.rmtree(root)
    print(json.dumps(report["machine"]))
    for name, version in report["versions"].items():
        print(f"{name}: {version}")
    show(report)
    if o.json:
        pathlib.Path(o.json).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        raise SystemExit(str(error)) from error
