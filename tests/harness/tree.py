# SPDX-License-Identifier: 0BSD
"""Builds of a source tree from within a test: the real tree with another O=, or a copy to change."""

import os
import pathlib
import re
import shutil
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[2]
LEFT_OUT = {"build", "run", ".git", ".config", ".config.old"}


def clean_environment():
    """Without what an outer make hands down."""
    return {name: value for name, value in os.environ.items()
            if not name.startswith(("MAKE", "MFLAGS", "KCONFIG_", "SATCHEL"))
            and name not in ("O", "V", "DEV", "CC", "K", "T", "DESTDIR")}


class Tree:
    """Runs make in a source tree with a build folder of its own."""

    def __init__(self, out, top=TOP):
        self.out, self.top = pathlib.Path(out), pathlib.Path(top)
        self.config = self.out / ".config"
        self.binary = self.out / "satchel"

    def make(self, *words, check=True, timeout=900, **env):
        done = subprocess.run(
            ["make", "-C", str(self.top), "--no-print-directory", f"O={self.out}", *words],
            env={**clean_environment(), **env}, capture_output=True, text=True, timeout=timeout,
            stdin=subprocess.DEVNULL)
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done

    def build(self, config):
        self.make(config)
        self.make("-j2")
        return self

    def generated(self, name):
        return (self.out / "generated" / name).read_text()

    def map_objects(self):
        """Paths of all objects that the linker took, relative to the build folder."""
        text = (self.out / "satchel.map").read_text()
        return set(re.findall(r"(?m)^LOAD (\S+)$", text)) | set(re.findall(r"\((\S+\.l?o)\)", text))

    def symbols(self):
        """Names that the unstripped binary defines for more than one source file."""
        done = subprocess.run(["nm", "--defined-only", "-g", f"{self.binary}.debug"], capture_output=True,
                              text=True, check=True)
        return {line.split()[-1] for line in done.stdout.splitlines()}


def left_out(folder, names):
    """What is made in the top folder; tests/build, for one, is no such thing."""
    made = LEFT_OUT if pathlib.Path(folder) == TOP else set()
    return made.union({"__pycache__"}).intersection(names)


def copy_of_sources(folder):
    """A copy of the source tree that a test may change."""
    target = pathlib.Path(folder) / "copy"
    shutil.copytree(TOP, target, ignore=left_out, symlinks=True)
    return target


def features():
    """(name, folder) of every feature folder."""
    return sorted((path.parent.name, path.parent) for path in TOP.glob("features/*/*/Kconfig"))


def sources(*patterns):
    """Files of the tree that match, without what was built."""
    skip = {"build", "run", "dl", ".git"}
    return sorted(path for pattern in patterns for path in TOP.glob(pattern)
                  if path.relative_to(TOP).parts[0] not in skip and path.is_file())
