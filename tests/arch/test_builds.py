# SPDX-License-Identifier: 0BSD
"""The architecture as builds show it: what was not chosen is not there, what is deleted is not missed."""

import re
import shutil
import subprocess

import pytest

from harness.server import Server
from harness.tree import Tree, copy_of_sources, features

MESSAGE = "Subject: small\r\n\r\nA message through the smallest server.\r\n"


@pytest.fixture(scope="module")
def smallest(tmp_path_factory):
    return Tree(tmp_path_factory.mktemp("allno")).build("allnoconfig")


@pytest.fixture(scope="module")
def largest(tmp_path_factory):
    return Tree(tmp_path_factory.mktemp("allyes")).build("allyesconfig")


def serves_mail(binary, folder):
    """Deliver by LMTP, read by IMAP, restart, read again."""
    server = Server(binary, folder)
    server.start()
    try:
        server.deliver(MESSAGE)
        for _ in range(2):
            client = server.imap()
            assert client.select("INBOX")[1] == [b"1"]
            body = client.fetch("1", "(BODY.PEEK[])")[1][0][1]
            assert body.endswith(MESSAGE.encode())
            client.logout()
            server.restart()
    finally:
        server.stop()
    server.check_log()


def test_the_smallest_configuration_links_and_serves_mail(smallest, tmp_path):
    serves_mail(smallest.binary, tmp_path)


def test_the_largest_configuration_links_and_serves_mail(largest, tmp_path):
    serves_mail(largest.binary, tmp_path)


def test_the_smallest_program_holds_no_object_and_no_symbol_of_a_feature(smallest):
    assert not [path for path in smallest.map_objects() if "features/" in path and "/obj/features/" in path]
    text = (smallest.out / "satchel.map").read_text()
    assert "/obj/features/" not in text
    names = smallest.symbols()
    for name, _folder in features():
        assert not [symbol for symbol in names if symbol.startswith(f"{name}_")], name


def test_the_smallest_program_holds_no_mechanism_of_libsasl2(smallest):
    text = (smallest.out / "satchel.map").read_text()
    assert re.search(r"libsasl2\.a\(lib_server\.o\)", text)
    assert not re.search(r"libsasl2\.a\(plugins_(?!plugin_common)", text)


def test_the_largest_program_holds_every_feature(largest):
    names = largest.symbols()
    assert {f"{name}_feature" for name, _folder in features()} <= names


def test_symbols_of_a_feature_begin_with_the_name_of_its_folder(largest):
    wrong = []
    for name, folder in features():
        for source in folder.glob("*.c"):
            if source.name.endswith("_test.c") or source.name.startswith("fuzz_"):
                continue
            compiled = largest.out / "obj" / folder.relative_to(largest.top) / f"{source.stem}.o"
            done = subprocess.run(["nm", "-g", "--defined-only", compiled], capture_output=True,
                                  text=True, check=True)
            wrong += [f"{source.relative_to(largest.top)}: {line.split()[-1]}"
                      for line in done.stdout.splitlines()
                      if not line.split()[-1].startswith(f"{name}_")]
    assert not wrong


def test_deleting_any_one_feature_folder_leaves_a_tree_that_builds(tmp_path):
    top = copy_of_sources(tmp_path)
    names = [name for name, _folder in features()]
    tree = Tree(tmp_path / "out", top)
    for name, folder in features():
        away = tmp_path / "away"
        here = top / folder.relative_to(Tree(".").top)
        shutil.move(here, away)
        tree.make("allyesconfig")
        tree.make(f"{tree.out}/generated/config.mk")
        table = re.findall(r"FEATURE\((\w+)\)", tree.generated("features.h"))
        missing = set(names) - set(table)
        assert name in missing and len(missing) <= 2, missing
        for preset in ("default_defconfig", "tiny_defconfig", "ci_defconfig", "full_defconfig"):
            tree.make(preset)
        shutil.move(away, here)
    shutil.rmtree(top / "features" / features()[0][1].parent.name)
    tree.build("allyesconfig")
    assert f"{features()[0][0]}_feature" not in tree.symbols()


def test_a_tree_without_any_feature_folder_builds(tmp_path):
    top = copy_of_sources(tmp_path)
    shutil.rmtree(top / "features")
    tree = Tree(tmp_path / "out", top).build("allyesconfig")
    assert "/obj/features/" not in (tree.out / "satchel.map").read_text()


def add_feature(top, text):
    folder = top / "features/misc/newcomer"
    folder.mkdir(parents=True)
    (folder / "Kconfig").write_text('config NEWCOMER\n\tbool "A newcomer"\n\tdefault y\n')
    (folder / "newcomer.c").write_text(text)


def test_a_new_feature_folder_is_in_the_program_without_an_edit_elsewhere(tmp_path):
    top = copy_of_sources(tmp_path)
    tree = Tree(tmp_path / "out", top).build("allnoconfig")
    assert "newcomer_feature" not in tree.symbols()
    add_feature(top, '#include "core/hooks.h"\n'
                     'const struct feature newcomer_feature = {.name = "newcomer"};\n')
    tree.build("allyesconfig")
    assert "newcomer_feature" in tree.symbols()


def test_a_feature_without_its_struct_stops_the_link_with_its_name(tmp_path):
    top = copy_of_sources(tmp_path)
    add_feature(top, '#include "core/hooks.h"\nextern const int newcomer_nothing;\n'
                     'const int newcomer_nothing = 1;\n')
    tree = Tree(tmp_path / "out", top)
    tree.make("allyesconfig")
    done = tree.make("-j2", check=False)
    assert done.returncode != 0
    assert "newcomer_feature" in done.stderr


def test_a_misspelt_switch_does_not_compile(tmp_path):
    top = copy_of_sources(tmp_path)
    add_feature(top, '#include "core/hooks.h"\n'
                     'const struct feature newcomer_feature = {.name = ENABLE_NEWCOMMER ? "a" : "b"};\n')
    tree = Tree(tmp_path / "out", top)
    tree.make("allyesconfig")
    done = tree.make(f"{tree.out}/obj/features/misc/newcomer/newcomer.o", check=False)
    assert done.returncode != 0
    assert "ENABLE_NEWCOMMER" in done.stderr
