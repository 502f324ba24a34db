# SPDX-License-Identifier: 0BSD
"""The build: what the binary is, that it is the same each time, how third-party sources are taken in."""

import hashlib
import os
import pathlib
import re
import shutil
import stat
import subprocess

import pytest

from harness.tree import TOP, Tree, clean_environment

STATIC = os.environ.get("SATCHEL", "")


def run(*words, **more):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=300,
                          check=False, **more)


def test_the_binary_is_a_stripped_static_pie():
    said = run("file", STATIC).stdout
    assert "static-pie linked" in said and "stripped" in said


def test_the_program_has_no_writable_and_executable_memory():
    segments = re.findall(r"(?m)^ +(LOAD|GNU_STACK) .* ([RWE ]{3}) 0x", run("readelf", "-lW", STATIC).stdout)
    assert len(segments) >= 3
    assert not [flags for _name, flags in segments if "W" in flags and "E" in flags]


def check_binary(path, max_kb=65536):
    return run(TOP / "kconfig/check-binary.sh", path, path, max_kb)


@pytest.fixture(scope="module")
def hello(tmp_path_factory):
    """Compiles a small program with the flags given."""
    folder = tmp_path_factory.mktemp("hello")
    source = folder / "hello.c"
    source.write_text("#include <stdio.h>\n#include <string.h>\nint main(int argc, char **argv)\n"
                      "{ char b[64]; strncpy(b, argv[argc - 1], 63); b[63] = 0; puts(b); return 0; }\n")

    def compiled(*flags):
        done = run("gcc", "-O1", "-o", folder / "hello", source, *flags)
        assert done.returncode == 0, done.stderr
        return folder / "hello"
    return compiled


GOOD = ("-static-pie", "-fPIE", "-fstack-protector-all", "-Wl,-z,relro,-z,now,-z,noexecstack")


def test_the_check_accepts_a_hardened_static_pie(hello):
    done = check_binary(hello(*GOOD))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("flags, complaint", [
    (("-static", "-no-pie"), "is not position independent"),
    (("-pie", "-fPIE"), "asks for a dynamic loader"),
    (("-pie", "-fPIE"), "needs shared libraries"),
    ((*GOOD, "-Wl,-z,norelro"), "has no RELRO segment"),
    ((*GOOD, "-Wl,-z,execstack"), "has an executable stack"),
    (("-static-pie", "-fPIE", "-Wl,-z,lazy"), "does not bind at start"),
])
def test_the_check_refuses_a_weaker_binary_and_says_why(hello, flags, complaint):
    done = check_binary(hello(*flags))
    assert done.returncode != 0
    assert complaint in done.stderr


def test_the_check_refuses_a_binary_above_the_configured_size():
    done = check_binary(STATIC, 1)
    assert done.returncode != 0
    assert "more than CONFIG_IMAGE_MAX_KB=1 allows" in done.stderr


def test_the_build_stops_when_the_binary_is_above_the_configured_size(tmp_path):
    tree = Tree(tmp_path / "out")
    tree.make("allnoconfig", f"O={tree.out}")
    tree.make(f"{tree.out}/satchel.debug", "-j2")
    done = tree.make("CONFIG_IMAGE_MAX_KB=4", check=False)
    assert done.returncode != 0
    assert "CONFIG_IMAGE_MAX_KB=4" in done.stderr
    assert not tree.binary.exists()


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def test_the_same_configuration_gives_the_same_bytes_in_another_folder(tmp_path):
    first = Tree(tmp_path / "one").build("defconfig")
    second = Tree(tmp_path / "a longer name/two".replace(" ", "-")).build("defconfig")
    assert digest(first.binary) == digest(second.binary)
    third = second.build("allnoconfig")
    assert digest(first.binary) != digest(third.binary)
    third.make("from-binary", f"FILE={first.binary}")  # as it says itself what it was made of
    assert digest(third.binary) == digest(first.binary)


def test_what_is_no_satchel_makes_no_configuration(tmp_path):
    tree = Tree(tmp_path)
    tree.make("defconfig")
    before = tree.config.read_text()
    done = tree.make("from-binary", "FILE=/bin/true", check=False)
    assert done.returncode and "/bin/true does not say what it was built from" in done.stderr
    assert tree.config.read_text() == before


def test_a_second_make_builds_nothing(tmp_path):
    tree = Tree(tmp_path).build("allnoconfig")
    before = tree.binary.stat().st_mtime_ns
    assert "  CC " not in (said := tree.make().stdout), said
    assert tree.binary.stat().st_mtime_ns == before


def test_commands_are_quiet_unless_v_is_1(tmp_path):
    tree = Tree(tmp_path)
    tree.make("allnoconfig")
    target = f"{tmp_path}/obj/core/lib/buf.o"
    quiet = tree.make(target).stdout
    assert re.search(r"(?m)^  CC      core/lib/buf\.c$", quiet) and "-fPIE" not in quiet
    os.unlink(target)
    assert "-fPIE" in tree.make(target, "V=1").stdout


def test_dev_makes_warnings_errors(tmp_path):
    tree = Tree(tmp_path)
    tree.make("allnoconfig")
    target = f"{tmp_path}/obj/core/lib/buf.o"
    assert "-Werror" in tree.make(target, "V=1", "DEV=1").stdout


def test_install_puts_the_program_and_the_licences_under_destdir(tmp_path):
    tree = Tree(os.path.relpath(pathlib.Path(STATIC).parent, TOP))
    root = tmp_path / "root"
    tree.make("install", f"DESTDIR={root}", f"KCONFIG_CONFIG={os.environ['SATCHEL_CONFIG']}")
    program = root / "usr/sbin/satchel"
    assert digest(program) == digest(STATIC)
    assert stat.S_IMODE(program.stat().st_mode) == 0o755
    texts = {path.parent.name for path in (root / "usr/share/doc/satchel/licences").glob("*/*")}
    assert {"musl", "mbedtls", "cyrus-sasl", "tinycdb"} <= texts
    assert (root / "usr/share/doc/satchel/LICENSE").is_file()
    for page in TOP.glob("docs/man/*.[1-8]"):
        assert digest(root / "usr/share/man" / f"man{page.suffix[1:]}" / page.name) == digest(page)


def test_legal_info_lists_every_part_with_version_licence_and_text(tmp_path):
    Tree(tmp_path).make("legal-info")
    rows = [line.split("\t") for line in (tmp_path / "legal-info/manifest.tsv").read_text().splitlines()]
    parts = {row[0]: row for row in rows[1:]}
    assert set(parts) == {path.parent.name for path in TOP.glob("deps/*/lock")}
    for name, row in parts.items():
        assert all(row) and len(row) == 5
        assert [path for path in (tmp_path / "legal-info" / name).iterdir() if path.stat().st_size > 50]


def test_clean_removes_what_was_built_and_distclean_the_configuration(tmp_path):
    tree = Tree(tmp_path)
    tree.make("allnoconfig")
    tree.make(f"{tmp_path}/obj/core/lib/buf.o")
    tree.make("clean")
    assert [path.name for path in tmp_path.iterdir()] == [".config"]
    tree.make("distclean")
    assert not list(tmp_path.iterdir())


def test_help_names_every_target_of_the_makefiles(tmp_path):
    text = Tree(tmp_path).make("help").stdout
    phony = set()
    for path in [TOP / "Makefile", *TOP.glob("*/*.mk")]:
        joined = path.read_text().replace("\\\n", " ")
        for line in re.findall(r"(?m)^\.PHONY: (.*)$", joined):
            phony |= {word for word in line.split() if re.fullmatch(r"[a-z][a-z-]*", word)}
    unnamed = {word for word in phony if not re.search(rf"(?m)^  {re.escape(word)}\b", text)}
    assert unnamed <= {"help"}


def test_the_makefile_stays_below_150_lines():
    assert len((TOP / "Makefile").read_text().splitlines()) < 150


# ---- third-party sources ----

def downloads():
    return pathlib.Path(os.environ.get("DL_DIR") or TOP / "dl")


def tinycdb_lock():
    line = re.search(r"(?m)^source: (\S+) (\S+) (\S+)$", (TOP / "deps/tinycdb/lock").read_text())
    return line.groups()


def dep(*words, top=TOP, path=None, **env):
    clean = clean_environment() | {"CC": "gcc", "AR": "ar", "CFLAGS": "-O1", "JOBS": "2"}
    if path:
        clean["PATH"] = f"{path}:{clean['PATH']}"
    return run("/usr/bin/python3", "deps/dep.py", *words, cwd=top, env={**clean, **env})


def fake_apt(folder, *uris):
    """An apt-get that names these mirrors."""
    folder.mkdir(exist_ok=True)
    tool = folder / "apt-get"
    tool.write_text("#!/bin/sh\n" + "".join(f"echo '{uri}'\n" for uri in uris))
    tool.chmod(0o755)
    return folder


def build_tinycdb(tmp_path, **more):
    return dep("build", "tinycdb", "--flavour", "test", "--link", tmp_path / "tinycdb",
               CACHE_DIR=str(tmp_path / "cache"), DL_DIR=str(tmp_path / "dl"), **more)


def test_a_corrupted_file_in_the_download_folder_stops_the_build(tmp_path):
    version, sha, pool = tinycdb_lock()
    name = pool.rpartition("/")[2]
    (tmp_path / "dl").mkdir()
    (tmp_path / "dl" / name).write_bytes(b"not a tarball")
    done = build_tinycdb(tmp_path)
    assert done.returncode != 0
    got = hashlib.sha256(b"not a tarball").hexdigest()
    for fact in (str(tmp_path / "dl" / name), "wrong SHA-256", f"expected:  {sha}", f"got:       {got}", pool):
        assert fact in done.stderr
    assert not (tmp_path / "tinycdb").exists()


def mirror(tmp_path, content):
    """A mirror on this disk that serves tinycdb with this content."""
    file = tmp_path / "mirror" / tinycdb_lock()[2]
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    return f"file:{tmp_path}/mirror/"


def test_a_corrupted_download_stops_the_build_and_is_not_kept(tmp_path):
    _version, sha, pool = tinycdb_lock()
    uri = mirror(tmp_path, b"changed on the way")
    done = build_tinycdb(tmp_path, path=fake_apt(tmp_path / "bin", uri))
    assert done.returncode != 0
    got = hashlib.sha256(b"changed on the way").hexdigest()
    for fact in (f"expected:  {sha}", f"got:       {got}", pool, "as downloaded"):
        assert fact in done.stderr
    assert not list((tmp_path / "dl").iterdir())


def test_a_good_download_is_kept_built_and_recorded(tmp_path):
    version, sha, pool = tinycdb_lock()
    name = pool.rpartition("/")[2]
    uri = mirror(tmp_path, (downloads() / name).read_bytes())
    done = build_tinycdb(tmp_path, path=fake_apt(tmp_path / "bin", "file:/nonexistent/", uri))
    assert done.returncode == 0, done.stderr
    assert digest(tmp_path / "dl" / name) == sha
    assert (tmp_path / "tinycdb/lib/libcdb.a").is_file()
    assert (tmp_path / "tinycdb.stamp").read_text() == f"tinycdb {version} {sha}\n"


def test_a_file_that_nobody_serves_is_named_with_its_hash_and_how_to_place_it(tmp_path):
    _version, sha, pool = tinycdb_lock()
    done = build_tinycdb(tmp_path, path=fake_apt(tmp_path / "bin", "file:/nonexistent/"))
    assert done.returncode != 0
    for fact in (pool, sha, f"into {tmp_path}/dl/", "run make again"):
        assert fact in done.stderr
    assert "apt names no mirror" in build_tinycdb(tmp_path, path=fake_apt(tmp_path / "bin")).stderr


def test_the_next_accepted_version_is_taken_when_the_first_is_not_served(tmp_path):
    version, sha, pool = tinycdb_lock()
    top = tmp_path / "tree"
    shutil.copytree(TOP / "deps", top / "deps")
    lock = top / "deps/tinycdb/lock"
    lock.write_text("source: 9.99 " + "0" * 64 + " pool/main/t/tinycdb/tinycdb_9.99.tar.gz\n" + lock.read_text())
    uri = mirror(tmp_path, (downloads() / pool.rpartition("/")[2]).read_bytes())
    done = build_tinycdb(tmp_path, top=top, path=fake_apt(tmp_path / "bin", uri))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "tinycdb.stamp").read_text() == f"tinycdb {version} {sha}\n"


def test_a_built_part_comes_from_the_cache_without_its_source(tmp_path):
    (tmp_path / "dl").mkdir()
    pool = tinycdb_lock()[2]
    shutil.copy(downloads() / pool.rpartition("/")[2], tmp_path / "dl")
    assert "BUILD" in build_tinycdb(tmp_path).stdout
    shutil.rmtree(tmp_path / "dl")
    again = build_tinycdb(tmp_path, path=fake_apt(tmp_path / "bin"))
    assert again.returncode == 0 and "BUILD" not in again.stdout
    other = build_tinycdb(tmp_path, path=fake_apt(tmp_path / "bin"), CFLAGS="-O2")
    assert other.returncode != 0, "other flags must not find the cached result"


def test_every_lock_is_complete():
    for path in TOP.glob("deps/*/lock"):
        text = path.read_text()
        assert re.search(r"(?m)^licence: \S", text) and re.search(r"(?m)^licence-file: \S", text)
        assert re.search(r"(?m)^source: \S+ [0-9a-f]{64} pool/main/\S+$", text)
        assert "://" not in text


# ---- what a change compiles again ----

def compiled(tree):
    return set(re.findall(r"(?m)^  CC      (\S+)", tree.make("-j2").stdout))


def users_of(word):
    return {str(path.relative_to(TOP)) for path in TOP.glob("core/**/*.c")
            if re.search(rf"\b(CONFIG|ENABLE)_{word}\b", path.read_text())}


def test_another_value_compiles_only_the_sources_that_mention_it(tmp_path):
    tree = Tree(tmp_path).build("defconfig")
    text = tree.config.read_text()
    tree.config.write_text(re.sub(r"CONFIG_LISTEN_BACKLOG=\d+", "CONFIG_LISTEN_BACKLOG=77", text))
    again = compiled(tree)
    assert users_of("LISTEN_BACKLOG") <= again
    assert len(again) < 10
    assert compiled(tree) == set()


def test_other_flags_compile_everything(tmp_path):
    tree = Tree(tmp_path)
    tree.make("allnoconfig")
    target = f"{tmp_path}/obj/core/lib/buf.o"
    tree.make(target)
    assert "CC" not in tree.make(target).stdout
    text = tree.config.read_text()
    assert "# CONFIG_DEBUG_INFO is not set" in text
    tree.config.write_text(text.replace("# CONFIG_DEBUG_INFO is not set", "CONFIG_DEBUG_INFO=y"))
    assert "core/lib/buf.c" in tree.make(target).stdout


@pytest.mark.parametrize("level, said", [("ERROR", "e"), ("WARNING", "ew"), ("INFO", "ewi"), ("DEBUG", "ewid")])
def test_log_lines_above_the_level_are_not_compiled(tmp_path, level, said):
    source, made = tmp_path / "lines.c", tmp_path / "lines.o"
    words = {"e": "error", "w": "warning", "i": "info", "d": "debug"}
    source.write_text('#include "core/lib/log.h"\nvoid lines(void);\nvoid lines(void)\n{\n' + "".join(
        f'\tlog_{word}("words of {word}", NULL);\n' for word in words.values()) + "}\n")
    levels = [f"-DENABLE_LOG_UPTO_{name}={int(name == level)}" for name in ("ERROR", "WARNING", "INFO", "DEBUG")]
    run("gcc", "-Os", f"-I{TOP}", *levels, "-c", "-o", made, source).check_returncode()
    code = made.read_bytes()
    assert [key for key, word in words.items() if f"words of {word}".encode() in code] == list(said)
