# SPDX-License-Identifier: 0BSD
"""What the program weighs and what options cost: the tables add up, and the prices are there."""

import json
import os
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree

import pytest

from harness.tree import TOP, Tree, clean_environment

sys.path.insert(0, str(TOP / "kconfig"))

import kc  # noqa: E402
import linkmap  # noqa: E402
import prices  # noqa: E402

BUILD = pathlib.Path(os.environ.get("SATCHEL_O", ""))


def tool(name, *words, check=True):
    done = subprocess.run(["/usr/bin/python3", f"kconfig/{name}.py", *map(str, words)], cwd=TOP, capture_output=True,
                          text=True, timeout=120, check=False, env=clean_environment())
    assert not check or done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def found():
    return linkmap.pieces(BUILD / "satchel.map")


def test_the_table_adds_up_to_the_file():
    table = json.loads(tool("size", "table", BUILD, "json").stdout)
    size = (BUILD / "satchel").stat().st_size
    assert table["file"] == size
    assert sum(row["text"] + row["rodata"] + row["data"] for row in table["folders"].values()) == size
    assert 0 <= table["folders"]["headers and alignment"]["rodata"] < 16384
    assert re.search(rf"(?m)^ +{size} .* the file$", tool("size", "table", BUILD).stdout)


def test_the_linker_says_the_same_of_each_section(found):
    """binutils' own count of the stripped program, in the Berkeley way: rodata is text."""
    said = subprocess.run(["size", BUILD / "satchel"], capture_output=True, text=True, check=True).stdout
    text, data, bss = (int(n) for n in said.splitlines()[1].split()[:3])
    ours = linkmap.totals(found)
    assert ours["text"] + ours["rodata"] == text
    assert ours["data"] + ours["bss"] == data + bss


def test_every_compiled_folder_is_in_the_table(found):
    origins = {piece.origin for piece in found}
    assert {"core/store", "core/imap", "deps/musl", "deps/cyrus-sasl"} <= origins
    chosen = re.search(r"FEATURE_DIRS := (.*)", (BUILD / "generated/config.mk").read_text()).group(1).split()
    assert set(chosen) <= origins


def test_a_build_differs_from_itself_in_nothing():
    said = tool("size", "diff", BUILD, BUILD).stdout.splitlines()
    assert len(said) == 2 and said[1].count("(+0)") == 4


@pytest.mark.parametrize("how", ["text", "md", "json"])
def test_a_symbol_that_is_gone_is_told(tmp_path, how):
    old = (BUILD / "satchel.map").read_text()
    new = re.sub(r"(?m)^ \.text\.loop_turn\n? +0x[0-9a-f]+ +0x[0-9a-f]+ .*\n", "", old)
    assert new != old
    (tmp_path / "satchel.map").write_text(new)
    said = tool("size", "diff", BUILD, tmp_path, how).stdout
    assert "loop_turn" in said and "core/lib" in said
    if how == "json":
        gone = next(row for row in json.loads(said)["symbols"] if row["symbol"] == "loop_turn")
        assert gone["after"] == 0 and gone["difference"] == -gone["before"] < 0


def test_the_picture_is_one(tmp_path):
    tool("treemap", BUILD, tmp_path / "size.svg")
    picture = xml.etree.ElementTree.parse(tmp_path / "size.svg")
    titles = [title.text for title in picture.iter("{http://www.w3.org/2000/svg}title")]
    assert any(title.startswith("core/store: ") for title in titles)
    for box in picture.iter("{http://www.w3.org/2000/svg}rect"):
        assert float(box.get("x")) + float(box.get("width")) <= 1000.5


def test_a_build_that_is_not_there_is_an_error(tmp_path):
    done = tool("size", "table", tmp_path, check=False)
    assert done.returncode == 1 and "build it first" in done.stderr


def test_every_option_has_a_price(tmp_path):
    tool("prices", "check", tmp_path / "builds", 0)
    assert not (tmp_path / "builds").exists()  # nothing was to be measured


def test_a_preset_is_held_to_its_budget_until_somebody_changes_it(tmp_path):
    tree = Tree(tmp_path)
    tree.make("tiny_defconfig")
    tree.make(f"{tree.out}/generated/config.mk")
    assert re.search(r"(?m)^BUDGET_KB := 432$", tree.generated("config.mk"))
    tree.config.write_text(tree.config.read_text().replace("# CONFIG_IDLE is not set", "CONFIG_IDLE=y"))
    tree.make(f"{tree.out}/generated/config.mk")
    assert re.search(r"(?m)^BUDGET_KB := $", tree.generated("config.mk"))


def test_a_program_over_its_budget_does_not_pass():
    check = ["kconfig/check-binary.sh", BUILD / "satchel", BUILD / "satchel.debug", "65536"]
    assert subprocess.run([*check, "65536"], cwd=TOP, check=False).returncode == 0
    done = subprocess.run([*check, "100"], cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "more than the preset's budget of 100 KB" in done.stderr


def test_a_price_that_is_off_is_seen():
    price = {"flash": 5000, "session": 32}
    assert not prices.is_off(price, {"flash": 5400, "session": 32})
    assert not prices.is_off({"flash": 100, "session": 0}, {"flash": 220, "session": 0})
    assert prices.is_off(price, {"flash": 5600, "session": 32})
    assert prices.is_off(price, {"flash": 5000, "session": 48})
    assert prices.is_off(price, None)
    assert not prices.is_off(None, None)


@pytest.fixture
def kconf(monkeypatch):
    monkeypatch.chdir(TOP)
    return kc.load_kconfig()


def test_the_menu_says_what_an_option_costs(kconf):
    prices.put_in_menu(kconf)
    node = kconf.syms["QRESYNC"].nodes[0]
    assert re.search(r"\([\d.]+ KiB, \d+ B/session\)$", node.prompt[0])
    assert re.search(r"Price: [\d.]+ KiB over default_defconfig, [\d.]+ KiB with every other option",
                     " ".join(node.help.split()))


@pytest.mark.parametrize("preset", ["default", "full"])
@pytest.mark.parametrize("name", ["IDLE", "TLS", "QRESYNC"])
def test_a_price_is_that_of_one_option(kconf, preset, name):
    """Of two configurations that differ in no option but those without which it is nothing."""
    with_it, without = prices.pair(preset, name)
    differ = set(re.findall(r"(?m)^CONFIG_(\w+)=y$", with_it)) - set(re.findall(r"(?m)^CONFIG_(\w+)=y$", without))
    differ &= set(prices.options(kconf))
    assert name in differ
    assert all(one.startswith(f"{name}_") for one in differ - {name})
