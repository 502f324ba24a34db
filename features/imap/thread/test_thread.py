# SPDX-License-Identifier: 0BSD
"""THREAD (RFC 5256); nothing of it where it is not compiled in."""

import random

import pytest

from harness.imap import append, new_mailbox, simple
from harness.rfc5256 import Mail, corpus, ordered_subject, parse_threads, references
from harness.server import config_symbols

ON = config_symbols().get("THREAD") == "y"
WORDS = (b"THREAD=ORDEREDSUBJECT", b"THREAD=REFERENCES")


def test_it_is_offered_where_it_is_compiled_in(wire):
    words = wire.ok("CAPABILITY")[0].split()
    assert [word in words for word in WORDS] == [ON] * len(WORDS)


if not ON:
    def test_the_command_is_unknown(wire):
        wire.ok("SELECT INBOX")
        assert b" BAD " in wire.command("THREAD REFERENCES UTF-8 ALL")[-1][:12]
        assert b" BAD " in wire.command("UID THREAD REFERENCES UTF-8 ALL")[-1][:12]
else:
    def threads(wire, algorithm="REFERENCES", keys="ALL", uid=""):
        found = [a for a in wire.ok(f"{uid}THREAD {algorithm} UTF-8 {keys}") if a.startswith(b"* THREAD")]
        assert len(found) == 1
        return found[0][len("* THREAD "):].decode()

    def mail(name, parents="", subject="s", hour=0, **more):
        fields = {"Message-ID": f"<{name}@x>", "Date": f"Thu, 1 Feb 2024 {hour:02}:00:00 +0000", **more}
        if parents:
            fields["References"] = " ".join(f"<{p}@x>" for p in parents.split())
        return simple(subject, **fields)

    @pytest.mark.parametrize("mails, want", [
        ([], ""),
        ([mail("a")], "(1)"),
        ([mail("a", hour=1), mail("b", "a", hour=2), mail("c", "a b", hour=3)], "(1 2 3)"),
        # the oldest first, whatever the order of numbers
        ([mail("c", "a b", hour=3), mail("b", "a", hour=2), mail("a", hour=1)], "(3 2 1)"),
        ([mail("a", hour=1), mail("b", "a", hour=3), mail("c", "a", hour=2)], "(1 (3)(2))"),
        ([mail("a", hour=1), mail("b", "a", hour=3), mail("c", "a", hour=2), mail("d", "c", hour=5)],
         "(1 (3 4)(2))"),
        # what is not there holds two together at the top, and is passed over elsewhere
        ([mail("a", "lost", "x", 1), mail("b", "lost", "y", 2)], "((1)(2))"),
        ([mail("a", "lost", hour=1)], "(1)"),
        ([mail("a", subject="x", hour=1), mail("b", "a lost", "y", 2), mail("c", "a lost", "z", 3)], "(1 (2)(3))"),
        # a subject joins what nothing else does; an original becomes the parent of replies
        ([mail("a", subject="tea", hour=2), mail("b", subject="Re: tea", hour=1)], "(1 2)"),
        ([mail("a", subject="tea", hour=1), mail("b", subject="[l] tea", hour=2)], "((1)(2))"),
        ([mail("a", subject="", hour=1), mail("b", subject="Re:", hour=2)], "(1)(2)"),
        # loops, the same message-id twice, and parents that contradict each other
        ([mail("a", "a", "x")], "(1)"),
        ([mail("a", "b", "x", 1), mail("b", "a", "y", 2)], "(2 1)"),
        ([mail("a", subject="x", hour=1), mail("a", "lost", "y", hour=2)], "(1)(2)"),
        ([mail("a", subject="x", hour=1), mail("b", "lost a", "y", 2), mail("c", "a b", "z", 3)], "(1 2 3)"),
        # In-Reply-To where there are no References
        ([mail("a", subject="x", hour=1), mail("b", subject="y", hour=2, In_Reply_To="Your mail <a@x> of today")],
         "(1 2)"),
    ])
    def test_who_answers_whom(wire, mails, want):
        new_mailbox(wire, mails)
        assert threads(wire) == want if mails else wire.ok("THREAD REFERENCES UTF-8 ALL")[0] == b"* THREAD"

    def test_subjects_alone(wire):
        new_mailbox(wire, [mail("a", subject="tea", hour=3), mail("b", subject="Re: tea", hour=1),
                           mail("c", subject="Milk", hour=2), mail("d", subject="fwd: tea (fwd)", hour=4),
                           mail("e", subject="milk", hour=5)])
        assert threads(wire, "ORDEREDSUBJECT") == "(2 (1)(4))(3 5)"
        assert threads(wire, "orderedsubject", "4:5") == "(4)(5)"

    def test_only_what_the_search_finds_is_threaded_and_uids_are_told_by_the_uid_form(wire):
        new_mailbox(wire, [mail("x"), mail("a", subject="x", hour=1), mail("b", "a", hour=2), mail("c", "a b", hour=3)])
        wire.ok(r"STORE 1 +FLAGS (\Deleted)")
        wire.ok("EXPUNGE")
        assert threads(wire) == "(1 2 3)" and threads(wire, uid="UID ") == "(2 3 4)"
        assert threads(wire, keys="1,3") == "(1 3)"
        wire.ok("SEARCH RETURN (SAVE) 1,3")
        assert threads(wire, keys="$", uid="UID ") == "(2 4)"

    def test_a_wrong_command_is_told_what_is_wrong(wire):
        new_mailbox(wire, [simple()])
        for bad in ("THREAD", "THREAD REFERENCES", "THREAD REFERENCES UTF-8", "THREAD JWZ UTF-8 ALL",
                    "THREAD REFERENCES UTF-8 NOSUCHKEY"):
            answer = wire.command(bad)[-1]
            assert b" BAD " in answer[:12] and len(answer) > 15, (bad, answer)
        assert b"NO [BADCHARSET (US-ASCII UTF-8)]" in wire.command("THREAD REFERENCES KOI8-R ALL")[-1]

    def test_a_very_deep_thread_and_a_very_wide_one(wire):
        deep = [mail(str(n), " ".join(map(str, range(max(0, n - 3), n))), f"s{n}") for n in range(400)]
        new_mailbox(wire, deep)
        assert threads(wire) == "(" + " ".join(str(n + 1) for n in range(400)) + ")"
        new_mailbox(wire, [mail("a", subject="x")] + [mail(f"b{n}", "a", f"s{n}", 1) for n in range(300)])
        assert threads(wire) == "(1 " + "".join(f"({n})" for n in range(2, 302)) + ")"

    def test_a_slow_model_agrees(wire):
        for _ in range(4):
            seed = random.randrange(10**9)
            texts = corpus(seed, 60)
            name = new_mailbox(wire, select=False)
            for n, text in enumerate(texts):
                append(wire, name, text, f'"{1 + n % 28:2}-Mar-2024 12:00:00 +0000"')
            wire.ok(f"SELECT {name}")
            mails = [Mail(n + 1, text, 1709294400 + n % 28 * 86400) for n, text in enumerate(texts)]
            assert parse_threads(threads(wire)) == references(mails), seed
            assert parse_threads(threads(wire, "ORDEREDSUBJECT")) == ordered_subject(mails), seed
