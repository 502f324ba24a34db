# SPDX-License-Identifier: 0BSD
"""INPROGRESS (RFC 9585); nothing of it where it is not compiled in."""

import re

import pytest

from harness.imap import new_mailbox, simple
from harness.server import config_symbols

ON = config_symbols().get("INPROGRESS") == "y"
BIG = simple(body=("a line of text without the word\r\n" * 4000))


@pytest.fixture
def searching(fresh):
    """Thirty messages, of which a search reads a few in each of its turns; every turn is told."""
    if ON:
        fresh.settings["inprogress_seconds"] = "0"
    fresh.start()
    with fresh.raw_imap() as wire:
        wire.login()
        new_mailbox(wire, [BIG] * 30)
        yield wire


def test_it_is_told_where_it_is_compiled_in(searching):
    assert (b"INPROGRESS" in searching.ok("CAPABILITY")[0].split()) == ON
    answers = searching.ok("SEARCH BODY nowhere")
    found = [re.match(rb'\* OK \[INPROGRESS \("(\w+)" (\d+) (\d+)\)\] ', a) for a in answers[:-2]]
    assert all(found) and bool(found) == ON and answers[-2] == b"* SEARCH"
    done = [int(m.group(2)) for m in found]
    assert done == sorted(done) and all(0 < n <= 30 for n in done)
    assert all(m.group(1) == answers[-1].split()[0] and m.group(3) == b"30" for m in found)
    assert not [a for a in searching.ok("SEARCH ALL") if b"INPROGRESS" in a], "short ones are quiet"


if ON:
    def test_a_search_that_does_not_last_is_quiet(fresh):
        fresh.start()
        with fresh.raw_imap() as wire:
            wire.login()
            new_mailbox(wire, [BIG] * 30)
            assert len(wire.ok("SEARCH BODY nowhere")) == 2
