# SPDX-License-Identifier: 0BSD
"""docs/rfc.tsv: what it says the program speaks is what the program says of itself."""

import csv
import os
import re
import shutil
import subprocess

import pytest

from harness.server import Server, config_symbols
from harness.tree import TOP, Tree, features


def rows():
    with open(TOP / "docs/rfc.tsv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def rfc_py(*words, top=TOP):
    return subprocess.run(["kconfig/rfc.py", *words], cwd=top, capture_output=True, text=True, timeout=60,
                          check=False)


def test_the_table_in_the_readme_is_the_one_of_the_file():
    done = rfc_py("check")
    assert done.returncode == 0, done.stderr


def test_a_changed_file_and_a_malformed_one_are_told_by_name(tmp_path):
    for path in ("README.md", "docs/rfc.tsv", "kconfig/rfc.py"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        shutil.copy(TOP / path, tmp_path / path)
    source = tmp_path / "docs/rfc.tsv"
    text = source.read_text()
    source.write_text(text.replace("\tIDLE\tIDLE\tyes\t", "\tIDLE\tIDLE\tpart\tnews twice a day"))
    assert "make rfc-table" in rfc_py("check", top=tmp_path).stderr
    assert rfc_py("write", top=tmp_path).returncode == 0
    assert "in part: news twice a day" in (tmp_path / "README.md").read_text()
    source.write_text(text + "IMAP\t1\tno more\n")
    assert re.search(r"docs/rfc.tsv:\d+: expected 7 columns", rfc_py("check", top=tmp_path).stderr)


def test_every_symbol_is_one_and_every_feature_of_a_protocol_has_a_row(tmp_path):
    tree = Tree(tmp_path)
    tree.make("allyesconfig")
    known = set(re.findall(r"CONFIG_(\w+)", (tmp_path / ".config").read_text()))
    named = {row["symbol"] for row in rows()}
    assert named <= known, named - known
    spoken = {name.upper() for name, folder in features() if folder.parent.name in ("imap", "lmtp")
              or name.startswith("sasl_")}
    assert spoken <= named, spoken - named


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """Words of CAPABILITY before and after login, and of LHLO."""
    # Some words are offered to those alone whom a setting names.
    settings = {key: "127.0.0.1" for key, symbol in (
        ("lmtp_xclient_from", "LMTP_XCLIENT"), ("quota_ignore_from", "QUOTA")) if symbol in config_symbols()}
    server = Server(os.environ["SATCHEL"], tmp_path_factory.mktemp("rfc"), settings)
    server.start()
    try:
        with server.raw_imap() as wire, server.raw_lmtp() as lmtp:
            wire.line()
            words = wire.ok("CAPABILITY")[0].split()[2:]
            wire.ok(f'LOGIN demo "{server.password}"')
            words += wire.ok("CAPABILITY")[0].split()[2:]
            lmtp.reply()
            words += [line.split()[0].encode() for line in lmtp.smtp("LHLO here")[1].splitlines()[1:]]
    finally:
        server.stop()
    told = {row["word"] for row in rows()}
    names = {word.decode().removeprefix("AUTH=") for word in words}
    return {name if name in told else name.split("=")[0] for name in names}


def test_every_word_that_the_program_says_has_a_row_and_every_chosen_row_is_said(said):
    here = config_symbols()
    told = {row["word"] for row in rows() if row["word"]}
    assert said <= told | {"XEXAMPLE"}, said - told
    unsaid = {row["word"] for row in rows() if row["word"] and here.get(row["symbol"]) == "y"} - said
    # BINARY is there in part, and so is not told; what needs TLS or a certificate is told there alone, and
    # AUTH where lmtp_auth asks for it.
    assert unsaid <= {"AUTH", "BINARY", "SCRAM-SHA-256-PLUS", "EXTERNAL", "STARTTLS"}, unsaid
