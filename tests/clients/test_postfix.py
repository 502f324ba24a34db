# SPDX-License-Identifier: 0BSD
"""A private Postfix hands mail to Satchel with its lmtp(8), over TCP and over the unix socket."""

import grp
import os
import pathlib
import shutil
import tempfile
import time

import pytest

from harness.client import message, run
from harness.postfix import Postfix

# postfix(1) starts as root only.
pytestmark = pytest.mark.needs_root

@pytest.fixture(params=["tcp", "unix"])
def postfix(request, server):
    assert grp.getgrnam("postdrop")
    root = pathlib.Path(tempfile.mkdtemp(prefix="satchel-postfix-"))
    root.chmod(0o755)
    if request.param == "tcp":
        transport = f"lmtp:inet:127.0.0.1:{server.lmtp_port}"
    else:
        # lmtp(8) runs as postfix.
        os.chmod(server.lmtp_socket, 0o666)
        transport = f"lmtp:unix:{server.lmtp_socket}"
    instance = Postfix(root, transport)
    instance.start()
    yield instance
    instance.stop()
    shutil.rmtree(root)


def test_postfix_delivers_to_many_and_bounces_the_unknown(server, postfix):
    subject = f"from postfix {os.getpid()} {time.monotonic_ns()}"
    postfix.send(message(subject, ".leading dot\r\n..two\r\nend\r\n"), "demo@example.org",
                 "other@example.org", "nobody@example.org")
    postfix.wait_log("to=<demo@example.org>")
    postfix.wait_log("status=bounced")
    assert "5.1.1" in postfix.log()
    assert postfix.log().count("status=sent") >= 2, postfix.log()
    for user in ("demo", "other"):
        client = server.imap(user)
        client.select()
        number = client.search(None, "SUBJECT", f'"{subject}"')[1][0].split()[-1]
        text = client.fetch(number, "(BODY[])")[1][0][1]
        assert b"\r\n.leading dot\r\n..two\r\nend\r\n" in text
        client.logout()


def test_postfix_queues_while_satchel_is_down_and_delivers_after(server, postfix):
    subject = f"queued {os.getpid()} {time.monotonic_ns()}"
    server.stop()
    postfix.send(message(subject), "demo@example.org")
    postfix.wait_log("status=deferred")
    server.start()
    if "lmtp.sock" in (postfix.etc / "main.cf").read_text():
        os.chmod(server.lmtp_socket, 0o666)
    run("postqueue", "-c", postfix.etc, "-f")
    postfix.wait_log("status=sent")
    client = server.imap()
    client.select()
    assert client.search(None, "SUBJECT", f'"{subject}"')[1][0].split()
    client.logout()
