# SPDX-License-Identifier: 0BSD
"""ID (RFC 2971): what it does where it is compiled in, and that nothing of it is there where not."""

import pytest

from harness.server import config_symbols

ON = config_symbols().get("ID") == "y"


@pytest.fixture(params=["before login", "after login"])
def wire(server, request):
    with server.raw_imap() as client:
        if request.param == "before login":
            client.line()
        else:
            client.login()
        yield client


def test_id_is_offered_exactly_where_it_is_compiled_in(wire):
    assert (b"ID" in wire.ok("CAPABILITY")[0].split()) == ON


if not ON:
    def test_the_command_is_unknown(wire):
        assert b" BAD " in wire.command("ID NIL")[-1][:12]
else:
    def test_the_server_says_its_name_and_version(wire):
        for argument in ("NIL", "nil", "()", '("name" "probe" "version" NIL)', '("Name" {5+}\r\nprobe)'):
            answers = wire.ok(f"ID {argument}")
            assert answers[0].startswith(b'* ID ("name" "Satchel" "version" "'), answers

    @pytest.mark.parametrize("argument", ["", "x", "(", '("name")', '("name" "x"', '("name" "x") y', "(NIL NIL)",
                                          "(" + " ".join(['"f" "v"'] * 31) + ")"])
    def test_malformed_arguments_are_bad_and_the_session_goes_on(wire, argument):
        assert b" BAD " in wire.command(f"ID {argument}")[-1][:12]
        wire.ok("NOOP")
