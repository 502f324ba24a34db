# SPDX-License-Identifier: 0BSD
"""MOVE (RFC 6851): one step from mailbox to mailbox where it is compiled in, nothing where not."""

from harness.imap import append, expunged, fetched, literal, new_mailbox, simple
from harness.server import config_symbols

ON = config_symbols().get("MOVE") == "y"


def test_move_is_offered_exactly_where_it_is_compiled_in(wire):
    assert (b"MOVE" in wire.ok("CAPABILITY")[0].split()) == ON


if not ON:
    def test_the_command_is_unknown(wire):
        wire.ok("SELECT INBOX")
        for command in ("MOVE 1 INBOX", "UID MOVE 1 INBOX"):
            assert b" BAD " in wire.command(command)[-1][:12]
else:
    def test_messages_leave_one_mailbox_and_stand_in_the_other(wire):
        target = new_mailbox(wire, select=False)
        source = new_mailbox(wire, select=False)
        message = simple("Moved")
        for arguments in ("", r"(\Seen $Label)", ""):
            append(wire, source, message, arguments)
        wire.ok(f"SELECT {source}")
        answers = wire.ok(f"MOVE 2:3 {target}")
        codes = [i for i, a in enumerate(answers) if a.startswith(b"* OK [COPYUID ") and b" 2:3 1:2]" in a]
        gone = [i for i, a in enumerate(answers) if a.endswith(b" EXPUNGE")]
        assert len(codes) == 1 and len(gone) == 2 and codes[0] < gone[0], answers
        assert expunged(answers, 3) == [2, 3]
        assert fetched(wire.ok("FETCH 1:* UID")) == {1: b"UID 1"}
        wire.ok(f"SELECT {target}")
        answers = fetched(wire.ok("FETCH 1:* (FLAGS BODY.PEEK[])"))
        assert b"\\Seen" in answers[1] and b"$Label" in answers[1]
        assert literal(answers[2], b"BODY[]") == message.encode()

    def test_the_uid_form_takes_uids_and_passes_over_absent_ones(wire):
        target = new_mailbox(wire, select=False)
        new_mailbox(wire, [simple() for _ in range(3)])
        answers = wire.ok(f"UID MOVE 2,900 {target}")
        assert expunged(answers, 3) == [2]
        answers = wire.ok(f"UID MOVE 900 {target}")
        assert not [a for a in answers if b"COPYUID" in a]

    def test_other_sessions_are_told_of_both_ends(server, wire):
        target = new_mailbox(wire, select=False)
        source = new_mailbox(wire, [simple()])
        with server.raw_imap() as here, server.raw_imap() as there:
            here.login().ok(f"SELECT {source}")
            there.login().ok(f"SELECT {target}")
            wire.ok(f"MOVE 1 {target}")
            assert b"* 1 EXPUNGE" in here.ok("NOOP")
            assert b"* 1 EXISTS" in there.ok("NOOP")

    def test_a_message_can_be_moved_within_its_mailbox(wire):
        name = new_mailbox(wire, [simple("One"), simple("Two")])
        wire.ok(f"MOVE 1 {name}")
        wire.ok("NOOP")
        answers = fetched(wire.ok("FETCH 1:* (UID ENVELOPE)"))
        assert b'"Two"' in answers[1] and b'"One"' in answers[2] and answers[2].startswith(b"UID 3 ")

    def test_what_cannot_be_moved_is_refused_and_stays(wire):
        name = new_mailbox(wire, [simple()])
        assert b" NO [TRYCREATE]" in wire.command("MOVE 1 nowhere")[-1]
        assert b" BAD " in wire.command("MOVE 2 INBOX")[-1][:12]
        assert b" BAD " in wire.command("MOVE 1")[-1][:12]
        wire.ok(f"EXAMINE {name}")
        assert b" NO " in wire.command("MOVE 1 INBOX")[-1][:12]
        assert fetched(wire.ok("FETCH 1 UID")) == {1: b"UID 1"}
