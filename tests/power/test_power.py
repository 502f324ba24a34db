# SPDX-License-Identifier: 0BSD
"""The power goes at every call that touches the disk, and nothing acknowledged is lost.

power.c lives a scripted life on the fault layer (tests/fault); this file runs it, and proves that it
would notice: each change in mutants/ takes one safety away and must turn it red.

POWER_STEP=1 (the default) cuts at every call, POWER_STEP=7 at every seventh; POWER_RANDOM= says how
many cuts of random lives, SEED= where they begin.
"""

import os
import random
import re

import pytest

from harness.fault import POWER, TOP, build, build_mutant, by, run

STEP = int(os.environ.get("POWER_STEP", "1"))
RANDOM = int(os.environ.get("POWER_RANDOM", "30"))
SEED = int(os.environ.get("SEED") or random.randrange(1, 10**8))
MUTANTS = sorted((TOP / "tests/power/mutants").glob("*.mutant"))


@pytest.fixture(scope="module")
def power(tmp_path_factory):
    return build(tmp_path_factory.mktemp("power") / "power", POWER)


def test_a_power_cut_at_any_call_loses_nothing_acknowledged(power):
    code, text = run(power, "cut", 1, 0, STEP)
    assert code == 0, text


@pytest.mark.parametrize("part", range(4))
def test_a_failing_call_loses_nothing_acknowledged(power, part):
    # Each call fails in five ways; in parts, which run side by side.
    step = STEP if STEP == 1 else 3 * STEP
    code, text = run(power, "fail", 1 + part * step, 0, 4 * step)
    assert code == 0, text


def test_calls_that_fail_again_and_again_lose_nothing_acknowledged(power):
    code, text = run(power, "every", 1, 120, STEP)
    assert code == 0, text


def test_a_full_disk_fails_no_store_and_gets_out_of_it_by_expunging(power):
    print(f"SEED={SEED} POWER_RANDOM={RANDOM}")
    code, text = run(power, "full", SEED, max(RANDOM // 10, 12))
    assert code == 0, text
    refused, given = map(int, re.search(r"refused (\d+) times, (\d+) KiB", text).groups())
    assert refused > 50 and given > 1000, text


def test_a_kill_after_a_rename_and_a_cut_after_that_lose_nothing_acknowledged(power):
    code, text = run(power, "renames")
    assert code == 0, text


def test_a_cut_anywhere_in_other_lives_on_an_unkind_disk_loses_nothing_acknowledged(power):
    print(f"SEED={SEED} POWER_RANDOM={RANDOM}")
    for done in range(0, RANDOM, 500):
        code, text = run(power, "random", SEED + done, min(500, RANDOM - done))
        assert code == 0, text


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda p: p.stem)
def test_the_suite_notices_a_safety_that_is_gone(mutant, tmp_path):
    program = build_mutant(mutant, tmp_path)
    # The way of a cut depends on which thread comes first: several rounds, the first red one counts.
    for first in range(1, 10):
        code, text = run(program, *{"model": (first, 6, 300), "random": ("random", 1000 * first, 200),
                                    "failing": ("fail", first, 0, 9),
                                    "again": ("every", first, 120, 9),
                                    "renames": ("renames",),
                                    "full": ("full", 1000 * first, 20), None: ("cut", first, 0, 9)}[by(mutant)])
        if code:
            break
    assert code == 1 and re.match("INVARIANT|DIFFERS|.*Sanitizer", text, re.S), \
        f"{mutant.stem} went unnoticed: {text}"
