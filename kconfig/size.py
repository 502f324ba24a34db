#!/usr/bin/python3
# SPDX-License-Identifier: 0BSD
"""What a build weighs, by folder; what an option weighs, by symbol; what two builds differ in.

size.py table BUILD [json]         what BUILD/satchel is made of, adding up to the file
size.py diff BUILD BUILD [FORMAT]  symbols that came, went, grew and shrank; FORMAT text, md or json
The Makefile is its caller: `make size`, `make size-diff`, `make size-why`.
"""
import json
import os
import sys

import linkmap

KINDS = ("text", "rodata", "data", "bss")


def load(build):
    path = os.path.join(build, "satchel.map")
    if not os.path.exists(path):
        sys.exit(f"{path}: no such file: build it first")
    return linkmap.pieces(path)


def in_file(counts):
    return counts["text"] + counts["rodata"] + counts["data"]


def area(origin):
    """features/imap/idle and core/imap count for themselves and for what they are part of."""
    return origin.split("/")[0] if "/" in origin else origin


def cmd_table(build, how="text"):
    found = load(build)
    rows = {origin: dict(counts) for origin, counts in linkmap.by_origin(found).items()}
    for counts in rows.values():
        for kind in KINDS:
            counts.setdefault(kind, 0)
    size = os.path.getsize(os.path.join(build, "satchel"))
    rest = size - sum(in_file(counts) for counts in rows.values())
    rows["headers and alignment"] = {"text": 0, "rodata": rest, "data": 0, "bss": 0}
    if how == "json":
        print(json.dumps({"file": size, "folders": rows}, indent=1, sort_keys=True))
        return
    print(f"{'in file':>9} {'text':>8} {'rodata':>8} {'data':>8} {'bss':>8}  folder")
    groups = {}
    for origin, counts in rows.items():
        groups.setdefault(area(origin), []).append((origin, counts))
    for name, members in sorted(groups.items(), key=lambda g: -sum(in_file(c) for _o, c in g[1])):
        sums = {kind: sum(counts[kind] for _origin, counts in members) for kind in KINDS}
        if len(members) > 1:
            show(name, sums)
        for origin, counts in sorted(members, key=lambda m: (-in_file(m[1]), m[0])):
            show(("  " if len(members) > 1 else "") + origin, counts)
    show("the file", {kind: sum(counts[kind] for counts in rows.values()) for kind in KINDS})


def show(name, counts):
    print(f"{in_file(counts):>9} " + " ".join(f"{counts[kind]:>8}" for kind in KINDS) + f"  {name}")


def changes(old, new):
    """(difference, before, after, folder, symbol), the largest differences first."""
    before, after = linkmap.symbols(old), linkmap.symbols(new)
    rows = [(after[key] - before[key], before[key], after[key], *key)
            for key in before.keys() | after.keys() if after[key] != before[key]]
    return sorted(rows, key=lambda row: (-abs(row[0]), row[3], row[4]))


def cmd_diff(old_build, new_build, how="text"):
    old, new = load(old_build), load(new_build)
    rows, before, after = changes(old, new), linkmap.totals(old), linkmap.totals(new)
    if how == "json":
        print(json.dumps({"before": before, "after": after, "symbols": [
            dict(zip(("difference", "before", "after", "folder", "symbol"), row)) for row in rows]}, indent=1))
        return
    line = "| {} | {} | {} | {} | `{}` |" if how == "md" else "{:>9} {:>9} {:>9}  {:<32} {}"
    print(line.format("difference", "before", "after", "folder", "symbol") if how == "md" else
          line.format("diff", "before", "after", "folder", "symbol"))
    if how == "md":
        print("|--:|--:|--:|---|---|")
    for row in rows:
        print(line.format(f"{row[0]:+}", *row[1:]))
    print("" if how == "text" else "\n", end="")
    print(", ".join(f"{kind} {before[kind]} -> {after[kind]} ({after[kind] - before[kind]:+})" for kind in KINDS))


def main():
    commands = {"table": cmd_table, "diff": cmd_diff}
    if len(sys.argv) < 3 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    try:
        commands[sys.argv[1]](*sys.argv[2:])
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # `| head` is enough for somebody


if __name__ == "__main__":
    main()
