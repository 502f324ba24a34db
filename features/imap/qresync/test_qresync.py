# SPDX-License-Identifier: 0BSD
"""QRESYNC (RFC 7162 3.2): catching up with a mailbox; nothing of it where it is not compiled in."""

import re

import pytest

from harness.imap import append, fetched, new_mailbox, simple
from harness.server import config_symbols

ON = config_symbols().get("QRESYNC") == "y"
HISTORY = int(config_symbols().get("EXPUNGE_HISTORY", "0"))


def test_qresync_is_offered_exactly_where_it_is_compiled_in(wire):
    assert (b"QRESYNC" in wire.ok("CAPABILITY")[0].split()) == ON


if not ON:
    def test_its_words_are_unknown(wire):
        assert wire.ok("ENABLE QRESYNC")[0] == b"* ENABLED"
        assert b" BAD " in wire.command("SELECT INBOX (QRESYNC (1 1))")[-1][:12]
        wire.ok("SELECT INBOX")
        assert b" BAD " in wire.command("UID FETCH 1:* FLAGS (CHANGEDSINCE 1 VANISHED)")[-1][:12]
else:
    def numbers(text):
        found = []
        for part in text.split(b","):
            first, _, last = part.partition(b":")
            found += range(int(first), int(last or first) + 1)
        return found

    def vanished(answers, earlier):
        word = rb"\* VANISHED \(EARLIER\) (\S+)$" if earlier else rb"\* VANISHED (\d\S*)$"
        return [n for a in answers for m in [re.match(word, a)] if m for n in numbers(m.group(1))]

    def uids(answers):
        return sorted(int(re.search(rb"UID (\d+)", text).group(1)) for text in fetched(answers).values())

    def number(answers, code):
        return int(re.search(code + rb" (\d+)\]", b"\n".join(answers)).group(1))

    class Known:
        """What a client remembers of a mailbox when it leaves."""

        def __init__(self, wire, name):
            answers = wire.ok(f"SELECT {name}")
            self.name = name
            self.uidvalidity = number(answers, rb"UIDVALIDITY")
            self.modseq = number(answers, rb"HIGHESTMODSEQ")

        def select(self, wire, more="", modseq=None, uidvalidity=None):
            return wire.ok(f"SELECT {self.name} (QRESYNC ({uidvalidity or self.uidvalidity} "
                           f"{modseq or self.modseq}{more}))")

    @pytest.fixture
    def box(wire):
        """Ten messages; QRESYNC is on."""
        wire.ok("ENABLE QRESYNC")
        return new_mailbox(wire, [simple() for _ in range(10)])

    @pytest.fixture
    def left(server, wire, box):
        """After the client knew all: 2, 3 and 9 were expunged, 5 flagged, 11 came and 12 came and went."""
        known = Known(wire, box)
        with server.raw_imap() as other:
            other.login().ok(f"SELECT {box}")
            append(other, box, simple())
            append(other, box, simple())
            other.ok("NOOP")
            other.ok(r"STORE 2,3,9,12 +FLAGS.SILENT (\Deleted)")
            other.ok("EXPUNGE")
            other.ok(r"UID STORE 5 +FLAGS.SILENT (\Flagged)")
        return known

    def test_select_tells_what_vanished_and_what_changed(wire, left):
        answers = left.select(wire)
        assert vanished(answers, True) == [2, 3, 9, 12] and uids(answers) == [5, 11]
        lines = [i for i, a in enumerate(answers) if b"VANISHED" in a or b" FETCH " in a]
        assert b"VANISHED" in answers[lines[0]] and all(b"VANISHED" not in answers[i] for i in lines[1:])
        text = fetched(answers)[3]
        assert b"UID 5 " in text and b"\\Flagged" in text and b"MODSEQ (" in text
        assert answers[-1].split()[1:3] == [b"OK", b"[READ-WRITE]"]
        assert b"* 8 EXISTS" in answers

    def test_only_known_uids_are_told(wire, left):
        answers = left.select(wire, " 1:4,9")
        assert vanished(answers, True) == [2, 3, 9] and uids(answers) == []
        answers = left.select(wire, " 5,7")
        assert vanished(answers, True) == [] and uids(answers) == [5]

    def test_another_uidvalidity_counts_for_nothing(wire, left):
        answers = left.select(wire, uidvalidity=left.uidvalidity + 1)
        assert not vanished(answers, True) and not uids(answers)

    def test_nothing_is_told_to_who_knows_everything(wire, left):
        now = Known(wire, left.name)
        answers = now.select(wire)
        assert not vanished(answers, True) and not uids(answers)

    def test_matching_pairs_shorten_what_is_told(wire, left):
        # Now 4 is the second message and 8 the sixth; the client took 2 and 8 for the second and eighth.
        answers = left.select(wire, " 1:12 (1:2,8 1:2,8)", modseq=1)
        assert vanished(answers, True)[0] == 2
        answers = left.select(wire, " 1:12 (1,2,6 1,4,8)", modseq=1)
        assert vanished(answers, True) == [9, 12]
        answers = left.select(wire, " (1,2,6 1,4,8)")
        assert vanished(answers, True) == [9, 12] and uids(answers) == [5, 11]

    def test_uid_fetch_tells_what_vanished_before_what_changed(wire, left):
        wire.ok(f"SELECT {left.name}")
        answers = wire.ok(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {left.modseq} VANISHED)")
        assert vanished(answers, True) == [2, 3, 9, 12] and uids(answers) == [5, 11]
        assert b"VANISHED" in answers[0]
        answers = wire.ok(f"UID FETCH 3:6 (FLAGS) (VANISHED CHANGEDSINCE {left.modseq})")
        assert vanished(answers, True) == [3] and uids(answers) == [5]

    def test_what_is_still_numbered_is_not_said_to_have_vanished_earlier(server, wire, left):
        wire.ok(f"SELECT {left.name}")
        with server.raw_imap() as other:
            other.login().ok(f"SELECT {left.name}")
            other.ok(r"UID STORE 6 +FLAGS.SILENT (\Deleted)")
            other.ok("EXPUNGE")
        # RFC 7162 3.2.10: EARLIER leaves numbers as they are, so 6 is told by the other form, once.
        answers = wire.ok(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {left.modseq} VANISHED)")
        assert vanished(answers, True) == [2, 3, 9, 12]
        assert vanished(answers, False) == [6]

    def test_expunges_are_told_by_uid_in_all_sessions_that_asked_for_it(server, wire, box):
        with server.raw_imap() as plain, server.raw_imap() as other:
            plain.login().ok(f"SELECT {box}")
            other.login().ok("ENABLE QRESYNC")
            other.ok(f"SELECT {box}")
            wire.ok(r"STORE 2:4,7 +FLAGS.SILENT (\Deleted)")
            answers = wire.ok("UID EXPUNGE 2:4")
            assert vanished(answers, False) == [2, 3, 4]
            top = number(answers[-1:], rb"HIGHESTMODSEQ")
            answers = wire.ok("EXPUNGE")
            assert vanished(answers, False) == [7]
            assert number(answers[-1:], rb"HIGHESTMODSEQ") > top
            assert b"HIGHESTMODSEQ" not in wire.ok("EXPUNGE")[-1], "nothing was removed"
            assert not [a for a in answers if b"EXPUNGE" in a[:-1] and not a.startswith(b"t")]
            assert vanished(other.ok("NOOP"), False) == [2, 3, 4, 7]
            assert len([a for a in plain.ok("NOOP") if a.endswith(b" EXPUNGE")]) == 4
            assert b"HIGHESTMODSEQ" not in wire.ok("CLOSE")[-1]

    def test_moved_messages_vanish(wire, box):
        target = new_mailbox(wire, select=False)
        wire.ok(f"SELECT {box}")
        answers = wire.ok(f"UID MOVE 3:5 {target}")
        assert vanished(answers, False) == [3, 4, 5]
        assert b"COPYUID" in b"".join(answers[:-1]) and number(answers[-1:], rb"HIGHESTMODSEQ")

    def test_a_message_that_was_never_announced_does_not_vanish(server, wire, box):
        with server.raw_imap() as other:
            other.login().ok(f"SELECT {box}")
            append(other, box, simple())
            other.ok("NOOP")
            other.ok(r"STORE 11 +FLAGS.SILENT (\Deleted)")
            other.ok("EXPUNGE")
        assert not vanished(wire.ok("NOOP"), False)

    def test_held_back_expunges_are_announced_by_a_lower_highestmodseq(server, wire, box):
        before = Known(wire, box).modseq
        with server.raw_imap() as other:
            other.login().ok(f"SELECT {box}")
            other.ok(r"STORE 3 +FLAGS.SILENT (\Deleted)")
            other.ok("EXPUNGE")
            other.ok(r"UID STORE 6 +FLAGS (\Flagged)")
        answers = wire.ok("FETCH 1 FLAGS")
        assert not vanished(answers, False)
        assert before <= number(answers, rb"HIGHESTMODSEQ")
        told = re.search(rb"UID 6 .*MODSEQ \((\d+)\)", b"\n".join(answers))
        assert told and number(answers, rb"HIGHESTMODSEQ") < int(told.group(1)) - 1
        assert vanished(wire.ok("NOOP"), False) == [3]

    def test_the_removals_survive_a_kill_a_restart_and_a_checkpoint(server, wire, left):
        for end in (server.kill_all, lambda: server.control("checkpoint"), server.stop):
            end()
            if server.process is None or server.process.poll() is not None:
                server.start()
            with server.raw_imap() as again:
                again.login().ok("ENABLE QRESYNC")
                answers = left.select(again)
                assert vanished(answers, True) == [2, 3, 9, 12] and uids(answers) == [5, 11]

    def test_a_client_that_was_away_for_too_long_is_told_all_that_is_not_there(wire):
        """More is removed than is remembered: the oldest half is forgotten."""
        wire.ok("ENABLE QRESYNC")
        name = new_mailbox(wire, [simple()])
        known = Known(wire, name)
        total = 1
        while total < HISTORY + 2:
            wire.ok(f"COPY 1:* {name}")
            wire.ok("NOOP")
            total *= 2
        wire.ok(r"STORE 1:* +FLAGS.SILENT (\Deleted)")
        wire.ok(r"UID STORE 1,77 -FLAGS.SILENT (\Deleted)")
        assert len(vanished(wire.ok("EXPUNGE"), False)) == total - 2
        answers = known.select(wire)
        assert vanished(answers, True) == [n for n in range(1, total + 1) if n not in (1, 77)]
        assert uids(answers) == [1, 77]
        answers = known.select(wire, f" 1:{total + 500} (1:2 1,77)")
        assert vanished(answers, True) == list(range(78, total + 1))
        answers = wire.ok(f"UID FETCH 70:80 FLAGS (CHANGEDSINCE {known.modseq} VANISHED)")
        assert vanished(answers, True) == [n for n in range(70, 81) if n != 77]

    def test_it_must_be_enabled_first(server, left):
        with server.raw_imap() as plain:
            plain.login()
            for command in (f"SELECT {left.name} (QRESYNC ({left.uidvalidity} {left.modseq}))",
                            f"SELECT {left.name} (CONDSTORE QRESYNC ({left.uidvalidity} {left.modseq}))"):
                assert b" BAD " in plain.command(command)[-1][:12]
            plain.ok(f"SELECT {left.name} (CONDSTORE)")
            assert b" BAD " in plain.command("UID FETCH 1:* FLAGS (CHANGEDSINCE 1 VANISHED)")[-1][:12]

    def test_enable_names_what_it_turned_on_and_tells_modseqs(wire):
        assert wire.ok("ENABLE QRESYNC CONDSTORE")[0] == b"* ENABLED QRESYNC CONDSTORE"
        assert wire.ok("ENABLE CONDSTORE QRESYNC")[0] == b"* ENABLED"

    @pytest.mark.parametrize("what", [
        "", "()", "(1)", "(0 1)", "(1 0)", "(1 x)", "(1 1 *)", "(1 1 1:*)", "(1 1 1 (1 1,2))", "(1 1 1 (2,1 1,2))",
        "(1 1 1 (1:2 1:*))", "(1 1 1 (1:2 3))", "(1 1 1", "(1 1 $)", "(1 1 1 ())", "(1 1 1 (1 1) 1)",
        "(99999999999 1)", "(1 9223372036854775808)"])
    def test_what_is_malformed_is_bad_and_leaves_the_mailbox_selected(wire, box, what):
        assert b" BAD " in wire.command(f"SELECT INBOX (QRESYNC {what})")[-1][:12]
        assert len(fetched(wire.ok("FETCH 1:10 UID"))) == 10

    @pytest.mark.parametrize("command", [
        "FETCH 1:* FLAGS (CHANGEDSINCE 1 VANISHED)", "UID FETCH 1:* FLAGS (VANISHED)",
        "UID FETCH 1:* FLAGS (CHANGEDSINCE 1 VANISHED", "UID FETCH 1:* FLAGS (VANISHED 1 CHANGEDSINCE 1)"])
    def test_vanished_goes_with_uid_fetch_and_changedsince_alone(wire, box, command):
        assert b" BAD " in wire.command(command)[-1][:12]
        wire.ok("NOOP")

    def test_a_client_that_leaves_in_the_middle_leaves_no_trace(server, left):
        with server.raw_imap() as gone:
            gone.login().ok("ENABLE QRESYNC")
            gone.send(f"x SELECT {left.name} (QRESYNC ({left.uidvalidity} 1))\r\n")
        with server.raw_imap() as again:
            again.login().ok(f"SELECT {left.name}")
