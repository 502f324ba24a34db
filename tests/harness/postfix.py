# SPDX-License-Identifier: 0BSD
"""A private Postfix; postfix(1) starts as root only."""

import pathlib
import shutil
import subprocess
import time

from harness.client import run

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
    def __init__(self, root, transport, more=""):
        """more: further lines of main.cf."""
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
{more}""")

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
