# SPDX-License-Identifier: 0BSD
"""UNSELECT (RFC 3691): CLOSE without EXPUNGE where it is compiled in, nothing where not."""

from harness.imap import append, fetched, new_mailbox, simple
from harness.server import config_symbols

ON = config_symbols().get("UNSELECT") == "y"


def test_unselect_is_offered_exactly_where_it_is_compiled_in(wire):
    assert (b"UNSELECT" in wire.ok("CAPABILITY")[0].split()) == ON


if not ON:
    def test_the_command_is_unknown(wire):
        wire.ok("SELECT INBOX")
        assert b" BAD " in wire.command("UNSELECT")[-1][:12]
else:
    def test_deleted_messages_stay(wire):
        name = new_mailbox(wire)
        append(wire, name, simple(), r"(\Deleted)")
        assert len(wire.ok("UNSELECT")) <= 2
        assert b" BAD " in wire.command("FETCH 1 UID")[-1][:12]
        wire.ok(f"SELECT {name}")
        assert fetched(wire.ok("FETCH 1 UID")) == {1: b"UID 1"}

    def test_it_needs_a_selected_mailbox_and_no_arguments(wire):
        assert b" BAD " in wire.command("UNSELECT")[-1][:12]
        wire.ok("SELECT INBOX")
        assert b" BAD " in wire.command("UNSELECT x")[-1][:12]
