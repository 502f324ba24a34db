# SPDX-License-Identifier: 0BSD
"""Session tracking, compiled in and not."""

import time

from harness.client import message


def wait_for(what, seconds=10):
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)
    return found


def lines(folder):
    """The fields of all session files."""
    found = []
    for path in folder.glob("*"):
        try:
            found.append(path.read_text().splitlines()[0].split("\t"))
        except (OSError, IndexError):
            pass  # gone, or not written yet
    return found


def test_files_follow_a_session_if_compiled_in_and_only_then(fresh, config):
    fresh.start()
    folder = fresh.data / "proc"
    if "PROC" not in config:
        fresh.imap().logout()
        assert not folder.exists()
        return
    client = fresh.imap()
    client.select("INBOX")
    wait_for(lambda: ["imap", "127.0.0.1", "demo", "INBOX"] in [f[:4] for f in lines(folder)])
    client.unselect()
    wait_for(lambda: ["imap", "127.0.0.1", "demo", "-"] in [f[:4] for f in lines(folder)])
    client.logout()
    wait_for(lambda: not list(folder.glob("*")))


def test_a_delivering_client_is_seen(fresh, config):
    fresh.start()
    with fresh.raw_lmtp() as wire:
        wire.reply()
        wire.smtp("LHLO pc")
        wire.smtp("MAIL FROM:<a@b>")
        wire.smtp("RCPT TO:<demo>")
        assert wire.smtp("DATA")[0] == 354
        who = fresh.control("who", check=False)
        if "PROC" not in config:
            assert who.returncode != 0 and "who" in who.stderr
            return
        assert [w for line in who.stdout.splitlines() if "lmtp" in (w := line.split())][0][-1] == "DATA"
        wait_for(lambda: [f for f in lines(fresh.data / "proc") if f[0] == "lmtp" and f[4] == "DATA"])
        wire.send(message("seen") + ".\r\n")
        assert wire.reply()[0] == 250


def test_kick_ends_a_session_with_a_last_word(fresh, config):
    fresh.start()
    with fresh.raw_imap() as imap, fresh.raw_lmtp() as lmtp:
        imap.login()
        lmtp.reply()
        lmtp.smtp("LHLO pc")
        lmtp.smtp("MAIL FROM:<a@b>")
        if "PROC" not in config:
            assert fresh.control("kick", "1", check=False).returncode != 0
            imap.ok("NOOP")
            return
        rows = [line.split() for line in fresh.control("who").stdout.splitlines()[1:]]
        assert sorted(row[1] for row in rows) == ["imap", "lmtp"]
        for row in rows:
            fresh.control("kick", row[0])
        assert imap.line().startswith(b"* BYE") and imap.line() is None
        assert lmtp.reply()[0] == 421 and lmtp.line() is None
        wait_for(lambda: len(fresh.control("who").stdout.splitlines()) == 1)
        assert fresh.control("kick", "999999", check=False).returncode != 0


def test_a_restart_sweeps_what_a_crash_left(fresh, config):
    fresh.start()
    folder = fresh.data / "proc"
    if "PROC" not in config:
        assert not folder.exists()
        return
    (folder / "imap-4711").write_text("stale\n")
    (folder / "notes").write_text("not ours\n")
    with fresh.raw_imap() as imap:
        imap.login()
        wait_for(lambda: len(lines(folder)) == 3)
        fresh.kill_all()
    fresh.start()
    wait_for(lambda: [path.name for path in folder.glob("*")] == ["notes"])


def test_proc_path_is_a_setting_if_compiled_in_and_only_then(fresh, config, tmp_path):
    conf = tmp_path / "proc.conf"
    conf.write_text(f"proc_path: {tmp_path}/elsewhere\n")
    done = fresh.cli("--check-config", "-c", str(conf), check=False)
    if "PROC" not in config:
        assert done.returncode != 0 and "proc_path" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    fresh.settings["proc_path"] = f"{tmp_path}/elsewhere"
    fresh.start()
    with fresh.raw_imap() as imap:
        imap.login()
        wait_for(lambda: lines(tmp_path / "elsewhere"))
    assert not (fresh.data / "proc").exists()
