# SPDX-License-Identifier: 0BSD
"""One file of a spool is damaged, and it costs what it held and nothing else (damage.c).

POWER_RANDOM= says how many bits are flipped, SEED= where they begin.
"""

import os
import random

import pytest

from harness.fault import build, run

BITS = int(os.environ.get("POWER_RANDOM", "200"))
SEED = int(os.environ.get("SEED") or random.randrange(1, 10**8))


@pytest.fixture(scope="module")
def damage(tmp_path_factory):
    return build(tmp_path_factory.mktemp("damage") / "damage",
                 [f"tests/power/{name}.c" for name in ("damage", "damage_spool", "state")])


def test_a_flipped_bit_costs_one_message_at_most(damage):
    print(f"SEED={SEED} POWER_RANDOM={BITS}")
    for done in range(0, BITS, 500):
        code, text = run(damage, "bits", SEED + done, min(500, BITS - done))
        assert code == 0, text
        print(text)


def test_a_file_of_any_kind_that_is_cut_zeroed_exchanged_gone_or_newer_costs_what_it_held(damage):
    code, text = run(damage, "files")
    assert code == 0, text


def test_the_log_alone_gives_back_every_message_flag_name_and_reference(damage):
    code, text = run(damage, "rebuild")
    assert code == 0, text
