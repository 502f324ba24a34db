# SPDX-License-Identifier: 0BSD
"""XCLIENT, compiled in and not: who is believed, and what becomes of the client."""

import pytest

from harness.client import message


@pytest.fixture
def behind(fresh, config):
    fresh.on = "LMTP_XCLIENT" in config
    if fresh.on:
        fresh.settings["lmtp_xclient_from"] = "127.0.0.1 ::1"
    fresh.start()
    return fresh


def talk(server):
    wire = server.raw_lmtp()
    assert wire.reply()[0] == 220
    wire.lhlo = wire.smtp("LHLO pc")[1].splitlines()
    return wire


def test_the_setting_is_known_if_compiled_in_and_only_then(fresh, config):
    fresh.settings["lmtp_xclient_from"] = "127.0.0.1 example.org"
    fresh.write_conf()
    done = fresh.cli("--check-config", "-c", str(fresh.conf), check=False)
    if "LMTP_XCLIENT" in config:
        assert "example.org in lmtp_xclient_from" in done.stderr
    else:
        assert "CONFIG_LMTP_XCLIENT" in done.stderr


def test_it_is_offered_to_those_who_are_listed_alone(server, behind, config):
    with talk(behind) as wire:
        assert any(word.startswith("XCLIENT ") for word in wire.lhlo) == behind.on
    with talk(server) as wire:
        assert not any(word.startswith("XCLIENT ") for word in wire.lhlo)
        code, said = wire.smtp("XCLIENT ADDR=192.0.2.7")
        assert (code, said[:5]) == ((550, "5.7.0") if behind.on else (500, "5.5.1"))


@pytest.mark.parametrize("words, address", (("NAME=mx.example ADDR=192.0.2.7 PORT=25", "[192.0.2.7]"),
                                            ("ADDR=IPV6:2001:db8::7 PROTO=ESMTP", "[IPv6:2001:db8::7]"),
                                            ("ADDR=[UNAVAILABLE] NAME=[TEMPUNAVAIL]", "[127.0.0.1]"),
                                            ("NAME=a+2Bb", "[127.0.0.1]")))
def test_log_and_received_show_the_client_that_was_told(behind, words, address):
    if not behind.on:
        return
    with talk(behind) as wire:
        assert wire.smtp(f"XCLIENT {words}")[0] == 220
        assert wire.smtp("MAIL FROM:<a@example.org>")[0] == 503  # LHLO is due again
        wire.smtp("LHLO front.example")
        assert wire.smtp("MAIL FROM:<a@example.org>")[0] == 250
        assert wire.smtp("XCLIENT ADDR=192.0.2.8")[0] == 503
        wire.smtp("RCPT TO:<demo>")
        wire.smtp("DATA")
        wire.send(message("by a front end") + ".\r\n")
        assert wire.reply()[0] == 250
    client = behind.imap()
    client.select()
    text = client.fetch("*", "(BODY[HEADER])")[1][0][1].decode()
    client.logout()
    assert f"from front.example ({address})" in text


def test_what_follows_in_the_same_packet_is_read(behind):
    if not behind.on:
        return
    with talk(behind) as wire:
        wire.send("XCLIENT ADDR=192.0.2.7\r\nLHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<demo>\r\nQUIT\r\n")
        assert [wire.reply()[0] for _ in range(5)] == [220, 250, 250, 250, 221]


@pytest.mark.parametrize("words", ("", "ADDR", "ADDR=", "ADDR=1.2.3", "ADDR=IPV6:1.2.3.4", "COLOUR=red", "ADDR=unix",
                                   "NAME=a+2", "NAME=a+zz", "ADDR=192.0.2.7 FOO=bar", "ADDR=IPV6:xyz"))
def test_malformed_attributes_are_refused_and_change_nothing(behind, words):
    if not behind.on:
        return
    with talk(behind) as wire:
        assert wire.smtp(f"XCLIENT {words}".strip())[0] == 501
        assert wire.smtp("MAIL FROM:<a@example.org>")[0] == 250
    assert "peer=192.0.2.7" not in behind.log()


def test_the_client_that_was_told_is_believed_no_further(behind):
    if not behind.on:
        return
    with talk(behind) as wire:
        assert wire.smtp("XCLIENT ADDR=192.0.2.7")[0] == 220
        assert not any(word.startswith("XCLIENT ") for word in wire.smtp("LHLO x")[1].splitlines())
        assert wire.smtp("XCLIENT ADDR=127.0.0.1")[0] == 550


def test_lmtp_peers_and_logins_hold_for_that_client(fresh, config):
    if "LMTP_XCLIENT" not in config:
        return
    fresh.settings.update({"lmtp_xclient_from": "127.0.0.1", "lmtp_peers": "127.0.0.1 192.0.2.0/24"})
    if "LMTP_AUTH" in config:
        fresh.settings["lmtp_auth"] = "remote"
    fresh.start()
    with talk(fresh) as wire:
        assert wire.smtp("XCLIENT ADDR=192.0.2.7")[0] == 220
        wire.smtp("LHLO x")
        assert wire.smtp("MAIL FROM:<a@b>")[0] == (530 if "LMTP_AUTH" in config else 250)
    with talk(fresh) as wire:
        code, said = wire.smtp("XCLIENT ADDR=198.51.100.7")
        assert code == 421 and "may not deliver" in said
        assert wire.line() is None
    fresh.wait_log("peer=198.51.100.7")
