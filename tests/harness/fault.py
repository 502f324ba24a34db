# SPDX-License-Identifier: 0BSD
"""Programs in C that live on the fault layer (tests/fault) in the place of core/store/io.c."""

import os
import pathlib
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[2]
OUT = pathlib.Path(os.environ.get("SATCHEL_O", TOP / "build"))
FLAGS = ["-std=gnu11", "-g", "-O1", "-D_GNU_SOURCE", "-DSATCHEL_HOST=1", "-fno-strict-aliasing",
         "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]


def build(target, own, top=TOP, sources=()):
    """Links the files `own` with the sanitized library; objects of `sources` take the place of its own."""
    include = ["-I", str(top), "-I", str(TOP), "-I", str(OUT), "-isystem",
               str(OUT / "deps/asan/tinycdb/include"), "-include", str(OUT / "generated/config.h")]
    own = [str(TOP / name) for name in (*own, "tests/fault/io_fault.c")]
    libs = [str(OUT / "host/asan/libsatchel.a"), *map(str, OUT.glob("deps/asan/*/lib/*.a")), "-lpthread"]
    subprocess.run([os.environ.get("HOSTCC", "gcc"), *FLAGS, *include, "-o", str(target), *own,
                    *map(str, sources), *libs], check=True, timeout=240)
    return target


POWER = ("tests/power/power.c", "tests/power/state.c")
MODEL = ("tests/model/model.c", "tests/model/mailbox_model.c", "tests/model/compare.c",
         "tests/model/session.c")


def by(mutant):
    """Who must notice: the model, cuts at random, failing calls, calls that fail again and again, kills after
    renames, a full disk, or (None) cuts at every call."""
    return next((line[3:] for line in mutant.read_text().splitlines() if line.startswith("by ")), None)


def change(text, old, new, name):
    """Lines `old`, whatever their indentation, become `new`; they stand in the text once."""
    lines = text.split("\n")
    found = [i for i in range(len(lines) - len(old) + 1)
             if all(lines[i + j].strip() == wanted for j, wanted in enumerate(old))]
    assert len(found) == 1, f"{name}: {old} stands there {len(found)} times"
    return "\n".join([*lines[:found[0]], *new, *lines[found[0] + len(old):]])


def build_mutant(mutant, directory):
    """The program with one change of tests/power/mutants in the library."""
    changes, file = {}, None
    for line in mutant.read_text().splitlines():
        if line.startswith("file "):
            file = line[5:]
            changes[file] = ([], [])
        elif file:
            changes[file]["-+".index(line[0])].append(line[1:].strip())
    for name, (old, new) in changes.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(change((TOP / name).read_text(), old, new, mutant.name))
    return build(directory / "mutant", MODEL if by(mutant) == "model" else POWER, directory,
                 [directory / name for name in changes])


def run(program, *args, timeout=1200, leaks=False):
    """Exit status and output."""
    done = subprocess.run([str(program), *map(str, args)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False,
                          env={**os.environ, "ASAN_OPTIONS": f"detect_leaks={int(leaks)}"})
    return done.returncode, done.stdout
