# SPDX-License-Identifier: 0BSD
"""Aliases, catch-all addresses, domains and postmaster, compiled in and not."""

import pytest

from harness.client import message


@pytest.fixture
def there(fresh, config):
    fresh.on, fresh.config_words = "ALIAS" in config, config
    fresh.add_user("anna")
    fresh.add_user("ben@example.org")
    return fresh


def alias(server, *words, stdin="", check=True):
    return server.cli("--data", str(server.data), "alias", *words, stdin=stdin, check=check)


def rcpt(server, *addresses):
    with server.raw_lmtp() as wire:
        wire.reply()
        wire.smtp("LHLO pc")
        wire.smtp("MAIL FROM:<a@example.org>")
        return [wire.smtp(f"RCPT TO:<{address}>")[0] for address in addresses]


def subjects(server, user, folder="INBOX"):
    client = server.imap(user)
    client.select(folder, readonly=True)
    found = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
    client.logout()
    return [item[1].decode().strip().removeprefix("Subject: ") for item in found if isinstance(item, tuple)]


def test_command_and_settings_are_known_if_compiled_in_and_only_then(there):
    there.settings["alias_domains"] = "example.org"
    there.write_conf()
    done = there.cli("--check-config", "-c", str(there.conf), check=False)
    assert (done.returncode == 0) == there.on and (there.on or "CONFIG_ALIAS" in done.stderr)
    assert (alias(there, "list", check=False).returncode == 0) == there.on


def test_mail_goes_to_whom_an_alias_names(there):
    if not there.on:
        return
    for words in (("info@example.org", "anna"), ("Sales", "BEN@example.org"), ("@old.example", "@example.org"),
                  ("far@example.org", "near@example.org"), ("near@example.org", "sales"),
                  ("@example.net", "anna"), ("boxes@example.org", "anna+Box"), ("anna@example.com", "demo")):
        alias(there, "add", *words)
    there.start()
    client = there.imap("anna")
    for folder in ("Box", "other"):
        client.create(folder)
    client.logout()
    for i, address in enumerate(("info@EXAMPLE.org", "sales@anywhere.example", "ben@old.example", "far@example.org",
                                 "whoever@example.net", "boxes@example.org", "info+other@example.org",
                                 "boxes+other@example.org", "anna@example.org", "anna@example.com")):
        there.deliver(message(f"{i}"), to=(address,))
    assert subjects(there, "ben@example.org") == ["1", "2", "3"]
    assert subjects(there, "demo") == ["9"]
    if "SUBADDRESS" in there.config_words:
        assert subjects(there, "anna") == ["0", "4", "8"]
        assert subjects(there, "anna", "Box") == ["5", "7"] and subjects(there, "anna", "other") == ["6"]
    client = there.imap()
    client.select()
    assert b"Delivered-To: anna@example.com" in client.fetch("1", "(BODY[HEADER])")[1][0][1]
    client.logout()


def test_accounts_win_and_the_unknown_stay_unknown(there):
    if not there.on:
        return
    alias(there, "add", "anna", "demo")
    alias(there, "add", "nowhere", "nobody")
    alias(there, "add", "round", "and-round")
    alias(there, "add", "and-round", "round")
    alias(there, "add", "@all.example", "demo")
    there.start()
    assert rcpt(there, "anna", "nowhere", "round", "nobody", "x@example.org", "x@all.example") == [
        250, 550, 550, 550, 550, 250]
    there.deliver(message("for anna"), to=("anna",))
    assert subjects(there, "anna") == ["for anna"]
    there.wait_log("aliases lead round in circles")


def test_changes_are_noticed_at_the_next_address_and_outlive_a_restart(there):
    if not there.on:
        return
    there.start()
    assert rcpt(there, "info") == [550]
    alias(there, "add", "info", "anna")
    assert rcpt(there, "info") == [250]
    there.restart()
    assert rcpt(there, "info") == [250]
    alias(there, "del", "INFO")
    assert rcpt(there, "info") == [550]


def test_a_table_that_cannot_be_read_refuses_nobody_for_good(there):
    if not there.on:
        return
    alias(there, "add", "info", "anna")
    table = there.data / "aliases.cdb"
    good = table.read_bytes()
    there.start()
    table.write_bytes(good[:-12] + b"x" + good[-11:])
    assert rcpt(there, "info", "other", "anna") == [451, 451, 250]
    assert "damaged" in alias(there, "add", "x", "y", check=False).stderr
    table.write_bytes(good)
    assert rcpt(there, "info", "other") == [250, 550]


def test_only_listed_domains_are_ours(there):
    if not there.on:
        return
    alias(there, "add", "@old.example", "@example.org")
    there.settings["alias_domains"] = "example.org, Old.Example"
    there.start()
    assert rcpt(there, "anna@example.org", "anna@EXAMPLE.ORG", "ben@old.example", "anna", "anna@example.net",
                "postmaster@example.org") == [250, 250, 250, 250, 550, 550]


def test_postmaster_is_somebody(there):
    if not there.on:
        return
    there.settings["alias_postmaster"] = "anna"
    there.start()
    assert rcpt(there, "Postmaster", "POSTMASTER@example.org", "postmasters") == [250, 250, 550]
    alias(there, "add", "postmaster@example.org", "demo")
    there.deliver(message("by alias"), to=("postmaster@example.org",))
    there.deliver(message("by setting"), to=("postmaster",))
    assert subjects(there, "demo") == ["by alias"] and subjects(there, "anna") == ["by setting"]


def test_list_and_import(there, tmp_path):
    if not there.on:
        return
    alias(there, "add", "b", "anna")
    file = tmp_path / "aliases"
    file.write_text("# ours\nB: ben@example.org\n\nA@Example.org\tanna+x # first\n")
    alias(there, "import", str(file))
    assert alias(there, "list").stdout == "a@example.org anna+x\nb ben@example.org\n"
    done = alias(there, "import", "-", stdin="c anna\nd\n", check=False)
    assert done.returncode == 1 and "-:2: expected an address" in done.stderr
    assert alias(there, "list").stdout == "a@example.org anna+x\nb ben@example.org\n"
    for bad in (("add", "a"), ("add", "a+b", "anna"), ("add", "a b", "anna"), ("add", "a", "b@"), ("del", "c"),
                ("remove", "a"), ()):
        assert alias(there, *bad, check=False).returncode, bad
    many = "".join(f"user{i}@example.org anna\n" for i in range(20000))
    alias(there, "import", "-", stdin=many)
    assert len(alias(there, "list").stdout.splitlines()) == 20002
    there.start()
    assert rcpt(there, "user19999@example.org", "user20000@example.org") == [250, 550]


def test_a_backup_has_them(there, tmp_path):
    if not there.on or "BACKUP" not in there.config_words:
        return
    alias(there, "add", "info", "anna")
    there.start()
    there.control("backup", str(tmp_path / "copy"))
    assert (tmp_path / "copy" / "aliases.cdb").read_bytes() == (there.data / "aliases.cdb").read_bytes()
