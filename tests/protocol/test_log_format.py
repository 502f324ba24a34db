# SPDX-License-Identifier: 0BSD
"""Log lines as JSON: each line of each role is an object, whatever clients say."""

import json
import re

import pytest

from harness.server import Server


def once(pairs):
    """No name twice in an object: readers do not agree on what that means."""
    assert len(dict(pairs)) == len(pairs), pairs
    return dict(pairs)


@pytest.fixture
def lines(binary, tmp_path):
    """Starts a server, lets a test talk to it, and gives what it logged."""
    server = Server(binary, tmp_path, settings={"log_format": "json", "log_level": "debug"})

    def talk(client):
        server.start()
        try:
            client(server)
        finally:
            status = server.stop()
        assert status == 0
        return [json.loads(line, object_pairs_hook=once) for line in server.log_path.read_bytes().splitlines()]
    return talk


def hostile(server):
    with server.raw_imap() as wire:
        wire.send(b'a LOGIN "\\"}\\\\ \xc3\xa4" "wrong"\r\n')
        wire.until("a")
        wire.send(b"b LOGIN {3+}\r\n\xff\xc3( wrong\r\n")
        wire.until("b")
    with server.raw_imap() as wire:
        wire.login()
    server.deliver("Subject: x\r\n\r\nbody\r\n")


def all_are_objects(found):
    assert {line["by"] for line in found} >= {"master", "gate", "auth", "mail"}
    for line in found:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
        assert line["level"] in ("error", "warning", "info", "debug")
        assert isinstance(line["process"], int) and line["event"]
    delivered = next(line for line in found if line["event"] == "delivered")
    assert delivered["user"] == "demo" and delivered["by"] == "mail" and delivered["uid"] == "1"


def refusal(binary, tmp_path, form):
    """What is said of this log_format, which the server does not start with."""
    server = Server(binary, tmp_path, settings={"log_format": form})
    server.write_conf()
    done = server.cli("-c", str(server.conf), "--data", str(server.data), "serve", check=False)
    assert done.returncode != 0
    return done.stderr


def test_every_line_is_an_object_if_compiled_in_and_else_it_is_refused(lines, binary, tmp_path, config):
    if "LOG_JSON" in config:
        all_are_objects(lines(hostile))
    else:
        assert "this binary has no CONFIG_LOG_JSON" in refusal(binary, tmp_path, "json")


def test_an_unknown_form_is_refused_by_name(binary, tmp_path):
    assert "log_format must be" in refusal(binary, tmp_path, "xml")
