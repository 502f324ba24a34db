# SPDX-License-Identifier: 0BSD
"""What is measured: Satchel and the ceiling; peers.py has the other servers."""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import subprocess
import time

from harness.server import Server
from measure import bench_tool, cpu_seconds, free_port, pss_kib, sync_counter, tool

PASSWORD = "demo secret"


class Target:
    """A server under load. A subclass has start() and stop(), and sets pid and the ports."""

    name = version = ""
    pid = imap_port = lmtp_port = 0
    counter = None

    def load(self, mode, **options):
        """One load, as load.c prints it, with server CPU of the whole run for each operation."""
        options = {"port": self.lmtp_port if mode == "lmtp" else self.imap_port, **options}
        cpu = cpu_seconds(self.pid)
        row = tool("load", mode, password=PASSWORD, **options)
        spent = cpu_seconds(self.pid) - cpu
        if row.get("total"):
            row["cpu_us"] = spent * 1e6 / row["total"]
            row["cpu_seconds"] = spent
        return row

    def counted(self, mode, **options):
        """load() with the syncs for each operation."""
        if not self.counter:
            return self.load(mode, **options)
        counter = self.counter(self.pid)
        try:
            row = self.load(mode, **options)
        finally:
            syncs = counter.stop()
        row["syncs"] = syncs / max(row["total"], 1)
        row["syncs_by"] = counter.by
        return row

    def idle(self, count, users):
        """Memory of each of so many sessions in IDLE, and how long it took to get them in."""
        before = pss_kib(self.pid)
        holder = subprocess.Popen(
            [bench_tool("load"), "idle", f"port={self.imap_port}", f"conns={count}", "seconds=6",
             f"users={users}", f"password={PASSWORD}"], stdout=subprocess.PIPE, text=True)
        try:
            line = holder.stdout.readline()
            if not line:
                raise RuntimeError(f"{self.name}: {count} idle sessions were refused")
            time.sleep(2)
            row = json.loads(line)
            row["kib_per_session"] = (pss_kib(self.pid) - before) / count
        finally:
            holder.kill()
            holder.wait()
        return row



def scram_secret(password, salt=b"0123456789abcdef"):
    """A SCRAM-SHA-256 secret (RFC 5803). With one salt for all, thousands of users need not be hashed each,
    neither here nor at their first login."""
    rounds = 4096
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    b64 = [base64.b64encode(b).decode() for b in (salt, stored, server)]
    return f"SCRAM-SHA-256${rounds}:{b64[0]}${b64[1]}:{b64[2]}"


class Satchel(Target):
    name = "satchel"

    def __init__(self, root, users, settings=None, salted=False):
        """salted: each user has a salt of his own."""
        settings = {"prelogin_per_address": "20000", "prelogin_connections": "20000", **(settings or {})}
        self.server = Server(os.environ["SATCHEL"], pathlib.Path(root) / "satchel", users=(),
                             settings=settings)
        secrets = {user: scram_secret(PASSWORD, hashlib.md5(user.encode()).digest()) for user in users if salted}
        common = scram_secret(PASSWORD)
        self.server.cli("--data", str(self.server.data), "user", "import", "-", timeout=300,
                        stdin="".join(f"{user}:{secrets.get(user, common)}\n" for user in users))
        self.version = self.server.cli("--version").stdout.splitlines()[0]
        self.imap_port, self.lmtp_port = self.server.imap_port, self.server.lmtp_port

    def start(self):
        self.server.start()
        self.pid = self.server.process.pid
        return self

    def stop(self):
        self.server.stop(timeout=120)

    def statistics(self):
        """`satchel stat` as a dict of numbers."""
        pairs = (line.split() for line in self.server.control("stat").stdout.splitlines())
        return {p[0]: int(p[1]) for p in pairs if len(p) == 2 and p[1].isdigit()}

    def counted(self, mode, **options):
        before = self.statistics()
        row = self.load(mode, **options)
        row["syncs"] = (self.statistics()["syncs"] - before["syncs"]) / max(row["total"], 1)
        row["syncs_by"] = "satchel stat"
        return row


class Bare(Target):
    """The ceiling: LMTP, one append and one sync for each group, and nothing else."""

    name = version = "bare"

    def __init__(self, root):
        self.root, self.lmtp_port = root, free_port()

    def start(self):
        self.process = subprocess.Popen([bench_tool("bare"), str(self.root), str(self.lmtp_port)],
                                        stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()
        self.pid = self.process.pid
        return self

    def stop(self):
        self.process.kill()
        self.process.wait()


def counting(target):
    """Lets a target count its syncs from outside, where this machine can."""
    target.counter = sync_counter()
    return target
