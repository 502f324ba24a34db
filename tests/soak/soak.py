# SPDX-License-Identifier: 0BSD
"""Mixed load with random kills for a long time: nothing acknowledged is lost, and descriptors, memory
and disk use stay flat. Prints a table; the exit status is 1 if something grew or was lost.

    make soak SECONDS=3600 [SEED=...]
"""

import argparse
import os
import pathlib
import random
import re
import statistics
import sys
import tempfile
import threading
import time

from harness.server import ROLES, Server, Wire

USERS = 8
KEPT = 60           # messages a user keeps
SAMPLES = 40        # rows measured; every other one is printed
PAUSE_SECONDS = 0.3  # of a user after a round
KILL_SECONDS = 12   # mean time between kills


class User(threading.Thread):
    """Delivers to one account and reads it back; alone in it, so it knows what must be there."""

    def __init__(self, server, name, seed, stop):
        super().__init__(daemon=True)
        self.server, self.user, self.rng, self.stop = server, name, random.Random(seed), stop
        self.kept = {}       # id -> size of the body, acknowledged and not removed
        self.numbers = 0
        self.deliveries = self.commands = self.interruptions = 0
        self.failure = None

    def run(self):
        while not self.stop.is_set() and self.failure is None:
            try:
                self.round()
            except (OSError, EOFError, ValueError):
                self.interrupted()
            except AssertionError as failure:
                if "LOST" in str(failure):
                    self.failure = failure
                self.interrupted()

    def interrupted(self):
        self.interruptions += 1
        time.sleep(0.1)

    def round(self):
        with Wire(("127.0.0.1", self.server.lmtp_port), timeout=60) as lmtp:
            assert lmtp.reply()[0] == 220
            assert lmtp.smtp("LHLO soak")[0] == 250
            for _ in range(self.rng.randint(5, 25)):
                self.deliver(lmtp)
        with Wire(("127.0.0.1", self.server.imap_port), timeout=60).login(self.user) as imap:
            self.tidy(imap)
        self.stop.wait(PAUSE_SECONDS)

    def deliver(self, lmtp):
        self.numbers += 1
        ident = f"{self.user}-{self.numbers}"
        body = "a line of the soak test\r\n" * self.rng.choice((4, 40, 400, 4000))
        for command, code in (("MAIL FROM:<a@b>", 250), (f"RCPT TO:<{self.user}>", 250), ("DATA", 354)):
            assert lmtp.smtp(command)[0] == code, command
        lmtp.send(f"Message-ID: <{ident}@soak>\r\nSubject: {ident}\r\n\r\n{body}.\r\n")
        assert lmtp.reply()[0] == 250
        self.kept[ident] = len(body)
        self.deliveries += 1

    def listed(self, imap, mailbox):
        """{uid: id} of a mailbox, which stays selected."""
        imap.ok(f"SELECT {mailbox}")
        found = {}
        for response in imap.ok("UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"):
            uid = re.search(rb"\bUID (\d+)", response)
            ident = re.search(rb"Message-ID: <(\S+)@soak>", response)
            if uid and ident:
                found[int(uid.group(1))] = ident.group(1).decode()
        return found

    def tidy(self, imap):
        if b"filed" not in b" ".join(imap.ok('LIST "" filed')):
            imap.ok("CREATE filed")
        filed, inbox = self.listed(imap, "filed"), self.listed(imap, "INBOX")
        missing = set(self.kept) - set(filed.values()) - set(inbox.values())
        assert not missing, f"LOST by {self.user}: {sorted(missing)[:5]}"
        if inbox:
            self.change(imap, inbox)
        extra = len(inbox) + len(filed) - KEPT
        if extra > 0 and filed:
            imap.ok("SELECT filed")
            self.remove(imap, filed, sorted(filed)[:extra])
        self.commands += 10

    def change(self, imap, inbox):
        uid = self.rng.choice(sorted(inbox))
        text = b"\r\n".join(imap.ok(f"UID FETCH {uid} BODY.PEEK[TEXT]"))
        size = self.kept.get(inbox[uid])
        told = re.search(rb"BODY\[TEXT\] \{(\d+)\}", text)
        assert told, text[:100]
        assert size is None or int(told.group(1)) == size, f"LOST bytes of {inbox[uid]}"
        imap.ok(rf"UID STORE {uid} +FLAGS (\Seen $Soak{uid % 5})")
        if len(inbox) > 20:
            imap.ok(f"UID MOVE {min(inbox)}:{sorted(inbox)[len(inbox) // 2]} filed")

    def remove(self, imap, filed, uids):
        for uid in uids:
            self.kept.pop(filed[uid], None)
        numbers = ",".join(str(uid) for uid in uids)
        imap.ok(rf"UID STORE {numbers} +FLAGS.SILENT (\Deleted)")
        imap.ok(f"UID EXPUNGE {numbers}")


class Killer(threading.Thread):
    def __init__(self, server, seed, stop):
        super().__init__(daemon=True)
        self.server, self.rng, self.stop = server, random.Random(seed), stop
        self.kills, self.failure = 0, None

    def run(self):
        while not self.stop.wait(self.rng.uniform(0.2, 1.8) * KILL_SECONDS):
            victim = self.rng.choice(("mail", "mail", "mail", "gate", "auth", "all"))
            try:
                if victim == "all":
                    self.server.kill_all()
                    self.server.start()
                else:
                    self.server.kill_role(victim)
                self.kills += 1
            except (AssertionError, OSError) as failure:
                self.failure = failure
                return


# ---- figures ----

def memory_kib(pid):
    """Anonymous memory: what the process holds itself, without the page cache."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+)", text).group(1))


def disk_kib(directory):
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.stat(os.path.join(folder, name)).st_blocks // 2
            except OSError:
                pass
    return total


def sample(server, users, killer, began):
    row = {"seconds": int(time.monotonic() - began), "deliveries": sum(u.deliveries for u in users),
           "kills": killer.kills, "disk_kib": disk_kib(server.data)}
    row["files"] = sum(len(names) for _, _, names in os.walk(server.data))
    for role in ROLES:
        try:
            pid = server.role_pid(role, timeout=5)
            row[f"{role}_kib"] = memory_kib(pid)
            row[f"{role}_fds"] = len(os.listdir(f"/proc/{pid}/fd"))
        except (AssertionError, OSError, AttributeError):
            return None  # a kill came between
    return row


def grown(rows):
    """Figures of the last third that are clearly above those of the second."""
    third = len(rows) // 3
    if third < 3:
        return []
    limits = {"disk_kib": (1.3, 3 * 65536), "files": (1.3, 20)}
    for role in ROLES:
        limits[f"{role}_kib"] = (1.15, 2048)
        limits[f"{role}_fds"] = (1.0, 12)
    found = []
    for key, (factor, more) in limits.items():
        before = statistics.median(r[key] for r in rows[third:2 * third])
        after = statistics.median(r[key] for r in rows[-third:])
        if after > before * factor + more:
            found.append(f"{key} grew from {before} to {after}")
    return found


def show(rows, file=sys.stdout):
    keys = list(rows[0])
    print("  ".join(f"{key:>10}" for key in keys), file=file)
    for row in rows[::max(1, len(rows) // 20)]:
        print("  ".join(f"{row[key]:>10}" for key in keys), file=file)


def soak(server, seconds, seed):
    stop, began = threading.Event(), time.monotonic()
    users = [User(server, f"user{i}", seed + i, stop) for i in range(USERS)]
    killer = Killer(server, seed, stop)
    rows = []
    for thread in (*users, killer):
        thread.start()
    while time.monotonic() - began < seconds:
        time.sleep(max(1.0, seconds / SAMPLES))
        row = sample(server, users, killer, began)
        if row:
            rows.append(row)
        if killer.failure or any(u.failure for u in users):
            break
    stop.set()
    for thread in (*users, killer):
        thread.join(120)
    failures = [str(t.failure) for t in (*users, killer) if t.failure]
    return users, killer, rows, failures


def last_look(server, users):
    server.restart()
    for user in users:
        with Wire(("127.0.0.1", server.imap_port), timeout=60).login(user.user) as imap:
            user.tidy(imap)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=3600)
    options.add_argument("--seed", type=int, default=random.randrange(1, 10**9))
    options.add_argument("--dir", help="where the spool stands; a new directory below")
    chosen = options.parse_args()
    print(f"SEED={chosen.seed} SECONDS={chosen.seconds:.0f}", flush=True)
    with tempfile.TemporaryDirectory(prefix="satchel-soak-", dir=chosen.dir) as directory:
        server = Server(os.environ["SATCHEL"], directory, users=[f"user{i}" for i in range(USERS)],
                        settings={"checkpoint_interval": "5"})
        server.start()
        users, killer, rows, failures = soak(server, chosen.seconds, chosen.seed)
        try:
            last_look(server, users)
            assert server.stop() == 0
            server.check_log()
        except (AssertionError, OSError) as failure:
            failures.append(str(failure)[:2000])
            server.kill_all()
    if rows:
        show(rows)
    failures += grown(rows)
    print(f"{sum(u.deliveries for u in users)} deliveries, {sum(u.commands for u in users)} IMAP commands, "
          f"{killer.kills} kills, {sum(u.interruptions for u in users)} interrupted rounds")
    print("\n".join(f"FAILED {line}" for line in failures) or "flat, and nothing acknowledged was lost")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
