#!/usr/bin/python3
# SPDX-License-Identifier: 0BSD
"""What every option costs, measured: kconfig/prices.json is written here and by no hand.

prices.py profile OUT [NAME...]   builds each option in and out of the default and of everything
prices.py check OUT COUNT SEED    builds some of them again, and compares
prices.py why BUILD CONFIG NAME   builds a configuration with and without an option in BUILD/size
prices.py show                    prints the table
A price is what the program grows by when an option is taken into a configuration that has all it needs
and nothing that needs it. The Makefile is the caller: `make size-profile`, `make check-prices`, `make prices`.
"""
import concurrent.futures
import hashlib
import json
import lzma
import os
import platform
import random
import re
import struct
import subprocess
import sys
import textwrap

import kc
import linkmap
from kconfiglib import BOOL, expr_items, Symbol

FILE = "kconfig/prices.json"
BASES = {"base": "default", "full": "full"}
TOLERANCE = 0.1, 128  # of a price, and bytes: what is off by more than both is wrong


def is_option(sym):
    """A bool that somebody chooses, and that may change the program."""
    places = [node for node in sym.nodes if node.prompt]
    return (sym.type == BOOL and not sym.choice and places and
            not places[0].filename.startswith(("image/", "board/", "kconfig/")))


def options(kconf):
    return sorted(sym.name for sym in kconf.unique_defined_syms if is_option(sym))


# ---- configurations ----

def fresh(preset):
    kconf = kc.load_kconfig()
    kc.load_preset(kconf, preset)
    return kconf


def switch_on(kconf, name):
    """With what it depends on; False: no configuration over this base has it."""
    sym = kconf.syms[name]
    for _ in range(8):
        sym.set_value("y")
        if sym.str_value == "y":
            return True
        for item in expr_items(sym.direct_dep):
            if isinstance(item, Symbol) and item.nodes and item.type == BOOL:
                item.set_value("y")
    return False


def chosen(kconf):
    return {sym.name for sym in kconf.unique_defined_syms if is_option(sym) and sym.str_value == "y"}


def pair(preset, name):
    """The texts of two configurations that differ in this option and in what it selects; or None."""
    kconf = fresh(preset)
    if not switch_on(kconf, name):
        return None
    having = chosen(kconf)
    kconf.syms[name].set_value("n")
    if kconf.syms[name].str_value == "y":
        return None  # something else selects it: it has no price of its own
    for other in having - chosen(kconf) - {name}:
        kconf.syms[other].set_value("n")
    without = kc.full_text(kconf)
    kconf.syms[name].set_value("y")
    return kc.full_text(kconf), without


# ---- builds ----

def session_bytes(build):
    """{NAME: bytes} that each session keeps for a feature: what struct feature says, read from the program."""
    debug, offset, found = f"{build}/satchel.debug", session_size_offset(build), {}
    text = subprocess.run(["readelf", "-sSW", debug], capture_output=True, text=True, check=True).stdout
    sections = [[int(n, 16) for n in row] for row in re.findall(
        r"(?m)^\s*\[ *\d+\] \S+ +PROGBITS +([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+)", text)]
    with open(debug, "rb") as file:
        for at, name in re.findall(r"(?m)^\s*\d+: ([0-9a-f]+)\s+\d+ OBJECT .* (\w+)_feature$", text):
            start, place = next(row[:2] for row in sections if row[0] <= int(at, 16) < row[0] + row[2])
            file.seek(place + int(at, 16) - start + offset)
            # as core/features.c lays them out
            found[name.upper()] = (struct.unpack("<Q", file.read(8))[0] + 15) & ~15
    return found


def session_size_offset(build):
    source = '#include <stddef.h>\n#include "core/hooks.h"\nint at[offsetof(struct feature, session_size)];\n'
    text = subprocess.run(["gcc", "-S", "-o-", "-xc", "-", "-I.", f"-I{build}", "-include", f"{build}/generated/config.h",
                           "-D_GNU_SOURCE"], input=source, capture_output=True, text=True, check=True).stdout
    return int(re.search(r"(?m)\.size\s+at, (\d+)", text).group(1)) // 4


def tree_hash():
    """Of everything that goes into a program, and of how it is counted: a figure is good for as long as
    that is the same."""
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "core", "features", "deps", "Makefile", "VERSION",
                            "kconfig/*.mk", "kconfig/*.py"], capture_output=True, text=True, check=True).stdout.splitlines()
    total = hashlib.sha256()
    for name in sorted(names):
        if os.path.isfile(name) and not re.search(r"_test\.c$|/test_\w+\.py$|\.md$", name):
            total.update(name.encode() + bytes.fromhex(kc.file_hash(name)))
    return total.hexdigest()


class Builder:
    """One build folder, in which one configuration after the other is made: only what differs is compiled."""

    def __init__(self, folder, tree):
        self.folder, self.tree = os.path.abspath(folder), tree
        self.remembered = f"{self.folder}/figures.json"
        os.makedirs(self.folder, exist_ok=True)
        try:
            with open(self.remembered, encoding="utf-8") as file:
                self.figures = json.load(file)
        except (OSError, ValueError):
            self.figures = {}

    def measure(self, config, name):
        key = hashlib.sha256((self.tree + config).encode()).hexdigest()
        if key not in self.figures:
            self.figures[key] = self.build(config, name)
            kc.write_if_changed(self.remembered, json.dumps(self.figures))
        return self.figures[key]

    def build(self, config, name):
        kc.write_if_changed(f"{self.folder}/.config", config)
        run = subprocess.run(["make", "-s", "-j2", f"O={self.folder}", f"{self.folder}/satchel"], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if run.returncode:
            sys.exit(f"{name}: does not build\n{run.stdout[-3000:]}")
        figures = linkmap.totals(linkmap.pieces(f"{self.folder}/satchel.map"))
        with open(f"{self.folder}/satchel", "rb") as file:
            figures["xz"] = len(lzma.compress(file.read()))
        figures["sessions"] = session_bytes(self.folder)
        return figures


def difference(with_it, without):
    price = {kind: with_it[kind] - without[kind] for kind in ("text", "rodata", "data", "bss", "xz")}
    price["flash"] = price["text"] + price["rodata"] + price["data"]
    return price


def price_of(builder, preset, name):
    configs = pair(preset, name)
    if not configs:
        return None
    with_it, without = (builder.measure(config, name) for config in configs)
    return {**difference(with_it, without), "session": with_it["sessions"].get(name, 0)}


def prices_on(base, out, names, tree, tell):
    builder, found = Builder(f"{out}/{base}", tree), {}
    for name in names:
        found[name] = price_of(builder, BASES[base], name)
        tell(base, name, found[name])
    return found


class Progress:
    def __init__(self, total):
        self.total, self.done = total, 0

    def __call__(self, base, name, price):
        self.done += 1
        flash = f"{price['flash']:+} bytes" if price else "cannot be chosen here"
        print(f"  PRICE   {self.done}/{self.total} {name} ({base}): {flash}", flush=True)


def measure(out, names):
    if not names:
        return {base: {} for base in BASES}
    tree, tell = tree_hash(), Progress(len(BASES) * len(names))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        running = {base: pool.submit(prices_on, base, out, names, tree, tell) for base in BASES}
        return {base: job.result() for base, job in running.items()}


# ---- the file ----

def compiler():
    return subprocess.run(["gcc", "-dumpfullversion"], capture_output=True, text=True, check=True).stdout.strip()


def read_prices():
    """What was measured last; nothing where nobody did."""
    try:
        with open(FILE, encoding="utf-8") as file:
            return json.load(file)
    except OSError:
        return {"options": {}}


def cmd_profile(out, *names):
    known, table = options(kc.load_kconfig()), read_prices()["options"]
    wrong = set(names) - set(known)
    if wrong:
        sys.exit(f"no such options: {' '.join(sorted(wrong))}")
    measured = measure(out, names or known)
    for name in names or known:
        table[name] = {base: measured[base][name] for base in BASES}
    text = {"schema": 1, "architecture": platform.machine(), "compiler": f"gcc {compiler()}", "bases": BASES,
            "options": {name: table[name] for name in sorted(table) if name in known}}
    kc.write_if_changed(FILE, json.dumps(text, indent=1, sort_keys=True) + "\n")


def is_off(old, new):
    if not old or not new:
        return bool(old) != bool(new)
    return abs(old["flash"] - new["flash"]) > max(TOLERANCE[0] * abs(old["flash"]), TOLERANCE[1]) or \
        old["session"] != new["session"]


def cmd_check(out, count="3", seed="0"):
    """Each option has a price, and those picked have the one that is written down."""
    prices, known = read_prices(), options(kc.load_kconfig())
    missing, gone = set(known) - prices["options"].keys(), prices["options"].keys() - set(known)
    faults = [f"{name} has no price" for name in sorted(missing)] + [f"{name} is no option" for name in sorted(gone)]
    same = prices.get("architecture") == platform.machine() and prices.get("compiler") == f"gcc {compiler()}"
    if not same:
        print(f"NOT RUN: prices are those of {prices.get('compiler')} on {prices.get('architecture')}, not of this machine's")
    picked = random.Random(seed).sample(sorted(set(known) - missing), min(int(count), len(known) - len(missing)))
    measured = measure(out, picked if same else [])
    for base, found in measured.items():
        for name, price in found.items():
            old = prices["options"][name][base]
            if is_off(old, price):
                faults.append(f"{name} ({base}) costs {price and price['flash']}, not {old and old['flash']} bytes")
    if faults:
        sys.exit("\n".join(faults) + f"\n{FILE} is out of date: make size-profile, and commit what it wrote")


def cmd_why(build, config, name):
    """BUILD/size/with and BUILD/size/without, as one option of this configuration makes them."""
    name = name.removeprefix("CONFIG_")
    kconf = kc.load_kconfig()
    if name not in options(kconf):
        sys.exit(f"CONFIG_{name} is no option; make prices lists them")
    texts = {}
    for folder, value in (("without", "n"), ("with", "y")):
        kconf = kc.load_kconfig()
        kc.load_strictly(kconf, config)
        if value == "y" and not switch_on(kconf, name):
            sys.exit(f"CONFIG_{name} cannot be chosen over {config}")
        kconf.syms[name].set_value(value)
        texts[folder] = kc.full_text(kconf)
    if texts["with"] == texts["without"]:
        sys.exit(f"CONFIG_{name} cannot be left out of {config}: something selects it")
    for folder, text in texts.items():
        Builder(f"{build}/size/{folder}", "").build(text, name)


# ---- for people ----

def bytes_text(n):
    return f"{n} B" if abs(n) < 1000 else f"{n / 1024:.1f} KiB"


def label(prices, name):
    """The short form for a menu, or None."""
    both = prices["options"].get(name) or {}
    price = both.get("base") or both.get("full")
    if not price:
        return None
    session = f", {price['session']} B/session" if price["session"] else ""
    return f"{bytes_text(price['flash'])}{session}"


def sentence(prices, name):
    both = prices["options"].get(name) or {}
    parts = [f"{bytes_text(both[base]['flash'])} over {BASES[base]}_defconfig" if base == "base" else
             f"{bytes_text(both[base]['flash'])} with every other option" for base in BASES if both.get(base)]
    if not parts:
        return ""
    price = both.get("base") or both.get("full")
    memory = f" Static memory {bytes_text(price['data'] + price['bss'])}"
    memory += f", each session {price['session']} B." if price["session"] else "."
    return f"Price: {', '.join(parts)} ({prices['compiler']}, {prices['architecture']}).{memory}"


def put_in_menu(kconf):
    """Each prompt and each help says what the option costs."""
    prices = read_prices()
    for sym in kconf.unique_defined_syms:
        text = label(prices, sym.name)
        for node in sym.nodes if text else ():
            if node.prompt:
                node.prompt = (f"{node.prompt[0]} ({text})", node.prompt[1])
                price = textwrap.fill(sentence(prices, sym.name), 72)
                node.help = f"{node.help or ''}\n\n{price}".strip()


def cmd_show():
    prices = read_prices()
    if not prices["options"]:
        sys.exit(f"{FILE} is not there: make size-profile")
    print(f"{prices['compiler']}, {prices['architecture']}; flash is text + rodata + data, bss is memory alone\n")
    print(f"{'option':<28}{'over default':>14}{'in everything':>15}{'bss':>8}{'xz':>8}{'session':>9}")
    rows = sorted(prices["options"].items(), key=lambda row: -((row[1]["full"] or row[1]["base"] or {}).get("flash", 0)))
    for name, both in rows:
        price = both["base"] or both["full"] or {}
        cells = [str(both[base]["flash"]) if both[base] else "-" for base in BASES]
        print(f"{name:<28}{cells[0]:>14}{cells[1]:>15}{price.get('bss', '-'):>8}{price.get('xz', '-'):>8}{price.get('session', '-'):>9}")


def main():
    commands = {"profile": cmd_profile, "check": cmd_check, "why": cmd_why, "show": cmd_show}
    if len(sys.argv) < 2 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    try:
        commands[sys.argv[1]](*sys.argv[2:])
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


if __name__ == "__main__":
    main()
