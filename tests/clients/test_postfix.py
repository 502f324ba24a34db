# SPDX-License-Identifier: 0BSD
"""A private Postfix hands mail to Satchel with its lmtp(8), over TCP and over the unix socket."""

import grp
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import pytest

from harness.client import message, run

# postfix(1) starts as root only.
pytestmark = pytest.mark.needs_root

MASTER = """
pickup    unix  n  -  n  1    1  pickup
cleanup   unix  n  -  n  -    0  cleanup
qmgr      unix  n  -  n  1    1  qmgr
tlsmgr    unix  -  -  n  1000? 1  tlsmgr
rewrite   unix  -  -  n  -    -  trivial-rewrite
bounce    unix  -  -  n  -    0  bounce
defer     unix  -  -  n  -    0  bounce
trace     unix  -  -  n  -    0  bounce
flush     unix  n  -  n  1000? 0  flush
error     unix  -  -  n  -    -  error
retry     unix  -  -  n  -    -  error
discard   unix  -  -  n  -    -  discard
local     unix  -  n  n  -    -  local
lmtp      unix  -  -  n  -    -  lmtp
anvil     unix  -  -  n  -    1  anvil
scache    unix  -  -  n  -    1  scache
postlog   unix-dgram n - n - 1 postlogd
"""


class Postfix:
    def __init__(self, root, transport):
        self.root = pathlib.Path(root)
        self.etc, self.queue = self.root / "etc", self.root / "queue"
        self.etc.mkdir()
        self.queue.mkdir()
        (self.root / "data").mkdir()
        shutil.chown(self.root / "data", "postfix")
        (self.etc / "master.cf").write_text(MASTER)
        (self.etc / "main.cf").write_text(f"""
compatibility_level = 3.6
queue_directory = {self.queue}
data_directory = {self.root}/data
maillog_file = {self.root}/maillog
maillog_file_prefixes = {self.root}
myhostname = mta.example.org
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
default_transport = {transport}
disable_dns_lookups = yes
alias_maps =
alias_database =
local_recipient_maps =
multi_instance_name = postfix-satchel
minimal_backoff_time = 2s
queue_run_delay = 2s
""")

    def start(self):
        run("postfix", "-c", self.etc, "start", timeout=120)

    def stop(self):
        subprocess.run(["postfix", "-c", str(self.etc), "stop"], capture_output=True, timeout=120)

    def send(self, text, *to):
        run("sendmail", "-C", self.etc, "-f", "mta@example.org", *to, stdin=text.replace("\r\n", "\n"),
            env={"MAIL_CONFIG": str(self.etc)})

    def log(self):
        path = self.root / "maillog"
        return path.read_text() if path.exists() else ""

    def wait_log(self, text, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if text in self.log():
                return
            time.sleep(0.1)
        raise AssertionError(f"{text!r} is not in the log:\n{self.log()}")


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
