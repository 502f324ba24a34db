# SPDX-License-Identifier: 0BSD
"""Real clients log in by the mechanisms that prove a password without showing it."""

import shutil

import pytest

from harness.client import message, run, run_on_terminal

MECHANISMS = {"SCRAM-SHA-256": "SASL_SCRAM_SHA256", "SCRAM-SHA-1": "SASL_SCRAM_SHA1",
              "SCRAM-SHA-512": "SASL_SCRAM_SHA512", "CRAM-MD5": "SASL_CRAM_MD5",
              "DIGEST-MD5": "SASL_DIGEST_MD5", "LOGIN": "SASL_LOGIN", "PLAIN": "SASL_PLAIN"}


def logged_in(server, user, mechanism):
    return [line for line in server.log().splitlines() if "login" in line and f"user={user}" in line
            and f"mech={mechanism}" in line and "failed" not in line]


@pytest.mark.parametrize("mechanism", sorted(MECHANISMS))
def test_mbsync_logs_in_by_what_is_compiled_in_and_by_nothing_else(server, tmp_path, config, mechanism):
    assert shutil.which("mbsync")
    user = "mb" + mechanism.lower()
    server.add_user(user)
    server.deliver(message("mbsync", "text\r\n"), to=(user,))
    rc = tmp_path / "rc"
    rc.write_text(f"""IMAPAccount a
Host 127.0.0.1
Port {server.imap_port}
User {user}
Pass "{server.password}"
SSLType None
AuthMechs {mechanism}

IMAPStore far
Account a

MaildirStore near
Path {tmp_path}/mail/
Inbox {tmp_path}/mail/INBOX

Channel c
Far :far:
Near :near:
Patterns INBOX
Create Near
SyncState *
""")
    (tmp_path / "mail").mkdir()
    done = run("mbsync", "-c", rc, "c", check=False)
    if MECHANISMS[mechanism] in config or mechanism == "LOGIN":  # LOGIN is the command to mbsync
        assert done.returncode == 0, done.stderr
        assert logged_in(server, user, mechanism), server.log()
        assert len(list((tmp_path / "mail/INBOX").glob("*/*"))) == 1
    else:
        assert done.returncode != 0


@pytest.mark.parametrize("program", ["mutt"])
@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "DIGEST-MD5"])
def test_mutt_logs_in_by_what_is_compiled_in(server, tmp_path, config, program, mechanism):
    if MECHANISMS[mechanism] not in config:
        with server.raw_imap() as wire:
            wire.line()
            assert f"AUTH={mechanism}".encode() not in b" ".join(wire.ok("CAPABILITY"))
        return
    user = program + mechanism.lower()
    server.add_user(user)
    server.deliver(message("mutt", "text\r\n"), to=(user,))
    rc = tmp_path / "rc"
    rc.write_text(f"""
set folder="imap://{user}@127.0.0.1:{server.imap_port}/"
set spoolfile="imap://{user}@127.0.0.1:{server.imap_port}/INBOX"
set imap_user="{user}"
set imap_pass="{server.password}"
set imap_authenticators="{mechanism.lower()}"
set ssl_starttls=no
set ssl_force_tls=no
set quit=yes
push "<quit>"
""")
    status, drawn = run_on_terminal(program, "-n", "-F", rc, env={"HOME": str(tmp_path)})
    assert status == 0, drawn
    assert logged_in(server, user, mechanism), server.log()
