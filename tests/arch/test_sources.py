# SPDX-License-Identifier: 0BSD
"""The architecture as the sources show it: arrows, doorway, names, size."""

import os
import pathlib
import re
import subprocess

import pytest

from harness.tree import TOP, features, sources

# What each folder of core may include. `core` stands for the headers directly in core/: the
# doorway (hooks.h) and what sessions have in common.
MAY = {
    "core/lib": {"core/lib"},
    "core/mime": {"core/lib", "core/mime"},
    "core/store": {"core/lib", "core/mime", "core/store", "core/hooks.h"},
    "core/auth": {"core/lib", "core/auth", "core/hooks.h"},
    "core": {"core/lib", "core/store", "core", "generated"},
    "core/imap": {"core/lib", "core/mime", "core/store", "core", "core/imap"},
    "core/lmtp": {"core/lib", "core/mime", "core/store", "core", "core/lmtp"},
    "core/server": {"core/lib", "core/mime", "core/store", "core/auth", "core", "core/imap",
                    "core/lmtp", "core/server", "generated"},
}
# Third-party headers and who may see them.
OUTSIDE = {"sasl/": {"core/auth"}, "mbedtls/": {"core/auth"}, "cdb.h": {"core/auth", "core/store"}}
CODE = sources("core/**/*.[ch]", "features/**/*.[ch]")


def folder_of(path):
    return str(path.relative_to(TOP).parent)


def included(path, quotes='"'):
    close = {'"': '"', "<": ">"}[quotes]
    return re.findall(rf"(?m)^\s*#\s*include\s*{quotes}([^{close}]+){close}", path.read_text())


def test_there_are_sources_to_judge():
    assert len(CODE) > 40
    assert {folder_of(path) for path in CODE if folder_of(path).startswith("core")} == set(MAY)


def test_arrows_between_the_folders_of_core_point_one_way():
    wrong = []
    for path in CODE:
        allowed = MAY.get(folder_of(path))
        if allowed is None:
            continue
        for name in included(path):
            if name.rpartition("/")[0] not in allowed and name not in allowed:
                wrong.append(f"{path.relative_to(TOP)} includes {name}")
    assert not wrong


def test_every_include_is_written_from_the_top_and_exists():
    wrong = []
    for path in CODE:
        for name in included(path):
            if not name.startswith("generated/") and not (TOP / name).is_file():
                wrong.append(f"{path.relative_to(TOP)} includes {name}")
    assert not wrong


def test_core_never_includes_or_names_a_feature():
    names = [name for name, _folder in features()]
    wrong = []
    for path in CODE:
        if not folder_of(path).startswith("core"):
            continue
        text = path.read_text()
        wrong += [f"{path.relative_to(TOP)} includes {name}" for name in included(path)
                  if name.startswith("features/")]
        wrong += [f"{path.relative_to(TOP)} names {name}_feature" for name in names
                  if re.search(rf"\b{name}_feature\b", text)]
    assert not wrong


def test_features_never_include_each_other():
    wrong = []
    for path in CODE:
        if not folder_of(path).startswith("features"):
            continue
        for name in included(path):
            if path.name.endswith("_test.c") and name.startswith("tests/unit/"):
                continue
            if not name.startswith(("core/", "generated/version.h")) \
                    and name.rpartition("/")[0] != folder_of(path):
                wrong.append(f"{path.relative_to(TOP)} includes {name}")
    assert not wrong


def test_the_doorway_needs_nothing_but_the_library():
    assert {name.rpartition("/")[0] for name in included(TOP / "core/hooks.h")} <= {"core/lib"}


def test_third_party_headers_are_seen_by_their_users_only():
    wrong = []
    for path in CODE:
        where = folder_of(path)
        for name in included(path, "<"):
            for prefix, users in OUTSIDE.items():
                if name.startswith(prefix) and where not in users and not where.startswith("features"):
                    wrong.append(f"{path.relative_to(TOP)} includes <{name}>")
    assert not wrong


def conditionals_in_bodies(text):
    """Line numbers of preprocessor conditions between a `{` and a `}` in the first column."""
    inside, found = False, []
    for number, line in enumerate(text.splitlines(), 1):
        if line == "{":
            inside = True
        elif line.startswith("}"):
            inside = False
        elif inside and re.match(r"\s*#\s*(if|el|endif)", line):
            found.append(number)
    return found


def test_the_scanner_sees_a_condition_in_a_body():
    assert conditionals_in_bodies("#if A\nint f(void)\n{\n#if B\n\treturn 1;\n#endif\n}\n#endif\n") == [4, 6]


def test_no_function_body_holds_a_preprocessor_condition():
    wrong = [f"{path.relative_to(TOP)}:{number}" for path in CODE
             for number in conditionals_in_bodies(path.read_text())]
    assert not wrong


def test_a_features_switch_appears_in_its_own_folder_alone():
    wrong = []
    for _name, folder in features():
        symbols = re.findall(r"(?m)^config (\w+)$", (folder / "Kconfig").read_text())
        word = re.compile(rf"\b(ENABLE|CONFIG)_({'|'.join(symbols)})\b")
        for path in CODE:
            if path.parent != folder and (hit := word.search(path.read_text())):
                wrong.append(f"{path.relative_to(TOP)} uses {hit.group(0)}")
    assert not wrong


def test_a_feature_folder_has_what_a_feature_has():
    wrong = []
    assert len(features()) >= 3
    for name, folder in features():
        for file in ("README.md", "Kconfig"):
            if not (folder / file).is_file():
                wrong.append(f"{folder.relative_to(TOP)} has no {file}")
        if not list(folder.glob("*_test.c")) and not list(folder.glob("test_*.py")):
            wrong.append(f"{folder.relative_to(TOP)} has no test")
        if not re.search(rf"(?m)^const struct feature {name}_feature\b",
                         "".join(path.read_text() for path in folder.glob("*.c"))):
            wrong.append(f"{folder.relative_to(TOP)} does not define {name}_feature")
    assert not wrong


TEXT = sources("core/**/*", "features/**/*", "kconfig/**/*", "deps/**/*", "tests/**/*", "board/**/*",
               "image/**/*", "docs/**/*", "*", ".ci/*")


def lines_of(path):
    try:
        return path.read_text().splitlines()
    except UnicodeDecodeError:
        return []


def test_program_text_begins_with_its_licence():
    wrong = []
    for path in TEXT:
        if path.suffix in (".c", ".h", ".py", ".sh", ".mk") or path.name.startswith(("Kconfig", "Makefile")):
            if "SPDX-License-Identifier: 0BSD" not in "".join(lines_of(path)[:2]):
                wrong.append(str(path.relative_to(TOP)))
    assert not wrong


def test_no_file_is_longer_than_800_lines():
    wrong = {str(path.relative_to(TOP)): len(lines_of(path)) for path in CODE if len(lines_of(path)) > 800}
    assert not wrong


def test_no_line_of_code_is_wider_than_120_columns():
    wrong = [f"{path.relative_to(TOP)}:{number}" for path in CODE
             for number, line in enumerate(lines_of(path), 1) if len(line.expandtabs(8)) > 120]
    assert not wrong


def test_nothing_is_left_for_later_in_the_tree():
    words = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK"]) + r")\b")
    wrong = [f"{path.relative_to(TOP)}:{number}" for path in TEXT if "corpus" not in path.parts
             for number, line in enumerate(lines_of(path), 1) if words.search(line)]
    assert not wrong


def test_no_package_mirror_is_written_down():
    host = re.compile(r"\b(deb|ftp|archive|security|snapshot)\.(debian|ubuntu)\.(org|com)")
    wrong = [f"{path.relative_to(TOP)}:{number}" for path in TEXT
             for number, line in enumerate(lines_of(path), 1) if host.search(line)]
    assert not wrong


@pytest.mark.parametrize("path", sources("core/**/*.h", "features/**/*.h"),
                         ids=lambda path: str(path.relative_to(TOP)))
def test_a_header_guards_itself_and_explains_itself(path):
    text = path.read_text()
    assert re.search(r"(?m)^#ifndef \w+_H\n#define \w+_H$", text)
    comments = re.findall(r"(?s)/\*.*?\*/", text.partition("\n")[2])
    prototypes = re.findall(r"(?m)^[a-z][\w *]*\w+\([^;{]*\)[^;{]*;", text)
    # A comment for at least every third function: twins and triples may share one.
    assert len(comments) * 3 >= len(prototypes)


@pytest.mark.parametrize("path", sources("core/**/*.h", "features/**/*.h"),
                         ids=lambda path: str(path.relative_to(TOP)))
def test_a_header_compiles_alone(path, tmp_path):
    source = tmp_path / "alone.c"
    source.write_text(f'#include "{path.relative_to(TOP)}"\n#include "{path.relative_to(TOP)}"\nint unused;\n')
    generated = subprocess.run(["make", "-C", str(TOP), "--no-print-directory", f"O={tmp_path}",
                                f"{tmp_path}/generated/config.mk"], capture_output=True, text=True,
                               env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, check=False)
    assert generated.returncode == 0, generated.stderr
    parts = pathlib.Path(os.environ["SATCHEL_O"]).glob("deps/static/*/include")
    outside = [word for part in parts if "musl" not in part.parts for word in ("-isystem", part)]
    done = subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-I", TOP,
                           "-I", tmp_path, *outside, "-include", tmp_path / "generated/config.h", "-fsyntax-only",
                           source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
