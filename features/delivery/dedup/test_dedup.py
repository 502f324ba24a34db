# SPDX-License-Identifier: 0BSD
"""Duplicate suppression on the wire, compiled in and not."""

import os
import re

from harness.client import message

MAIL = "MAIL FROM:<a@example.org>"


def send(server, text, to="demo"):
    with server.raw_lmtp() as wire:
        wire.reply()
        wire.smtp("LHLO pc")
        wire.smtp(MAIL)
        assert wire.smtp(f"RCPT TO:<{to}>")[0] == 250
        assert wire.smtp("DATA")[0] == 354
        wire.send(text + "\r\n.\r\n")
        return wire.reply()


def test_a_second_delivery_is_accepted_and_stored_only_if_dedup_is_off(server, config):
    text = message("twice", ident=f"twice-{os.getpid()}")
    before = server.count()
    assert send(server, text) == (250, "2.1.5 <demo> stored")
    code, said = send(server, text)
    assert code == 250
    if "DEDUP" in config:
        assert said == "2.1.5 <demo> duplicate"
        assert server.count() == before + 1
    else:
        assert said == "2.1.5 <demo> stored"
        assert server.count() == before + 2


def test_another_user_gets_the_message_too(server):
    text = message("both", ident=f"both-{os.getpid()}")
    before = server.count("other")
    for user in ("demo", "other"):
        assert send(server, text, user)[1] == f"2.1.5 <{user}> stored"
    assert server.count("other") == before + 1


def test_metrics_name_duplicates_if_compiled_in_and_only_then(server, config):
    text = message("counted", ident=f"counted-{os.getpid()}")
    send(server, text)
    send(server, text)
    stat = server.control("stat").stdout
    found = re.search(r"(?m)^dedup_duplicates (\d+)$", stat)
    if "DEDUP" in config:
        assert int(found.group(1)) >= 1
    else:
        assert not found


def test_what_was_delivered_is_remembered_over_kill_and_checkpoint(fresh, config):
    fresh.start()
    texts = [message(f"kept {i}", ident=f"kept-{i}") for i in range(4)]
    send(fresh, texts[0])
    fresh.control("checkpoint")
    send(fresh, texts[1])
    fresh.kill_all()
    fresh.start()
    send(fresh, texts[2])
    fresh.restart()
    replies = [send(fresh, text)[1] for text in texts]
    word = "duplicate" if "DEDUP" in config else "stored"
    assert replies == [f"2.1.5 <demo> {word}"] * 3 + ["2.1.5 <demo> stored"]
    assert fresh.count() == (4 if "DEDUP" in config else 7)


def test_list_shows_the_original_and_forget_lets_it_come_again(fresh, config):
    if "DEDUP" not in config:
        fresh.start()
        assert fresh.control("dedup", "list", "demo", check=False).returncode
        return
    fresh.start()
    send(fresh, message("first", ident="first"))
    send(fresh, message("listed", ident="listed"))
    send(fresh, "Subject: without an id\r\n\r\ntext")
    assert send(fresh, message("listed", ident="listed"))[1].endswith("duplicate")
    fresh.wait_log(re.compile(r'is a duplicate.*user=demo.*mailbox=INBOX.*uid=2.*listed@example.org'))
    lines = [line.split("\t") for line in fresh.control("dedup", "list", "demo").stdout.splitlines()]
    assert sorted((line[0], line[1], line[3]) for line in lines) == [
        ("INBOX", "1", "first@example.org"), ("INBOX", "2", "listed@example.org"), ("INBOX", "3", "(digest)")]
    assert fresh.control("dedup", "list", "demo", "<listed@example.org>").stdout.startswith("INBOX\t2\t")
    fresh.restart()
    assert fresh.control("dedup", "forget", "demo", "listed@example.org").stdout.startswith("INBOX\t2\t")
    assert fresh.control("dedup", "list", "demo", "listed@example.org").stdout == ""
    assert fresh.control("dedup", "forget", "demo", "listed@example.org", check=False).returncode
    assert send(fresh, message("listed", ident="listed"))[1].endswith("stored")
    assert send(fresh, message("first", ident="first"))[1].endswith("duplicate")
    for bad in (("list",), ("forget", "demo"), ("forget", "nobody", "x"), ("remember", "demo", "x"), ()):
        assert fresh.control("dedup", *bad, check=False).returncode


def test_by_setting_a_reused_id_costs_no_message(fresh, config):
    if "DEDUP" not in config:
        return
    fresh.settings["dedup_body"] = "yes"
    fresh.start()
    one, two = message("one", "first text\r\n", ident="same"), message("two", "second text\r\n", ident="same")
    assert [send(fresh, text)[1].split()[-1] for text in (one, one, two, two)] == [
        "stored", "duplicate", "stored", "duplicate"]
    assert fresh.count() == 2
    fresh.kill_all()
    fresh.start()
    assert send(fresh, two)[1].endswith("duplicate")


def test_what_came_again_after_a_crash_before_the_reply_is_not_stored_twice(fresh, config):
    """The message is durable and its reply was never read: the agent sends it again."""
    if "DEDUP" not in config:
        return
    fresh.start()
    text = message("again", ident="again")
    with fresh.raw_lmtp() as wire:
        wire.reply()
        wire.send(f"LHLO pc\r\n{MAIL}\r\nRCPT TO:<demo>\r\nDATA\r\n")
        assert [wire.reply()[0] for _ in range(4)] == [250, 250, 250, 354]
        wire.send(text + ".\r\n")
        fresh.wait_log("delivered id=")
        wire.exactly(1)
        fresh.kill_all()
    fresh.start()
    assert send(fresh, text)[1].endswith("duplicate")
    assert fresh.count() == 1
