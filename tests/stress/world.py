# SPDX-License-Identifier: 0BSD
"""What all sessions of the stress together know of the mailboxes: what was promised and must be so."""

import re
import threading
import time


class Violation(AssertionError):
    """The server said something that cannot be."""


def need(truth, *what):
    if not truth:
        raise Violation(" ".join(str(w) for w in what))


class Message:
    """One message in one mailbox: (mailbox, UIDVALIDITY, UID) is its key."""

    def __init__(self):
        self.fixed = {}           # data items that never change, by name
        self.promised = False     # a tagged OK said that it is there
        self.may_go = False       # somebody asked for something that may remove it
        self.gone = None          # when the first session was told that it is gone
        self.keywords = {}        # {session: does it carry that session's keyword?}, as that session knows
        self.replaced = False     # STORE FLAGS by another took keywords away


class World:
    def __init__(self):
        self.lock = threading.RLock()
        self.messages = {}
        self.bodies = {}          # X-Stress-Id -> octets
        self.delivered = set()    # ids that LMTP was told 250 for
        self.maybe = set()        # ids of those whose client hung up
        self.serial = 0

    def new_body(self, who):
        with self.lock:
            self.serial += 1
            name = f"{who}.{self.serial}"
            lines = "".join(f"line {n} of {name}\r\n" for n in range(self.serial % 40))
            thread = self.serial // 7
            text = (f"From: {who} <{who}@example.org>\r\nTo: demo@example.org\r\n"
                    f"Subject: {'Re: ' * (self.serial % 3)}thread {thread}\r\n"
                    f"Date: Thu, {1 + self.serial % 28} Feb 2024 12:00:{self.serial % 60:02} +0000\r\n"
                    f"Message-ID: <{name}@example.org>\r\nX-Stress-Id: {name}\r\n\r\n{lines}").encode()
            self.bodies[name] = text
            return name, text

    def message(self, key):
        with self.lock:
            return self.messages.setdefault(key, Message())

    def promise(self, key, name=None, size=None):
        """The server said that this message was stored."""
        with self.lock:
            m = self.message(key)
            need(not m.promised, f"{key} was given twice")
            m.promised = True
            if name:
                self.fix(key, b"ID", name.encode())
                size = len(self.bodies[name])
            if size is not None:
                self.fix(key, b"RFC822.SIZE", str(size).encode())

    def fix(self, key, item, value):
        """A data item that can have one value for ever."""
        with self.lock:
            m = self.message(key)
            before = m.fixed.setdefault(item, value)
            need(before == value, f"{key}: {item} was {before!r} and is {value!r}")

    def same(self, old, new):
        """`new` is a copy of `old`, with its flags: also \\Deleted (RFC 9051 6.4.7)."""
        with self.lock:
            self.message(new).may_go |= self.message(old).may_go
            for item in (b"ID", b"RFC822.SIZE", b"INTERNALDATE"):
                if item in self.message(old).fixed:
                    self.fix(new, item, self.message(old).fixed[item])

    def may_go(self, keys):
        with self.lock:
            for key in keys:
                self.message(key).may_go = True

    def went(self, key):
        with self.lock:
            m = self.message(key)
            need(m.may_go, f"{key} is said to be gone; nobody asked for that")
            m.gone = m.gone or time.monotonic()

    def check_end(self, boxes):
        """boxes: {(mailbox, uidvalidity): {uid: id}}: all that is there once it is quiet."""
        with self.lock:
            for key, m in self.messages.items():
                box = boxes.get(key[:2])
                if box is None:
                    continue          # the mailbox itself is gone
                if key[2] in box:
                    need(not m.gone, f"{key} was said to be gone and is there")
                    need(m.promised or box[key[2]] in self.delivered or box[key[2]].decode() in self.maybe,
                         f"{key} is there; nobody stored it")
                    need(m.fixed.get(b"ID", box[key[2]]) == box[key[2]], f"{key} has another message's text")
                else:
                    stored = m.promised or m.fixed.get(b"ID") in self.delivered
                    need(m.may_go or not stored, f"{key} is lost")
                    m.gone = m.gone or time.monotonic()
            self.check_deliveries(boxes)

    def check_deliveries(self, boxes):
        seen = {m.fixed.get(b"ID") for m in self.messages.values()}
        seen.update(name for uids in boxes.values() for name in uids.values())
        need(self.delivered <= seen, f"deliveries are lost: {sorted(self.delivered - seen)}")


ID_FIELD = b"BODY[HEADER.FIELDS (X-STRESS-ID)]"


def id_of(text):
    match = re.search(rb"X-Stress-Id: (\S+)", text)
    return match.group(1) if match else None
