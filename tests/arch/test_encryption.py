# SPDX-License-Identifier: 0BSD
"""TLS in the link map: without it nothing of mbedTLS's TLS, and each of its parts brings its own code."""

import re

import pytest

from harness.tree import Tree

# What each part brings, as objects of the library or symbols, and what it cannot be without.
PARTS = {
    "TLS_V13": {"ssl_tls13_server"},
    "TLS_V12": {"ssl_tls12_server"},
    "TLS_RSA": {"rsa"},
    "TLS_ECDSA": {"ecdsa"},
    "TLS_TICKETS": {"ssl_ticket"},
    "TLS_SELF_SIGNED": {"x509write_crt"},
}
FILES = {"TLS_TICKETS": "tickets", "TLS_ALPN": "alpn", "TLS_CLIENT_CERT": "client_cert", "TLS_V13": "psa",
         "TLS_SELF_SIGNED": "self_signed"}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return Tree(tmp_path_factory.mktemp("encryption"))


def build(tree, base, on=(), off=()):
    tree.make(base)
    text = tree.config.read_text()
    for name in on:
        text = re.sub(rf"(?m)^# CONFIG_{name} is not set$", f"CONFIG_{name}=y", text)
    for name in off:
        text = re.sub(rf"(?m)^CONFIG_{name}=y$", f"# CONFIG_{name} is not set", text)
    tree.config.write_text(text)
    tree.make("olddefconfig")
    tree.make("-j2")
    return tree


def library_objects(tree):
    """The objects of mbedTLS that were linked and left something in the program."""
    text = (tree.out / "satchel.map").read_text().partition("Linker script and memory map")[2]
    found = set()
    for size, name in re.findall(r"0x[0-9a-f]{16}\s+0x([0-9a-f]+) \S*libmbedcrypto\.a\(library_(\w+)\.o\)", text):
        if int(size, 16):
            found.add(name)
    return found


def test_without_tls_nothing_of_it_is_there(tree):
    build(tree, "allnoconfig")
    assert not {name for name in library_objects(tree) if name.startswith(("ssl", "x509", "pk", "ecp", "aes", "gcm",
                                                                           "psa", "rsa", "bignum", "chacha"))}
    binary = tree.binary.read_bytes()
    for word in (b"STARTTLS", b"imaps_listen", b"ECDHE", b"BEGIN CERTIFICATE"):
        assert word not in binary, word


@pytest.mark.parametrize("part", sorted(PARTS))
def test_a_part_that_was_left_out_left_its_code_out(tree, part):
    build(tree, "allyesconfig", off=[part])
    assert not library_objects(tree) & PARTS[part]
    if part in FILES:
        assert f"/tls/tls/{FILES[part]}.o" not in (tree.out / "satchel.map").read_text()


@pytest.mark.parametrize("part", ["TLS_ALPN", "TLS_CLIENT_CERT"])
def test_a_part_without_an_object_of_its_own_left_its_file_out(tree, part):
    build(tree, "allyesconfig", off=[part])
    assert f"/tls/tls/{FILES[part]}.o" not in (tree.out / "satchel.map").read_text()


def test_with_all_of_it_all_of_it_is_there(tree):
    build(tree, "allyesconfig")
    assert set().union(*PARTS.values()) <= library_objects(tree)
