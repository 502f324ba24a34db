# SPDX-License-Identifier: 0BSD
"""user+folder (RFC 5233), compiled in and not."""

import pytest

from harness.client import message


def counts(server):
    client = server.imap()
    found = {}
    for line in client.list()[1]:
        name = line.decode().rsplit(' "/" ', 1)[1].strip('"')
        found[name] = int(client.select(f'"{name}"', readonly=True)[1][0])
    client.logout()
    return {name: n for name, n in found.items() if n}


def start(server, config, setting):
    if "SUBADDRESS" in config:
        server.settings["subaddress_folder"] = setting
    server.start()
    client = server.imap()
    client.create("Lists")
    client.create("lists/kernel")
    client.logout()


@pytest.mark.parametrize("setting", ("exists", "create", "inbox"))
def test_the_setting_says_where_it_goes(fresh, config, setting):
    start(fresh, config, setting)
    for detail in ("Lists", "lists/kernel", "LISTS/KERNEL", "new", "new/below", "INBOX", "inbox", "", "a/", "/a", "a//b"):
        fresh.deliver(message(f"detail {detail}"), to=(f"demo+{detail}@example.org",))
    fresh.deliver(message("two"), to=("demo+Lists+x",))
    there = {"Lists": 1, "lists/kernel": 2}
    if "SUBADDRESS" not in config or setting == "inbox":
        assert counts(fresh) == {"INBOX": 12}
    elif setting == "exists":
        assert counts(fresh) == {"INBOX": 9, **there}
    else:
        assert counts(fresh) == {"INBOX": 5, **there, "new": 1, "new/below": 1, "a": 1, "Lists+x": 1}
        client = fresh.imap()
        assert any(line.endswith(b" new") for line in client.lsub()[1])
        client.logout()


def test_a_folder_that_was_made_outlives_a_kill(fresh, config):
    if "SUBADDRESS" not in config:
        return
    start(fresh, config, "create")
    fresh.deliver(message("made"), to=("demo+made",))
    fresh.kill_all()
    fresh.start()
    assert counts(fresh) == {"made": 1}


def test_a_bad_setting_is_told(fresh, config):
    fresh.settings["subaddress_folder"] = "sometimes"
    fresh.write_conf()
    done = fresh.cli("--check-config", "-c", str(fresh.conf), check=False)
    assert done.returncode
    assert ("subaddress_folder must be" if "SUBADDRESS" in config else "CONFIG_SUBADDRESS") in done.stderr
