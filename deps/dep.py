#!/usr/bin/python3
# SPDX-License-Identifier: 0BSD
"""Third-party parts: fetch, verify, unpack, patch, build, cache.

dep.py build NAME --flavour F --link DIR   build (or take from the cache) and point DIR at the result
dep.py source                              download every source into DL_DIR
dep.py legal-info DIR                      list all parts, copy their licence texts
dep.py licences DIR                        the licence texts alone

The environment gives DL_DIR, CACHE_DIR and, for build, CC, AR, CFLAGS, NEEDS, JOBS.
deps/NAME/lock says which sources are accepted, deps/NAME/build.sh how they are built; it runs in the
unpacked source with OUT (an empty folder to install into: include/, lib/) and PREFIX (where OUT will
be found afterwards). A result is cached under a hash of everything that went into it.
"""
import argparse
import glob
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile

APT_HELPER = "/usr/lib/apt/apt-helper"


class Source:
    def __init__(self, line):
        self.version, self.sha256, self.pool = line.split()
        self.file = os.path.basename(self.pool)


class Lock:
    """deps/NAME/lock: `key: value` lines; several `source` lines are alternatives, in that order."""

    def __init__(self, name):
        self.name, self.folder = name, f"deps/{name}"
        self.sources, self.licence, self.licence_files = [], "", []
        with open(f"{self.folder}/lock", encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                key, _, value = line.strip().partition(":")
                if not line.strip() or line.startswith("#"):
                    continue
                if key == "source":
                    self.sources.append(Source(value))
                elif key == "licence":
                    self.licence = value.strip()
                elif key == "licence-file":
                    self.licence_files.append(value.strip())
                else:
                    sys.exit(f"{self.folder}/lock:{number}: unknown key {key}")


def all_names():
    return sorted(os.path.basename(os.path.dirname(path)) for path in glob.glob("deps/*/lock"))


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def mirrors():
    """The pools this machine takes its own packages from, as apt names them."""
    try:
        answer = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI)"],
                                capture_output=True, text=True, check=False)
    except OSError:
        return []
    return list(dict.fromkeys(line.strip() for line in answer.stdout.splitlines() if line.strip()))


def how_to_place(lock, source):
    return (f"  file:      {source.file}\n  pool path: {source.pool}\n"
            f"  SHA-256:   {source.sha256}\n"
            f"Put that file of {lock.name} {source.version} into {os.environ['DL_DIR']}/ "
            "(DL_DIR= names another folder) and run make again.")


def verify(lock, source, path, origin):
    got = sha256_of(path)
    if got == source.sha256:
        return
    sys.exit(f"{path}: wrong SHA-256, {origin}\n  expected:  {source.sha256}\n  got:       {got}\n" +
             how_to_place(lock, source))


def download(source, path):
    """Try each mirror; returns the reasons of failure, or an empty list when the file came."""
    reasons = []
    for uri in mirrors():
        answer = subprocess.run(
            [APT_HELPER, "-o", "Acquire::http::Timeout=30", "-o", "Acquire::https::Timeout=30",
             "-o", "Acquire::Retries=2", "-o", "APT::Sandbox::User=", "download-file",
             uri.rstrip("/") + "/" + source.pool, path],
            capture_output=True, text=True, check=False)
        if answer.returncode == 0 and os.path.exists(path):
            return []
        reasons += [line for line in (answer.stdout + answer.stderr).splitlines() if line[:2] == "E:"]
    return reasons or ["apt names no mirror: run `apt-get update` as root once"]


def fetch(lock):
    """Return (source, path) of a verified tarball, from DL_DIR or from the mirror."""
    folder = os.environ["DL_DIR"]
    os.makedirs(folder, exist_ok=True)
    for source in lock.sources:
        path = os.path.join(folder, source.file)
        if os.path.exists(path):
            verify(lock, source, path, "as found in the download folder; remove or replace it")
            return source, path
    reasons = []
    for source in lock.sources:
        path = os.path.join(folder, source.file)
        print(f"  FETCH   {source.file}", flush=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as temp:
            new = os.path.join(temp, source.file)
            failed = download(source, new)
            if not failed:
                verify(lock, source, new, "as downloaded")
                os.replace(new, path)
                return source, path
            reasons += failed
    sys.exit(f"{lock.name}: cannot be downloaded\n" + "\n".join(f"  {reason}" for reason in reasons) +
             "\nWhat is needed:\n" + how_to_place(lock, lock.sources[0]))


def clean_environment():
    """make's own variables must not reach the makefiles of others."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR") if key in os.environ}
    return kept | {"LC_ALL": "C", "SOURCE_DATE_EPOCH": "1"}


def compiler_facts():
    cc = os.environ["CC"].split()
    facts = b""
    for question in (["--version"], ["-dumpmachine"]):
        facts += subprocess.run(cc + question, capture_output=True, check=True).stdout
    kernel = subprocess.run(cc + ["-E", "-dM", "-include", "linux/version.h", "-x", "c", "/dev/null"],
                            capture_output=True, check=False).stdout
    return facts + b"".join(line for line in kernel.splitlines() if b"LINUX_VERSION_CODE" in line)


def key_of(lock, source, flavour):
    digest = hashlib.sha256()
    for path in sorted(glob.glob(f"{lock.folder}/*")) + ["deps/compile.sh"]:
        with open(path, "rb") as file:
            digest.update(path.encode() + b"\0" + file.read() + b"\0")
    facts = [source.sha256, flavour] + [os.environ.get(name, "") for name in
                                        ("CC", "AR", "CFLAGS", "NEEDS")]
    digest.update("\0".join(facts).encode() + b"\0" + compiler_facts())
    return digest.hexdigest()[:20]


def unpack(lock, tarball, folder):
    subprocess.run(["tar", "-xf", tarball, "-C", folder, "--strip-components=1", "--no-same-owner"],
                   check=True)
    for patch in sorted(glob.glob(f"{lock.folder}/*.patch")):
        with open(patch, "rb") as file:
            subprocess.run(["patch", "-s", "-p1", "-d", folder], stdin=file, check=True)


def build_into(lock, flavour, tarball, result):
    """Build in a folder of our own and rename: two builds at once do not meet."""
    print(f"  BUILD   {lock.name} ({flavour})", flush=True)
    cache = os.path.dirname(result)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".build-") as temp:
        src, out = os.path.join(temp, "src"), os.path.join(temp, "out")
        os.makedirs(src)
        os.makedirs(out)
        unpack(lock, tarball, src)
        env = clean_environment() | {
            "RECIPE": os.path.abspath(lock.folder), "COMPILE": os.path.abspath("deps/compile.sh"),
            "OUT": out, "PREFIX": result, "NAME": lock.name}
        for name in ("CC", "AR", "CFLAGS", "NEEDS", "JOBS"):
            env[name] = os.environ.get(name, "")
        env["CFLAGS"] += f" -ffile-prefix-map={src}=/{lock.name}"
        log = os.path.join(temp, "log")
        with open(log, "wb") as file:
            done = subprocess.run(["sh", "-eu", os.path.join(env["RECIPE"], "build.sh")], cwd=src,
                                  env=env, stdin=subprocess.DEVNULL, stdout=file,
                                  stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            with open(log, encoding="utf-8", errors="replace") as file:
                sys.stderr.writelines(file.readlines()[-60:])
            sys.exit(f"{lock.name} ({flavour}): build failed")
        with open(os.path.join(out, "ok"), "w", encoding="utf-8") as file:
            file.write(f"{lock.name} {flavour}\n")
        try:
            os.rename(out, result)
        except OSError:
            if not os.path.exists(os.path.join(result, "ok")):
                raise


def result_folder(lock, source, flavour):
    return os.path.join(os.path.abspath(os.environ["CACHE_DIR"]),
                        f"{lock.name}-{flavour}-{key_of(lock, source, flavour)}")


def use_sysroot(args):
    """Everything static but musl itself is compiled against musl, whose folder is part of the key."""
    if args.flavour == "static" and args.target != "musl":
        musl = os.path.realpath(os.path.join(os.path.dirname(args.link), "musl"))
        os.environ["CC"] += f" -specs {musl}/lib/musl-gcc.specs"


def cmd_build(args):
    lock = Lock(args.target)
    use_sysroot(args)
    results = [(source, result_folder(lock, source, args.flavour)) for source in lock.sources]
    ready = [pair for pair in results if os.path.exists(os.path.join(pair[1], "ok"))]
    if not ready:
        source, tarball = fetch(lock)
        ready = [pair for pair in results if pair[0] is source]
        os.makedirs(os.path.dirname(ready[0][1]), exist_ok=True)
        build_into(lock, args.flavour, tarball, ready[0][1])
    source, result = ready[0]
    os.makedirs(os.path.dirname(args.link), exist_ok=True)
    if os.path.islink(args.link):
        os.unlink(args.link)
    os.symlink(result, args.link)
    with open(args.link + ".stamp", "w", encoding="utf-8") as file:
        file.write(f"{lock.name} {source.version} {source.sha256}\n")


def cmd_source(_args):
    for name in all_names():
        lock = Lock(name)
        source, path = fetch(lock)
        print(f"  SOURCE  {name} {source.version}: {path}")


def copy_texts(lock, tarball, folder):
    os.makedirs(folder, exist_ok=True)
    with tarfile.open(tarball) as tar:
        for member in tar:
            name = member.name.partition("/")[2]
            if member.isfile() and name in lock.licence_files:
                with open(os.path.join(folder, os.path.basename(name)), "wb") as file:
                    shutil.copyfileobj(tar.extractfile(member), file)


def cmd_licences(args):
    for name in all_names():
        lock = Lock(name)
        _source, tarball = fetch(lock)
        copy_texts(lock, tarball, os.path.join(args.target, name))


def cmd_legal_info(args):
    cmd_licences(args)
    shutil.copy("LICENSE", os.path.join(args.target, "LICENSE"))
    lines = ["part\tversion\tlicence\tsource\tsha256\n"]
    for name in all_names():
        lock = Lock(name)
        source, _path = fetch(lock)
        lines.append(f"{name}\t{source.version}\t{lock.licence}\t{source.pool}\t{source.sha256}\n")
    with open(os.path.join(args.target, "manifest.tsv"), "w", encoding="utf-8") as file:
        file.writelines(lines)
    sys.stdout.writelines(line.replace("\t", "  ").rsplit("  ", 2)[0] + "\n" for line in lines[1:])
    print(f"  LEGAL   {args.target}/manifest.tsv, and the texts beside it")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["build", "source", "licences", "legal-info"])
    parser.add_argument("target", nargs="?", default="")
    parser.add_argument("--flavour", default="static")
    parser.add_argument("--link", default="")
    args = parser.parse_args()
    os.environ.setdefault("DL_DIR", "dl")
    os.environ.setdefault("CACHE_DIR", os.path.expanduser("~/.cache/satchel"))
    globals()["cmd_" + args.command.replace("-", "_")](args)


if __name__ == "__main__":
    main()
