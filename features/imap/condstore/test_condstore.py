# SPDX-License-Identifier: 0BSD
"""CONDSTORE (RFC 7162 3.1): mod-sequences told, asked for and stored by; nothing of it where it is not."""

import re

import pytest

from harness.imap import append, fetched, new_mailbox, simple
from harness.server import config_symbols

ON = config_symbols().get("CONDSTORE") == "y"


def test_condstore_is_offered_exactly_where_it_is_compiled_in(wire):
    assert (b"CONDSTORE" in wire.ok("CAPABILITY")[0].split()) == ON


if not ON:
    @pytest.mark.parametrize("command", [
        "SELECT INBOX (CONDSTORE)", "STATUS INBOX (HIGHESTMODSEQ)", "FETCH 1:* (MODSEQ)",
        "FETCH 1:* (FLAGS) (CHANGEDSINCE 1)", r"STORE 1 (UNCHANGEDSINCE 1) +FLAGS (\Seen)", "SEARCH MODSEQ 1"])
    def test_its_words_are_unknown(wire, command):
        append(wire, "INBOX", simple())
        answers = wire.ok("SELECT INBOX")
        assert b"MODSEQ" not in b"".join(answers)
        assert b" BAD " in wire.command(command)[-1][:12]

    def test_enable_passes_it_over(wire):
        assert wire.ok("ENABLE CONDSTORE")[0] == b"* ENABLED"
else:
    def highest(answers):
        found = re.findall(rb"\[HIGHESTMODSEQ (\d+)\]", b"\n".join(answers))
        assert len(found) == 1, answers
        return int(found[0])

    def modseqs(answers):
        """{sequence number: mod-sequence} of FETCH answers."""
        return {n: int(re.search(rb"MODSEQ \((\d+)\)", text).group(1)) for n, text in fetched(answers).items()}

    def no_mail(answers):
        return not fetched(answers)

    @pytest.fixture
    def box(wire):
        """Three messages, selected, CONDSTORE not yet on."""
        return new_mailbox(wire, [simple(), simple(), simple()])

    def test_select_tells_the_highest_modseq_and_status_the_same(wire, box):
        top = highest(wire.ok(f"SELECT {box}"))
        assert top > 0
        answers = wire.ok(f"STATUS {box} (MESSAGES HIGHESTMODSEQ)")
        assert f"(MESSAGES 3 HIGHESTMODSEQ {top})".encode() in answers[-2]
        assert highest(wire.ok(f"EXAMINE {box} (CONDSTORE)")) == top

    def test_every_change_of_a_flag_gives_a_higher_modseq_and_no_change_none(wire, box):
        wire.ok("ENABLE CONDSTORE")
        before = modseqs(wire.ok("FETCH 1:3 (MODSEQ)"))
        first = modseqs(wire.ok(r"STORE 1 +FLAGS (\Seen)"))[1]
        second = modseqs(wire.ok(r"STORE 2 +FLAGS (\Seen)"))[2]
        assert max(before.values()) < first < second
        wire.ok(r"STORE 1 +FLAGS (\Seen)")
        wire.ok(r"STORE 1 -FLAGS (\Draft)")
        assert modseqs(wire.ok("FETCH 1:3 (MODSEQ)")) == {1: first, 2: second, 3: before[3]}
        append(wire, box, simple())
        wire.ok("NOOP")
        assert modseqs(wire.ok("FETCH 4 (MODSEQ)"))[4] > second

    @pytest.mark.parametrize("command", [
        "ENABLE CONDSTORE", "STATUS INBOX (HIGHESTMODSEQ)", "FETCH 1 (MODSEQ)",
        "FETCH 1 (FLAGS) (CHANGEDSINCE 1)", r"STORE 1 (UNCHANGEDSINCE 1000000) +FLAGS (\Draft)",
        "SEARCH MODSEQ 1", 'LIST "" INBOX RETURN (STATUS (HIGHESTMODSEQ))'])
    def test_the_first_enabling_command_tells_where_the_selected_mailbox_stands(server, wire, box, command):
        assert b"MODSEQ" not in b"".join(wire.ok(r"STORE 2 +FLAGS (\Answered)"))
        at = highest(wire.ok(f"SELECT {box}"))
        answers = wire.ok(command)
        assert highest(answers) == at
        assert b"[HIGHESTMODSEQ" not in b"".join(wire.ok(command)), "only the first"
        with server.raw_imap() as other:
            other.login().ok(f"SELECT {box}")
            other.ok(r"STORE 3 +FLAGS (\Flagged)")
        told = fetched(wire.ok("NOOP"))[3]
        assert b"MODSEQ (" in told and b"UID 3" in told and b"\\Flagged" in told

    def test_an_enabling_command_that_is_bad_enables_nothing(wire, box):
        assert b" BAD " in wire.command("FETCH 1 (MODSEQ) (CHANGEDSINCE)")[-1][:12]
        assert b" BAD " in wire.command(f"SELECT {box} (CONDSTORE NONSENSE)")[-1][:12]
        assert b"MODSEQ" not in b"".join(wire.ok(r"STORE 1 +FLAGS (\Seen)"))

    def test_changedsince_answers_only_what_changed_and_with_its_modseq(wire, box):
        at = highest(wire.ok(f"SELECT {box} (CONDSTORE)"))
        assert no_mail(wire.ok(f"FETCH 1:* (FLAGS) (CHANGEDSINCE {at})"))
        wire.ok(r"STORE 2 +FLAGS.SILENT (\Seen)")
        answers = wire.ok(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {at})")
        assert list(modseqs(answers)) == [2] and modseqs(answers)[2] > at
        assert fetched(answers)[2].startswith(b"UID 2 ")
        assert no_mail(wire.ok(f"FETCH 1,3 FLAGS (CHANGEDSINCE {at})"))
        assert sorted(modseqs(wire.ok("FETCH 1:* FLAGS (CHANGEDSINCE 0)"))) == [1, 2, 3]
        both = fetched(wire.ok("FETCH 1 (MODSEQ FLAGS) (CHANGEDSINCE 0)"))[1]
        assert both.count(b"MODSEQ") == 1

    def test_silent_stores_tell_the_new_modseq_and_no_flags(wire, box):
        wire.ok(f"SELECT {box} (CONDSTORE)")
        told = fetched(wire.ok(r"STORE 3 +FLAGS.SILENT (\Seen)"))[3]
        assert re.fullmatch(rb"UID 3 MODSEQ \(\d+\)", told)

    def test_unchangedsince_stores_where_nobody_was_faster_and_names_the_others(server, wire, box):
        at = highest(wire.ok(f"SELECT {box} (CONDSTORE)"))
        with server.raw_imap() as other:
            other.login().ok(f"SELECT {box}")
            other.ok(r"STORE 2 +FLAGS (\Flagged)")
        answers = wire.ok(rf"STORE 1:3 (UNCHANGEDSINCE {at}) +FLAGS.SILENT (\Deleted)")
        assert b"[MODIFIED 2]" in answers[-1]
        flags = fetched(answers)
        assert b"\\Flagged" in flags[2] and b"\\Deleted" not in flags[2], "told why"
        assert sorted(flags) == [1, 2, 3] and all(b"MODSEQ (" in f for f in flags.values())
        flags = fetched(wire.ok("FETCH 1:3 FLAGS"))
        assert [b"\\Deleted" in flags[n] for n in (1, 2, 3)] == [True, False, True]
        answers = wire.ok(rf"UID STORE 1:3 (UNCHANGEDSINCE {at}) -FLAGS (\Deleted)")
        assert b"[MODIFIED 1:3]" in answers[-1] and no_mail(answers)
        answers = wire.ok(rf"STORE 3,2:3 (UNCHANGEDSINCE 9223372036854775807) -FLAGS (\Deleted)")
        assert b"MODIFIED" not in answers[-1]

    def test_unchangedsince_0_always_fails(wire, box):
        assert b"[MODIFIED 2]" in wire.ok(r"STORE 2 (UNCHANGEDSINCE 0) +FLAGS.SILENT ($MDNSent)")[-1]

    def test_a_long_conditional_store_names_all_that_it_left(wire):
        name = new_mailbox(wire, [simple()])
        for _ in range(11):
            wire.ok(f"COPY 1:* {name}")
        at = highest(wire.ok(f"SELECT {name} (CONDSTORE)"))
        wire.ok(r"STORE 10:2000 +FLAGS.SILENT (\Seen)")
        answers = wire.ok(rf"STORE 1:* (UNCHANGEDSINCE {at}) +FLAGS.SILENT (\Draft)")
        assert b"[MODIFIED 10:2000]" in answers[-1]
        assert len(fetched(answers)) == 2048 - 1991

    def test_setting_seen_by_reading_tells_modseq_and_uid(wire, box):
        wire.ok("ENABLE CONDSTORE")
        told = fetched(wire.ok("FETCH 1 BODY[TEXT]"))[1]
        assert b"\\Seen" in told and b"MODSEQ (" in told and b"UID 1" in told
        told = fetched(wire.ok("FETCH 1 BODY[TEXT]"))[1]
        assert b"MODSEQ" not in told and b"UID" not in told, "asked for no more"

    def test_search_finds_by_modseq_and_tells_the_highest_found(wire, box):
        at = highest(wire.ok(f"SELECT {box}"))
        new = modseqs(wire.ok(rf"STORE 3 (UNCHANGEDSINCE {at}) +FLAGS (\Seen)"))[3]
        assert wire.ok(f"SEARCH MODSEQ {new}")[0] == f"* SEARCH 3 (MODSEQ {new})".encode()
        assert wire.ok(f"SEARCH MODSEQ {new + 1}")[0] == b"* SEARCH"
        wanted = f"* SEARCH 1 2 3 (MODSEQ {new})".encode()
        assert wire.ok("SEARCH MODSEQ 1")[0] == wanted
        assert wire.ok(r'SEARCH MODSEQ "/flags/\\draft" all 1')[0] == wanted
        assert wire.ok("SEARCH OR NOT MODSEQ 1 LARGER 5000000")[0] == b"* SEARCH"

    def test_esearch_tells_the_modseq_of_what_it_names(wire, box):
        wire.ok(f"SELECT {box} (CONDSTORE)")
        for number in (2, 3, 1):
            wire.ok(rf"STORE {number} +FLAGS.SILENT (\Seen)")
        one, _, three = (modseqs(wire.ok("FETCH 1:3 MODSEQ"))[n] for n in (1, 2, 3))

        def answer(options):
            line = wire.ok(f"SEARCH RETURN ({options}) MODSEQ 1")[0]
            return int(re.search(rb" MODSEQ (\d+)$", line).group(1))
        assert answer("ALL") == one and answer("COUNT") == one
        assert answer("MIN") == one and answer("MAX") == three and answer("MIN MAX") == one
        assert b"MODSEQ" not in wire.ok("SEARCH RETURN (ALL) MODSEQ 9223372036854775807")[0]

    @pytest.mark.parametrize("command", [
        "FETCH 1 FLAGS (CHANGEDSINCE)", "FETCH 1 FLAGS (CHANGEDSINCE x)", "FETCH 1 FLAGS (CHANGEDSINCE 1",
        "FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775808)", "FETCH 1 FLAGS ()", "FETCH 1 FLAGS(CHANGEDSINCE 1)",
        "FETCH 1 FLAGS (UNCHANGEDSINCE 1)", r"STORE 1 (CHANGEDSINCE 1) FLAGS (\Seen)",
        r"STORE 1 (UNCHANGEDSINCE -1) FLAGS (\Seen)", r"STORE 1 (UNCHANGEDSINCE 1)FLAGS (\Seen)",
        r"STORE 1 (UNCHANGEDSINCE 1)", "SEARCH MODSEQ", 'SEARCH MODSEQ "/flags/x" 5', "SEARCH MODSEQ x",
        'SEARCH MODSEQ "/flags/x" most 5', "STATUS INBOX (HIGHESTMODSEQ", "SELECT INBOX ()", "SELECT INBOX (",
        "SELECT INBOX (CONDSTORE) x", "SELECT INBOX (HIGHESTMODSEQ)"])
    def test_what_is_malformed_is_bad_and_changes_nothing(wire, box, command):
        assert b" BAD " in wire.command(command)[-1][:12]
        assert len(fetched(wire.ok("FETCH 1:3 FLAGS"))) == 3

    def test_modseqs_never_go_back_over_kill_and_restart(server, wire, box):
        wire.ok(r"STORE 1 +FLAGS (\Seen)")
        before = highest(wire.ok(f"SELECT {box}"))
        for end in (server.kill_all, server.stop):
            end()
            server.start()
            with server.raw_imap() as again:
                again.login()
                assert highest(again.ok(f"SELECT {box} (CONDSTORE)")) == before
                before = modseqs(again.ok(r"STORE 2 FLAGS ($Twice)" if end == server.stop
                                          else r"STORE 2 FLAGS ($Once)"))[2]
