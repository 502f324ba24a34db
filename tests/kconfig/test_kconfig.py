# SPDX-License-Identifier: 0BSD
"""The configuration: what is accepted, what is refused and how it is said, what is repaired."""

import hashlib
import os
import pathlib
import pty
import re
import select
import subprocess
import time

import pytest

from harness.tree import Tree as tree_of
from harness.tree import copy_of_sources

TOP = pathlib.Path(__file__).resolve().parents[2]
SECTIONS = ["Protocols", "Authentication", "Delivery", "Store", "Sessions", "Limits", "Image", "Build"]


class Tree:
    """A build folder of its own; the source tree is shared and is not written to."""

    def __init__(self, folder):
        self.folder = folder
        self.config = folder / ".config"

    def make(self, *words, check=True, **env):
        clean = {k: v for k, v in os.environ.items()
                 if not k.startswith(("MAKE", "MFLAGS", "KCONFIG_")) and k != "O"}
        done = subprocess.run(["make", "-C", TOP, "--no-print-directory", f"O={self.folder}", *words],
                              env={**clean, **env}, capture_output=True, text=True, timeout=300)
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done

    def write(self, *lines):
        self.config.write_text("".join(line + "\n" for line in lines))

    def refused(self):
        """What `make` says about the .config before it builds anything."""
        done = self.make(f"{self.folder}/generated/config.mk", check=False)
        assert done.returncode != 0, done.stdout
        return done.stderr

    def values(self):
        return dict(re.findall(r"(?m)^CONFIG_(\w+)=(.*)$", self.config.read_text()))


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


@pytest.mark.parametrize("line, complaint", [
    ("CONFIG_AUTH_WORKERS=65", "CONFIG_AUTH_WORKERS=65 is out of range: 1 to 64"),
    ("CONFIG_AUTH_WORKERS=0", "CONFIG_AUTH_WORKERS=0 is out of range: 1 to 64"),
    ("CONFIG_AUTH_WORKERS=-1", "CONFIG_AUTH_WORKERS=-1 is out of range: 1 to 64"),
    ("CONFIG_AUTH_WORKERS=two", "CONFIG_AUTH_WORKERS is a number, not two"),
    ("CONFIG_AUTH_WORKERS=\"2\"", "CONFIG_AUTH_WORKERS is a number, not \"2\""),
    ("CONFIG_NO_SUCH_THING=y", "unknown symbol CONFIG_NO_SUCH_THING"),
    ("# CONFIG_NO_SUCH_THING is not set", "unknown symbol CONFIG_NO_SUCH_THING"),
    ("CONFIG_LMTP=m", "CONFIG_LMTP is a bool and takes y or n, not m"),
    ("CONFIG_LMTP=1", "CONFIG_LMTP is a bool and takes y or n, not 1"),
    ("AUTH_WORKERS=2", "this is no assignment: AUTH_WORKERS=2"),
    ("CONFIG_KEYWORDS_MAX=63", "CONFIG_KEYWORDS_MAX=63 is out of range: 64 to 64"),
])
def test_a_wrong_line_is_refused_with_file_and_line(tree, line, complaint):
    tree.write("CONFIG_IMAP=y", "", line)
    assert f"{tree.config}:3: {complaint}\n" in tree.refused()


def test_an_unmet_dependency_is_refused_with_file_and_line(tree):
    tree.write("CONFIG_RECIPIENTS_MAX=200", "# CONFIG_LMTP is not set")
    assert f"{tree.config}:1: CONFIG_RECIPIENTS_MAX=200 needs LMTP\n" in tree.refused()


def test_a_symbol_set_twice_is_refused(tree):
    tree.write("CONFIG_LMTP=y", "# CONFIG_LMTP is not set")
    assert f"{tree.config}:2: CONFIG_LMTP was already set in line 1\n" in tree.refused()


def test_all_complaints_come_at_once_in_the_order_of_lines(tree):
    tree.write("CONFIG_FOO=y", "CONFIG_LMTP=7", "CONFIG_BAR=1")
    numbers = re.findall(rf"{re.escape(str(tree.config))}:(\d+):", tree.refused())
    assert numbers == ["1", "2", "3"]


def test_a_wrong_preset_on_top_is_refused_too(tree, tmp_path):
    extra = tmp_path / "extra"
    extra.write_text("CONFIG_AUTH_WORKERS=1000\n")
    done = tree.make("allnoconfig", check=False, KCONFIG_ALLCONFIG=str(extra))
    assert done.returncode != 0
    assert f"{extra}:1: CONFIG_AUTH_WORKERS=1000 is out of range" in done.stderr


def test_olddefconfig_repairs_and_lists_what_it_changed(tree):
    tree.make("defconfig")
    text = tree.config.read_text().replace("CONFIG_AUTH_WORKERS=2", "CONFIG_AUTH_WORKERS=900")
    tree.config.write_text(text + "CONFIG_GONE=y\n")
    said = tree.make("olddefconfig").stdout
    assert "CONFIG_AUTH_WORKERS: 900 -> 2" in said
    assert "CONFIG_GONE: y -> (gone)" in said
    assert said.count("->") == 2
    tree.make(f"{tree.folder}/generated/config.mk")


def test_oldconfig_asks_for_new_symbols_only(tree):
    tree.make("defconfig")
    text = tree.config.read_text()
    tree.config.write_text(text.replace("CONFIG_AUTH_WORKERS=2\n", ""))
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(["make", "-C", TOP, f"O={tree.folder}", "oldconfig"], input="3\n",
                          env=clean, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert tree.values()["AUTH_WORKERS"] == "3"
    assert "CONFIG_AUTH_WORKERS: (new) -> 3" in done.stdout


def test_make_takes_the_default_configuration_when_there_is_none(tree):
    tree.make(f"{tree.folder}/generated/config.mk")
    other = tree.config.read_text()
    tree.make("defconfig")
    assert tree.config.read_text() == other


def test_listnewconfig_names_symbols_that_the_config_does_not_mention(tree):
    tree.make("defconfig")
    text = tree.config.read_text()
    assert tree.make("listnewconfig").stdout == ""
    tree.config.write_text(text.replace("CONFIG_AUTH_WORKERS=2\n", ""))
    assert tree.make("listnewconfig").stdout == "CONFIG_AUTH_WORKERS=2\n"


def presets():
    done = subprocess.run(["/usr/bin/python3", "kconfig/kc.py", "list-defconfigs", "x"], cwd=TOP,
                          capture_output=True, text=True, check=True)
    return [line.split()[0] for line in done.stdout.splitlines()]


def test_the_four_presets_are_there():
    assert {"default_defconfig", "tiny_defconfig", "ci_defconfig", "full_defconfig"} <= set(presets())


@pytest.mark.parametrize("preset", presets())
def test_a_preset_is_accepted_and_savedefconfig_brings_it_back(tree, preset):
    tree.make(preset)
    full = tree.config.read_text()
    small = tree.folder / "small"
    tree.make("savedefconfig", f"DEFCONFIG={small}")
    assert len(small.read_text()) < len(full)
    tree.config.write_text(small.read_text())
    tree.make("olddefconfig")
    assert tree.config.read_text() == full


def test_allnoconfig_has_no_feature_and_allyesconfig_has_all(tree):
    names = {path.parent.name.upper() for path in TOP.glob("features/*/*/Kconfig")}
    tree.make("allnoconfig")
    assert not names & {name for name, value in tree.values().items() if value == "y"}
    assert tree.values()["IMAP"] == "y" and tree.values()["LMTP"] == "y"
    tree.make("allyesconfig")
    assert names <= {name for name, value in tree.values().items() if value == "y"}


def test_randconfig_prints_a_seed_that_repeats_it(tree):
    seen = set()
    for _ in range(6):
        seed = re.search(r"seed (\d+)", tree.make("randconfig").stdout).group(1)
        first = tree.config.read_text()
        tree.make("defconfig")
        tree.make("randconfig", f"SEED={seed}")
        assert tree.config.read_text() == first
        tree.make(f"{tree.folder}/generated/config.mk")
        seen.add(first)
    assert len(seen) > 1


def test_every_bool_has_an_enable_macro_and_a_value_only_when_set(tree):
    tree.make("allnoconfig")
    tree.make(f"{tree.folder}/generated/config.mk")
    header = (tree.folder / "generated/config.h").read_text()
    off = set(re.findall(r"# CONFIG_(\w+) is not set", tree.config.read_text()))
    assert off
    for name in off:
        assert f"#define ENABLE_{name} 0\n" in header
        assert f"#define CONFIG_{name} " not in header
    assert "#define ENABLE_LMTP 1\n#define CONFIG_LMTP 1\n" in header


def test_generated_files_keep_their_time_when_nothing_changed(tree):
    tree.make(f"{tree.folder}/generated/config.mk")
    header = tree.folder / "generated/config.h"
    before = header.stat().st_mtime_ns
    os.utime(tree.config)
    tree.make(f"{tree.folder}/generated/config.mk")
    assert header.stat().st_mtime_ns == before


def test_the_feature_table_is_sorted_and_holds_what_was_chosen(tree):
    tree.make("allyesconfig")
    tree.make(f"{tree.folder}/generated/config.mk")
    table = re.findall(r"(?m)^FEATURE\((\w+)\)$", (tree.folder / "generated/features.h").read_text())
    assert table == sorted(path.parent.name for path in TOP.glob("features/*/*/Kconfig"))


class Screen:
    """A program on a terminal of its own; what it wrote is kept as plain text."""

    def __init__(self, words):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            for name in [n for n in os.environ if n.startswith(("MAKE", "MFLAGS"))]:
                del os.environ[name]
            os.environ.update(TERM="xterm", LINES="50", COLUMNS="120")
            os.execvp(words[0], words)
        self.text = ""

    def read_until(self, word, seconds=30):
        end = time.monotonic() + seconds
        while word not in self.text:
            assert time.monotonic() < end, f"{word!r} did not come: {self.text[-3000:]}"
            if select.select([self.fd], [], [], 0.2)[0]:
                try:
                    data = os.read(self.fd, 65536).decode(errors="replace")
                except OSError:
                    data = ""
                assert data, f"ended before {word!r}: {self.text[-3000:]}"
                self.text += re.sub(r"\x1b[\[(][0-9;?]*[A-Za-z]", "", data)

    def type(self, keys):
        self.text = ""
        os.write(self.fd, keys.encode())

    def end(self):
        """Wait for the program to end; returns its exit status."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if select.select([self.fd], [], [], 0.2)[0]:
                try:
                    self.text += os.read(self.fd, 65536).decode(errors="replace")
                except OSError:
                    pass
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
        raise AssertionError(f"did not end: {self.text[-2000:]}")


def test_the_menu_shows_its_sections_changes_a_value_and_lists_the_change(tree):
    tree.make("defconfig")
    screen = Screen(["make", "-C", str(TOP), f"O={tree.folder}", "menuconfig"])
    for section in SECTIONS:
        screen.read_until(section)
    screen.type("\n")                      # into Protocols
    screen.read_until("IMAP server")
    screen.type("?")
    screen.read_until("RFC 3501")
    screen.type("q")
    screen.read_until("LMTP server")
    screen.type("jn")                      # the second line, LMTP: off
    time.sleep(0.5)
    screen.type("q")
    screen.read_until("(Y)es")
    screen.type("y")
    assert screen.end() == 0, screen.text
    assert "LMTP" not in tree.values()
    assert "CONFIG_LMTP: y -> n" in screen.text


def test_the_menu_repairs_a_broken_config(tree):
    tree.make("defconfig")
    text = tree.config.read_text().replace("CONFIG_AUTH_WORKERS=2", "CONFIG_AUTH_WORKERS=900")
    tree.config.write_text(text)
    screen = Screen(["make", "-C", str(TOP), f"O={tree.folder}", "menuconfig"])
    screen.read_until("Protocols")
    screen.type("q")
    assert screen.end() == 0, screen.text
    assert tree.values()["AUTH_WORKERS"] == "2"
    assert "CONFIG_AUTH_WORKERS: 900 -> 2" in screen.text


def test_a_mistake_in_a_kconfig_file_stops_the_build(tmp_path):
    (tmp_path / "kconfig").symlink_to(TOP / "kconfig")
    (tmp_path / "Kconfig").write_text("config A\n\tbool \"a\"\n\tdepends on NOWHERE\n")
    done = subprocess.run(["/usr/bin/python3", "kconfig/kc.py", "allconfig", "x", "allnoconfig"],
                          cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert done.returncode != 0
    assert "NOWHERE" in done.stderr


def test_every_symbol_has_help_that_says_more_than_its_prompt():
    thin = []
    for path in [*TOP.glob("**/Kconfig*")]:
        if "build" in path.relative_to(TOP).parts[:1]:
            continue
        for block in re.split(r"(?m)^config ", path.read_text())[1:]:
            words = block.partition("\thelp\n")[2].split()
            if re.search(r'(?m)^\t(?:prompt|bool|int|hex|string) "', block) and len(words) < 12:
                thin.append(f"{path.relative_to(TOP)}: {block.split()[0]}")
    assert not thin


def test_the_lint_finds_no_symbol_unused_undefined_or_badly_named(tree):
    tree.make("lint-kconfig")


def test_a_config_that_nobody_chose_follows_the_default_and_one_that_was_chosen_does_not(tree):
    stamp = f"{tree.folder}/generated/config.mk"
    tree.make(stamp)
    default = tree.config.read_text()
    older = default.replace("CONFIG_AUTH_WORKERS=2", "CONFIG_GONE=2")
    tree.config.write_text(older)
    (tree.folder / "generated/untouched").write_text(hashlib.sha256(older.encode()).hexdigest())
    tree.make(stamp)
    assert tree.config.read_text() == default
    tree.config.write_text(older)
    assert "unknown symbol CONFIG_GONE" in tree.refused()


def test_a_symbol_that_nobody_defines_is_an_error_in_core_and_found_by_the_lint_in_a_feature(tmp_path):
    top = copy_of_sources(tmp_path)
    tree = tree_of(tmp_path / "out", top)

    def misspell(path):
        kconfig = top / path
        kconfig.write_text(kconfig.read_text().replace("\thelp\n", "\tdepends on MISSPELT\n\thelp\n", 1))

    misspell("features/misc/example/Kconfig")
    tree.make("allyesconfig")
    assert "CONFIG_EXAMPLE=y" not in (tmp_path / "out/.config").read_text()
    assert "MISSPELT" in tree.make("lint-kconfig", check=False).stderr
    misspell("core/Kconfig")
    done = tree.make("allyesconfig", check=False)
    assert done.returncode and "MISSPELT" in done.stderr
