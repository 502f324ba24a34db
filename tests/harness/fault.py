# SPDX-License-Identifier: 0BSD
"""Programs in C that live on the fault layer (tests/fault) in the place of core/store/io.c."""

import os
import pathlib
import re
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


def build_mutant(patch, own, directory):
    """The same with one patch of tests/power/mutants in the library."""
    text = patch.read_text()
    files = re.findall(r"^\+\+\+ b/(\S+)", text, re.M)
    assert files
    for name in files:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes((TOP / name).read_bytes())
    subprocess.run(["patch", "-p1", "--fuzz=2", "-s"], input=text, text=True, cwd=directory,
                   check=True, timeout=20)
    return build(directory / "mutant", own, directory, [directory / name for name in files])


def run(program, *args, timeout=1200, leaks=False):
    """Exit status and output."""
    done = subprocess.run([str(program), *map(str, args)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False,
                          env={**os.environ, "ASAN_OPTIONS": f"detect_leaks={int(leaks)}"})
    return done.returncode, done.stdout
