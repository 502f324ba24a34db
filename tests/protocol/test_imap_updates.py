# SPDX-License-Identifier: 0BSD
"""What one session is told of the others (RFC 9051 5.2, 7.5.1; RFC 2180)."""

import pytest

from harness.imap import append, fetched, new_mailbox, simple


@pytest.fixture
def pair(server):
    """Two sessions of one user; the first has made and selected a mailbox."""
    with server.raw_imap() as one, server.raw_imap() as two:
        one.login()
        two.login()
        yield one, two


def both_select(pair, count):
    one, two = pair
    name = new_mailbox(one, [simple(str(i)) for i in range(count)])
    two.ok(f"SELECT {name}")
    return name


def test_new_mail_is_told_at_the_next_command(pair, server):
    one, two = pair
    name = both_select(pair, 1)
    append(two, name, simple())
    answers = one.ok("NOOP")
    assert b"* 2 EXISTS" in answers
    assert fetched(one.ok("FETCH 2 UID")) == {2: b"UID 2"}
    assert b"* 2 EXISTS" not in one.ok("NOOP")


def test_mail_from_lmtp_is_told_too(server):
    with server.raw_imap() as wire:
        wire.login()
        answers = wire.ok("SELECT INBOX")
        exists = int([a for a in answers if a.endswith(b" EXISTS")][0].split()[1])
        server.deliver(simple("Told"))
        assert b"* %d EXISTS" % (exists + 1) in wire.ok("NOOP")


def test_flag_changes_are_told_to_the_others_once(pair):
    one, two = pair
    both_select(pair, 3)
    two.ok(r"STORE 2 +FLAGS (\Flagged)")
    answers = fetched(one.ok("NOOP"))
    assert answers.keys() == {2} and b"\\Flagged" in answers[2]
    assert fetched(one.ok("NOOP")) == {}


def test_a_new_keyword_reaches_the_others_with_its_name_first(pair):
    one, two = pair
    both_select(pair, 1)
    two.ok("STORE 1 +FLAGS (Shared)")
    answers = one.ok("FETCH 1 FLAGS")
    names = [i for i, a in enumerate(answers) if a.startswith(b"* FLAGS") and b"Shared" in a]
    uses = [i for i, a in enumerate(answers) if b" FETCH " in a and b"Shared" in a]
    assert names and uses and names[0] < uses[0], answers


def test_expunges_are_held_back_during_fetch_store_and_search(pair):
    one, two = pair
    both_select(pair, 4)
    two.ok(r"STORE 2 +FLAGS.SILENT (\Deleted)")
    two.ok("EXPUNGE")
    for command in ("FETCH 3 UID", r"STORE 3 +FLAGS.SILENT (\Seen)", "SEARCH ALL"):
        answers = one.ok(command)
        assert not [a for a in answers if a.endswith(b" EXPUNGE")], (command, answers)
    assert fetched(one.ok("FETCH 3:4 UID")) == {3: b"UID 3", 4: b"UID 4"}, "numbers stand still"
    assert b"* 2 EXPUNGE" in one.ok("NOOP")
    assert fetched(one.ok("FETCH 2:3 UID")) == {2: b"UID 3", 3: b"UID 4"}


def test_expunges_may_come_with_the_uid_forms(pair):
    one, two = pair
    both_select(pair, 3)
    two.ok(r"STORE 1 +FLAGS.SILENT (\Deleted)")
    two.ok("EXPUNGE")
    assert b"* 1 EXPUNGE" in one.ok("UID FETCH 3 FLAGS")


def test_a_silent_store_tells_what_another_session_changed(pair):
    one, two = pair
    both_select(pair, 2)
    two.ok(r"STORE 1 +FLAGS.SILENT ($Theirs)")
    answers = fetched(one.ok(r"STORE 1:2 +FLAGS.SILENT (\Seen)"))
    assert answers.keys() == {1} and b"$Theirs" in answers[1] and b"\\Seen" in answers[1]
    assert fetched(one.ok("NOOP")) == {}


def test_numbers_in_a_mailbox_that_was_deleted_are_not_called_wrong(pair):
    one, two = pair
    name = both_select(pair, 2)
    two.ok(f"DELETE {name}")
    answers = one.command("FETCH 1:* UID")
    assert b" NO [NONEXISTENT]" in answers[-1] and answers[-2].startswith(b"* BYE ")


@pytest.mark.parametrize("command", ["COPY 1:2 INBOX", "UID COPY 1:2 INBOX", "STORE 1 +FLAGS (x)", "SEARCH 1:2"])
def test_nothing_is_said_to_be_done_in_a_mailbox_that_was_deleted(pair, command):
    one, two = pair
    name = both_select(pair, 2)
    two.ok("EXAMINE INBOX")
    two.ok(f"DELETE {name}")
    assert b" NO [NONEXISTENT]" in one.command(command)[-1]


def test_a_message_that_is_gone_is_left_out_and_said_to_be(pair):
    one, two = pair
    name = both_select(pair, 3)
    two.ok(r"STORE 2 +FLAGS.SILENT (\Deleted)")
    two.ok("EXPUNGE")
    answers = one.ok("FETCH 1:3 UID")
    assert fetched(answers).keys() == {1, 3} and b"OK [EXPUNGEISSUED]" in answers[-1]
    assert b"EXPUNGEISSUED" not in one.ok("FETCH 1,3 UID")[-1]
    assert b"NO [EXPUNGEISSUED]" in one.command(r"STORE 2 +FLAGS (\Seen)")[-1]
    answers = one.ok(r"STORE 1:3 +FLAGS (\Seen)")
    assert b"OK [EXPUNGEISSUED]" in answers[-1]
    assert one.ok("SEARCH ALL")[0] == b"* SEARCH 1 3"
    answers = one.command(f"COPY 1:3 {name}")
    assert b"NO [EXPUNGEISSUED]" in answers[-1] and b"* 2 EXPUNGE" in answers
    assert one.ok("SEARCH ALL")[0] == b"* SEARCH 1 2"


def test_appends_and_expunges_between_keep_both_sides_in_step(pair):
    one, two = pair
    name = both_select(pair, 3)
    two.ok(r"STORE 1 +FLAGS.SILENT (\Deleted)")
    two.ok("EXPUNGE")
    append(two, name, simple())
    append(two, name, simple())
    answers = one.ok("SEARCH ALL")
    assert b"* 5 EXISTS" in answers, "numbers of the old mailbox and two more"
    answers = one.ok("NOOP")
    assert b"* 1 EXPUNGE" in answers
    assert fetched(one.ok("FETCH 1:* UID")) == {1: b"UID 2", 2: b"UID 3", 3: b"UID 4", 4: b"UID 5"}


def test_recent_belongs_to_one_session(pair):
    one, two = pair
    name = new_mailbox(one, [simple()])
    assert b"* 0 RECENT" in two.ok(f"SELECT {name}")
    assert b"\\Recent" in one.ok("FETCH 1 FLAGS")[0]
    assert b"\\Recent" not in two.ok("FETCH 1 FLAGS")[0]


def test_an_examining_session_takes_no_recent(pair):
    one, two = pair
    name = new_mailbox(one, [simple()], select=False)
    two.ok(f"EXAMINE {name}")
    assert b"* 1 RECENT" in one.ok(f"SELECT {name}")


def test_sessions_of_other_users_are_apart(server):
    with server.raw_imap() as one, server.raw_imap() as other:
        one.login()
        other.login("other")
        one.ok("CREATE apart")
        assert b" NO " in other.command("SELECT apart")[-1][:12]
        other.ok("CREATE apart")
        append(other, "apart", simple())
        assert b"* 0 EXISTS" in one.ok("SELECT apart")


def test_a_session_whose_mailbox_is_deleted_is_told_to_leave(pair):
    one, two = pair
    name = both_select(pair, 1)
    two.ok("UNSELECT") if b"UNSELECT" in two.ok("CAPABILITY")[0] else two.ok("EXAMINE INBOX")
    two.ok(f"DELETE {name}")
    one.send("x NOOP\r\n")
    lines = []
    while True:
        line = one.line()
        if line is None:
            break
        lines.append(line)
        if line.startswith(b"* BYE"):
            break
    assert lines and lines[-1].startswith(b"* BYE"), lines
