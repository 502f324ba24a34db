# SPDX-License-Identifier: 0BSD
"""OBJECTID (RFC 8474); nothing of it where it is not compiled in."""

import re

from harness.imap import append, fetched, new_mailbox, simple
from harness.server import config_symbols

ON = config_symbols().get("OBJECTID") == "y"


def test_it_is_offered_where_it_is_compiled_in(wire):
    assert (b"OBJECTID" in wire.ok("CAPABILITY")[0].split()) == ON


if not ON:
    def test_its_words_are_unknown(wire):
        name = new_mailbox(wire, [simple()])
        assert not [a for a in wire.ok(f"SELECT {name}") if b"MAILBOXID" in a]
        assert wire.ok("CREATE other.one")[-1].endswith(b"OK Created")
        for command in (f"STATUS {name} (MAILBOXID)", "FETCH 1 EMAILID", "FETCH 1 THREADID", "SEARCH EMAILID M1"):
            assert b" BAD " in wire.command(command)[-1][:12]
else:
    def mailboxid(answers):
        found = re.search(rb"MAILBOXID \(([A-Za-z0-9_-]{1,255})\)", b"\n".join(answers))
        assert found, answers
        return found.group(1)

    def emailids(wire, numbers="1:*"):
        return {n: re.search(rb"EMAILID \(([A-Za-z0-9_-]{1,255})\)", text).group(1)
                for n, text in fetched(wire.ok(f"FETCH {numbers} (EMAILID THREADID)")).items()
                if b"THREADID NIL" in text}

    def test_a_mailbox_keeps_its_id_under_another_name_and_a_name_used_again_gets_a_new_one(wire):
        first = mailboxid(wire.ok("CREATE ids")[-1:])
        assert mailboxid(wire.ok("STATUS ids (MAILBOXID MESSAGES)")) == first
        assert mailboxid(wire.ok("SELECT ids")) == mailboxid(wire.ok("EXAMINE ids")) == first
        wire.ok("RENAME ids moved")
        assert mailboxid(wire.ok("STATUS moved (MAILBOXID)")) == first
        assert mailboxid(wire.ok("CREATE ids")[-1:]) != first
        assert len({mailboxid([a]) for a in wire.ok('LIST "" (ids moved INBOX) RETURN (STATUS (MAILBOXID))')
                    if b"STATUS" in a}) == 3

    def test_copies_share_an_id_and_different_messages_do_not(server, wire):
        one, two = new_mailbox(wire, select=False), new_mailbox(wire, [simple("a"), simple("b")])
        a, b = emailids(wire).values()
        assert a != b
        wire.ok(f"COPY 1 {one}")
        wire.ok(f"MOVE 1 {one}") if b"MOVE" in wire.ok("CAPABILITY")[0] else wire.ok(f"COPY 1 {one}")
        wire.ok(f"SELECT {one}")
        assert emailids(wire) == {1: a, 2: a}
        assert wire.ok(f"UID SEARCH EMAILID {a.decode()}")[0] == b"* SEARCH 1 2"
        assert wire.ok(f"SEARCH EMAILID {b.decode()}")[0] == b"* SEARCH"
        assert wire.ok("SEARCH THREADID T1")[0] == b"* SEARCH"
        append(wire, two, simple("a"))
        assert two != one

    def test_ids_survive_a_kill_and_two_recipients_do_not_share_what_differs(fresh):
        fresh.start()
        fresh.add_user("other")
        message = simple("both")
        for user in ("demo", "other"):
            fresh.deliver(message, to=(user,))

        def look():
            found = []
            for user in ("demo", "other"):
                with fresh.raw_imap() as wire:
                    found.append((mailboxid(wire.login(user).ok("SELECT INBOX")), emailids(wire)))
            return found
        before = look()
        assert before[0][1][1] != before[1][1][1], "Delivered-To differs"
        assert before[0][0] != before[1][0]
        fresh.kill_all()
        fresh.start()
        assert look() == before
