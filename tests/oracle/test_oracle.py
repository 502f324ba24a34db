# SPDX-License-Identifier: 0BSD
"""SORT and THREAD beside Debian's Dovecot, on the same mail. What differs is told in docs/oracle.md, and here.

`make check-oracle`, as root; Dovecot's packages are installed where they are not.
"""

import imaplib
import os
import pathlib
import random
import shutil
import sys
import tempfile

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parent.parent / "bench")]

from harness.rfc5256 import corpus, parse_threads  # noqa: E402
from harness.server import config_symbols  # noqa: E402
from peers import Dovecot  # noqa: E402
from targets import PASSWORD, Satchel  # noqa: E402

pytestmark = pytest.mark.needs_root
USER = "oracle"
KEYS = ("DATE", "SUBJECT", "FROM", "TO", "CC", "SIZE", "ARRIVAL", "DISPLAYFROM", "DISPLAYTO")
SEED = int(os.environ.get("SEED") or random.randrange(10**9))


@pytest.fixture(scope="module")
def servers():
    here = config_symbols()
    assert here.get("SORT") == here.get("THREAD") == "y", "SORT and THREAD are not in this build"
    root = pathlib.Path(tempfile.mkdtemp(prefix="satchel-oracle-"))
    root.chmod(0o755)
    found = []
    try:
        for kind in (Satchel, Dovecot):
            found.append(kind(root, [USER]))
            found[-1].start()
        yield found
    finally:
        for server in found:
            server.stop()
        shutil.rmtree(root, ignore_errors=True)


def login(server):
    client = imaplib.IMAP4("127.0.0.1", server.imap_port, timeout=60)
    client.login(USER, PASSWORD)
    return client


@pytest.fixture
def both(servers):
    """fill(texts) puts the same mail into a new mailbox of each and selects it; returns the two clients."""
    clients = [login(server) for server in servers]

    def fill(texts):
        name = f"box{random.randrange(10**9)}"
        for client in clients:
            assert client.create(name)[0] == "OK"
            for n, text in enumerate(texts):
                date = f'"{1 + n % 28:02}-Mar-2024 12:00:00 +0000"'
                assert client.append(name, None, date, text)[0] == "OK"
            assert client.select(name)[0] == "OK"
        return clients
    yield fill
    for client in clients:
        client.logout()


def sorted_by(client, keys, search="ALL"):
    status, data = client.sort(f"({keys})", "UTF-8", search)
    assert status == "OK", data
    return [int(n) for n in data[0].split()]


def threads(client, algorithm="REFERENCES"):
    status, data = client.thread(algorithm, "UTF-8", "ALL")
    assert status == "OK", data
    return parse_threads((data[0] or b"").decode())


# What mailers send, and what the grammar of RFC 5256 2.1 makes one think of.
SUBJECTS = [
    "hello", "Re: hello", "re : hello", "Re[2]: hello", "fwd [a]:hello", "[list] hello", "[list] Re: [list] hello",
    "[a] [b] re: hello", "hello (fwd)", "hello (FWD) (fwd)  ", "[fwd: hello]", "[Fwd: Re: hello (fwd)]",
    "[fwd: [fwd: hello]]", "Re: [list] [Fwd: hello]", "=?utf-8?q?Re:_hello?=", "=?iso-8859-1?b?aGVsbG8=?=",
    "[list]", "[other] [list]", "re: [list]", "re:", "(fwd)", "fwd: re: (fwd)", "[fwd:]", "", "re hello", "[x] re hello",
    "response: hello", "fw d: x", "x (fwd) y", "Re: x  (fwd)\ty", "[a[b] x", "=?utf-8?q?Re:_=C3=84?=", "=?utf-8?q?=C3=A4?=",
    "a_b", "azb", "AZb", "a!", "=?utf-8?q?=D0=81?=", "=?utf-8?q?=D0=96?=", "=?utf-8?q?=C3=B8?=", "ab", "b"]
DATES = ["Thu, 1 Feb 2024 12:34:56 +0100", "Thu, 1 Feb 2024 12:34:56", "1 Feb 24 12:34 EST", "Thu, 1 Feb 2024 11:34:57 GMT",
         "Thu, 1 Feb 2024 12:34:56 +0100 (CET)", "1 Feb 2024 23:59:60 +0000"]
PEOPLE = ["a@x", "A B <c@x>", '"Z" <a@b>', "=?utf-8?q?=C3=89mile?= <e@x>", "<@r,@s:m@h>", "x@y (Comment)", "",
          '"q\\"x"@h']
GROUPS = ["friends: a@b, c@d;", "undisclosed-recipients:;"]


def mail(n, subject="s", date="Thu, 1 Feb 2024 12:00:00 +0000", to="t@x"):
    return (f"From: f@x\r\nTo: {to}\r\nSubject: {subject}\r\nDate: {date}\r\nMessage-ID: <{n}@x>\r\n\r\n"
            "text\r\n").encode()


def alike(both, mails, *keys):
    clients = both(mails)
    for key in keys:
        ours, theirs = (sorted_by(client, key) for client in clients)
        assert ours == theirs, [mails[n - 1] for n in ours if ours.index(n) != theirs.index(n)]


def test_subjects_alike(both):
    subjects = [*SUBJECTS, *SUBJECTS]
    random.Random(SEED).shuffle(subjects)
    mails = [mail(n, s) for n, s in enumerate(subjects)]
    alike(both, mails, "SUBJECT", "REVERSE SUBJECT")
    for algorithm in ("REFERENCES", "ORDEREDSUBJECT"):
        ours, theirs = (threads(client, algorithm) for client in both(mails))
        assert ours == theirs, SEED


def test_dates_alike(both):
    alike(both, [mail(n, date=d) for n, d in enumerate(DATES)], "DATE")


@pytest.mark.parametrize("key", ["TO", "DISPLAYTO"])
def test_people_alike(both, key):
    alike(both, [mail(n, to=p) for n, p in enumerate(PEOPLE)], key)


@pytest.mark.parametrize("key", ["TO", "DISPLAYTO"])
def test_groups_alike(both, key):
    alike(both, [mail(n, to=p) for n, p in enumerate([*PEOPLE[:4], *GROUPS])], key)


# (key, field, values, our order, Dovecot's): why is told in docs/oracle.md.
@pytest.mark.parametrize("key, field, values, our_order, their_order", [
    ("DATE", "date", ["Thu, 1 Feb 2024 10:00:00 +0000", "Thu, 1 Feb 2024 12:34:56 +9999",
                      "Thu, 1 Feb 2024 77:00:00 +0000", "1 Feb 2024", "Thu, 1 Feb 2024 23:00:00 +0000"],
     [3, 4, 1, 2, 5], [2, 1, 5, 3, 4]),
    ("DISPLAYTO", "to", ["m@h", "m", "m@z"], [2, 1, 3], [1, 2, 3]),
    ("TO", "to", ["b@x", "a b c", "z@x"], [2, 1, 3], [1, 2, 3]),
    ("DISPLAYTO", "to", ["friends: a@b;", "=?utf-8?q?L=C3=B6?=: z@x;", "zoo: z@x;"], [1, 2, 3], [2, 1, 3]),
])
def test_known_differences(both, key, field, values, our_order, their_order):
    ours, theirs = both([mail(n, **{field: value}) for n, value in enumerate(values)])
    assert (sorted_by(ours, key), sorted_by(theirs, key)) == (our_order, their_order)


@pytest.mark.parametrize("round_", range(4))
def test_sorted_alike(both, round_):
    ours, theirs = both(corpus(SEED + round_, 200))
    for key in KEYS:
        for keys in (key, f"REVERSE {key}", f"{key} REVERSE DATE", f"REVERSE {key} SIZE"):
            assert sorted_by(ours, keys) == sorted_by(theirs, keys), (SEED, round_, keys)
    for search in ("SUBJECT tea", "2:50", "NOT FROM a", "UNSEEN SINCE 5-Mar-2024"):
        assert sorted_by(ours, "SUBJECT", search) == sorted_by(theirs, "SUBJECT", search), (SEED, search)


@pytest.mark.parametrize("algorithm", ["REFERENCES", "ORDEREDSUBJECT"])
@pytest.mark.parametrize("round_", range(6))
def test_threaded_alike(both, algorithm, round_):
    ours, theirs = both(corpus(SEED + round_, 40))
    assert threads(ours, algorithm) == threads(theirs, algorithm), (SEED, round_)
