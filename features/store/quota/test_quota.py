# SPDX-License-Identifier: 0BSD
"""Quota (RFC 9208), compiled in and not: what is refused, what is counted, and that no crash changes it."""

import imaplib
import pathlib
import random
import re
import shutil
import tempfile

import pytest

from harness.client import message, run
from harness.postfix import Postfix

KIB = 1024


def body(size):
    return ("x" * 70 + "\r\n") * (size // 72)


@pytest.fixture
def limited(fresh, config):
    """`demo` may have 100 KiB and 5 messages, `free` anything."""
    fresh.on = "QUOTA" in config
    fresh.add_user("free")
    if fresh.on:
        fresh.cli("--data", str(fresh.data), "quota", "demo", "100K", "5")
        fresh.settings["quota_ignore_from"] = "127.0.0.1"
    fresh.start()
    return fresh


def quota(client):
    """{"STORAGE": (used, limit), ...} of the root "", as imaplib reads it."""
    status, lines = client.getquota('""')
    assert status == "OK", lines
    words = re.fullmatch(rb'"" \((.*)\)', lines[0]).group(1).decode().split()
    return {words[i]: (int(words[i + 1]), int(words[i + 2])) for i in range(0, len(words), 3)}


def deliver(server, text, to="demo", rcpt="", declared=False):
    """Replies to RCPT and, if that was accepted, to the text."""
    with server.raw_lmtp() as wire:
        wire.reply()
        wire.smtp("LHLO pc")
        wire.smtp("MAIL FROM:<a@example.org>" + (f" SIZE={len(text)}" if declared else ""))
        answer = wire.smtp(f"RCPT TO:<{to}>{rcpt}")
        if answer[0] != 250:
            return [answer]
        assert wire.smtp("DATA")[0] == 354
        wire.send(text + ("" if text.endswith("\r\n") else "\r\n") + ".\r\n")
        return [answer, wire.reply()]


def count_by_hand(server, user="demo"):
    """What all mailboxes hold, from the sizes of their messages."""
    client = server.imap(user)
    total, messages = 0, 0
    for line in client.list()[1]:
        name = line.decode().rsplit(' "/" ', 1)[1]
        n = int(client.select(name, readonly=True)[1][0])
        messages += n
        if n:
            for item in client.fetch("1:*", "(RFC822.SIZE)")[1]:
                total += int(re.search(rb"RFC822.SIZE (\d+)", item).group(1))
    client.logout()
    return {"STORAGE": (total + KIB - 1) // KIB, "MESSAGE": messages}


def check_exact(server):
    client = server.imap()
    told = {name: used for name, (used, _limit) in quota(client).items()}
    client.logout()
    assert told == count_by_hand(server)


def test_words_settings_and_commands_are_there_if_compiled_in_and_only_then(fresh, config):
    on = "QUOTA" in config
    fresh.settings["quota_messages"] = "10"
    fresh.write_conf()
    done = fresh.cli("--check-config", "-c", str(fresh.conf), check=False)
    assert on == (done.returncode == 0) and (on or "CONFIG_QUOTA" in done.stderr)
    if not on:
        del fresh.settings["quota_messages"]
    fresh.start()
    with fresh.raw_imap().login() as wire:
        words = b" ".join(wire.ok("CAPABILITY")).split()
        for word in (b"QUOTA", b"QUOTA=RES-STORAGE", b"QUOTA=RES-MESSAGE"):
            assert (word in words) == on
        assert (b" OK" in wire.command("GETQUOTAROOT INBOX")[-1]) == on
        assert (b" OK" in wire.command("STATUS INBOX (DELETED-STORAGE)")[-1]) == on
    with fresh.raw_lmtp() as wire:
        wire.reply()
        assert "IGNOREQUOTA" not in wire.smtp("LHLO pc")[1].splitlines()  # nobody is listed
        wire.smtp("MAIL FROM:<a@example.org>")
        assert wire.smtp("RCPT TO:<demo> IGNOREQUOTA")[0] == (550 if on else 555)
    assert ("quota_refused" in fresh.control("stat").stdout) == on
    assert (fresh.control("quota", "demo", check=False).returncode == 0) == on


def test_mail_that_does_not_fit_is_refused_at_rcpt_and_after_the_text(limited):
    if not limited.on:
        return
    assert deliver(limited, message("small", body(20 * KIB)))[1][0] == 250
    assert deliver(limited, message("large", body(90 * KIB)), declared=True) == [(452, "4.2.2 Mailbox is full")]
    assert deliver(limited, message("large", body(90 * KIB)))[1] == (452, "4.2.2 Mailbox is full")
    assert deliver(limited, message("large", body(90 * KIB)), to="free", declared=True)[1][0] == 250
    assert deliver(limited, message("medium", body(70 * KIB)))[1][0] == 250
    check_exact(limited)
    limited.wait_log(re.compile(r"mailbox is nearly full.*user=demo.*percent=9\d"))


def test_the_number_of_messages_is_limited_too(limited):
    if not limited.on:
        return
    for i in range(5):
        assert deliver(limited, message(f"number {i}"))[1][0] == 250
    assert deliver(limited, message("one more")) == [(452, "4.2.2 Mailbox is full")]
    assert int(re.search(r"quota_refused (\d+)", limited.control("stat").stdout).group(1)) == 1
    client = limited.imap()
    client.select()
    client.store("1", "+FLAGS", r"(\Deleted)")
    assert deliver(limited, message("one more"))[0][0] == 452  # marked is not gone
    client.expunge()
    client.logout()
    assert deliver(limited, message("one more"))[1][0] == 250
    check_exact(limited)


def test_by_setting_it_goes_back_to_the_sender(limited):
    if not limited.on:
        return
    limited.settings["quota_over"] = "bounce"
    limited.restart()
    assert deliver(limited, message("large", body(120 * KIB)))[1] == (552, "5.2.2 Mailbox is full")


def test_listed_peers_may_ignore_it(limited, server):
    if not limited.on:
        return
    with limited.raw_lmtp() as wire:
        wire.reply()
        assert "IGNOREQUOTA" in wire.smtp("LHLO pc")[1].splitlines()
        wire.smtp("MAIL FROM:<a@example.org>")
        assert wire.smtp("RCPT TO:<demo> IGNOREQUOTA=1")[0] == 501
    assert deliver(limited, message("large", body(200 * KIB)), rcpt=" IGNOREQUOTA")[1][0] == 250
    assert deliver(limited, message("small")) == [(452, "4.2.2 Mailbox is full")]
    assert deliver(server, message("small"), rcpt=" IGNOREQUOTA")[0][0] == 550
    check_exact(limited)


def test_each_recipient_is_judged_alone(limited):
    if not limited.on:
        return
    text = message("for two", body(120 * KIB))
    with limited.raw_lmtp() as wire:
        wire.reply()
        wire.smtp("LHLO pc")
        wire.smtp("MAIL FROM:<a@example.org>")
        for user in ("demo", "free"):
            assert wire.smtp(f"RCPT TO:<{user}>")[0] == 250
        wire.smtp("DATA")
        wire.send(text + ".\r\n")
        assert [wire.reply()[0] for _ in range(2)] == [452, 250]
    client = limited.imap()
    assert client.select()[1] == [b"0"]
    client.logout()


def test_append_and_copy_answer_overquota_and_move_does_not(limited):
    if not limited.on:
        return
    client = limited.imap()
    small = message("appended", body(40 * KIB)).encode()
    assert client.append("INBOX", None, None, small)[0] == "OK"
    status, why = client.append("INBOX", None, None, message("too large", body(90 * KIB)).encode())
    assert status == "NO" and why[0].startswith(b"[OVERQUOTA]")
    client.create("Other")
    client.select()
    assert client.copy("1", "Other")[0] == "OK"
    status, why = client.copy("1", "Other")
    assert status == "NO" and why[0].startswith(b"[OVERQUOTA]")
    if "MOVE" in client.capabilities:
        assert client._simple_command("MOVE", "1", "Other")[0] == "OK"
    client.logout()
    check_exact(limited)


def test_the_client_is_not_asked_for_a_message_that_does_not_fit(limited):
    if not limited.on:
        return
    with limited.raw_imap().login() as wire:
        wire.send("a APPEND INBOX {200000}\r\n")
        assert wire.line().startswith(b"a NO [OVERQUOTA]")
        wire.ok("NOOP")


def test_roots_and_resources_are_as_the_limits_are(limited):
    if not limited.on:
        return
    client = limited.imap()
    assert quota(client) == {"STORAGE": (0, 100), "MESSAGE": (0, 5)}
    status, (roots, quotas) = client.getquotaroot("INBOX")
    assert status == "OK" and roots == [b'INBOX ""'] and quotas == [b'"" (STORAGE 0 100 MESSAGE 0 5)']
    assert client.getquota("other")[0] == "NO"
    assert client.getquotaroot("Missing")[0] == "NO"
    with pytest.raises(imaplib.IMAP4.error):
        client.setquota("", "(STORAGE 512)")
    client.logout()
    client = limited.imap("free")
    status, (roots, quotas) = client.getquotaroot("INBOX")
    assert status == "OK" and roots == [b"INBOX"] and quotas == [None]
    assert client.getquota('""')[0] == "NO"
    client.logout()


def test_status_tells_what_expunge_would_give_back(limited):
    if not limited.on:
        return
    for i in range(3):
        limited.deliver(message(f"status {i}"))
    client = limited.imap()
    client.select()
    client.store("1,3", "+FLAGS", r"(\Deleted)")
    sizes = [int(re.search(rb"SIZE (\d+)", item).group(1)) for item in client.fetch("1,3", "(RFC822.SIZE)")[1]]
    told = client.status("INBOX", "(DELETED DELETED-STORAGE)")[1][0]
    assert told == b"INBOX (DELETED 2 DELETED-STORAGE %d)" % sum(sizes)
    limited.control("checkpoint")
    assert client.status("INBOX", "(DELETED DELETED-STORAGE)")[1][0] == told
    client.logout()


def test_a_session_is_warned_once(limited):
    if not limited.on:
        return
    limited.deliver(message("most", body(95 * KIB)))
    with limited.raw_imap().login() as wire:
        assert any(line.startswith(b"* NO [ALERT] Mailbox is nearly full: 9") for line in wire.ok("SELECT INBOX"))
        assert not any(b"nearly full" in line for line in wire.ok("SELECT INBOX"))
    deliver(limited, message("more", body(50 * KIB)), rcpt=" IGNOREQUOTA")
    with limited.raw_imap().login() as wire:
        assert any(line.startswith(b"* NO [OVERQUOTA]") for line in wire.ok("SELECT INBOX"))


def test_what_is_used_is_exact_over_kills_checkpoints_and_deleted_mailboxes(limited):
    if not limited.on:
        return
    limited.cli("--data", str(limited.data), "quota", "demo", "10M", "1000")
    client = limited.imap()
    for i in range(6):
        limited.deliver(message(f"kept {i}", body(i * KIB)))
        client.create(f"Box{i}")
        client.append(f"Box{i}", None, None, message(f"appended {i}", body(3 * KIB)).encode())
    check_exact(limited)
    limited.control("checkpoint")
    client.select()
    client.copy("1:3", "Box1")
    client.store("2,4", "+FLAGS", r"(\Deleted)")
    client.expunge()
    client.delete("Box5")
    client.rename("Box4", "Box4/Sub")
    check_exact(limited)
    limited.kill_all()
    limited.start()
    check_exact(limited)
    limited.deliver(message("after the kill", body(2 * KIB)))
    check_exact(limited)
    limited.restart()
    check_exact(limited)
    used = limited.control("usage", "demo").stdout
    assert re.match(r"bytes \d+ of 10485760\nmessages \d+ of 1000\n", used), used


def test_limits_are_set_shown_and_outlive_a_new_password(limited):
    if not limited.on:
        return
    def cli(*words, check=True):
        return limited.cli("--data", str(limited.data), "quota", *words, check=check)
    assert cli("demo").stdout == "storage_kib 100\nmessages 5\n"
    cli("demo", "2G")
    assert cli("demo").stdout == f"storage_kib {2 << 20}\nmessages 5\n"
    limited.cli("--data", str(limited.data), "user", "passwd", "demo", stdin="another\n")
    limited.cli("--data", str(limited.data), "user", "grant", "demo", "lmtp")
    assert cli("demo").stdout == f"storage_kib {2 << 20}\nmessages 5\n"
    cli("demo", "0", "-")
    assert cli("demo").stdout == "storage_kib unlimited\nmessages as the settings say\n"
    for bad in (("nobody",), ("demo", "12"), ("demo", "x"), ("demo", "1K", "1K"), ("demo", "-1K"), ()):
        assert cli(*bad, check=False).returncode
    assert cli("demo").stdout == "storage_kib unlimited\nmessages as the settings say\n"


def test_settings_hold_for_everybody_but_those_with_limits_of_their_own(limited):
    if not limited.on:
        return
    limited.settings.update({"quota_messages": "2", "quota_storage_mb": "1"})
    limited.restart()
    for i in range(3):
        deliver(limited, message(f"default {i}"), to="free")
        deliver(limited, message(f"own {i}"))
    for user, used in (("free", {"STORAGE": 1024, "MESSAGE": 2}), ("demo", {"STORAGE": 100, "MESSAGE": 5})):
        client = limited.imap(user)
        assert {name: limit for name, (_used, limit) in quota(client).items()} == used
        assert client.select()[1] == [b"2" if user == "free" else b"3"]
        client.logout()


@pytest.mark.parametrize("key, value", (("quota_over", "perhaps"), ("quota_ignore_from", "example.org"),
                                        ("quota_warning_percent", "101")))
def test_bad_settings_are_told(fresh, config, key, value):
    if "QUOTA" not in config:
        return
    fresh.settings[key] = value
    fresh.write_conf()
    done = fresh.cli("--check-config", "-c", str(fresh.conf), check=False)
    assert done.returncode and key in done.stderr, done.stderr


def test_curl_and_swaks_see_it(limited):
    if not limited.on:
        return
    done = run("swaks", "--protocol", "LMTP", "--server", f"127.0.0.1:{limited.lmtp_port}", "--from",
               "a@example.org", "--to", "demo", "--body", body(120 * KIB).replace("\r\n", "\n"), check=False)
    assert "452 4.2.2 Mailbox is full" in done.stdout
    done = run("curl", "-s", f"imap://127.0.0.1:{limited.imap_port}/", "-u", f"demo:{limited.password}", "-X",
               "GETQUOTAROOT INBOX")
    assert '* QUOTA "" (STORAGE 0 100 MESSAGE 0 5)' in done.stdout


@pytest.mark.needs_root
@pytest.mark.parametrize("over, status", (("later", "deferred"), ("bounce", "bounced")))
def test_postfix_keeps_or_returns_what_does_not_fit(limited, over, status):
    if not limited.on:
        return
    limited.settings["quota_over"] = over
    limited.restart()
    root = pathlib.Path(tempfile.mkdtemp(prefix="satchel-postfix-"))
    root.chmod(0o755)
    postfix = Postfix(root, f"lmtp:inet:127.0.0.1:{limited.lmtp_port}")
    postfix.start()
    try:
        postfix.send(message("by postfix", body(120 * KIB)), "demo@example.org", "free@example.org")
        postfix.wait_log("status=sent")
        postfix.wait_log(f"status={status}")
        assert "Mailbox is full" in postfix.log()
    finally:
        postfix.stop()
        shutil.rmtree(root)


def one_operation(server, client, boxes, chance, step):
    """Something that changes what an account holds; boxes are its mailboxes."""
    box, other, kind = chance.choice(boxes), chance.choice(boxes), chance.randrange(8)
    held = int(client.select(box)[1][0])
    some = f"1:{chance.randint(1, held)}" if held else None
    if kind == 0:
        client.append(box, None, None, message(f"appended {step}", body(chance.randrange(9000))).encode())
    elif kind == 1:
        boxes.append(f"Box{step}")
        client.create(boxes[-1])
    elif kind == 2 and len(boxes) > 3:
        client.close()
        client.delete(boxes.pop(chance.randrange(1, len(boxes))))
    elif kind == 3 and some:
        client.copy(some, other)
    elif kind == 4 and some and "MOVE" in client.capabilities:
        client._simple_command("MOVE", some, other)
    elif kind == 5 and some:
        client.store(some, "+FLAGS", r"(\Deleted)")
        client.expunge()
    else:
        server.deliver(message(f"delivered {step}", body(chance.randrange(5000))))


@pytest.mark.parametrize("seed", (1, 2))
def test_usage_stays_exact_over_chance_operations_and_ends(limited, seed):
    if not limited.on:
        return
    limited.cli("--data", str(limited.data), "quota", "demo", "1G", "100000")
    chance, boxes = random.Random(seed), ["INBOX"]
    for step in range(60):
        client = limited.imap()
        one_operation(limited, client, boxes, chance, step)
        client.logout()
        if step % 10 == 3:
            limited.kill_all()
            limited.start()
        elif step % 10 == 6:
            limited.control("checkpoint")
        elif step % 10 == 9:
            check_exact(limited)
