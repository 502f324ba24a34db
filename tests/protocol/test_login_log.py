# SPDX-License-Identifier: 0BSD
"""The log lines about logins and sessions that docs/users.md promises, and the filter it gives."""

import re
import subprocess
import time

from harness.server import quote
from harness.tree import TOP

LINE = r"""(?m)^satchel {role}\[\d+\]: {event} (.*)$"""


def lines(server, role, event, count=1):
    """The last lines of that kind, each as a dict; waits until there are so many."""
    pattern = LINE.format(role=role, event=re.escape(event))
    end = time.monotonic() + 10
    while True:
        found = re.findall(pattern, server.log())
        if len(found) >= count:
            return [dict(re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)', text)) for text in found]
        assert time.monotonic() < end, (event, server.log())
        time.sleep(0.02)


def test_a_session_leaves_a_line_at_its_login_and_one_at_its_end(fresh):
    fresh.start()
    with fresh.raw_imap().login() as wire:
        wire.ok("SELECT INBOX")
        time.sleep(1.1)
        wire.send("z LOGOUT\r\n")
        sent = len("t2 SELECT INBOX\r\n") + len("z LOGOUT\r\n")
        wire.until("z")
        assert wire.line() is None
    login = lines(fresh, "auth", "login")[-1]
    assert login == {"user": "demo", "mech": "LOGIN", "tls": "no", "peer": "127.0.0.1", "service": "imap"}
    end = lines(fresh, "mail", "session ended")[-1]
    assert {"user": "demo", "peer": "127.0.0.1", "service": "imap"}.items() <= end.items()
    assert int(end["in"]) == sent
    assert int(end["out"]) > 200
    assert int(end["seconds"]) in (1, 2, 3)


def test_a_client_that_vanishes_and_one_that_delivers_have_their_line_too(fresh):
    fresh.start()
    wire = fresh.raw_imap().login()
    wire.close()
    assert lines(fresh, "mail", "session ended")[0]["user"] == "demo"
    text = "Subject: x\r\n\r\n" + "x" * 70 + "\r\n"
    fresh.deliver(text)
    end = lines(fresh, "mail", "session ended", 2)[1]
    assert end["user"] == '""' and end["service"] == "lmtp"
    assert int(end["in"]) > len(text)


def test_pipelined_bytes_count_once(fresh):
    fresh.start()
    with fresh.raw_imap() as wire:
        wire.line()
        rest = "b NOOP\r\nc LOGOUT\r\n"
        wire.send(f"a LOGIN demo {quote(fresh.password)}\r\n{rest}")
        assert wire.until("c")[-1].startswith(b"c OK")
    assert int(lines(fresh, "mail", "session ended")[0]["in"]) == len(rest)


NAMES = ["demo", "nobody", "a b", 'x" peer=192.0.2.66 service=imap', "peer=192.0.2.66", "back\\slash", "é",
         "a" * 300, "x\r\nsatchel auth[1]: login failed user=x mech=LOGIN tls=no peer=192.0.2.66 service=imap"]


def failed_logins(server):
    for name in NAMES:
        with server.raw_imap() as wire:
            wire.line()
            wire.send(f"a LOGIN {{{len(name.encode())}+}}\r\n".encode() + name.encode() + b" wrong\r\n")
            assert b" NO " in wire.until("a")[-1]


def filter_line():
    text = (TOP / "docs" / "users.md").read_text()
    return re.search(r"(?m)^failregex = (.*)$", text).group(1)


def test_the_filter_in_the_docs_finds_each_failure_and_the_address_alone(fresh):
    """Whatever the name was; and nothing else in the log."""
    fresh.settings["login_failure_delay"] = "0"
    fresh.start()
    with fresh.raw_imap().login() as wire:
        wire.ok("NOOP")
    failed_logins(fresh)
    lines(fresh, "auth", "login failed", len(NAMES))
    (fresh.dir / "filter.conf").write_text(
        f"[Definition]\ndatepattern = {{NONE}}\nfailregex = {filter_line()}\n")
    done = subprocess.run(["fail2ban-regex", "-o", "ip", str(fresh.log_path), str(fresh.dir / "filter.conf")],
                          capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["127.0.0.1"] * len(NAMES), done.stdout
