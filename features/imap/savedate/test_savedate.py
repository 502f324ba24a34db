# SPDX-License-Identifier: 0BSD
"""SAVEDATE (RFC 8514); nothing of it where it is not compiled in."""

import datetime
import email.utils
import re

from harness.imap import append, fetched, new_mailbox, simple
from harness.server import config_symbols

ON = config_symbols().get("SAVEDATE") == "y"


def test_it_is_offered_where_it_is_compiled_in(wire):
    assert (b"SAVEDATE" in wire.ok("CAPABILITY")[0].split()) == ON


if not ON:
    def test_its_words_are_unknown(wire):
        new_mailbox(wire, [simple()])
        for command in ("FETCH 1 SAVEDATE", "SEARCH SAVEDON 1-Feb-2024", "SEARCH SAVEDATESUPPORTED"):
            assert b" BAD " in wire.command(command)[-1][:12]
else:
    def saved(wire):
        found = [re.search(rb'SAVEDATE "([^"]*)"', text).group(1).decode()
                 for text in fetched(wire.ok("FETCH 1:* SAVEDATE")).values()]
        return [datetime.datetime.strptime(text.strip(), "%d-%b-%Y %H:%M:%S %z") for text in found]

    def day(when):
        return f"{when.day}-{email.utils.format_datetime(when).split()[2]}-{when.year}"

    def test_it_is_when_the_message_came_not_what_append_said(wire):
        name = new_mailbox(wire, select=False)
        append(wire, name, simple(), '"01-Feb-2020 12:00:00 +0000"')
        wire.ok(f"SELECT {name}")
        now = datetime.datetime.now(datetime.timezone.utc)
        when, = saved(wire)
        assert abs((now - when).total_seconds()) < 120
        yesterday, tomorrow = day(when - datetime.timedelta(1)), day(when + datetime.timedelta(1))
        for keys, found in ((f"SAVEDON {day(when)}", b" 1"), (f"SAVEDSINCE {day(when)}", b" 1"),
                            (f"SAVEDBEFORE {tomorrow}", b" 1"), (f'SAVEDBEFORE "{day(when)}"', b""),
                            (f"SAVEDSINCE {tomorrow}", b""), (f"SAVEDON {yesterday}", b""),
                            ("SAVEDATESUPPORTED", b" 1"), ("NOT SAVEDATESUPPORTED", b""), ("ON 1-Feb-2020", b" 1")):
            assert wire.ok(f"SEARCH {keys}")[0] == b"* SEARCH" + found, keys

    def test_a_wrong_date_is_told(wire):
        new_mailbox(wire, [simple()])
        for bad in ("SEARCH SAVEDON", "SEARCH SAVEDON yesterday", "SEARCH SAVEDON 1-Feb-2024x", "FETCH 1 SAVEDATE[]"):
            assert b" BAD " in wire.command(bad)[-1][:12], bad
