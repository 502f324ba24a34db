# SPDX-License-Identifier: 0BSD
"""The power goes at every call that touches the disk, and nothing acknowledged is lost.

power.c lives a scripted life on the fault layer (tests/fault); this file runs it, and proves that it
would notice: each patch in mutants/ takes one safety away and must turn it red.

POWER_STEP=1 (the default) cuts at every call, POWER_STEP=7 at every seventh.
"""

import os
import pathlib
import re
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
OUT = pathlib.Path(os.environ.get("SATCHEL_O", TOP / "build"))
STEP = int(os.environ.get("POWER_STEP", "1"))
MUTANTS = sorted((TOP / "tests/power/mutants").glob("*.patch"))
FLAGS = ["-std=gnu11", "-g", "-O1", "-D_GNU_SOURCE", "-DSATCHEL_HOST=1", "-fno-strict-aliasing",
         "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]


def build(target, top=TOP, sources=()):
    """Links power with the sanitized library; objects of `sources` take the place of its own."""
    include = ["-I", str(top), "-I", str(TOP), "-I", str(OUT), "-isystem",
               str(OUT / "deps/asan/tinycdb/include"), "-include", str(OUT / "generated/config.h")]
    own = [str(TOP / "tests/power/power.c"), str(TOP / "tests/fault/io_fault.c")]
    libs = [str(OUT / "host/asan/libsatchel.a"), *map(str, OUT.glob("deps/asan/*/lib/*.a")), "-lpthread"]
    subprocess.run([os.environ.get("HOSTCC", "gcc"), *FLAGS, *include, "-o", str(target), *own,
                    *map(str, sources), *libs], check=True, timeout=120)
    return target


def run(program, *args, timeout=1200):
    done = subprocess.run([str(program), *map(str, args)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False,
                          env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def power(tmp_path_factory):
    return build(tmp_path_factory.mktemp("power") / "power")


def test_a_power_cut_at_any_call_loses_nothing_acknowledged(power):
    code, text = run(power, "cut", 1, 0, STEP)
    assert code == 0, text


def test_a_failing_call_loses_nothing_acknowledged(power):
    code, text = run(power, "fail", 1, 0, STEP)
    assert code == 0, text


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda p: p.stem)
def test_the_suite_notices_a_safety_that_is_gone(mutant, tmp_path):
    patch = mutant.read_text()
    files = re.findall(r"^\+\+\+ b/(\S+)", patch, re.M)
    assert files
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((TOP / name).read_bytes())
    subprocess.run(["patch", "-p1", "--fuzz=2", "-s"], input=patch, text=True, cwd=tmp_path,
                   check=True, timeout=20)
    program = build(tmp_path / "power", tmp_path, [tmp_path / name for name in files])
    # The way of a cut depends on which thread comes first: several rounds, the first red one counts.
    for first in range(1, 4):
        code, text = run(program, "cut", first, 0, 9)
        if code:
            break
    assert code == 1 and "INVARIANT" in text, f"{mutant.stem} went unnoticed: {text}"
