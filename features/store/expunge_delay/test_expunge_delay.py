# SPDX-License-Identifier: 0BSD
"""Expunged mail that comes back, compiled in and not."""

import re

import pytest

from harness.client import message


@pytest.fixture
def keeping(fresh, config):
    fresh.on = "EXPUNGE_DELAY" in config
    if fresh.on:
        fresh.settings["expunge_delay_days"] = "3"
    fresh.start()
    return fresh


def undelete(server, *words, check=True):
    return server.control("undelete", *words, check=check)


def subjects(client, mailbox="INBOX"):
    n = int(client.select(f'"{mailbox}"', readonly=True)[1][0])
    if not n:
        return []
    found = client.fetch("1:*", "(FLAGS INTERNALDATE BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
    return [item[1].decode().strip().removeprefix("Subject: ") for item in found if isinstance(item, tuple)]


def expunge(client, numbers, mailbox="INBOX"):
    client.select(f'"{mailbox}"')
    client.store(numbers, "+FLAGS", r"(\Deleted)")
    client.expunge()


def test_setting_and_command_are_known_if_compiled_in_and_only_then(fresh, config):
    on = "EXPUNGE_DELAY" in config
    fresh.start()
    fresh.deliver(message("so that the account is there"))
    assert (undelete(fresh, "demo", check=False).returncode == 0) == on
    fresh.settings["expunge_delay_days"] = "400"
    fresh.write_conf()
    done = fresh.cli("--check-config", "-c", str(fresh.conf), check=False)
    assert done.returncode and ("expunge_delay_days" if on else "CONFIG_EXPUNGE_DELAY") in done.stderr


def test_without_the_setting_nothing_is_kept(server, config):
    if "EXPUNGE_DELAY" not in config:
        return
    server.deliver(message("gone"))
    client = server.imap()
    expunge(client, "1")
    client.logout()
    assert undelete(server, "demo").stdout == ""
    assert undelete(server, "demo", "INBOX", check=False).returncode


def test_expunged_messages_come_back_with_flags_and_dates(keeping):
    if not keeping.on:
        return
    for i in range(4):
        keeping.deliver(message(f"number {i}"))
    client = keeping.imap()
    client.select()
    client.store("2", "+FLAGS", r"(\Seen \Flagged $Label)")
    before = client.fetch("2", "(FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])")[1]
    expunge(client, "2:3")
    assert subjects(client) == ["number 0", "number 3"]
    assert re.fullmatch(r"INBOX\t2\t\d+\n", undelete(keeping, "demo").stdout)
    keeping.kill_all()
    keeping.start()
    assert undelete(keeping, "demo", "INBOX").stdout == "2 messages are back\n"
    client = keeping.imap()
    assert subjects(client) == ["number 0", "number 3", "number 1", "number 2"]
    client.select()
    after = client.fetch("3", "(FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])")[1]
    assert after[0][1] == before[0][1]
    date = re.compile(rb'INTERNALDATE "([^"]*)" RFC822.SIZE (\d+)')
    assert date.search(after[0][0]).groups() == date.search(before[0][0]).groups()
    flags = re.search(rb"FLAGS \(([^)]*)\)", after[0][0]).group(1).split()
    assert {rb"\Seen", rb"\Flagged", b"$Label"} <= set(flags) and rb"\Deleted" not in flags
    client.logout()
    assert undelete(keeping, "demo").stdout == ""


def test_a_deleted_mailbox_comes_back_with_its_messages(keeping):
    if not keeping.on:
        return
    client = keeping.imap()
    client.create('"Two words/below"')
    for i in range(3):
        client.append('"Two words/below"', None, None, message(f"kept {i}").encode())
    client.delete('"Two words/below"')
    client.logout()
    keeping.restart()
    assert undelete(keeping, "demo").stdout.startswith("Two words/below\t3\t")
    assert undelete(keeping, "demo", "Two words/below").stdout == "3 messages are back\n"
    client = keeping.imap()
    assert subjects(client, "Two words/below") == ["kept 0", "kept 1", "kept 2"]
    client.logout()


def test_close_counts_and_move_does_not(keeping):
    if not keeping.on:
        return
    for i in range(2):
        keeping.deliver(message(f"closed {i}"))
    client = keeping.imap()
    client.create("Other")
    client.select()
    if "MOVE" in client.capabilities:
        client._simple_command("MOVE", "2", "Other")
    client.store("1", "+FLAGS", r"(\Deleted)")
    client.close()
    client.logout()
    assert re.fullmatch(r"INBOX\t1\t\d+\n", undelete(keeping, "demo").stdout)


def test_a_session_in_the_mailbox_sees_what_comes_back(keeping):
    if not keeping.on:
        return
    keeping.deliver(message("back"))
    client = keeping.imap()
    expunge(client, "1")
    with keeping.raw_imap().login() as wire:
        assert b"* 0 EXISTS" in wire.ok("SELECT INBOX")
        undelete(keeping, "demo", "INBOX")
        assert b"* 1 EXISTS" in wire.ok("NOOP")
    client.logout()


def test_nobody_gets_there_but_by_the_command(keeping):
    if not keeping.on:
        return
    keeping.deliver(message("hidden"))
    client = keeping.imap()
    expunge(client, "1")
    assert client.list()[1] == [rb'(\HasNoChildren) "/" INBOX']
    assert client.select('"/undelete/demo"')[0] == "NO"
    client.logout()
    with keeping.raw_lmtp() as wire:
        wire.reply()
        wire.smtp("LHLO pc")
        wire.smtp("MAIL FROM:<a@b>")
        assert wire.smtp("RCPT TO:</undelete/demo>")[0] == 550
    for bad in ((), ("nobody",), ("/undelete/demo",), ("demo", "Missing")):
        assert undelete(keeping, *bad, check=False).returncode, bad


def test_what_is_kept_does_not_count_and_what_comes_back_must_fit(keeping, config):
    if not keeping.on or "QUOTA" not in config:
        return
    keeping.settings["quota_messages"] = "2"
    keeping.restart()
    for i in range(2):
        keeping.deliver(message(f"first {i}"))
    client = keeping.imap()
    expunge(client, "1:2")
    for i in range(2):
        keeping.deliver(message(f"second {i}"))
    assert "quota" in undelete(keeping, "demo", "INBOX", check=False).stderr.lower()
    assert undelete(keeping, "demo").stdout.startswith("INBOX\t2\t")
    expunge(client, "1:2")
    client.logout()
    assert undelete(keeping, "demo").stdout.startswith("INBOX\t4\t")


def test_the_spool_is_sound_and_can_be_rebuilt_from_its_log(keeping):
    if not keeping.on:
        return
    for i in range(3):
        keeping.deliver(message(f"sound {i}"))
    client = keeping.imap()
    expunge(client, "1:2")
    client.logout()
    keeping.control("checkpoint")
    client = keeping.imap()
    expunge(client, "1")
    client.logout()
    assert keeping.stop() == 0
    if keeping.cli("--data", str(keeping.data), "fsck", check=False).returncode:
        raise AssertionError(keeping.cli("--data", str(keeping.data), "fsck", "--explain", check=False).stdout)
    for folder in ("idx", "kv", "map"):
        for file in (keeping.data / folder).iterdir():
            file.unlink()
    (keeping.data / "checkpoint").unlink()
    keeping.start()
    assert re.fullmatch(r"INBOX\t3\t\d+\n", undelete(keeping, "demo").stdout)
    assert undelete(keeping, "demo", "INBOX").stdout == "3 messages are back\n"
    client = keeping.imap()
    assert subjects(client) == ["sound 0", "sound 1", "sound 2"]
    client.logout()
