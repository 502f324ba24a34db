# SPDX-License-Identifier: 0BSD
"""SEARCH (RFC 3501 6.4.4, RFC 9051 6.4.4), ESEARCH (RFC 4731), SEARCHRES (RFC 5182)."""

import base64
import time

import pytest

from harness.imap import append, fetched, simple

LATIN = ("From: =?iso-8859-1?Q?J=F6rg?= <joerg@example.org>\r\n"
         "To: all@example.org\r\nCc: copy@example.org\r\nBcc: blind@example.org\r\n"
         "Subject: =?utf-8?B?" + base64.b64encode("Größe und Höhe".encode()).decode() + "?=\r\n"
         "Date: Fri, 2 Feb 2024 00:30:00 +1200\r\n"
         "X-Label: one\r\n two\r\n"
         "Content-Type: text/plain; charset=iso-8859-1\r\n"
         "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
         "Die Stra=DFe hei=\r\n=DFt so\r\n")
ENCODED = ("From: b@example.org\r\nSubject: attached\r\nDate: Sat, 3 Feb 2024 12:00:00 +0000\r\n"
           "Content-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\n"
           "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n"
           + base64.b64encode(b"hidden Needle inside").decode() + "\r\n--q\r\n"
           "Content-Type: image/png; name=picture.png\r\n\r\nNOTTEXT\r\n--q--\r\n")
PLAIN = simple("Plain Subject", "Some plain words.\r\n")

# number: (message, flags and internal date)
MAILBOX = [
    (PLAIN, r'(\Seen) "01-Jan-2024 23:30:00 -0500"'),
    (LATIN, r'(\Answered \Flagged) "02-Jan-2024 00:10:00 +0000"'),
    (ENCODED, r'($Junk) "03-Jan-2024 12:00:00 +0000"'),
    (simple("Large", "x" * 20000 + "\r\n"), r'(\Deleted \Draft) "04-Jan-2024 12:00:00 +0000"'),
    ("Subject: no date\r\n\r\nbare\r\n", r'"05-Jan-2024 12:00:00 +0000"'),
]


@pytest.fixture(scope="module")
def filled(server):
    with server.raw_imap() as client:
        client.login()
        client.ok("CREATE search")
        for message, arguments in MAILBOX:
            append(client, "search", message, arguments)
    return "search"


@pytest.fixture
def wire(server, filled):
    with server.raw_imap() as client:
        client.login()
        client.ok(f"EXAMINE {filled}")
        yield client


def search(wire, keys, command="SEARCH"):
    answers = wire.ok(f"{command} {keys}")
    assert answers[0].startswith(b"* SEARCH"), answers
    return [int(n) for n in answers[0].split()[2:]]


@pytest.mark.parametrize("keys, want", [
    ("ALL", [1, 2, 3, 4, 5]),
    ("SEEN", [1]), ("UNSEEN", [2, 3, 4, 5]),
    ("ANSWERED", [2]), ("UNANSWERED", [1, 3, 4, 5]),
    ("FLAGGED", [2]), ("UNFLAGGED UNSEEN", [3, 4, 5]),
    ("DELETED", [4]), ("UNDELETED", [1, 2, 3, 5]),
    ("DRAFT", [4]), ("UNDRAFT", [1, 2, 3, 5]),
    ("KEYWORD $Junk", [3]), ("KEYWORD $junk", [3]), ("UNKEYWORD $Junk", [1, 2, 4, 5]),
    ("KEYWORD Unheard", []), ("UNKEYWORD Unheard", [1, 2, 3, 4, 5]),
    ("LARGER 10000", [4]), ("SMALLER 40", [5]), ("NOT LARGER 10000", [1, 2, 3, 5]),
    ("BEFORE 2-Jan-2024", [1]), ("ON 1-Jan-2024", [1]), ("ON 2-Jan-2024", [2]),
    ("SINCE 4-Jan-2024", [4, 5]), ('SINCE "04-jan-2024"', [4, 5]),
    ("SENTON 1-Feb-2024", [1, 4]), ("SENTON 2-Feb-2024", [2]), ("SENTBEFORE 2-Feb-2024", [1, 4]),
    ("SENTSINCE 2-Feb-2024", [2, 3]),
    ("FROM sender@EXAMPLE.org", [1, 4]), ("TO demo", [1, 4]), ("CC copy", [2]), ("BCC blind", [2]),
    ("SUBJECT PLAIN", [1]), ('SUBJECT "plain subject"', [1]), ("SUBJECT nowhere", []),
    ('HEADER X-Label "one two"', [2]), ('HEADER X-Label ""', [2]), ('HEADER message-id ""', [1, 4]),
    ("BODY needle", [3]), ("BODY NOTTEXT", []), ("BODY words", [1]), ("BODY subject", []),
    ("TEXT subject", [1, 2, 3, 4, 5]), ("TEXT picture.png", [3]), ("TEXT blind@", [2]),
    ("1:2,5", [1, 2, 5]), ("*", [5]), ("4:*", [4, 5]), ("900", []), ("UID 2:3", [2, 3]),
    ("UID 900:*", [5]), ("2:4 UID 3:9", [3, 4]), ("NOT 1:3", [4, 5]), ("NOT UID 2", [1, 3, 4, 5]),
    ("OR SEEN DELETED", [1, 4]), ("OR (SEEN SUBJECT Plain) (FLAGGED FROM nobody)", [1]),
    ("NOT (OR SEEN DELETED)", [2, 3, 5]), ("(((ALL)))", [1, 2, 3, 4, 5]),
    ("NOT NOT SEEN", [1]), ("not seen Not deleted", [2, 3, 5]),
    ("CHARSET us-ascii SUBJECT plain", [1]),
])
def test_every_key_finds_its_messages(wire, keys, want):
    assert search(wire, keys) == want
    assert search(wire, keys, "UID SEARCH") == want, "UIDs are the same numbers here"


@pytest.mark.parametrize("key, text, want", [
    ("SUBJECT", "größe", [2]), ("SUBJECT", "GRÖSSE".replace("SS", "ß"), [2]), ("FROM", "JÖRG", [2]),
    ("BODY", "Straße heißt", [2]), ("TEXT", "höhe", [2]), ("SUBJECT", "grösze", []),
])
def test_text_beyond_ascii_is_found_decoded_and_in_any_case(wire, key, text, want):
    data = text.encode()
    wire.send(b"u SEARCH CHARSET UTF-8 %s {%d+}\r\n%s\r\n" % (key.encode(), len(data), data))
    answers = wire.until("u")
    assert answers[0].split()[2:] == [str(n).encode() for n in want], answers


def test_a_long_search_lets_other_sessions_run(server, wire, filled):
    with server.raw_imap() as slow, server.raw_imap() as quick:
        quick.login()
        slow.login().ok("CREATE long")
        body = simple(body="word after word\r\n" * 6000)
        append(slow, "long", body)
        slow.ok("SELECT long")
        for size in (1, 2, 4, 8, 16, 32, 64, 128):
            slow.ok(f"COPY 1:{size} long")
        slow.send("s SEARCH " + "OR BODY nowhere " * 49 + "BODY nowhere\r\n")
        time.sleep(0.05)
        waits = []
        for _ in range(20):
            start = time.monotonic()
            quick.ok("NOOP")
            waits.append(time.monotonic() - start)
        assert sorted(waits)[10] < 0.2, waits
        answers = slow.until("s")
        assert answers[0] == b"* SEARCH", answers[0][:80]


def test_an_unknown_charset_is_refused_with_those_that_are_known(wire):
    done = wire.command("SEARCH CHARSET KOI8-R SUBJECT x")[-1]
    assert b" NO [BADCHARSET (US-ASCII UTF-8)]" in done


@pytest.mark.parametrize("keys", [
    "", " ", "NOSUCH", "SEEN  UNSEEN", "(SEEN", "SEEN)", "()", "OR SEEN", "NOT", "FROM", "ON 31", "ON 1-Foo-2024",
    "LARGER x", "UID x", "KEYWORD", "HEADER Subject", "0", "1:", "CHARSET", "RETURN ALL", "RETURN (WHAT) ALL",
    "RETURN (", "BODY x " * 60 + "ALL", "SUBJECT x " * 600 + "ALL", "(" * 300 + "ALL" + ")" * 300, "NOT " * 300 + "ALL", "$ $ (",
])
def test_malformed_searches_are_bad_and_the_session_goes_on(wire, keys):
    assert b" BAD " in wire.command(f"SEARCH {keys}")[-1][:12]
    assert search(wire, "SEEN") == [1]


@pytest.mark.parametrize("options, keys, want", [
    ("", "UNSEEN", b"ALL 2:5"),
    ("ALL", "OR 1 4:5", b"ALL 1,4:5"),
    ("COUNT", "UNSEEN", b"COUNT 4"),
    ("MIN MAX", "UNSEEN", b"MIN 2 MAX 5"),
    ("MAX COUNT ALL MIN", "2:3", b"MIN 2 MAX 3 COUNT 2 ALL 2:3"),
    ("COUNT MIN ALL", "KEYWORD Unheard", b"COUNT 0"),
    ("ALL", "KEYWORD Unheard", None),
])
def test_return_options_are_answered_with_esearch(wire, options, keys, want):
    want = b" " + want if want else b""
    answers = wire.ok(f"SEARCH RETURN ({options}) {keys}")
    tag = answers[-1].split()[0]
    assert answers[0] == b'* ESEARCH (TAG "%s")' % tag + want
    answers = wire.ok(f"UID SEARCH RETURN ({options}) {keys}")
    tag = answers[-1].split()[0]
    assert answers[0] == b'* ESEARCH (TAG "%s") UID' % tag + want


def test_a_saved_result_stands_for_its_messages(wire):
    assert not [a for a in wire.ok("SEARCH RETURN (SAVE) UNSEEN") if a.startswith(b"* ")]
    assert fetched(wire.ok("FETCH $ UID")).keys() == {2, 3, 4, 5}
    assert search(wire, "$ SMALLER 10000", "UID SEARCH") == [2, 3, 5]
    assert search(wire, "UID $ DELETED") == [4]
    assert search(wire, "NOT $") == [1]
    assert b"COUNT 2" in wire.ok("SEARCH RETURN (SAVE COUNT) 1:2")[0]
    assert fetched(wire.ok("UID FETCH $ (UID)")).keys() == {1, 2}
    assert b"MIN 2 MAX 5" in wire.ok("SEARCH RETURN (SAVE MIN MAX) UNSEEN")[0]
    assert search(wire, "$") == [2, 5]
    wire.ok("SEARCH RETURN (SAVE) KEYWORD Unheard")
    assert fetched(wire.ok("FETCH $ UID")) == {}


def test_a_saved_result_is_forgotten_with_its_mailbox(wire):
    wire.ok("SEARCH RETURN (SAVE) ALL")
    wire.ok("EXAMINE search")
    assert search(wire, "$") == []


def test_a_bad_search_leaves_the_saved_result_alone_and_a_refused_one_empties_it(wire):
    wire.ok("SEARCH RETURN (SAVE) 1:2")
    assert b" BAD " in wire.command("SEARCH RETURN (SAVE) NOSUCH")[-1]
    assert search(wire, "$") == [1, 2]
    assert b" NO " in wire.command("SEARCH RETURN (SAVE) CHARSET X-NONE TEXT x")[-1]
    assert search(wire, "$") == []


def test_recent_messages_are_new_until_they_are_seen(server):
    with server.raw_imap() as client:
        client.login()
        client.ok("CREATE recent")
        append(client, "recent", simple())
        append(client, "recent", simple(), r"(\Seen)")
        client.ok("SELECT recent")
        assert search(client, "RECENT") == [1, 2]
        assert search(client, "NEW") == [1]
        assert search(client, "OLD") == []
        client.ok("SELECT recent")
        assert search(client, "RECENT") == []
        assert search(client, "OLD") == [1, 2]


def test_an_empty_mailbox_is_searched_without_error(server):
    with server.raw_imap() as client:
        client.login()
        client.ok("CREATE void")
        client.ok("SELECT void")
        for keys in ("ALL", "1:*", "*", "UID 1:*", "BODY x"):
            assert search(client, keys) == []


def test_rev2_answers_with_esearch_alone(server, config):
    offered = all(config.get(name) == "y" for name in ("IDLE", "NAMESPACE", "UNSELECT", "MOVE"))
    with server.raw_imap() as client:
        client.login()
        enabled = b"IMAP4rev2" in b" ".join(client.ok("ENABLE IMAP4rev2")[:-1])
        assert enabled == offered
        client.ok("EXAMINE search")
        answer = client.ok("SEARCH DELETED")[0]
        assert answer.startswith(b"* ESEARCH (TAG" if offered else b"* SEARCH 4"), answer
