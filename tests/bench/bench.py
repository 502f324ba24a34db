# SPDX-License-Identifier: 0BSD
"""Measures LMTP deliveries and idle memory beside what the disk itself can do, in one run.

usage: bench.py [--seconds N] [--json FILE]     (make bench)

Needs a spool on a real disk: DIR=/some/where make bench (default: below the build folder).
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from harness.server import Server, free_port  # noqa: E402

CONNECTIONS = (1, 8, 32, 128)
TICKS = os.sysconf("SC_CLK_TCK")


def tool(name, *words):
    """Runs one of our C tools and returns its line of JSON."""
    path = pathlib.Path(os.environ["SATCHEL_O"]) / "bench" / name
    done = subprocess.run([path, *map(str, words)], capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise SystemExit(f"{name} {words}: {done.stderr}")
    return json.loads(done.stdout)


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def pss_kib(pids):
    total = 0
    for pid in pids:
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1))
    return total


def statistics(server):
    """`satchel stat` as a dict of numbers."""
    pairs = (line.split() for line in server.control("stat").stdout.splitlines())
    return {p[0]: int(p[1]) for p in pairs if len(p) == 2 and p[1].isdigit()}


def lmtp(server, connections, seconds, users):
    pids = [server.process.pid, *server.children()]
    cpu, before = cpu_seconds(pids), statistics(server)
    row = tool("load", "lmtp", server.lmtp_port, connections, seconds, 4096, *users)
    after = statistics(server)
    row["cpu_us"] = (cpu_seconds(pids) - cpu) * 1e6 / max(row["deliveries"], 1)
    if "syncs" in before:
        row["syncs_per_delivery"] = (after["syncs"] - before["syncs"]) / max(row["deliveries"], 1)
    return row


def bare(root, seconds):
    """The ceiling: LMTP, one append and one sync per group, and nothing else."""
    port, rows = free_port(), {}
    path = pathlib.Path(os.environ["SATCHEL_O"]) / "bench" / "bare"
    process = subprocess.Popen([path, str(root), str(port)], stdout=subprocess.PIPE, text=True)
    try:
        process.stdout.readline()
        for connections in CONNECTIONS:
            cpu = cpu_seconds([process.pid])
            row = tool("load", "lmtp", port, connections, seconds, 4096, "anyone")
            row["cpu_us"] = (cpu_seconds([process.pid]) - cpu) * 1e6 / max(row["deliveries"], 1)
            rows[connections] = row
    finally:
        process.kill()
        process.wait()
    return rows


def idle(server, count):
    pids = [server.process.pid, *server.children()]
    before = pss_kib(pids)
    path = pathlib.Path(os.environ["SATCHEL_O"]) / "bench" / "load"
    holder = subprocess.Popen([path, "idle", str(server.imap_port), str(count), "4", "demo",
                               server.password], stdout=subprocess.PIPE, text=True)
    line = json.loads(holder.stdout.readline())
    time.sleep(2)
    line["kib_per_session"] = (pss_kib(pids) - before) / count
    holder.wait(60)
    return line


def table(raw, ceiling, rows, sessions):
    print(f"{'connections':>11} {'raw 4K/s':>10} {'bare/s':>8} {'LMTP/s':>8} {'of bare':>7} {'p50 ms':>7} {'p99 ms':>7} "
          f"{'CPU us':>7} {'syncs':>6}")
    for row in rows:
        disk = raw[row["connections"]]["blocks_per_second"]
        top = ceiling[row["connections"]]["per_second"]
        print(f"{row['connections']:>11} {disk:>10} {top:>8} {row['per_second']:>8} "
              f"{row['per_second'] * 100 / top:>6.0f}% {row['p50_ms']:>7} "
              f"{row['p99_ms']:>7} {row['cpu_us']:>7.1f} {row.get('syncs_per_delivery', -1):>6.3f}")
    print(f"{sessions['sessions']} idle sessions in after {sessions['login_seconds']} s, "
          f"{sessions['kib_per_session']:.1f} KiB each (PSS of all four processes)")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seconds", type=float, default=5)
    options.add_argument("--json")
    options = options.parse_args()
    base = os.environ.get("DIR") or os.environ["SATCHEL_O"]
    root = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=base))
    users = [f"user{i}" for i in range(20)]
    server = Server(os.environ["SATCHEL"], root, users=("demo",),
                    settings={"prelogin_per_address": "1000"})
    try:
        for user in users:
            server.add_user(user)
        server.start()
        raw, rows = {}, []
        for connections in CONNECTIONS:
            raw[connections] = tool("raw", root, connections, max(1, options.seconds / 3))
            rows.append(lmtp(server, connections, options.seconds, users))
        sessions = idle(server, 500)
        ceiling = bare(root, options.seconds)
        table(raw, ceiling, rows, sessions)
        if options.json:
            report = {"raw": raw, "bare": ceiling, "lmtp": rows, "idle": sessions}
            pathlib.Path(options.json).write_text(json.dumps(report, indent=1) + "\n")
    finally:
        server.stop()
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
