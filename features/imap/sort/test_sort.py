# SPDX-License-Identifier: 0BSD
"""SORT (RFC 5256), SORT=DISPLAY (RFC 5957), ESORT (RFC 5267 3); nothing of them where they are not compiled in."""

import random
import re

import pytest

from harness.imap import append, new_mailbox, simple
from harness.rfc5256 import Mail, corpus, sort
from harness.server import config_symbols

ON = config_symbols().get("SORT") == "y"
WORDS = (b"SORT", b"SORT=DISPLAY", b"ESORT")


def test_it_is_offered_where_it_is_compiled_in(wire):
    words = wire.ok("CAPABILITY")[0].split()
    assert [word in words for word in WORDS] == [ON] * len(WORDS)


if not ON:
    def test_the_command_is_unknown(wire):
        wire.ok("SELECT INBOX")
        assert b" BAD " in wire.command("SORT (DATE) UTF-8 ALL")[-1][:12]
        assert b" BAD " in wire.command("UID SORT (DATE) UTF-8 ALL")[-1][:12]
else:
    def numbers(answers):
        found = [a for a in answers if a.startswith(b"* SORT")]
        assert len(found) == 1, answers
        return [int(n) for n in found[0].split()[2:]]

    @pytest.fixture
    def three(wire):
        """As in the example of RFC 5256 4: out of order in every way."""
        return new_mailbox(wire, [
            simple("Re: [x] pear", "long " * 100, Date="Thu, 1 Feb 2024 12:00:00 +0100", From="Zed <b@x.org>",
                   To="c@x.org"),
            simple("Apple", Date="Thu, 1 Feb 2024 11:30:00 +0000", From="Amy <c@x.org>", To="a@x.org",
                   Cc="b@x.org"),
            simple("apple", Date="Thu, 1 Feb 2024 09:00:00 -0100", From="=?utf-8?q?=C3=89mile?= <a@x.org>",
                   To="b@x.org", Cc="a@x.org"),
        ])

    @pytest.mark.parametrize("keys, order", [
        ("DATE", [3, 1, 2]), ("REVERSE DATE", [2, 1, 3]), ("ARRIVAL", [1, 2, 3]), ("SUBJECT", [2, 3, 1]),
        ("REVERSE SUBJECT", [1, 2, 3]), ("SUBJECT REVERSE DATE", [2, 3, 1]), ("SUBJECT DATE", [3, 2, 1]),
        ("FROM", [3, 1, 2]), ("TO", [2, 3, 1]), ("CC", [1, 3, 2]), ("REVERSE SIZE", [1, 3, 2]),
        ("DISPLAYFROM", [2, 3, 1]), ("DISPLAYTO", [2, 3, 1]), ("reverse size", [1, 3, 2]),
        ("DATE DATE REVERSE DATE", [3, 1, 2]),
    ])
    def test_each_key(wire, three, keys, order):
        assert numbers(wire.ok(f"SORT ({keys}) UTF-8 ALL")) == order

    def test_only_what_the_search_finds_is_sorted(wire, three):
        assert numbers(wire.ok("SORT (SUBJECT) US-ASCII SUBJECT apple")) == [2, 3]
        assert numbers(wire.ok("SORT (DATE) UTF-8 2:3")) == [3, 2]
        assert numbers(wire.ok("SORT (DATE) UTF-8 NOT ALL")) == []
        wire.ok(r"STORE 1 +FLAGS (\Deleted)")
        wire.ok("EXPUNGE")
        assert numbers(wire.ok("SORT (DATE) UTF-8 ALL")) == [2, 1]
        assert numbers(wire.ok("UID SORT (DATE) UTF-8 ALL")) == [3, 2]

    def test_return_options(wire, three):
        def esearch(options, command="SORT"):
            answer, = [a for a in wire.ok(f"{command} RETURN ({options}) (DATE) UTF-8 ALL") if b"ESEARCH" in a]
            return re.sub(rb'\* ESEARCH \(TAG "[^"]*"\)', b"", answer)

        assert esearch("") == b" ALL 3,1:2"
        assert esearch("MIN MAX COUNT") == b" MIN 3 MAX 2 COUNT 3"
        assert esearch("ALL", "UID SORT") == b" UID ALL 3,1:2"
        assert len(wire.ok("SORT RETURN (SAVE) (DATE) UTF-8 2:3")) == 1, "RFC 5182 2.1: SAVE alone is not answered"
        assert numbers(wire.ok("SORT (DATE) UTF-8 $")) == [3, 2]

    def test_a_wrong_command_is_told_what_is_wrong(wire, three):
        for bad in ("SORT", "SORT DATE UTF-8 ALL", "SORT () UTF-8 ALL", "SORT (SHOE) UTF-8 ALL", "SORT (DATE ALL",
                    "SORT (REVERSE) UTF-8 ALL", "SORT (DATE)", "SORT (DATE) UTF-8", "SORT (DATE) UTF-8 NOSUCHKEY",
                    "SORT (DATE) UTF-8 ALL)", "SORT RETURN (LAST) (DATE) UTF-8 ALL"):
            answer = wire.command(bad)[-1]
            assert b" BAD " in answer[:12] and len(answer) > 15, (bad, answer)
        assert b"NO [BADCHARSET (US-ASCII UTF-8)]" in wire.command("SORT (DATE) KOI8-R ALL")[-1]

    def test_mod_sequences_end_the_answer(wire, three):
        if config_symbols().get("CONDSTORE") == "y":
            assert re.match(rb"\* SORT 3 1 2 \(MODSEQ \d+\)$", wire.ok("SORT (DATE) UTF-8 MODSEQ 1")[-2])

    def test_expunges_are_held_back(server, wire, three):
        with server.raw_imap() as other:
            other.login().ok(f"SELECT {three}")
            other.ok(r"STORE 1 +FLAGS.SILENT (\Deleted)")
            other.ok("EXPUNGE")
        answers = wire.ok("SORT (DATE) UTF-8 ALL")
        assert numbers(answers) == [3, 2] and not [a for a in answers if b"EXPUNGE" in a]
        assert b"* 1 EXPUNGE" in wire.ok("UID SORT (DATE) UTF-8 ALL")

    def test_marks_stand_behind_their_letters(wire):
        """RFC 5051: letters are taken apart."""
        new_mailbox(wire, [simple(f"=?utf-8?q?{s}?=") for s in (
            "B", "=C3=84", "a", "=C3=A4x", "AB", "=D0=AF", "=D0=81", "=D0=96", "=C3=B8")])
        # a AB ä äx B ø Ё Ж Я: a mark is above all ASCII
        assert numbers(wire.ok("SORT (SUBJECT) UTF-8 ALL")) == [3, 5, 2, 4, 1, 9, 7, 8, 6]

    def test_capitals_do_not_count_and_stand_in_front_of_underscores(wire):
        new_mailbox(wire, [simple(s) for s in ("a_b", "AZb", "azB", "aab", "a", "a!")])
        assert numbers(wire.ok("SORT (SUBJECT) UTF-8 ALL")) == [5, 6, 4, 2, 3, 1]

    def test_a_damaged_date_is_read_as_far_as_it_goes(wire):
        name = new_mailbox(wire)
        for date in ("Thu, 1 Feb 2024 77:00:00 +0000", "Thu, 1 Feb 2024 00:00:01 +9999", "1 Feb 2024",
                     "sometime", "Wed, 31 Jan 2024 23:59:59 +0000"):
            append(wire, name, simple(Date=date), '"02-Feb-2024 12:00:00 +0000"')
        wire.ok("NOOP")
        assert numbers(wire.ok("SORT (DATE) UTF-8 ALL")) == [5, 1, 3, 2, 4]

    def test_a_group_is_known_by_its_name(wire):
        new_mailbox(wire, [simple(To=to) for to in ("m@x", "=?utf-8?q?L=C3=B6?=: z@x, a@x;", "n@x", "lost:;")])
        assert numbers(wire.ok("SORT (DISPLAYTO) UTF-8 ALL")) == [4, 2, 1, 3]

    def test_a_slow_model_agrees(wire):
        seed = random.randrange(10**9)
        texts = corpus(seed, 150)
        name = new_mailbox(wire, select=False)
        for n, text in enumerate(texts):
            append(wire, name, text, f'"{1 + n % 28:2}-Mar-2024 12:00:00 +0000"')
        wire.ok(f"SELECT {name}")
        mails = [Mail(n + 1, text, 1709294400 + n % 28 * 86400) for n, text in enumerate(texts)]
        for keys in ("DATE", "SUBJECT", "FROM", "TO", "CC", "SIZE", "ARRIVAL", "REVERSE SUBJECT DATE", "CC REVERSE TO SIZE",
                     "DISPLAYFROM SUBJECT", "DISPLAYTO REVERSE ARRIVAL", "REVERSE FROM REVERSE DATE"):
            assert numbers(wire.ok(f"SORT ({keys}) UTF-8 ALL")) == sort(mails, keys), (seed, keys)
