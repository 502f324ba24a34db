# SPDX-License-Identifier: 0BSD
"""Many sessions on few mailboxes at once: each session's numbers stay right, and the thread sanitizer
has nothing to report."""

import os
import random
import re
import threading
import time

import pytest

from harness.imap import simple
from harness.server import Server, Wire

SEED = int(os.environ.get("SEED") or random.randrange(1, 10**9))
SECONDS = float(os.environ.get("CONCURRENCY_SECONDS", "6"))
FLAGS = (r"\Seen", r"\Flagged", r"\Answered", "$Junk", "Work")


def flavours():
    return [f for f in ("TSAN", "ASAN") if os.path.exists(os.environ.get(f"SATCHEL_{f}", ""))]


class Client:
    """A session that believes what it is told, and nothing else (RFC 9051 7.5.1)."""

    def __init__(self, server, user, mailbox, seed):
        self.rng = random.Random(seed)
        self.wire = Wire(("127.0.0.1", server.imap_port), timeout=60).login(user)
        self.mailbox = mailbox
        self.uids = []    # by sequence number; None = not asked for yet
        self.flags = {}   # uid -> set
        self.expunge_allowed = True
        self.select()

    def select(self):
        self.uids, self.flags = [], {}
        self.hear(self.wire.ok(f"SELECT {self.mailbox}"))
        self.learn()

    def hear(self, responses):
        for response in responses:
            self.hear_one(response)

    def hear_one(self, response):
        number = re.match(rb"\* (\d+) (EXISTS|EXPUNGE|FETCH)", response)
        if not number:
            return
        n, word = int(number.group(1)), number.group(2)
        if word == b"EXISTS":
            assert n >= len(self.uids), f"EXISTS {n} takes messages away: {len(self.uids)}"
            self.uids += [None] * (n - len(self.uids))
        elif word == b"EXPUNGE":
            assert self.expunge_allowed, "an expunge during FETCH, STORE or SEARCH"
            assert 1 <= n <= len(self.uids), f"EXPUNGE {n} of {len(self.uids)}"
            self.flags.pop(self.uids.pop(n - 1), None)
        else:
            self.hear_fetch(n, response)

    def hear_fetch(self, n, response):
        assert 1 <= n <= len(self.uids), f"FETCH {n} of {len(self.uids)}"
        uid = re.search(rb"\bUID (\d+)", response)
        flags = re.search(rb"FLAGS \(([^)]*)\)", response)
        if uid:
            uid = int(uid.group(1))
            assert self.uids[n - 1] in (None, uid), f"{n} was UID {self.uids[n - 1]}, now {uid}"
            self.uids[n - 1] = uid
        if flags and self.uids[n - 1]:
            self.flags[self.uids[n - 1]] = set(flags.group(1).decode().split()) - {r"\Recent"}

    def command(self, text, numbers_stand=False):
        self.expunge_allowed = not numbers_stand
        responses = self.wire.command(text)
        self.hear(responses)
        self.expunge_allowed = True
        return responses

    def learn(self):
        if self.uids:
            self.command("FETCH 1:* (UID FLAGS)", numbers_stand=True)
        known = [uid for uid in self.uids if uid]
        assert known == sorted(set(known)), f"UIDs do not ascend: {self.uids}"

    def some_set(self):
        a, b = (self.rng.randint(1, len(self.uids)) for _ in range(2))
        return f"{min(a, b)}:{max(a, b)}"

    def append(self):
        text = f"Subject: {self.rng.getrandbits(30)}\r\n\r\n" + "x" * self.rng.choice((1, 300, 9000))
        self.command(f"APPEND {self.mailbox} ({self.rng.choice(FLAGS)}) {{{len(text)}+}}\r\n{text}")

    def step(self):
        rng = self.rng
        if not self.uids or rng.random() < 0.25:
            return self.append()
        how = rng.randrange(8)
        if how == 0:
            self.command("NOOP")
        elif how == 1:
            self.learn()
        elif how == 2:
            self.command(f"STORE {self.some_set()} {rng.choice(('+', '-', ''))}FLAGS ({rng.choice(FLAGS)})",
                         numbers_stand=True)
        elif how == 3:
            self.command(rf"STORE {self.some_set()} +FLAGS.SILENT (\Deleted)", numbers_stand=True)
            self.command("EXPUNGE")
        elif how == 4:
            self.command(f"SEARCH {rng.choice(('UNSEEN', 'FLAGGED', 'ALL'))}", numbers_stand=True)
        elif how == 5:
            uid = rng.choice([uid for uid in self.uids if uid] or [1])
            self.command(f"UID FETCH {uid} (FLAGS BODY.PEEK[])")
        elif how == 6:
            self.command(f"MOVE {self.some_set()} {rng.choice(('INBOX', 'other'))}")
        else:
            self.command(f"COPY {self.some_set()} {rng.choice(('INBOX', 'other'))}")
        if len(self.uids) > 150:
            self.command(r"STORE 1:100 +FLAGS.SILENT (\Deleted)", numbers_stand=True)
            self.command("EXPUNGE")
        return None

    def truth(self):
        """{uid: flags} as a fresh look tells."""
        self.command("NOOP")
        self.learn()
        return {uid: self.flags[uid] for uid in self.uids}


def deliver(server, user, stop, failures):
    try:
        while not stop.is_set():
            server.deliver(simple("By LMTP"), to=(user,))
            time.sleep(0.01)
    except Exception as failure:  # noqa: BLE001 (told by the test)
        failures.append(failure)


def work(client, stop, failures):
    try:
        while not stop.is_set():
            client.step()
    except Exception as failure:  # noqa: BLE001 (told by the test)
        failures.append(failure)


def agree(clients):
    """With all quiet, sessions of one mailbox believe the same, and a new one sees the same."""
    by_box = {}
    for client in clients:
        by_box.setdefault((client.user, client.mailbox), []).append(client)
    for group in by_box.values():
        believed = [client.truth() for client in group]
        for other in believed[1:]:
            assert other == believed[0]
        group[0].select()
        assert group[0].truth() == believed[0], "a fresh SELECT says something else"


@pytest.mark.parametrize("flavour", flavours())
def test_many_sessions_on_few_mailboxes_keep_their_numbers(tmp_path, flavour):
    print(f"SEED={SEED}")
    server = Server(os.environ[f"SATCHEL_{flavour}"], tmp_path, users=("anna", "boris"),
                    settings={"checkpoint_interval": "5"})
    server.start()
    stop, failures, clients = threading.Event(), [], []
    for i in range(10):
        user, mailbox = ("anna", "boris")[i % 2], ("INBOX", "INBOX", "other")[i % 3]
        if i < 2:
            with server.raw_imap() as wire:
                wire.login(user).ok("CREATE other")
        client = Client(server, user, mailbox, SEED + i)
        client.user = user
        clients.append(client)
    threads = [threading.Thread(target=work, args=(c, stop, failures)) for c in clients]
    threads += [threading.Thread(target=deliver, args=(server, user, stop, failures))
                for user in ("anna", "boris")]
    for thread in threads:
        thread.start()
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and not failures:
        time.sleep(0.1)
    stop.set()
    for thread in threads:
        thread.join(60)
    assert not failures, f"SEED={SEED}: {failures[0]!r}\n{server.log()[-3000:]}"
    agree(clients)
    for client in clients:
        client.wire.close()
    assert server.stop() == 0
    server.check_log()


def test_two_sessions_keep_their_numbers_over_random_changes_of_one(server):
    """Step by step: what one session does is what the other is told."""
    rng = random.Random(SEED)
    with server.raw_imap() as wire:
        wire.login().ok("CREATE numbering")
    one, two = (Client(server, "demo", "numbering", SEED + i) for i in range(2))
    for _ in range(150):
        actor, other = rng.sample((one, two), 2)
        actor.step()
        if rng.random() < 0.5:
            continue
        assert other.truth() == actor.truth(), f"SEED={SEED}"
    one.wire.close()
    two.wire.close()
