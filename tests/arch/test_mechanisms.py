# SPDX-License-Identifier: 0BSD
"""SASL mechanisms in the link map: those that were chosen, and nothing of the others."""

import re

import pytest

from harness.tree import Tree, features

# Object of libsasl2 that each feature brings; the SCRAM mechanisms share one.
OBJECTS = {"sasl_anonymous": "anonymous", "sasl_cram_md5": "cram", "sasl_digest_md5": "digestmd5", "sasl_external": "external",
           "sasl_login": "login", "sasl_plain": "plain", "sasl_scram_sha1": "scram_server",
           "sasl_scram_sha256": "scram_server", "sasl_scram_sha512": "scram_server"}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return Tree(tmp_path_factory.mktemp("mechanisms"))


def build_with(tree, *names):
    tree.make("allnoconfig")
    text = tree.config.read_text()
    for name in names:
        text = re.sub(rf"(?m)^# CONFIG_{name.upper()} is not set$", f"CONFIG_{name.upper()}=y", text)
    tree.config.write_text(text)
    tree.make("-j2")
    return (tree.out / "satchel.map").read_text()


def plugins(text):
    return set(re.findall(r"libsasl2\.a\(plugins_(?!plugin_common)(\w+)\.o\)", text))


def test_every_mechanism_is_listed_here():
    # Binding to the TLS connection is a form of the others.
    assert {name for name, _folder in features() if name.startswith("sasl_")} == {*OBJECTS, "sasl_scram_plus"}


@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_a_mechanism_brings_its_own_object_and_no_other(tree, name):
    text = build_with(tree, name)
    assert plugins(text) == {OBJECTS[name]}
    binary = tree.binary.read_bytes()
    for other in OBJECTS:
        assert (f"{other}_feature" in tree.symbols()) == (other == name)
        mechanism = other.removeprefix("sasl_").upper().replace("_", "-").replace("SHA", "SHA-")
        # The LOGIN command, and the form of every stored secret, have these names.
        if other != name and mechanism not in ("LOGIN", "SCRAM-SHA-256"):
            assert b"\0" + mechanism.encode() + b"\0" not in binary, mechanism


def test_hashes_come_with_the_mechanisms_that_need_them(tree):
    hashes = re.compile(r"libmbedcrypto\.a\(library_sha(\w+)\.o\)")
    assert set(hashes.findall(build_with(tree, "sasl_scram_sha256"))) == {"256"}
    assert set(hashes.findall(build_with(tree, "sasl_scram_sha1"))) == {"1", "256"}
    assert set(hashes.findall(build_with(tree, "sasl_scram_sha512"))) == {"256", "512"}
