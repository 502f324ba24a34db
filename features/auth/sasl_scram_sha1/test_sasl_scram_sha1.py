# SPDX-License-Identifier: 0BSD
"""SCRAM-SHA-1 on the wire, with a client written by hand (RFC 5802)."""

from harness import sasl

NAME = "SCRAM-SHA-1"


def test_users_log_in_and_nobody_else_whether_known_or_not(server, config):
    if "SASL_SCRAM_SHA1" in config:
        sasl.check_scram(server, NAME)
    else:
        sasl.check_off(server, NAME)


def test_malformed_messages_are_refused_and_the_connection_lives(server, config):
    if "SASL_SCRAM_SHA1" in config:
        sasl.check_scram_bad_input(server, NAME)
    else:
        with sasl.connect(server) as wire:
            assert b" NO [CANNOT]" in wire.command(f"AUTHENTICATE {NAME} biws")[-1]
            wire.ok("NOOP")


def test_a_user_without_the_secret_is_an_unknown_one_until_the_password_is_set(server, config):
    if "SASL_SCRAM_SHA1" not in config:
        sasl.check_off(server, NAME)
        return
    sasl.check_unprepared(server, NAME, lambda wire, user, password:
                          sasl.scram(wire, NAME, user, password)[0].result)
