# SPDX-License-Identifier: 0BSD
"""IDLE (RFC 2177): what it does where it is compiled in, and that nothing of it is there where not."""

import time

import pytest

from harness.imap import append, new_mailbox, simple
from harness.server import config_symbols

ON = config_symbols().get("IDLE") == "y"


def test_idle_is_offered_exactly_where_it_is_compiled_in(wire):
    words = wire.ok("CAPABILITY")[0].split()
    assert (b"IDLE" in words) == ON
    if not ON:
        assert b"IMAP4rev2" not in words


if not ON:
    def test_the_command_is_unknown(wire):
        assert b" BAD " in wire.command("IDLE")[-1][:12]
else:
    @pytest.fixture
    def other(server):
        with server.raw_imap() as client:
            client.login()
            yield client

    def idle(wire):
        wire.send("i IDLE\r\n")
        assert wire.line().startswith(b"+ ")

    def done(wire):
        wire.send("DONE\r\n")
        answers = wire.until("i")
        assert answers[-1].startswith(b"i OK"), answers
        return answers

    def test_new_mail_is_told_while_idle(wire, other):
        name = new_mailbox(wire)
        idle(wire)
        append(other, name, simple())
        assert wire.line() == b"* 1 EXISTS"
        append(other, name, simple())
        assert wire.line() in (b"* 1 RECENT", b"* 2 EXISTS")
        done(wire)

    def test_delivery_is_told_at_once(server, wire):
        wire.ok("SELECT INBOX")
        idle(wire)
        server.deliver(simple())
        start = time.monotonic()
        assert wire.line().endswith(b" EXISTS")
        assert time.monotonic() - start < 0.4, "no timer stands between delivery and notice"
        done(wire)

    def test_flags_and_expunges_are_told_while_idle(wire, other):
        name = new_mailbox(wire, [simple(), simple()])
        other.ok(f"SELECT {name}")
        idle(wire)
        other.ok(r"STORE 2 +FLAGS (\Flagged)")
        line = wire.line()
        assert line.startswith(b"* 2 FETCH (") and b"\\Flagged" in line
        other.ok(r"STORE 1 +FLAGS.SILENT (\Deleted)")
        assert b"\\Deleted" in wire.line()
        other.ok("EXPUNGE")
        assert wire.line() == b"* 1 EXPUNGE"
        done(wire)

    def test_what_was_pending_before_is_told_at_the_beginning(wire, other):
        name = new_mailbox(wire)
        append(other, name, simple())
        wire.send("i IDLE\r\n")
        assert wire.line().startswith(b"+ ")
        assert wire.line() == b"* 1 EXISTS"
        done(wire)

    def test_idle_works_without_a_mailbox(wire):
        idle(wire)
        assert len(done(wire)) == 1
        wire.ok("NOOP")

    def test_done_is_taken_in_any_case_and_commands_go_on_behind_it(wire):
        wire.send("i IDLE\r\n")
        assert wire.line().startswith(b"+ ")
        wire.send("done\r\nj NOOP\r\n")
        assert wire.until("i")[-1].startswith(b"i OK")
        assert wire.until("j")[-1].startswith(b"j OK")

    def test_done_may_come_in_pieces_and_before_the_plus(wire):
        wire.send("i IDLE\r\nDO")
        assert wire.line().startswith(b"+ ")
        wire.send("NE\r\n")
        assert wire.until("i")[-1].startswith(b"i OK")
        wire.send("i IDLE\r\nDONE\r\n")
        assert wire.line().startswith(b"+ ")
        assert wire.until("i")[-1].startswith(b"i OK")

    def test_anything_but_done_is_bad_and_ends_it(wire):
        idle(wire)
        wire.send("i2 NOOP\r\n")
        assert wire.until("i")[-1].startswith(b"i BAD")
        wire.ok("NOOP")

    def test_idle_takes_no_arguments_and_no_uid(wire):
        assert b" BAD " in wire.command("IDLE now")[-1][:12]
        assert b" BAD " in wire.command("UID IDLE")[-1][:12]

    def test_many_idle_sessions_are_all_told(server, other):
        name = new_mailbox(other)
        sessions = [server.raw_imap().login() for _ in range(50)]
        try:
            for session in sessions:
                session.ok(f"EXAMINE {name}")
                idle(session)
            append(other, name, simple())
            for session in sessions:
                assert session.line() == b"* 1 EXISTS"
        finally:
            for session in sessions:
                session.close()

    def test_a_client_that_hangs_up_while_idle_leaves_no_trace(server, wire):
        with server.raw_imap() as gone:
            gone.login()
            gone.ok("SELECT INBOX")
            idle(gone)
        server.deliver(simple())
        wire.ok("SELECT INBOX")
