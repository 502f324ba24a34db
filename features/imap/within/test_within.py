# SPDX-License-Identifier: 0BSD
"""WITHIN (RFC 5032); nothing of it where it is not compiled in."""

import datetime

from harness.imap import append, new_mailbox, simple
from harness.server import config_symbols

ON = config_symbols().get("WITHIN") == "y"


def test_it_is_offered_where_it_is_compiled_in(wire):
    assert (b"WITHIN" in wire.ok("CAPABILITY")[0].split()) == ON


if not ON:
    def test_its_words_are_unknown(wire):
        new_mailbox(wire, [simple()])
        for key in ("OLDER 1", "YOUNGER 1"):
            assert b" BAD " in wire.command(f"SEARCH {key}")[-1][:12]
else:
    def test_age_in_seconds(wire):
        name = new_mailbox(wire, select=False)
        now = datetime.datetime.now(datetime.timezone.utc)
        for hours in (0, 1, 3, 30):
            when = now - datetime.timedelta(hours=hours)
            append(wire, name, simple(), when.strftime('"%d-%b-%Y %H:%M:%S +0000"'))
        wire.ok(f"SELECT {name}")
        for keys, found in (("YOUNGER 1800", b" 1"), ("OLDER 1800", b" 2 3 4"), ("YOUNGER 7200", b" 1 2"),
                            ("OLDER 7200 YOUNGER 36000", b" 3"), ("OLDER 4294967295", b""),
                            ("NOT YOUNGER 36000", b" 4"), ("younger 4294967295", b" 1 2 3 4")):
            assert wire.ok(f"SEARCH {keys}")[0] == b"* SEARCH" + found, keys

    def test_a_wrong_interval_is_told(wire):
        new_mailbox(wire, [simple()])
        for bad in ("OLDER", "OLDER 0", "YOUNGER -1", "YOUNGER 4294967296", "OLDER x", "YOUNGER 1x"):
            assert b" BAD " in wire.command(f"SEARCH {bad}")[-1][:12], bad
