# SPDX-License-Identifier: 0BSD
"""Many sessions at once do anything on the same few mailboxes; every answer is held against what it may be.

STRESS_SECONDS says how long, SEED which choices; which session comes first is up to the machine.
"""

import os
import random
import threading
import time

import pytest

from harness.server import Server
from player import LOOSE, SHARED, Player
from tracker import Command
from world import World, need

SECONDS = float(os.environ.get("STRESS_SECONDS", "15"))
SEED = int(os.environ.get("SEED") or random.randrange(1, 10**9))
SESSIONS = int(os.environ.get("STRESS_SESSIONS", "9"))


class Run:
    def __init__(self, server):
        self.server, self.world = server, World()
        self.players = [Player(n, server, self.world, random.Random(SEED * 1000 + n)) for n in range(SESSIONS)]
        self.failures = []
        self.until = time.monotonic() + SECONDS

    def goes_on(self):
        return not self.failures and time.monotonic() < self.until

    def guarded(self, work):
        def run():
            try:
                work(self.goes_on)
            except Exception as error:   # pylint: disable=broad-except
                self.failures.append(error)
        return threading.Thread(target=run)

    def deliver(self, goes_on):
        """Mail comes in all the while."""
        chance = random.Random(SEED)
        with self.server.lmtp() as client:
            while goes_on():
                name, text = self.world.new_body("lmtp")
                refused = client.sendmail("lmtp@example.org", ["demo"], text)
                need(not refused, refused)
                self.world.delivered.add(name.encode())
                time.sleep(chance.random() * 0.1)

    def go(self):
        threads = [self.guarded(p.play) for p in self.players] + [self.guarded(self.deliver)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        if self.failures:
            raise self.failures[0]

    # ---- once it is quiet ----

    def views_agree(self, there):
        """What each session believes without asking is what it gets when it asks."""
        for p in self.players:
            if p.box is None or p.box.name not in there:
                continue
            p.run(Command("NOOP"))
            p.learn()
            believed = {uid: p.box.flags.get(uid) for uid in p.known()}
            p.run(Command("FETCH 1:* (UID FLAGS)", expunges=False))
            now = {uid: p.box.flags[uid] for uid in p.known()}
            need(believed == now, f"session {p.number} was not told of {set(believed.items()) ^ set(now.items())}")
            want = {uid: flags for uid, (flags, _, _) in there[p.box.name][1].items()}
            need(now == want, f"session {p.number} sees another {p.box.name}: {set(now.items()) ^ set(want.items())}")

    def look(self):
        """{mailbox: (UIDVALIDITY, {uid: (flags, id, modseq)})}, as a new session sees it."""
        p = Player(SESSIONS + 2, self.server, self.world, random.Random(1))   # with CONDSTORE where there is
        p.connect()
        found = {}
        for name in (*SHARED, LOOSE):
            p.world = World()            # its own eyes
            p.select(name)
            if p.box.uids:
                p.run(Command("FETCH 1:* (UID RFC822.SIZE BODY.PEEK[HEADER.FIELDS (X-Stress-Id)])", expunges=False))
            found[name] = (p.box.uidvalidity, {
                uid: (p.box.flags[uid], p.world.message(p.box.key(uid)).fixed[b"ID"], p.box.modseq.get(uid))
                for uid in p.known()})
        p.drop()
        return found

    def check_end(self):
        there = self.look()
        self.views_agree(there)
        self.world.check_end({(name, validity): {uid: text for uid, (_, text, _) in uids.items()}
                              for name, (validity, uids) in there.items()})
        return there


@pytest.fixture
def stressed(binary, fresh_folder):
    instance = Server(binary, fresh_folder)
    instance.start()
    client = instance.imap()
    for name in (*SHARED[1:], LOOSE):
        client.create(name)
    client.logout()
    yield instance
    if instance.process is not None:
        instance.stop()
    instance.check_log()


def test_every_answer_to_many_sessions_at_once_can_be_true(stressed):
    print(f"SEED={SEED} STRESS_SECONDS={SECONDS}")
    run = Run(stressed)
    run.go()
    before = run.check_end()
    commands = sum(p.commands for p in run.players)
    print(f"{commands} commands in {SESSIONS} sessions, {sum(len(u) for _, u in before.values())} messages left")
    assert commands > SESSIONS * 20
    for p in run.players:
        p.drop()
    stressed.kill_all()
    stressed.start()
    assert run.look() == before, "a kill changed what is there"
    stressed.stop()
    said = stressed.cli("--data", str(stressed.data), "fsck")
    assert said.returncode == 0, said.stdout
