# SPDX-License-Identifier: 0BSD
"""What is read off a machine during a load: CPU, memory and syncs of a tree of processes."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

TICKS = os.sysconf("SC_CLK_TCK")
SYNCS = ("fsync", "fdatasync", "sync_file_range", "msync", "syncfs", "sync")


def bench_tool(name):
    return str(pathlib.Path(os.environ["SATCHEL_O"]) / "bench" / name)


def tool(name, *words, **options):
    """Runs one of our C tools and returns its line of JSON."""
    words = [*map(str, words), *(f"{k}={v}" for k, v in options.items())]
    done = subprocess.run([bench_tool(name), *words], capture_output=True, text=True, timeout=900)
    if done.returncode:
        raise RuntimeError(f"{name} {' '.join(words)}: {done.stderr.strip()}")
    row = json.loads(done.stdout)
    if row.get("failed"):
        row["first_failure"] = done.stderr.strip()
    return row


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def tree(pid):
    """A process and all below it."""
    found, pending = [], [pid]
    while pending:
        pid = pending.pop()
        try:
            tasks = list(pathlib.Path(f"/proc/{pid}/task").iterdir())
            pending += [int(p) for t in tasks for p in (t / "children").read_text().split()]
        except OSError:
            continue
        found.append(pid)
    return found


def cpu_seconds(pid):
    """User and system time of a tree, with that of the children it has already buried."""
    total = 0
    for each in tree(pid):
        try:
            fields = pathlib.Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15]))
    return total / TICKS


def pss_kib(pid):
    total = 0
    for each in tree(pid):
        try:
            text = pathlib.Path(f"/proc/{each}/smaps_rollup").read_text()
        except OSError:
            continue
        total += int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1))
    return total


SOCKET_SLABS = ("TCP", "TCPv6", "sock_inode_cache", "UNIX", "UNIX-STREAM", "filp", "eventpoll_epi",
                "skbuff_head_cache", "skbuff_small_head", "skbuff_fclone_cache")


def kernel_socket_kib():
    """What the whole machine's sockets hold in the kernel: buffers, and for root the objects too."""
    stat = pathlib.Path("/proc/net/sockstat").read_text()
    total = int(re.search(r"^TCP:.* mem (\d+)", stat, re.M).group(1)) * os.sysconf("SC_PAGE_SIZE")
    try:
        slabs = pathlib.Path("/proc/slabinfo").read_text()
    except OSError:
        return total / 1024
    rows = (line.split() for line in slabs.splitlines()[2:])
    return (total + sum(int(r[1]) * int(r[3]) for r in rows if r[0] in SOCKET_SLABS)) / 1024


def status_kib(pid, key):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{key}:\s+(\d+)", text, re.M).group(1))


def rss_kib(pid):
    return status_kib(pid, "VmRSS")


def peak_kib(pid):
    return status_kib(pid, "VmHWM")


class PerfCounter:
    """Counts the sync calls of a tree with perf's tracepoints, of the whole machine and then by
    process: events do not follow into children that change their rights. A child that was born
    and died meanwhile is missed."""

    by = "perf"

    def __init__(self, pid):
        self.pid, self.pids = pid, set(tree(pid))
        self.dir = tempfile.TemporaryDirectory(prefix="bench-perf-")
        self.data = str(pathlib.Path(self.dir.name) / "data")
        events = [w for name in SYNCS for w in ("-e", f"syscalls:sys_enter_{name}")]
        self.process = subprocess.Popen(["perf", "record", "-q", "-a", "-o", self.data, *events],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        time.sleep(0.5)

    def stop(self):
        self.pids |= set(tree(self.pid))
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=60)
        done = subprocess.run(["perf", "script", "-i", self.data, "-F", "pid"], capture_output=True, text=True,
                              check=False, timeout=120)
        self.dir.cleanup()
        return sum(int(p) in self.pids for p in done.stdout.split() if p.isdigit())


class StraceCounter:
    """The same with strace, which slows the server down: its run counts syncs and nothing else."""

    by = "strace"

    def __init__(self, pid):
        self.out = tempfile.NamedTemporaryFile("r", prefix="bench-strace-")
        self.process = subprocess.Popen(
            ["strace", "-f", "-c", "-o", self.out.name, "-e", "trace=" + ",".join(SYNCS),
             *(w for p in tree(pid) for w in ("-p", str(p)))],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        time.sleep(0.5)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=60)
        rows = (line.split() for line in self.out.read().splitlines())
        total = sum(int(r[3]) for r in rows if len(r) > 4 and r[-1] in SYNCS)
        self.out.close()
        return total


def sync_counter():
    """PerfCounter where perf may see system calls, else StraceCounter, else None."""
    if shutil.which("perf"):
        done = subprocess.run(["perf", "record", "-q", "-a", "-o", "/dev/null", "-e",
                               "syscalls:sys_enter_fdatasync", "true"], capture_output=True, check=False,
                              timeout=60)
        if done.returncode == 0:
            return PerfCounter
    return StraceCounter if shutil.which("strace") else None
