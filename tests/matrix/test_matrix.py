# SPDX-License-Identifier: 0BSD
"""Configurations nobody chose by hand: each feature alone, each left out, and random ones, link and
start. SEEDS=N tries N random ones; a seed that fails is in the name of the test."""

import os
import random
import re

import pytest

from harness.server import Server
from harness.tree import Tree, features

NAMES = [name for name, _folder in features()]
DICE = random.Random(os.environ.get("SEED") or None)
SEEDS = [DICE.randrange(1 << 32) for _ in range(int(os.environ.get("SEEDS", "4")))]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return Tree(tmp_path_factory.mktemp("matrix"))


def chosen(tree):
    return set(re.findall(r"FEATURE\((\w+)\)", tree.generated("features.h")))


def fits(tree):
    """The program holds exactly what was chosen, and says its version."""
    names = tree.symbols()
    present = {name for name in NAMES if f"{name}_feature" in names}
    assert present == chosen(tree)
    for name in set(NAMES) - present:
        assert not [symbol for symbol in names if symbol.startswith(f"{name}_")]


def needed(name):
    """Features that one depends on: by the symbol itself, or as the first that selects it."""
    texts = {other: (folder / "Kconfig").read_text() for other, folder in features()}
    found = set()
    for symbol in re.findall(r"(?m)^\tdepends on (\w+)$", texts[name].split("\nif ")[0]):
        found |= {other for other in texts if other.upper() == symbol} or set(
            [other for other in texts if re.search(rf"\bselect {symbol}\b", texts[other])][:1])
    return found - {name}


def configure(tree, base, *lines):
    extra = tree.out / "extra"
    tree.out.mkdir(exist_ok=True)
    extra.write_text("".join(line + "\n" for line in lines))
    tree.make(base, KCONFIG_ALLCONFIG=str(extra))
    tree.make("-j2")


@pytest.mark.parametrize("name", NAMES)
def test_a_feature_alone_links(tree, name):
    configure(tree, "allnoconfig", *(f"CONFIG_{one.upper()}=y" for one in {name} | needed(name)))
    assert name in chosen(tree)
    fits(tree)


@pytest.mark.parametrize("name", NAMES)
def test_all_features_but_one_link(tree, name):
    configure(tree, "allyesconfig", f"# CONFIG_{name.upper()} is not set")
    assert name not in chosen(tree)
    fits(tree)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_configuration_links_and_starts(tree, seed, tmp_path):
    tree.make("randconfig", f"SEED={seed}")
    # How large the result may be is no property of the sources.
    tree.config.write_text(re.sub(r"(?m)^(CONFIG_IMAGE_MAX_KB)=.*", r"\1=65536", tree.config.read_text()))
    tree.make("-j2")
    fits(tree)
    values = tree.config.read_text()
    if "CONFIG_IMAP=y" in values and "CONFIG_LMTP=y" in values and "PER_ADDRESS=1\n" not in values:
        server = Server(tree.binary, tmp_path)
        server.start()
        assert server.stop() == 0, server.log()
