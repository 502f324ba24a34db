# SPDX-License-Identifier: 0BSD
"""kill -9 of any process at any moment, under load: nothing acknowledged is lost, nothing is read
back other than it was sent, UIDs keep their meaning."""

import hashlib
import itertools
import os
import random
import re
import socket
import threading
import time

from harness.server import Server, Wire

KILLS = int(os.environ.get("KILLS", "150"))
SENDERS = 6
USERS = ("anna", "boris", "chris")
# Of messages: never used again, also after a lost connection, or duplicate suppression would
# rightly drop the second.
NUMBERS = itertools.count(1)


class History:
    """What clients were told, by message id."""

    def __init__(self):
        self.lock = threading.Lock()
        self.acknowledged = {}   # (user, id) -> sha256 of the body
        self.flagged = {}        # (user, uid) -> True: a STORE was acknowledged
        self.appended = {}       # (user, uidvalidity, uid) -> id, told by APPENDUID
        self.stop = False


def body_of(ident, rng):
    lines = [f"line {i} {rng.getrandbits(64):x}" for i in range(rng.choice((3, 40, 400)))]
    return "".join(line + "\r\n" for line in lines + [f"end of {ident}"])


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def connected(work):
    """Wraps a sender: lost connections and refusals during restarts are part of the game."""
    def run(server, history, seed):
        rng = random.Random(seed)
        while not history.stop:
            try:
                work(server, history, rng, seed)
            except (OSError, AssertionError, ValueError):
                time.sleep(0.01)
    return run


@connected
def deliver(server, history, rng, seed):
    with Wire(("127.0.0.1", server.lmtp_port), timeout=10) as wire:
        assert wire.reply()[0] == 220
        assert wire.smtp("LHLO load")[0] == 250
        while not history.stop:
            ident = f"d{seed}-{next(NUMBERS)}"
            to = rng.sample(USERS, rng.choice((1, 1, 3)))
            body = body_of(ident, rng)
            wire.send(f"MAIL FROM:<a@b>\r\n" + "".join(f"RCPT TO:<{u}>\r\n" for u in to) + "DATA\r\n")
            assert wire.reply()[0] == 250
            accepted = [wire.reply()[0] == 250 for _ in to]
            if wire.reply()[0] != 354:
                continue
            wire.send(f"Message-ID: <{ident}@kill>\r\nSubject: {ident}\r\n\r\n{body}.\r\n")
            for user, good in zip(to, accepted):
                if good and wire.reply()[0] == 250:
                    with history.lock:
                        history.acknowledged[user, ident] = digest(body)


@connected
def append_and_flag(server, history, rng, seed):
    user = USERS[seed % len(USERS)]
    wire = Wire(("127.0.0.1", server.imap_port), timeout=10).login(user)
    with wire:
        wire.ok("SELECT INBOX")
        while not history.stop:
            ident = f"a{seed}-{next(NUMBERS)}"
            body = body_of(ident, rng)
            message = f"Message-ID: <{ident}@kill>\r\nSubject: {ident}\r\n\r\n{body}"
            done = wire.ok(f"APPEND INBOX (\\Flagged) {{{len(message)}+}}\r\n{message}")[-1]
            told = re.search(rb"\[APPENDUID (\d+) (\d+)\]", done)
            assert told, done
            validity, uid = (int(n) for n in told.groups())
            with history.lock:
                history.acknowledged[user, ident] = digest(body)
                history.appended[user, validity, uid] = ident
            wire.ok(f"UID STORE {uid} +FLAGS (\\Answered $Kept)")
            with history.lock:
                history.flagged[user, uid] = True


def read_back(server, user):
    """uidvalidity, {uid: (id, digest, flags)} of a whole INBOX."""
    wire = Wire(("127.0.0.1", server.imap_port), timeout=120).login(user)
    with wire:
        select = b"\n".join(wire.ok("SELECT INBOX"))
        validity = int(re.search(rb"UIDVALIDITY (\d+)", select).group(1))
        messages = {}
        for response in wire.ok("UID FETCH 1:* (FLAGS BODY.PEEK[])"):
            uid = re.search(rb"\bUID (\d+)", response)
            if not uid or b"BODY[]" not in response:
                continue
            flags = re.search(rb"FLAGS \(([^)]*)\)", response).group(1).decode()
            text = re.search(rb"BODY\[\] \{(\d+)\}\r\n", response)
            message = response[text.end():text.end() + int(text.group(1))].decode()
            ident = re.search(r"Message-ID: <(\S+)@kill>", message).group(1)
            messages[int(uid.group(1))] = (ident, digest(message.split("\r\n\r\n", 1)[1]), flags)
        return validity, messages


def check(server, history, seen):
    """Every promise made so far still holds; `seen` remembers what UIDs meant before."""
    with history.lock:
        acknowledged, flagged, appended = (dict(history.acknowledged), dict(history.flagged),
                                           dict(history.appended))
    for user in USERS:
        validity, messages = read_back(server, user)
        assert seen.setdefault((user, "validity"), validity) == validity, "UIDVALIDITY changed"
        found = {}
        for uid, (ident, sum_, flags) in messages.items():
            assert seen.setdefault((user, uid), ident) == ident, f"UID {uid} has another meaning"
            found.setdefault(ident, set()).add(sum_)
            if (user, uid) in flagged:
                assert "\\Answered" in flags and "$Kept" in flags, f"{user} {uid}: flags lost"
        for (owner, ident), sum_ in acknowledged.items():
            if owner == user:
                assert ident in found, f"{user}: acknowledged {ident} is lost"
                assert found[ident] == {sum_}, f"{user}: {ident} was altered"
        for (owner, told, uid), ident in appended.items():
            if owner == user:
                assert told == validity and messages[uid][0] == ident, f"APPENDUID {uid} is wrong"
    return len(acknowledged)


def wait_service(server):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            Wire(("127.0.0.1", server.imap_port), timeout=5).login("anna").close()
            return
        except (OSError, AssertionError):
            time.sleep(0.02)
    raise AssertionError(f"no login after a kill:\n{server.log()}")


def test_nothing_acknowledged_is_lost_over_hundreds_of_kills(tmp_path):
    seed = int(os.environ.get("SEED", "0")) or int.from_bytes(os.urandom(4), "little")
    print(f"SEED={seed} KILLS={KILLS}")
    rng = random.Random(seed)
    server = Server(os.environ["SATCHEL"], tmp_path, users=USERS,
                    settings={"checkpoint_interval": "5"})
    server.start()
    history, seen = History(), {}
    work = [threading.Thread(target=deliver, args=(server, history, i)) for i in range(SENDERS)]
    work += [threading.Thread(target=append_and_flag, args=(server, history, i)) for i in range(3)]
    for thread in work:
        thread.start()
    try:
        for kill in range(KILLS):
            time.sleep(rng.uniform(0.0, 0.25))
            victim = rng.choice(("mail", "mail", "mail", "gate", "auth", "all"))
            if victim == "all":
                server.kill_all()
                server.start()
            else:
                server.kill_role(victim)
            wait_service(server)
            if kill % 30 == 29:
                print(kill + 1, "kills,", check(server, history, seen), "acknowledged")
    finally:
        history.stop = True
        for thread in work:
            thread.join(60)
    assert not any(thread.is_alive() for thread in work)
    total = check(server, history, seen)
    assert total > KILLS, f"only {total} messages were acknowledged: no load"
    assert server.restart() and check(server, history, seen) == total
    assert server.stop() == 0
    server.check_log()


def test_a_second_server_refuses_a_spool_in_use(tmp_path):
    server = Server(os.environ["SATCHEL"], tmp_path / "a")
    server.start()
    rival = Server(os.environ["SATCHEL"], tmp_path / "b", users=())
    rival.data = server.data
    try:
        rival.start()
        raise RuntimeError("two servers own one spool")
    except AssertionError as refusal:
        assert "in use" in str(refusal) or "lock" in str(refusal), refusal
    finally:
        if rival.process is not None and rival.process.poll() is None:
            rival.kill_all()
        server.stop()


def test_ports_are_free_again_after_a_kill(tmp_path):
    server = Server(os.environ["SATCHEL"], tmp_path)
    server.start()
    server.kill_all()
    server.start()
    with socket.create_connection(("127.0.0.1", server.imap_port), 5) as s:
        assert s.recv(4) == b"* OK"
    assert server.stop() == 0
