# SPDX-License-Identifier: 0BSD
"""Backup beside a running server under load, a second one, verify, restore."""

import re
import threading

from harness.client import message
from harness.server import Server


def count(server):
    client = server.imap()
    status, found = client.select()
    assert status == "OK"
    validity = int(client.response("UIDVALIDITY")[1][0])
    client.logout()
    return int(found[0]), validity


def test_what_was_delivered_before_a_backup_is_in_it_and_a_restore_raises_uidvalidity(fresh, config, tmp_path):
    target = tmp_path / "backup"
    if "BACKUP" not in config:
        assert fresh.control("backup", str(target), check=False).returncode == 2
        return
    fresh.start()
    for i in range(20):
        fresh.deliver(message(f"before {i}"))
    fresh.control("checkpoint")
    before, validity = count(fresh)
    stop = threading.Event()

    def load():
        while not stop.is_set():
            fresh.deliver(message("meanwhile"))

    thread = threading.Thread(target=load)
    thread.start()
    try:
        for _ in range(3):
            assert "files copied" in fresh.control("backup", str(target)).stdout
    finally:
        stop.set()
        thread.join()
    again = fresh.control("backup", str(target)).stdout
    assert int(re.search(r"(\d+) there already", again).group(1)) >= 1
    if "FSCK" in config:
        assert "clean" in fresh.control("verify", str(target)).stdout
    assert fresh.control("restore", str(target), check=False).returncode == 1  # a spool is there
    other = Server(fresh.binary, tmp_path / "other", users=())
    assert "new UIDVALIDITY" in other.control("restore", str(target)).stdout
    other.start()
    try:
        after, raised = count(other)
    finally:
        other.stop()
    assert after >= before and raised > validity


def test_a_backup_without_a_place_is_wrong_usage(fresh):
    done = fresh.control("backup", check=False)
    assert done.returncode == 2 and done.stderr
