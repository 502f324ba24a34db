# SPDX-License-Identifier: 0BSD
"""Measures Satchel beside what the machine itself can do and, when asked, beside other servers.

usage: bench.py [--seconds N] [--rounds N] [--only WORD] [--peers "dovecot cyrus"] [--json FILE]

DIR=/some/where chooses the disk (default: below the build folder). docs/bench.md says what each
figure means.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path[:0] = [str(pathlib.Path(__file__).parent.parent), str(pathlib.Path(__file__).parent)]

from measure import tool  # noqa: E402
from targets import Bare, Satchel  # noqa: E402

READERS, MESSAGES = 8, 500       # mailboxes that are read, and messages in each
WRITERS = 20                     # accounts that get mail
SESSIONS = 500
USERS = [f"{kind}{i}" for kind, count in (("w", WRITERS), ("r", READERS), ("n", WRITERS))
         for i in range(count)]
W, R, N = f"w:{WRITERS}", f"r:{READERS}", f"n:{WRITERS}"

# name, what one operation is, mode and options; with `bare` the ceiling is measured too.
WORKS = (
    ("LMTP 4 KiB, 1 connection", "message", True, "lmtp", dict(conns=1, users=W)),
    ("LMTP 4 KiB, 8", "message", True, "lmtp", dict(conns=8, users=W)),
    ("LMTP 4 KiB, 32", "message", True, "lmtp", dict(conns=32, users=W)),
    ("LMTP 4 KiB, 128", "message", True, "lmtp", dict(conns=128, users=W)),
    ("LMTP 4 KiB to one account, 32", "message", False, "lmtp", dict(conns=32, users="w0")),
    ("LMTP mix, 34 KiB mean, 32", "message", False, "lmtp", dict(conns=32, users=W, size="mix")),
    ("LMTP 10 recipients, 8", "recipient", False, "lmtp", dict(conns=8, users=W, rcpts=10)),
    ("APPEND 4 KiB, 1", "message", False, "imap", dict(what="append", conns=1, users=W)),
    ("APPEND 4 KiB, 8", "message", False, "imap", dict(what="append", conns=8, users=W)),
    ("STORE flags, 8", "command", False, "imap", dict(what="store", conns=8, users=R)),
    ("LOGIN + LOGOUT, 8", "session", False, "imap", dict(what="login", conns=8, users=R)),
    ("SELECT, 8", "command", False, "imap", dict(what="select", conns=8, users=R)),
    ("FETCH list, 8", "message", False, "imap", dict(what="list", conns=8, users=R)),
    ("FETCH five header fields, 8", "message", False, "imap", dict(what="header", conns=8, users=R)),
    ("FETCH bodies, 8", "message", False, "imap", dict(what="body", conns=8, users=R)),
    ("SEARCH BODY, 8", "message", False, "imap", dict(what="search", conns=8, users=R)),
)
PER_MESSAGE = ("list", "header", "search")   # one command touches every message of the mailbox


def fill(target):
    """Mail in the mailboxes that are read, the same in every server."""
    count = READERS * MESSAGES
    row = target.load("lmtp", conns=1, users=R, size="mix", count=count)
    if row["failed"]:
        raise RuntimeError(f"{target.name}: filling failed: {row['first_failure']}")


def refine(row, options):
    """From commands to messages, and what one core of CPU could do."""
    factor = MESSAGES if options.get("what") in PER_MESSAGE else 1
    for key in ("per_second", "operations", "total"):
        row[key] *= factor
    for key in ("cpu_us", "syncs"):
        if key in row:
            row[key] /= factor
    if row.get("cpu_us"):
        row["per_core"] = 1e6 / row["cpu_us"]
    if options.get("what") == "search":
        row["mb_per_core"] = row["per_core"] * 34816 / 1e6
    return row


def median(rows):
    """Of each number, the median over rounds."""
    merged = dict(rows[0])
    for key, value in rows[0].items():
        if isinstance(value, (int, float)):
            merged[key] = statistics.median(r[key] for r in rows if key in r)
    merged["rounds"] = [round(r["per_second"]) for r in rows]
    return merged


def measure(targets, work, o):
    """One line of the table: targets take turns, so that a noisy minute meets all of them."""
    name, _, _, mode, options = work
    options = {**options, "messages": MESSAGES}
    rows = {t.name: [] for t in targets}
    for _ in range(o.rounds):
        for t in targets:
            rows[t.name].append(refine(t.counted(mode, seconds=o.seconds, **options), options))
    return {"work": name, "unit": work[1], **{k: median(v) for k, v in rows.items()}}


def sessions(target, o):
    idle = target.idle(SESSIONS, N)
    notice = tool("load", "notice", port=target.imap_port, lmtp=target.lmtp_port, conns=SESSIONS, users=N,
                  seconds=o.seconds)
    return {"idle": idle, "notice": notice}


def chosen(o):
    return [w for w in WORKS if not o.only or o.only.lower() in w[0].lower()]


def run_satchel(root, o, report):
    satchel, bare = Satchel(root, USERS), Bare(root)
    report["versions"]["satchel"] = satchel.version
    satchel.start()
    try:
        bare.start()
        fill(satchel)
        for work in chosen(o):
            line = measure([bare, satchel] if work[2] else [satchel], work, o)
            if work[2]:
                line["raw"] = tool("raw", root, work[4]["conns"], max(0.5, o.seconds / 3))
            report["works"][work[0]] = line
            progress(line)
        bare.stop()
        if not o.only:
            report["sessions"]["satchel"] = sessions(satchel, o)
    finally:
        bare.stop()
        satchel.stop()


def run_peer(peer, o, report):
    report["versions"][peer.name] = peer.version
    peer.start()
    try:
        fill(peer)
        for work in chosen(o):
            line = measure([peer], work, o)
            report["works"][work[0]][peer.name] = line[peer.name]
            progress(line)
        if not o.only:
            report["sessions"][peer.name] = sessions(peer, o)
    finally:
        peer.stop()


def progress(line):
    for name, row in line.items():
        if isinstance(row, dict) and "rounds" in row:
            print(f"  {line['work']}: {name} {row['rounds']}", file=sys.stderr, flush=True)


def cell(row, key, form):
    return form.format(row[key]) if row and key in row else ""


def table(report, names):
    """One row for each work and server, to stdout."""
    print(f"{'work':<31} {'server':<8} {'per second':>10} {'MB/s':>7} {'p50 ms':>8} {'p99 ms':>8} "
          f"{'CPU us':>8} {'per core':>9} {'syncs':>7}  beside")
    for line in report["works"].values():
        for name in names:
            row = line.get(name)
            if not row:
                continue
            first = line["work"] if name == names[0] else ""
            print(f"{first:<31} {name:<8} {row['per_second']:>10.0f} {cell(row, 'mb_per_second', '{:.0f}'):>7} "
                  f"{row['p50_ms']:>8.2f} {row['p99_ms']:>8.2f} {cell(row, 'cpu_us', '{:.1f}'):>8} "
                  f"{cell(row, 'per_core', '{:.0f}'):>9} {cell(row, 'syncs', '{:.3f}'):>7}  {beside(line, name)}")
    if not report["sessions"]:
        return
    print(f"{'500 idle sessions':<31} {'server':<8} {'KiB each':>10} {'all in s':>8} "
          f"{'notice p50 ms':>14} {'p99 ms':>8} {'from send':>9} {'missed':>7}")
    for name, row in report["sessions"].items():
        print(f"{'':<31} {name:<8} {row['idle']['kib_per_session']:>10.1f} {row['idle']['login_seconds']:>8.2f} "
              f"{row['notice']['p50_ms']:>14.2f} {row['notice']['p99_ms']:>8.2f} "
              f"{row['notice']['mean_after_send_ms']:>9.2f} {row['notice']['never_told']:>7}")


def beside(line, name):
    """The figures that only mean something as a ratio."""
    if name == "bare":
        return f"raw disk {line['raw']['blocks_per_second']}/s" if "raw" in line else ""
    if name != "satchel":
        return ""
    text = []
    if "bare" in line:
        text.append(f"{line['satchel']['per_second'] / line['bare']['per_second']:.0%} of bare")
    peers = [line[p]["per_second"] for p in line if p in ("dovecot", "cyrus")]
    if peers:
        text.append(f"{line['satchel']['per_second'] / max(peers):.1f} x the best peer")
    if "mb_per_core" in line["satchel"]:
        text.append(f"{line['satchel']['mb_per_core']:.0f} MB/s per core")
    if line["satchel"].get("failed"):
        text.append(f"{line['satchel']['failed']:.0f} failed")
    return ", ".join(text)


def machine(root):
    df = subprocess.run(["df", "-T", str(root)], capture_output=True, text=True, check=True).stdout
    return {"cores": os.cpu_count(), "kernel": os.uname().release, "load_average": os.getloadavg()[0],
            "file_system": df.splitlines()[1].split()[1], "time": time.strftime("%Y-%m-%d %H:%M:%S")}


def parser(description):
    p = argparse.ArgumentParser(description=description)
    p.add_argument("--seconds", type=float, default=2, help="of each round")
    p.add_argument("--rounds", type=int, default=3, help="each figure is their median")
    p.add_argument("--only", help="what has this text in its name")
    p.add_argument("--json", help="the file for all figures")
    return p


def main():
    p = parser(__doc__.splitlines()[0])
    p.add_argument("--peers", default="", help="dovecot, cyrus, or both")
    o = p.parse_args()
    base = os.environ.get("DIR") or os.environ["SATCHEL_O"]
    root = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=base))
    report = {"machine": machine(root), "versions": {}, "works": {}, "sessions": {}}
    try:
        tool("raw", root, 1, 0.1)    # refuses a tmpfs before anything is measured
        run_satchel(root, o, report)
        shutil.rmtree(root / "satchel")
        if not o.only:
            import bench_access
            report["access"] = bench_access.measure(root, o)
        for name in o.peers.split():
            from peers import peer
            run_peer(peer(name, root, USERS), o, report)
        print(json.dumps(report["machine"]))
        for name, version in report["versions"].items():
            print(f"{name}: {version}")
        table(report, ["satchel", "bare", *o.peers.split()])
        if "access" in report:
            bench_access.show(report["access"])
    finally:
        if o.json:
            pathlib.Path(o.json).write_text(json.dumps(report, indent=1) + "\n")
        shutil.rmtree(root)


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        raise SystemExit(str(error)) from error
