# SPDX-License-Identifier: 0BSD
"""What a program is made of: the input sections of its link map, by folder and by kind."""
import collections
import os
import re

Piece = collections.namedtuple("Piece", "kind section size origin object")

# How output sections count. Others (symbol tables, debugging) are not loaded.
KINDS = {".init": "text", ".plt": "text", ".plt.got": "text", ".text": "text", ".fini": "text",
         ".rodata": "rodata", ".eh_frame": "rodata", ".eh_frame_hdr": "rodata", ".dynsym": "rodata",
         ".dynstr": "rodata", ".hash": "rodata", ".gnu.hash": "rodata", ".rela.dyn": "rodata",
         ".relr.dyn": "rodata", ".rela.plt": "rodata",
         ".tdata": "data", ".init_array": "data", ".fini_array": "data", ".data.rel.ro": "data",
         ".dynamic": "data", ".got": "data", ".got.plt": "data", ".data": "data",
         ".tbss": "bss", ".bss": "bss"}
OUTPUT = re.compile(r"^(\.[\w.]+)(?:\s+0x[0-9a-f]+\s+0x([0-9a-f]+))?")
INPUT = re.compile(r"^ (\S+)(?:\s+0x[0-9a-f]+\s+0x([0-9a-f]+)(?: (.*))?)?$")
REST = re.compile(r"^\s+0x[0-9a-f]+\s+0x([0-9a-f]+)(?: (.*))?$")


def origin_of(path):
    """The folder an object belongs to, as a reader of the source tree would name it."""
    match = re.search(r"/obj/((?:core|features)/.*)\.o$", path)
    if match:
        return os.path.dirname(match.group(1))
    match = re.search(r"lib(\w+)\.a\(", path)
    if match and match.group(1) == "c" or re.search(r"/r?crt[1in]\.o$", path):
        return "deps/musl"
    match = re.search(r"/(?:deps/static|satchel)/([a-z][\w-]*?)(?:-static-[0-9a-f]+)?/", path)
    if match:
        return f"deps/{match.group(1)}"
    return "compiler"


def object_of(path):
    match = re.search(r"\(([^)]+)\)$", path)
    return match.group(1) if match else os.path.basename(path)


def pieces(path):
    """Every input section that is in the program, and what the linker put between and around them."""
    found, kind, name, output, declared, counted = [], None, None, None, 0, 0

    def add(section, size, where):
        nonlocal counted
        if kind and size:
            counted += size
            found.append(Piece(kind, section, size, origin_of(where), object_of(where)))

    def end():
        """What an output section has beyond its input sections is the linker's; less, where equal strings
        of several objects are kept once."""
        if kind and declared != counted:
            found.append(Piece(kind, output, declared - counted, "linker", output))

    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("Linker script and memory map"):
                break
        for line in file:
            line = line.rstrip("\n")
            match = OUTPUT.match(line)
            if match:
                end()
                output, kind, counted = match.group(1), KINDS.get(match.group(1)), 0
                declared, name = int(match.group(2) or "0", 16), None
                continue
            match = REST.match(line)
            if match and name:
                add(name, int(match.group(1), 16), match.group(2) or "")
                name = None
                continue
            if match and match.group(2) is None and kind and not declared and not counted:
                declared = int(match.group(1), 16)  # the output section's name was too long for its line
                continue
            match = INPUT.match(line)
            if not match or match.group(1).startswith("*(") or match.group(1) == "*fill*":
                name = None
                continue
            name = match.group(1)
            if match.group(2):
                if match.group(3):
                    add(name, int(match.group(2), 16), match.group(3))
                name = None
    end()
    return found


def by_origin(found):
    """{folder: {kind: bytes}}"""
    table = collections.defaultdict(collections.Counter)
    for piece in found:
        table[piece.origin][piece.kind] += piece.size
    return table


def totals(found):
    count = collections.Counter()
    for piece in found:
        count[piece.kind] += piece.size
    return {kind: count[kind] for kind in ("text", "rodata", "data", "bss")}


NAMED = re.compile(r"\.(?:text|rodata|data\.rel\.ro\.local|data\.rel\.ro|data\.rel\.local|data\.rel|data|bss)"
                   r"(?:\.(?:unlikely|hot|cold|startup))?\.([A-Za-z_][\w.]*?)(\.str\d+\.\d+)?$")


def symbol_of(piece):
    """A function or an object has a section of its own, and so have the strings of one."""
    match = NAMED.match(piece.section)
    if not match or match.group(1).startswith(("str1", "cst")):
        return f"{piece.object} {piece.section}"
    return match.group(1) + (" (strings)" if match.group(2) else "")


def symbols(found):
    """{(folder, name): bytes}"""
    table = collections.Counter()
    for piece in found:
        table[piece.origin, symbol_of(piece)] += piece.size
    return table
