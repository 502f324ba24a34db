# SPDX-License-Identifier: 0BSD
"""Users who move in with a hash of crypt(3)."""

import imaplib

import pytest

from harness import sasl

# "Hello world!", by another implementation.
HASHES = {
    "sha512": "{CRYPT}$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
    "sha256": "{SHA256-CRYPT}$5$rounds=5000$toolongsaltstrin$0vuwUia3Nx9V/DqToMS8YLcfXpEXmSaC8wgguLIbus2",
    "bcrypt": "{BLF-CRYPT}$2b$05$CCCCCCCCCCCCCCCCCCCCC.z6PrHbuSsMSSwIGFy1JGevQZf6CqJ1y",
}


def user(server, *words, stdin, check=True):
    return server.cli("--data", str(server.data), "user", *words, stdin=stdin, check=check)


@pytest.mark.parametrize("kind", sorted(HASHES))
def test_a_user_with_a_hash_logs_in_where_the_password_is_shown(server, config, kind):
    if "PASSWORD_CRYPT" not in config:
        done = user(server, "add", kind, "--secret", stdin=HASHES[kind], check=False)
        assert done.returncode == 1 and "cannot check" in done.stderr
        assert b"\0CRYPT\0" not in open(server.binary, "rb").read()
        return
    user(server, "add", kind, "--secret", stdin=HASHES[kind] + "\n")
    with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        server.imap(kind, "Hello world")
    for _ in range(2):  # hashed, and recognised
        server.imap(kind, "Hello world!").logout()
    if "SASL_SCRAM_SHA256" in config:
        with sasl.connect(server) as wire:
            assert sasl.scram(wire, "SCRAM-SHA-256", kind, "Hello world!")[0].result == sasl.REFUSED
    user(server, "passwd", kind, stdin="Hello world!\n")
    if "SASL_SCRAM_SHA256" in config:
        with sasl.connect(server) as wire:
            assert sasl.scram(wire, "SCRAM-SHA-256", kind, "Hello world!")[0].ok()


def test_faulty_hashes_are_named_by_line(server, config):
    done = user(server, "import", "-", stdin="one:{CRYPT}$1$salt$hash\ntwo:{CRYPT}x\nthree:good\n", check=False)
    assert done.returncode == 1
    assert [line.split(":")[:2] for line in done.stderr.splitlines()] == [["standard input", "1"], ["standard input", "2"]]
    assert "three" not in server.cli("--data", str(server.data), "user", "list").stdout
