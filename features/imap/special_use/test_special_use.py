# SPDX-License-Identifier: 0BSD
"""Special-use mailboxes (RFC 6154) at the first login and by CREATE; nothing of it where it is not compiled in."""

import re

import pytest

from harness.server import config_symbols

ON = config_symbols().get("SPECIAL_USE") == "y"


def mailboxes(wire, command='LIST "" *'):
    """{name: attributes but those of children}"""
    found = {}
    for answer in wire.ok(command):
        match = re.match(rb'\* LIST \(([^)]*)\) "/" "?([^"]*)"?$', answer)
        if match:
            found[match.group(2).decode()] = {w for w in match.group(1).decode().split()
                                              if w not in ("\\HasNoChildren", "\\HasChildren", "\\Subscribed")}
    return found


if not ON:
    def test_it_is_not_there(server):
        with server.raw_imap() as wire:
            wire.login()
            assert b"CREATE-SPECIAL-USE" not in wire.ok("CAPABILITY")[0]
            assert b" BAD " in wire.command(r"CREATE x (USE (\Sent))")[-1][:12]
            assert mailboxes(wire).keys() == {"INBOX"}

    def test_the_setting_is_known_by_its_symbol(fresh):
        fresh.settings["special_use"] = "Sent"
        fresh.write_conf()
        said = fresh.cli("serve", "-c", str(fresh.conf), "--check-config", check=False)
        assert said.returncode and "CONFIG_SPECIAL_USE" in said.stderr
else:
    USUAL = {"INBOX": set(), **{name: {"\\" + name} for name in ("Archive", "Drafts", "Junk", "Sent", "Trash")}}

    @pytest.fixture
    def furnished(fresh):
        """With the setting's default, which the harness takes away elsewhere."""
        del fresh.settings["special_use"]
        return fresh.start()

    @pytest.fixture
    def wire(furnished):
        with furnished.raw_imap() as wire:
            yield wire.login()

    def test_a_new_account_has_them_subscribed(wire):
        assert b"CREATE-SPECIAL-USE" in wire.ok("CAPABILITY")[0].split()
        assert mailboxes(wire) == USUAL
        assert mailboxes(wire, 'LIST (SUBSCRIBED) "" *').keys() == USUAL.keys() - {"INBOX"}
        assert mailboxes(wire, 'LIST (SPECIAL-USE) "" *').keys() == USUAL.keys() - {"INBOX"}
        assert mailboxes(wire, 'LIST "" % RETURN (SPECIAL-USE)') == USUAL

    def test_what_the_owner_deleted_stays_deleted(furnished, wire):
        for name in USUAL.keys() - {"INBOX", "Sent"}:
            wire.ok(f"DELETE {name}")
        wire.ok("RENAME Sent Gone")
        furnished.restart()
        with furnished.raw_imap() as again:
            again.login()
            assert mailboxes(again) == {"INBOX": set(), "Gone": {"\\Sent"}}
            again.ok("DELETE Gone")
        furnished.kill_all()
        furnished.start()
        with furnished.raw_imap() as again:
            assert mailboxes(again.login()) == {"INBOX": set()}

    def test_an_account_that_mail_came_for_gets_them_too_and_one_with_mailboxes_does_not(fresh):
        fresh.start()
        fresh.deliver("Subject: x\r\n\r\nx\r\n")
        with fresh.raw_imap() as wire:
            assert mailboxes(wire.login()) == {"INBOX": set()}
        del fresh.settings["special_use"]
        fresh.restart()
        with fresh.raw_imap() as wire:
            assert mailboxes(wire.login()) == USUAL
        fresh.add_user("old")
        fresh.settings["special_use"] = ""
        fresh.restart()
        with fresh.raw_imap() as wire:
            wire.login("old").ok("CREATE work")
        del fresh.settings["special_use"]
        fresh.restart()
        with fresh.raw_imap() as wire:
            assert mailboxes(wire.login("old")).keys() == {"INBOX", "work"}

    def test_names_of_the_admins_choice(fresh):
        fresh.settings["special_use"] = "Sent=Sent Messages, Drafts=Büro/Entwürfe,Trash"
        fresh.start()
        with fresh.raw_imap() as wire:
            wire.login()
            assert mailboxes(wire) == {"INBOX": set(), "Sent Messages": {"\\Sent"}, "Trash": {"\\Trash"},
                                       "B&APw-ro": set(), "B&APw-ro/Entw&APw-rfe": {"\\Drafts"}}

    @pytest.mark.parametrize("value, why", [
        ("Sent, Spam", "expected Archive, Drafts, Junk, Sent or Trash"), ("Sent=", "name of a mailbox"),
        ("Sent=INBOX", "name of a mailbox"), ("Sent, Sent=Other", "twice")])
    def test_a_wrong_setting_is_said(fresh, value, why):
        fresh.settings["special_use"] = value
        fresh.write_conf()
        said = fresh.cli("serve", "-c", str(fresh.conf), "--check-config", check=False)
        assert said.returncode and "special_use" in said.stderr and why in said.stderr

    def test_create_for_a_use(furnished, wire):
        assert b"NO [USEATTR]" in wire.command(r"CREATE MySent (USE (\Sent))")[-1]
        assert b"NO [USEATTR]" in wire.command(r"CREATE All (USE (\All))")[-1]
        assert b"NO [USEATTR]" in wire.command(r"CREATE All (USE (\Flagged))")[-1]
        wire.ok("DELETE Sent")
        wire.ok("DELETE Junk")
        wire.ok(r"CREATE Both (USE (\Sent \junk))")
        wire.ok("CREATE Plain (USE ())")
        wire.ok("CREATE Sent")
        want = {**USUAL, "Both": {"\\Sent", "\\Junk"}, "Plain": set(), "Sent": set()}
        del want["Junk"]
        assert mailboxes(wire) == want
        wire.ok("RENAME Both Other")
        furnished.kill_all()
        furnished.start()
        with furnished.raw_imap() as again:
            assert mailboxes(again.login())["Other"] == {"\\Sent", "\\Junk"}

    def test_a_wrong_command_is_told_what_is_wrong(wire):
        for bad in ("CREATE x (USE)", "CREATE x (USE (Sent))", r"CREATE x (USE (\Sent)", r"CREATE x (USES (\Sent))",
                    r"CREATE x (USE (\Sent)) y", "CREATE x ()"):
            answer = wire.command(bad)[-1]
            assert b" BAD " in answer[:12] and len(answer) > 15, (bad, answer)
