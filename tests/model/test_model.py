# SPDX-License-Identifier: 0BSD
"""Random operations of several sessions on a store and on a simple model of it, with crashes.

model.c does the work; MODEL_RUNS says how many lives of 300 operations, SEED where to begin.
"""

import os
import random

import pytest

from harness.fault import MODEL, build, run

RUNS = int(os.environ.get("MODEL_RUNS", "6"))
SEED = int(os.environ.get("SEED") or random.randrange(1, 10**9))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return build(tmp_path_factory.mktemp("model") / "model", MODEL)


def test_the_store_is_what_a_simple_model_says_after_every_operation_and_crash(model):
    print(f"SEED={SEED} MODEL_RUNS={RUNS}")
    done = 0
    while done < RUNS:
        some = min(10, RUNS - done)
        code, text = run(model, SEED + done, some, 300, leaks=True)
        assert code == 0, f"SEED={SEED + done}: {text}"
        print(text.strip())
        done += some
