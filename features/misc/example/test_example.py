# SPDX-License-Identifier: 0BSD
"""The example, compiled in and not: each place where a feature can do something, from outside."""

import re

from harness.client import message


def reached(server):
    found = re.search(r"(?m)^example_reached (\d+)$", server.control("stat").stdout)
    return int(found.group(1)) if found else None


def test_its_command_and_capability_are_there_if_compiled_in_and_only_then(server, config):
    with server.raw_imap() as wire:
        wire.line()
        assert b"XEXAMPLE" not in b" ".join(wire.ok("CAPABILITY")).split()  # not before login
        wire.ok(f'LOGIN demo "{server.password}"')
        announced = b"XEXAMPLE" in b" ".join(wire.ok("CAPABILITY")).split()
        answer = wire.command("XEXAMPLE")
        if "EXAMPLE" in config:
            assert announced and answer == [b"* XEXAMPLE nothing done", answer[-1]]
            assert b" OK" in answer[-1]
            assert b" BAD" in wire.command("XEXAMPLE more")[-1]
        else:
            assert not announced and b" BAD" in answer[-1]


def test_sessions_and_deliveries_reach_it_if_compiled_in_and_only_then(server, config):
    before = reached(server)
    server.deliver(message("for the example"))
    client = server.imap()
    client.select()
    client.logout()
    if "EXAMPLE" in config:
        assert reached(server) > before + 4
    else:
        assert before is None


def test_its_words_in_lmtp_are_known_if_compiled_in_and_only_then(server, config):
    on = "EXAMPLE" in config
    with server.raw_lmtp() as wire:
        wire.reply()
        assert ("XEXAMPLE" in wire.smtp("LHLO pc")[1].splitlines()) == on
        if not on:
            assert wire.smtp("MAIL FROM:<a@b> XEXAMPLE")[0] == 555
        assert wire.smtp("MAIL FROM:<a@b>" + (" XEXAMPLE=1" if on else ""))[0] == 250
        assert wire.smtp("RCPT TO:<demo> XEXAMPLE")[0] == (250 if on else 555)
        assert wire.smtp("XEXAMPLE")[0] == (250 if on else 500)


def test_its_words_on_the_command_line_are_known_if_compiled_in_and_only_then(server, config):
    control, cli = server.control("example", check=False), server.control("example-cli", check=False)
    if "EXAMPLE" in config:
        assert re.fullmatch(r"does nothing, reached \d+ times\n", control.stdout)
        assert cli.stdout == "This is an example.\n"
    else:
        assert control.returncode != 0 and cli.returncode != 0


def test_its_setting_is_known_if_compiled_in_and_only_then(server, config, tmp_path):
    conf = tmp_path / "x.conf"
    conf.write_text("example_text: little\n")
    done = server.cli("--check-config", "-c", str(conf), check=False)
    if "EXAMPLE" in config:
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode != 0 and "example_text" in done.stderr


def test_its_words_in_commands_are_known_if_compiled_in_and_only_then(server, config):
    server.deliver(message("for the example's words"))
    with server.raw_imap() as wire:
        wire.login()
        answers = [wire.command(text) for text in (
            "SELECT INBOX (XEXAMPLE)", "STATUS INBOX (XEXAMPLE)", "NOOP" if "EXAMPLE" in config else "SELECT INBOX",
            "FETCH 1 XEXAMPLE", "FETCH 1 UID (XEXAMPLE)", r"STORE 1 (XEXAMPLE) +FLAGS (\Seen)", "SEARCH XEXAMPLE",
            "ENABLE XEXAMPLE")]
        good = [b" OK" in answer[-1][:12] for answer in answers]
        if "EXAMPLE" in config:
            assert all(good)
            assert b"(XEXAMPLE 0)" in answers[1][0] and answers[3][0] == b"* 1 FETCH (XEXAMPLE NIL)"
            assert answers[4][0] == b"* 1 FETCH (UID 1 XEXAMPLE NIL)" and answers[6][0] == b"* SEARCH"
        else:
            assert good == [False, False, True, False, False, False, False, True]
