# SPDX-License-Identifier: 0BSD
"""NAMESPACE (RFC 2342): the one namespace where it is compiled in, nothing where not."""

from harness.server import config_symbols

ON = config_symbols().get("NAMESPACE") == "y"


def test_namespace_is_offered_exactly_where_it_is_compiled_in(wire):
    assert (b"NAMESPACE" in wire.ok("CAPABILITY")[0].split()) == ON


if not ON:
    def test_the_command_is_unknown(wire):
        assert b" BAD " in wire.command("NAMESPACE")[-1][:12]
else:
    def test_all_mailboxes_are_personal_and_without_prefix(wire):
        assert wire.ok("NAMESPACE")[0] == b'* NAMESPACE (("" "/")) NIL NIL'
        assert b" BAD " in wire.command("NAMESPACE x")[-1][:12]
