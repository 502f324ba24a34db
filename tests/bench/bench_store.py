# SPDX-License-Identifier: 0BSD
"""Measures the store through real LMTP connections: against a bare loop on the same disk, with many
accounts and with one, during checkpoints, and after a kill -9.

usage: bench_store.py [--seconds N] [--rounds N] [--only WORD] [--big] [--json FILE]
"""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path[:0] = [str(pathlib.Path(__file__).parent.parent), str(pathlib.Path(__file__).parent)]

import bench  # noqa: E402
from harness.server import config_symbols  # noqa: E402
from measure import cpu_seconds, peak_kib, rss_kib, tool  # noqa: E402
from targets import Bare, Satchel  # noqa: E402

ACCOUNTS, DIRTY = 1000, 10000
REDO = 100000
BIG_ACCOUNTS, BIG_MESSAGES = 100000, 1000000
KEEP = {"checkpoint_interval": "86400"}     # none but those that are asked for


def deliver(target, **options):
    return target.counted("lmtp", **options)


def throughput(root, o, report):
    """Satchel and bare in turns, at each number of connections and kind of traffic."""
    satchel = Satchel(root, [f"a{i}" for i in range(ACCOUNTS)], KEEP).start()
    bare = Bare(root).start()
    try:
        for users, text in ((f"a:{ACCOUNTS}", f"{ACCOUNTS} accounts"), ("a0", "one account")):
            for conns in (1, 8, 32, 128):
                work = (f"LMTP 4 KiB, {conns}, {text}", "message", True, "lmtp", dict(conns=conns, users=users))
                line = bench.measure([bare, satchel], work, o)
                line["raw"] = tool("raw", root, conns, max(0.5, o.seconds / 3))
                report["works"][work[0]] = line
                bench.progress(line)
        report["syncs"] = satchel.statistics()
    finally:
        bare.stop()
        satchel.stop()


class Checkpoints:
    """Asks for checkpoints, again and again or once, while a load runs."""

    def __init__(self, server, again):
        self.server, self.again, self.over, self.seconds = server, again, False, []
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.thread.join()

    def run(self):
        time.sleep(0.4)
        while not self.over:
            began = time.monotonic()
            self.server.control("checkpoint")
            self.seconds.append(time.monotonic() - began)
            if not self.again:
                return
            time.sleep(0.05)


def checkpoints(root, o, report):
    """p99 at 32 connections without a checkpoint, with one after the other, and with one of many
    dirty mailboxes."""
    users = [f"a{i}" for i in range(ACCOUNTS)] + [f"d{i}" for i in range(DIRTY)]
    satchel = Satchel(root, users, KEEP).start()
    load = dict(conns=32, users=f"a:{ACCOUNTS}", seconds=o.seconds)
    rows, took = {"without": [], "one after the other": [], "10,000 dirty mailboxes": []}, []
    try:
        for _ in range(o.rounds):
            rows["without"].append(deliver(satchel, **load))
            with Checkpoints(satchel.server, True) as c:
                rows["one after the other"].append(deliver(satchel, **load))
            satchel.load("lmtp", conns=1, rcpts=500, users=f"d:{DIRTY}", count=DIRTY)
            with Checkpoints(satchel.server, False) as c:
                rows["10,000 dirty mailboxes"].append(deliver(satchel, **load))
            took += c.seconds
        report["checkpoints"] = {k: bench.median(v) for k, v in rows.items()}
        report["checkpoints"]["10,000 dirty mailboxes"]["checkpoint_seconds"] = statistics.median(took)
    finally:
        satchel.stop()


def recovery(root, o, report):
    """kill -9 with many deliveries since the last checkpoint; the time and CPU of the next start.
    Small messages, or the log's size would force a checkpoint before."""
    satchel = Satchel(root, [f"a{i}" for i in range(ACCOUNTS)], KEEP).start()
    server = satchel.server
    try:
        server.control("checkpoint")
        satchel.load("lmtp", conns=32, users=f"a:{ACCOUNTS}", size=512, count=REDO)
        before = satchel.statistics()
        server.kill_all()
        began = time.monotonic()
        satchel.start()
        server.deliver("Subject: first\r\n\r\nafter the crash\r\n", to=("a0",))
        first = time.monotonic() - began
        after = satchel.statistics()
        report["recovery"] = {
            "deliveries": REDO, "records_to_redo": before["last_lsn"] - before["checkpoint_lsn"],
            "messages_before": before["messages"], "messages_after": after["messages"],
            "first_delivery_seconds": first, "cpu_seconds": cpu_seconds(satchel.pid)}
    finally:
        satchel.stop()


def memory(root, o, report):
    """Resident memory of the mail role with many mailboxes and messages, after a checkpoint."""
    satchel = Satchel(root, [f"b{i}" for i in range(BIG_ACCOUNTS)], KEEP).start()
    try:
        satchel.load("lmtp", conns=8, rcpts=1000, size=512, users=f"b:{BIG_ACCOUNTS}", count=BIG_MESSAGES)
        satchel.server.control("checkpoint")
        row = {"full_kib": rss_kib(satchel.server.role_pid("mail"))}
        row["full_peak_kib"] = peak_kib(satchel.server.role_pid("mail"))
        satchel.stop()
        began = time.monotonic()
        satchel.start()
        row["start_seconds"] = time.monotonic() - began
        row["after_restart_kib"] = rss_kib(satchel.server.role_pid("mail"))
        row["statistics"] = {k: v for k, v in satchel.statistics().items() if k in ("mailboxes", "mailboxes_loaded", "messages")}
        report["memory"] = row
    finally:
        satchel.stop()


def show(report):
    print(json.dumps(report["machine"]))
    print(report["versions"]["satchel"], "- duplicate suppression",
          "on" if config_symbols().get("DEDUP") == "y" else "OFF: these figures do not count")
    if report["works"]:
        bench.table({**report, "sessions": {}}, ["satchel", "bare"])
    for name, row in report.get("checkpoints", {}).items():
        base = report["checkpoints"]["without"]["p99_ms"]
        extra = f", the checkpoint took {row['checkpoint_seconds']:.2f} s" if "checkpoint_seconds" in row else ""
        print(f"checkpoint, {name:<24} {row['per_second']:>8.0f}/s  p50 {row['p50_ms']:.2f} ms  "
              f"p99 {row['p99_ms']:.2f} ms ({row['p99_ms'] / base:.1f} x){extra}")
    for name in ("recovery", "memory"):
        if name in report:
            print(f"{name}:", ", ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}"
                                        for k, v in report[name].items()))


def main():
    p = bench.parser(__doc__.splitlines()[0])
    p.add_argument("--big", action="store_true", help="also 100,000 mailboxes with 1,000,000 messages")
    o = p.parse_args()
    report = {"versions": {}, "works": {}}
    parts = {"throughput": throughput, "checkpoints": checkpoints, "recovery": recovery}
    if o.big:
        parts["memory"] = memory
    base = os.environ.get("DIR") or os.environ["SATCHEL_O"]
    for name, part in parts.items():
        if o.only and o.only not in name:
            continue
        root = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=base))
        try:
            tool("raw", root, 1, 0.1)    # refuses a tmpfs before anything is measured
            report.setdefault("machine", bench.machine(root))
            part(root, o, report)
        finally:
            shutil.rmtree(root)
    report["versions"]["satchel"] = subprocess.run([os.environ["SATCHEL"], "--version"], capture_output=True,
                                                   text=True, check=True).stdout.splitlines()[0]
    if o.json:
        pathlib.Path(o.json).write_text(json.dumps(report, indent=1) + "\n")
    if "machine" in report:
        show(report)


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        raise SystemExit(str(error)) from error
