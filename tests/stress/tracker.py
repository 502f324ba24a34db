# SPDX-License-Identifier: 0BSD
"""One IMAP session that checks every response against what a client may believe by now."""

import collections
import re
import time

from harness.server import Wire
from responses import as_set, attributes, code, numbers
from world import ID_FIELD, id_of, need

FIXED = (b"RFC822.SIZE", b"INTERNALDATE", b"ENVELOPE", b"BODYSTRUCTURE", b"EMAILID", b"SAVEDATE")


class Command:
    """A command on its way: what it may change, and what is done with its end."""

    def __init__(self, text, *, expunges=True, flags=None, done=None, untagged=None, resync=None):
        self.text = text
        self.expunges = expunges   # may EXPUNGE stand among its answers (RFC 9051 7.5.1)?
        self.flags = flags         # {uid: what becomes of our keyword}, while it runs
        self.done = done           # called with the tagged line
        self.untagged = untagged   # called with other untagged lines
        self.resync = resync       # gets all untagged lines instead
        self.sent = None


class Box:
    """The selected mailbox as the client knows it."""

    def __init__(self, name, passing=False):
        self.name, self.uidvalidity, self.passing = name, None, passing
        self.uids = []             # by sequence number; None: not known yet
        self.flags = {}            # uid -> frozenset, as told last
        self.modseq = {}           # uid -> as told last
        self.highest = self.cached = 0
        self.readonly = False
        self.opening = True

    def key(self, uid):
        return (self.name, self.uidvalidity, uid)


class Session:
    passing_names = ()             # mailboxes that another may delete at any time

    def __init__(self, number, server, world, random):
        self.number, self.server, self.world, self.random = number, server, world, random
        self.keyword = f"$s{number}"
        self.box, self.wire = None, None
        self.caches = {}           # mailbox name -> Box, for QRESYNC
        self.commands = 0
        self.trace = collections.deque(maxlen=60)
        self.may_end = False       # it may, because another deleted the mailbox
        self.ended = False         # the server said BYE
        self.qresync = self.condstore = False

    # ---- the connection ----

    def connect(self):
        self.wire = Wire(("127.0.0.1", self.server.imap_port), timeout=60)
        self.wire.login()
        self.capabilities = self.wire.ok("CAPABILITY")[0].split()[2:]
        self.box = None
        self.qresync = self.condstore = False
        kind = self.number % 3
        if kind == 1 and b"QRESYNC" in self.capabilities:
            self.run(Command("ENABLE QRESYNC"))
            self.qresync = self.condstore = True
        elif kind == 2 and b"CONDSTORE" in self.capabilities:
            self.run(Command("ENABLE CONDSTORE"))
            self.condstore = True

    def drop(self):
        """As a network does it."""
        self.ended = self.may_end = False
        if self.wire:
            self.wire.close()
        self.remember()
        self.wire = None

    def run(self, *commands):
        """Sends them in one go, as pipelining allows, then reads all answers."""
        data = b""
        for c in commands:
            self.wire.tags += 1
            c.tag = f"t{self.wire.tags}".encode()
            text = c.text if isinstance(c.text, bytes) else c.text.encode()
            data += c.tag + b" " + text + b"\r\n"
            self.trace.append(b"C: " + c.tag + b" " + text)
        now = time.monotonic()
        self.send(data)
        for c in commands:
            c.sent = now
            if not self.ended:
                self.answers(c)
                self.commands += 1
        if self.ended:
            self.drop()
        elif self.box and all(uid in self.box.flags for uid in self.box.uids):
            self.box.cached = self.box.highest   # RFC 7162 3.1.2.1: all up to here is known

    def answers(self, c):
        while True:
            line = self.heard()
            if line is None and (self.ended or self.may_end):
                self.ended = True
                return
            need(line is not None, f"the connection ended in {c.text!r}", self.story())
            try:
                if line.startswith(c.tag + b" "):
                    need(not line.startswith(c.tag + b" BAD"), "refused")
                    if self.box:
                        self.on_ok(line)
                    if c.done:
                        c.done(line)
                    return
                self.untagged(c, line)
            except AssertionError as error:
                raise type(error)(f"session {self.number}, {c.text!r}: {error}{self.story()}") from None

    def send(self, data):
        try:
            self.wire.send(data)
        except OSError:
            need(self.may_end, "the connection ended", self.story())
            self.ended = True

    def heard(self):
        line = self.wire.response()
        self.trace.append(b"S: " + (line or b"(end)"))
        return line

    def story(self):
        """The last lines of this connection, for whoever reads of a violation."""
        return "".join(f"\n    {line[:300].decode(errors='replace')}" for line in self.trace)

    # ---- untagged responses ----

    def untagged(self, c, line):
        if c.resync is not None and not line.startswith(b"* BYE"):
            c.resync.append(line)
            return None
        match = re.match(rb"\* (\d+) (EXISTS|EXPUNGE|FETCH|RECENT)(?: (.*))?$", line, re.DOTALL)
        if match:
            number, what = int(match.group(1)), match.group(2)
            need(self.box, "no mailbox is selected")
            return getattr(self, "on_" + what.decode().lower())(c, number, match.group(3))
        match = re.match(rb"\* VANISHED( \(EARLIER\))? (\S+)$", line)
        if match:
            return self.on_vanished(c, numbers(match.group(2)), bool(match.group(1)))
        if line.startswith(b"* OK [") and self.box:
            self.on_ok(line)
        if line.startswith(b"* BYE") and self.may_end:
            self.ended = True      # the mailbox was deleted by another; the tagged answer comes yet
            return None
        need(not line.startswith((b"* BYE", b"* BAD")), "unasked")
        if line.startswith(b"* OK [CLOSED]") and "DELETE" in c.text:
            need(self.may_end, "closed; nobody deleted it")
            self.box, self.may_end = None, False
        if c.untagged:
            c.untagged(line)
        return None

    def on_ok(self, line):
        box = self.box
        value = code(line, b"UIDVALIDITY")
        if value:
            box.uidvalidity = int(value[0])
        value = code(line, b"HIGHESTMODSEQ")
        if value:
            need(int(value[0]) >= box.highest, "HIGHESTMODSEQ went back from", box.highest)
            box.highest = int(value[0])

    def on_exists(self, _, number, __):
        box = self.box
        need(number >= len(box.uids), "EXISTS shrinks from", len(box.uids))
        box.uids += [None] * (number - len(box.uids))

    def on_recent(self, _, number, __):
        need(number <= len(self.box.uids), "more recent messages than there are")

    def on_expunge(self, c, number, _):
        box = self.box
        need(c.expunges, "EXPUNGE where it is forbidden")
        need(not self.qresync, "EXPUNGE after ENABLE QRESYNC")
        need(1 <= number <= len(box.uids), "EXPUNGE of a number beyond", len(box.uids))
        self.forget(box.uids.pop(number - 1))

    def forget(self, uid):
        if uid is None:
            return
        self.box.flags.pop(uid, None)
        self.box.modseq.pop(uid, None)
        self.world.went(self.box.key(uid))

    def on_vanished(self, c, uids, earlier):
        box = self.box
        need(self.qresync, "VANISHED without ENABLE QRESYNC")
        need(c.expunges or earlier, "VANISHED where it is forbidden")
        for uid in uids:
            if uid in box.uids:
                box.uids.remove(uid)
                self.forget(uid)
            elif not earlier:
                box.uids.pop(self.unknown_place(uid))
                self.world.went(box.key(uid))

    def unknown_place(self, uid):
        """Where a UID that was never told must stand: between a smaller and a greater one."""
        smaller = 0
        for at, known in enumerate(self.box.uids):
            smaller = known or smaller
            if known is None and smaller < uid:
                after = next((u for u in self.box.uids[at:] if u), 1 << 32)
                if uid < after:
                    return at
        return need(False, f"VANISHED {uid}, which was not there")

    def on_fetch(self, c, number, text):
        box = self.box
        need(1 <= number <= len(box.uids), "FETCH of a number beyond", len(box.uids))
        items = attributes(text)
        if b"UID" in items:
            self.know_uid(number, int(items[b"UID"]))
        uid = box.uids[number - 1]
        if uid is None:
            return
        key = box.key(uid)
        for item in FIXED:
            if item in items:
                self.world.fix(key, item, items[item] if isinstance(items[item], bytes) else repr(items[item]).encode())
        if ID_FIELD in items:
            self.world.fix(key, b"ID", id_of(items[ID_FIELD]))
        if b"MODSEQ" in items:
            self.know_modseq(c, uid, int(items[b"MODSEQ"][0]), items)
        if b"FLAGS" in items:
            self.know_flags(c, uid, items[b"FLAGS"])

    def know_uid(self, number, uid):
        box = self.box
        known = box.uids[number - 1]
        need(known in (None, uid), f"number {number} was UID {known}")
        if known == uid:
            return
        before = next((u for u in reversed(box.uids[:number - 1]) if u), 0)
        after = next((u for u in box.uids[number:] if u), 1 << 32)
        need(before < uid < after, f"UID {uid} stands between {before} and {after}")
        gone = self.world.message(box.key(uid)).gone
        need(gone is None or gone > box.since, f"UID {uid} was gone before this mailbox was selected")
        box.uids[number - 1] = uid

    def know_modseq(self, c, uid, modseq, items):
        box = self.box
        before = box.modseq.get(uid, 0)
        need(modseq >= before, f"MODSEQ of UID {uid} went back from {before}")
        if modseq == before and uid in box.flags and b"FLAGS" in items and uid not in (c.flags or ()):
            told = frozenset(items[b"FLAGS"]) - {b"\\Recent"}
            need(told == box.flags[uid], f"flags of UID {uid} changed without MODSEQ: were {box.flags[uid]}")
        box.modseq[uid] = modseq

    def know_flags(self, c, uid, flags):
        box = self.box
        flags = frozenset(flags) - {b"\\Recent"}
        box.flags[uid] = flags
        m = self.world.message(box.key(uid))
        ours = self.keyword.encode() in flags
        if m.replaced or self.number not in m.keywords:
            return
        if c.flags and uid in c.flags:
            return                 # before or after: its end will tell
        need(ours == m.keywords[self.number], f"{self.keyword} of UID {uid} is {ours}, was stored otherwise")

    # ---- what is called by those who write commands ----

    def known(self):
        return [uid for uid in self.box.uids if uid]

    def learn(self):
        """Asks for what came new."""
        if None not in self.box.uids:
            return
        first = max([u for u in self.box.uids[:self.box.uids.index(None)] if u], default=0) + 1
        modseq = " MODSEQ" if self.condstore else ""
        self.run(Command(f"UID FETCH {first}:* (UID FLAGS{modseq} RFC822.SIZE "
                         "BODY.PEEK[HEADER.FIELDS (X-STRESS-ID)])"))

    def select(self, name, *, readonly=False, resync=True):
        """SELECT; with QRESYNC from what was known, else all is asked for."""
        self.remember()
        box = Box(name, name in self.passing_names)
        cache = self.caches.get(name)
        box.since, box.readonly = time.monotonic(), readonly
        words = f"{'EXAMINE' if readonly else 'SELECT'} {name}"
        if cache and self.qresync and resync and cache.cached:
            words += f" (QRESYNC ({cache.uidvalidity} {cache.cached}"
            last = max(cache.known, default=0)
            with_set = last and self.random.random() < 0.5
            words += f" 1:{last}))" if with_set else "))"
            return self.resync(words, box, cache, last if with_set else None)
        self.box = box
        answer = []
        self.may_end |= box.passing
        self.run(Command(words, done=answer.append))
        if not answer or b" OK" not in answer[0][:12]:
            self.box = None
            return False
        self.may_end = box.passing
        self.fetch_all()
        return self.box is not None

    def identify(self, uids):
        """Before one of them may go: which messages are they?"""
        if self.box and uids:
            self.run(Command(f"UID FETCH {as_set(uids)} (BODY.PEEK[HEADER.FIELDS (X-STRESS-ID)])"))
        return self.box is not None

    def fetch_all(self):
        if self.box and self.box.uids:
            modseq = " MODSEQ" if self.condstore else ""
            self.run(Command(f"FETCH 1:* (UID FLAGS{modseq})", expunges=False))

    def resync(self, words, box, cache, last):
        """What VANISHED (EARLIER) and FETCH tell must make the cache complete (RFC 7162 3.2.5)."""
        self.box = None
        got, answer = [], []
        self.may_end |= box.passing
        command = Command(words, done=answer.append, resync=got)
        self.run(command)
        if not answer or b" OK" not in answer[0][:12]:
            return False
        self.may_end = box.passing
        self.box = box
        vanished, told = set(), {}
        for line in got:
            match = re.match(rb"\* VANISHED \(EARLIER\) (\S+)$", line)
            if match:
                vanished.update(numbers(match.group(1)))
            match = re.match(rb"\* \d+ FETCH (.*)$", line, re.DOTALL)
            if match:
                items = attributes(match.group(1))
                told[int(items[b"UID"])] = frozenset(items[b"FLAGS"]) - {b"\\Recent"}
            match = re.match(rb"\* (\d+) EXISTS$", line)
            if match:
                box.uids = [None] * int(match.group(1))
            if line.startswith(b"* OK ["):
                self.on_ok(line)
        at_select = box.highest
        self.fetch_all()
        if self.box and box.uidvalidity == cache.uidvalidity:
            believed = {uid: cache.flags[uid] for uid in cache.known if uid not in vanished}
            believed.update(told)
            self.compare(words, believed, last, at_select)
        return self.box is not None

    def compare(self, words, believed, last, at_select):
        there = set(self.known())
        # A message that went between the two commands has no FETCH answer; its number is still there.
        need(len(set(believed) - there) <= self.box.uids.count(None),
             f"after {words} the client believes in UID", sorted(set(believed) - there))
        # Told by EXISTS alone: what came since, and what is beyond the UIDs that were asked for.
        for uid in there - set(believed):
            need(uid > max(believed, default=0) and (last is not None or self.box.modseq[uid] > at_select),
                 f"after {words} the client does not know UID {uid}")
        for uid in there & set(believed):
            now = self.box.flags[uid]
            need(believed[uid] == now or self.box.modseq[uid] > at_select,
                 f"after {words} the client believes {believed[uid]} of UID {uid}: {now}")

    def remember(self):
        if self.box and self.qresync and self.box.uidvalidity:
            box = self.box
            box.known = [uid for uid in box.uids if uid and uid in box.flags]
            self.caches[box.name] = box
        self.box = None

    def check_synced(self, sent):
        """After NOOP: what anybody was told to be gone before it was sent is gone here too."""
        for uid in self.known():
            gone = self.world.message(self.box.key(uid)).gone
            need(gone is None or gone > sent, f"UID {uid} was gone before NOOP and is still there")
