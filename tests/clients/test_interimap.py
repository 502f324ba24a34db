# SPDX-License-Identifier: 0BSD
"""interimap keeps two accounts the same with QRESYNC alone: it believes every VANISHED and MODSEQ."""

import random
import subprocess

from harness.client import message, run

FLAGS = [r"\Seen", r"\Answered", r"\Flagged", r"\Draft", "$Label"]


def config(server, root):
    path = root / "interimap.conf"
    sides = "".join(f"""
[{side}]
type = imap
host = 127.0.0.1
port = {server.imap_port}
STARTTLS = NO
auth = PLAIN
username = {side}
password = {server.password}
""" for side in ("local", "remote"))
    path.write_text(f"database = {root}/sync.db\n{sides}")
    path.chmod(0o600)
    return path


def mailboxes(client):
    return sorted(line.decode().rsplit(" ", 1)[1].strip('"') for line in client.list()[1])


def contents(client):
    """{mailbox: sorted [(body, flags)]}"""
    found = {}
    for name in mailboxes(client):
        status, count = client.select(f'"{name}"', readonly=True)
        assert status == "OK"
        answers = client.fetch("1:*", "(FLAGS BODY.PEEK[])")[1] if int(count[0]) else []
        found[name] = sorted(
            (part[1], tuple(sorted(part[0].split(b"FLAGS (")[1].split(b")")[0].split())))
            for part in answers if isinstance(part, tuple))
    return found


def change(client, chance):
    """A few random changes in each mailbox."""
    for name in mailboxes(client):
        client.select(f'"{name}"')
        uids = client.uid("SEARCH", "ALL")[1][0].split()
        for uid in chance.sample(uids, len(uids) // 3):
            client.uid("STORE", uid, chance.choice(["+FLAGS", "-FLAGS"]), f"({chance.choice(FLAGS)})")
        for uid in chance.sample(uids, len(uids) // 5):
            client.uid("STORE", uid, "+FLAGS", r"(\Deleted)")
        client.expunge()
        for _ in range(chance.randrange(4)):
            client.append(f'"{name}"', f"({chance.choice(FLAGS)})", None,
                          message(f"new {chance.random()}").encode())


def sides(server):
    return server.imap("local"), server.imap("remote")


def same(server):
    local, remote = map(contents, sides(server))
    assert local == remote
    return local


def prepare(server):
    for user in ("local", "remote"):
        server.add_user(user)
    for i in range(40):
        server.deliver(message(f"first {i}", f"body {i}\r\n"), to=("local",))
    client = server.imap("local")
    client.create("Archive/2024")
    for i in range(10):
        client.append("Archive/2024", r"(\Seen)", None, message(f"old {i}").encode())


def test_interimap_keeps_two_accounts_the_same_over_kills_of_either_side(server, tmp_path):
    rc = config(server, tmp_path)
    prepare(server)
    run("interimap", f"--config={rc}")
    assert {name: len(found) for name, found in same(server).items()} == {
        "Archive": 0, "Archive/2024": 10, "INBOX": 40}
    chance = random.Random(7162)
    for turn in range(4):
        for client in sides(server):
            change(client, chance)
        if turn == 2:
            # The server dies under the client, which finds both sides as they were confirmed.
            dying = subprocess.Popen(["interimap", f"--config={rc}"], stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
            try:
                dying.wait(chance.uniform(0.1, 0.4))
            except subprocess.TimeoutExpired:
                server.kill_all()
                dying.wait(60)
                server.start()
        run("interimap", f"--config={rc}")
        assert sum(map(len, same(server).values())) > 20
