# SPDX-License-Identifier: 0BSD
"""A user who does anything that IMAP allows, at random, and knows what must come of it."""

import re
import time

from responses import as_set, code, numbers
from tracker import Command, Session
from world import need

SHARED = ("INBOX", "work", "lists")   # always there; UIDs and keywords are followed in them
LOOSE = "loose"                       # anybody replaces all flags here
PASSING = ("p1", "p2")                # made and deleted while others are in them
SYSTEM = ("\\Seen", "\\Answered", "\\Flagged", "\\Draft")


def ok(line):
    return b" OK" in line[:12]


class Player(Session):
    passing_names = PASSING

    def __init__(self, *args):
        super().__init__(*args)
        self.actions = [
            (self.noop, 10), (self.fetch_numbers, 8), (self.fetch_uids, 12), (self.store_ours, 16),
            (self.store_flags, 8), (self.store_if_unchanged, 4), (self.replace_flags, 3), (self.search, 8),
            (self.search_pipelined, 4), (self.order, 4), (self.copy, 6), (self.move, 4), (self.delete_some, 8),
            (self.expunge, 5), (self.append, 14), (self.open, 6), (self.close, 1), (self.idle, 3), (self.status, 4),
            (self.list_all, 2), (self.passing, 3), (self.hang_up, 1), (self.fetch_changed, 3)]

    def play(self, goes_on):
        self.connect()
        while goes_on():
            if self.wire is None:
                self.connect()
            if not self.box and not self.open():
                continue
            self.learn()
            if not self.box:
                continue
            action, = self.random.choices([a for a, _ in self.actions], [w for _, w in self.actions])
            if self.box.readonly and action not in (self.noop, self.fetch_uids, self.search):
                action = self.open
            action()

    # ---- choosing ----

    def some(self, most=6):
        known = self.known()
        if not known:
            return []
        if self.random.random() < 0.3:
            first = self.random.randrange(len(known))
            return known[first:first + self.random.randint(1, most)]
        return sorted(self.random.sample(known, min(len(known), self.random.randint(1, most))))

    def set_of(self, uids):
        """The UIDs as a set, or as sequence numbers: (prefix of the command, set)."""
        if self.random.random() < 0.6:
            return "UID ", as_set(uids)
        return "", as_set([self.box.uids.index(uid) + 1 for uid in uids])

    def lost(self, line):
        """A mailbox that was deleted under us: only one of those that may."""
        need(self.box.name in PASSING and (b"NONEXISTENT" in line or b"CLOSED" in line), f"refused: {line!r}")
        self.box = None

    def must(self, command):
        """Runs it; false where the mailbox is gone."""
        if command.done is None:
            command.done = self.judge
        self.run(command)
        return self.box is not None

    def judge(self, line):
        if not ok(line) and b"EXPUNGEISSUED" not in line:
            self.lost(line)

    # ---- reading ----

    def noop(self):
        command = Command(self.random.choice(("NOOP", "CHECK")))
        if self.must(command):
            self.check_synced(command.sent)

    def fetch_numbers(self):
        """Several in a row: none may be followed by EXPUNGE, so numbers stay what they are."""
        count = len(self.box.uids)
        if not count:
            return
        items = ("FLAGS", "(UID FLAGS)", "FAST", "(UID RFC822.SIZE BODYSTRUCTURE)", "ENVELOPE",
                 "(FLAGS BODY.PEEK[HEADER.FIELDS (X-Stress-Id)])")
        commands = []
        for _ in range(self.random.randint(1, 4)):
            a, b = self.random.randint(1, count), self.random.randint(1, count)
            commands.append(Command(f"FETCH {a}:{b} {self.random.choice(items)}", expunges=False, done=self.judge))
        self.pipeline(commands)

    def pipeline(self, commands):
        """The first of them may find the mailbox gone; so will the others."""
        for c in commands:
            c.done = lambda line, done=c.done: done(line) if self.box else None
        self.run(*commands)

    def fetch_uids(self):
        uids = self.some(20)
        if not uids:
            return
        items = ("(FLAGS)", "(FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)",
                 "(FLAGS BODY.PEEK[HEADER.FIELDS (X-Stress-Id)])", "(FLAGS BODY.PEEK[TEXT]<0.100>)")
        self.must(Command(f"UID FETCH {as_set(uids)} {self.random.choice(items)}"))

    def fetch_changed(self):
        if self.condstore and self.box.uids and self.box.highest:
            since = self.random.randint(1, self.box.highest)
            vanished = " VANISHED" if self.qresync and self.random.random() < 0.5 else ""
            self.must(Command(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {since}{vanished})"))

    def search_text(self):
        """A search whose answer is known by our keyword alone: (text, UIDs of the answer)."""
        found = []
        for uid in self.known() if self.box.name != LOOSE else ():
            state = self.world.message(self.box.key(uid)).keywords.get(self.number)
            if state is not None:
                found.append((uid, state))
        chosen = [uid for uid, _ in found]
        if not chosen:
            return None
        return f"UID {as_set(chosen)} KEYWORD {self.keyword}", [uid for uid, state in found if state], chosen

    def search(self):
        asked = self.search_text()
        if not asked:
            return
        words, want, _ = asked
        uid = "UID " if self.random.random() < 0.5 else ""
        want = want if uid else [self.box.uids.index(u) + 1 for u in want]
        had, seen = list(self.box.uids), []

        def untagged(line):
            match = re.match(rb"\* SEARCH((?: \d+)*)", line)
            if not match:
                return
            seen.append(line)
            got = [int(n) for n in match.group(1).split()]
            # What another session expunged is not searched any more, told or not.
            for n in set(want) ^ set(got):
                key = self.box.key(n if uid else had[n - 1])
                need(n in want and self.world.message(key).may_go, f"wrong about {n}: wanted {want}")
        if self.must(Command(f"{uid}SEARCH {words}", expunges=bool(uid), untagged=untagged)):
            need(len(seen) == 1, "no answer, or more than one")

    def search_pipelined(self):
        asked = self.search_text()
        if not asked:
            return
        words, _, chosen = asked
        counts = []

        def untagged(line):
            match = re.search(rb"ESEARCH \(TAG \S+\)(?: UID)?(.*)$", line)
            if match:
                count = re.search(rb"COUNT (\d+)", match.group(1))
                every = re.search(rb"ALL (\S+)", match.group(1))
                need(int(count.group(1)) == (len(numbers(every.group(1))) if every else 0), "COUNT is not that of ALL")
                counts.append(int(count.group(1)))
                need(counts[-1] <= len(chosen), "found more than was asked for")
        one = [Command(f"SEARCH RETURN (ALL COUNT MIN MAX) {words}", expunges=False, untagged=untagged,
                       done=self.judge) for _ in range(3)]
        self.pipeline(one)

    def order(self):
        """SORT and THREAD name the messages that SEARCH would, each once."""
        key = self.random.choice(("ARRIVAL", "REVERSE DATE", "SUBJECT", "FROM SIZE"))
        commands, seen = [], []

        def untagged(line):
            match = re.match(rb"\* (SORT|THREAD)(.*)$", line)
            if match:
                got = [int(n) for n in re.findall(rb"\d+", match.group(2).split(b"(MODSEQ")[0])]
                need(len(got) == len(set(got)), "names a message twice")
                need(set(got) <= set(range(1, len(self.box.uids) + 1)), "names a message that is not there")
                seen.append(set(got))
        for word, text in ((b"SORT", f"SORT ({key}) UTF-8 ALL"), (b"THREAD=REFERENCES", "THREAD REFERENCES UTF-8 ALL"),
                           (b"THREAD=ORDEREDSUBJECT", "THREAD ORDEREDSUBJECT UTF-8 ALL")):
            if word in self.capabilities:
                commands.append(Command(text, expunges=False, untagged=untagged, done=self.judge))
        if not commands:
            return
        self.pipeline(commands)
        need(not self.box or len(seen) == len(commands), "no answer, or more than one")

    def idle(self):
        if b"IDLE" not in self.capabilities:
            return
        self.wire.tags += 1
        command = Command("IDLE", done=self.judge)
        command.tag = f"t{self.wire.tags}".encode()
        self.trace.append(b"C: " + command.tag + b" IDLE")
        self.send(command.tag + b" IDLE\r\n")
        while True:
            line = self.heard()
            if line is None:
                need(self.may_end, "the connection ended in IDLE", self.story())
                self.drop()
                return
            if line.startswith(b"+"):
                break
            if line.startswith(command.tag + b" "):
                self.judge(line)       # the mailbox is gone
                self.drop()
                return
            self.untagged(command, line)
        time.sleep(self.random.random() * 0.05)
        command.sent = time.monotonic()
        self.send(b"DONE\r\n")
        self.answers(command)
        if self.ended:
            self.drop()
        if self.box:
            self.check_synced(command.sent)

    def status(self):
        name = self.random.choice(SHARED)

        def untagged(line):
            match = re.match(rb"\* STATUS \"?(\w+)\"? \(MESSAGES (\d+) UIDNEXT (\d+) UNSEEN (\d+)\)", line)
            if match:
                messages, uidnext, unseen = (int(n) for n in match.groups()[1:])
                need(unseen <= messages < uidnext, "STATUS contradicts itself")
        self.must(Command(f"STATUS {name} (MESSAGES UIDNEXT UNSEEN)", untagged=untagged))

    def list_all(self):
        names = set()

        def untagged(line):
            match = re.match(rb"\* LIST \([^)]*\) \"/\" \"?(\w+)\"?", line)
            if match:
                names.add(match.group(1).decode())
        self.must(Command('LIST "" *', untagged=untagged))
        need(names >= {*SHARED, LOOSE}, f"LIST leaves out {set(SHARED) - names}")

    # ---- changing ----

    def store_ours(self, condition=""):
        """Only this session touches its keyword, so that it knows what must be."""
        uids = self.some(12)
        if not uids:
            return
        set_it, silent = self.random.random() < 0.6, self.random.random() < 0.4
        uid, text = self.set_of(uids)
        box = self.box
        command = Command(f"{uid}STORE {text} {condition}{'+' if set_it else '-'}FLAGS{'.SILENT' if silent else ''} "
                          f"({self.keyword})", expunges=bool(uid), flags={u: set_it for u in uids})

        def done(line):
            if not ok(line):
                if b"MODIFIED" not in line:
                    self.judge(line)
                return
            left = set()
            for word in code(line, b"MODIFIED") or ():
                left.update(numbers(word) if uid else [had[n - 1] for n in numbers(word)])
            need(left <= set(uids), f"MODIFIED names what was not asked: {left}")
            for u in set(uids) - left:
                self.world.message(box.key(u)).keywords[self.number] = set_it
                if silent and u in box.flags:
                    ours = {self.keyword.encode()}
                    box.flags[u] = box.flags[u] | ours if set_it else box.flags[u] - ours
            for u in left:
                self.world.message(box.key(u)).keywords.pop(self.number, None)
        had = list(box.uids)
        command.done = done
        self.run(command)

    def store_if_unchanged(self):
        if not self.condstore or not self.box.modseq:
            return
        since = self.random.choice(list(self.box.modseq.values()))
        self.store_ours(f"(UNCHANGEDSINCE {since}) ")

    def store_flags(self):
        """System flags, by anybody: only that all sessions agree in the end is known."""
        uids = self.some()
        if uids:
            uid, text = self.set_of(uids)
            flag = self.random.choice(SYSTEM)
            self.must(Command(f"{uid}STORE {text} {self.random.choice('+-')}FLAGS ({flag})", expunges=bool(uid)))

    def replace_flags(self):
        uids = self.some()
        if self.box.name == LOOSE and uids:
            for u in uids:
                self.world.message(self.box.key(u)).replaced = True
            self.must(Command(f"UID STORE {as_set(uids)} FLAGS ({self.random.choice(SYSTEM)} {self.keyword})"))

    def delete_some(self):
        uids = self.some(3)
        if len(self.box.uids) > 10 and uids and self.identify(uids):
            self.world.may_go(self.box.key(u) for u in uids)
            self.must(Command(f"UID STORE {as_set(uids)} +FLAGS (\\Deleted)"))

    def expunge(self):
        uids = self.some(10)
        if self.random.random() < 0.5 and uids:
            self.must(Command(f"UID EXPUNGE {as_set(uids)}"))
        else:
            self.must(Command("EXPUNGE"))

    def append(self):
        name, text = self.world.new_body(f"s{self.number}")
        target = self.random.choice((*SHARED, LOOSE, self.box.name))
        size = len(text)

        def done(line):
            if not ok(line):
                need(target in PASSING and b"TRYCREATE" in line, f"refused: {line!r}")
                return
            uidvalidity, uid = (int(n) for n in code(line, b"APPENDUID"))
            self.world.promise((target, uidvalidity, uid), name)
        self.run(Command(f"APPEND {target} (\\Seen) {{{size}+}}\r\n".encode() + text, done=done))

    def copied(self, source, target, line):
        """COPYUID: which became which."""
        words = code(line, b"COPYUID")
        if not words:
            return
        old, new = numbers(words[1]), numbers(words[2])
        need(len(old) == len(new), "COPYUID of unequal length")
        for a, b in zip(old, new):
            self.world.promise((target, int(words[0]), b))
            self.world.same(source.key(a), (target, int(words[0]), b))

    def copy(self):
        uids = self.some(4)
        if not uids:
            return
        target = self.random.choice((*SHARED, LOOSE, *PASSING))
        uid, text = self.set_of(uids)
        source = self.box

        def done(line):
            if not ok(line) and b"EXPUNGEISSUED" not in line:
                need({target, source.name} & set(PASSING), f"refused: {line!r}")
                if b"NONEXISTENT" in line and source.name in PASSING:
                    self.box = None
            self.copied(source, target, line)
        self.run(Command(f"{uid}COPY {text} {target}", done=done, expunges=True))

    def move(self):
        uids = self.some(4)
        if not uids or b"MOVE" not in self.capabilities or len(self.box.uids) < 10:
            return
        if not self.identify(uids):
            return
        uids = [u for u in uids if u in self.box.uids]
        if not uids:
            return
        target = self.random.choice((*SHARED, LOOSE))
        uid, text = self.set_of(uids)
        source = self.box
        self.world.may_go(source.key(u) for u in uids)

        def untagged(line):
            if line.startswith(b"* OK [COPYUID"):
                self.copied(source, target, line)
        self.must(Command(f"{uid}MOVE {text} {target}", untagged=untagged))

    # ---- mailboxes ----

    def open(self):
        name = self.random.choice((*SHARED, *SHARED, LOOSE, *PASSING))
        return self.select(name, readonly=self.random.random() < 0.15)

    def close(self):
        """CLOSE expunges without a word (RFC 9051 6.4.1)."""
        self.remember()
        self.run(Command(self.random.choice(("CLOSE", "UNSELECT" if b"UNSELECT" in self.capabilities else "CLOSE"))))

    def passing(self):
        """A mailbox comes or goes, whoever is in it."""
        name = self.random.choice(PASSING)
        verb = self.random.choice(("CREATE", "DELETE"))
        if verb == "DELETE" and self.box.name == name:
            return
        self.run(Command(f"{verb} {name}"))

    def hang_up(self):
        """In the middle of an APPEND, or with answers unread."""
        if self.random.random() < 0.5:
            name, text = self.world.new_body(f"s{self.number}")
            self.world.maybe.add(name)
            self.send(f"x APPEND INBOX {{{len(text)}+}}\r\n".encode() + text[:self.random.randrange(len(text) + 1)])
        elif self.box.uids:
            self.send(b"x UID FETCH 1:* (FLAGS ENVELOPE)\r\n")
        self.drop()
