# SPDX-License-Identifier: 0BSD
"""What an administrator types and reads: options, help, exit status, the log of logins."""

import base64
import re

import pytest


def test_help_wherever_it_stands_is_help_and_serves_nothing(fresh):
    text = fresh.cli("--help").stdout
    assert text.startswith("usage: satchel ")
    data = fresh.dir / "untouched"
    for words in (("-h",), ("serve", "--help"), ("serve", "--data", str(data), "-h")):
        assert fresh.cli(*words, timeout=10).stdout == text
    assert not data.exists()


def test_help_explains_every_command(fresh):
    commands = re.findall(r"(?m)^  ([a-z]+)( [A-Z.\[]\S*)?  *(\S.*)?$", fresh.cli("--help").stdout)
    assert {"serve", "user", "config", "stat", "reload"} <= {name for name, _usage, _help in commands}
    assert [name for name, _usage, explained in commands if len(explained) < 10] == []


@pytest.mark.parametrize("words, complaint", [
    (["--frob"], "unknown option --frob"),
    (["serve", "--frob"], "unknown option --frob"),
    (["--data"], "a value is missing after --data"),
    (["serve", "-c"], "a value is missing after -c"),
    (["serve", "now"], "serve takes options only, not now"),
    (["frob"], "unknown command, or its feature is not in this binary: frob"),
    ([], "no command"),
], ids=lambda value: " ".join(value) or "nothing" if isinstance(value, list) else "")
def test_a_wrong_word_is_named_with_status_2(fresh, words, complaint):
    done = fresh.cli(*words, check=False, timeout=10)
    assert done.returncode == 2
    assert done.stderr == f"satchel: {complaint}\nTry satchel --help.\n"


def test_the_log_names_user_and_address_of_a_failed_login(fresh, config):
    fresh.settings["login_failure_delay"] = "0"
    fresh.start()
    wire = fresh.raw_imap()
    assert wire.line().startswith(b"* OK")
    assert b" NO " in wire.command("LOGIN Demo wrong")[-1]
    if "SASL_PLAIN" in config:
        secret = base64.b64encode(b"\0Demo\0wrong").decode()
        assert b" NO " in wire.command(f"AUTHENTICATE PLAIN {secret}")[-1]
    wire.close()
    fresh.stop() # what it logged is written
    failed = re.findall(r"login failed user=(\S+) mech=(\S+) tls=no peer=127\.0\.0\.1", fresh.log())
    assert failed == [("demo", "LOGIN"), ("demo", "PLAIN")][:1 + ("SASL_PLAIN" in config)]
