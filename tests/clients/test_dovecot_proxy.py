# SPDX-License-Identifier: 0BSD
"""Dovecot's LMTP proxy passes mail on: it says BDAT and XCLIENT where they are offered."""

import pathlib
import re
import shutil
import signal
import smtplib
import subprocess
import tempfile
import time

import pytest

from harness.client import message
from harness.server import Server, Wire, free_port

# dovecot(1) starts as root only.
pytestmark = pytest.mark.needs_root

CONF = """
base_dir = {root}/run
state_dir = {root}/state
log_path = {root}/log
log_debug = category=smtp-client
mail_debug = yes
protocols = lmtp
ssl = no
lmtp_proxy = yes
login_trusted_networks = 127.0.0.0/8
service stats {{
  chroot =
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
}}
passdb {{
  driver = static
  args = proxy=y nopassword=y host=127.0.0.1 port={to}
}}
"""


@pytest.fixture
def there(binary, config):
    root = pathlib.Path(tempfile.mkdtemp(prefix="satchel-proxy-"))
    root.chmod(0o755)
    settings = {"lmtp_xclient_from": "127.0.0.1"} if "LMTP_XCLIENT" in config else {}
    server = Server(binary, root / "satchel", settings, users=("demo", "other"))
    server.start()
    server.proxy_port = free_port()
    conf = root / "dovecot.conf"
    conf.write_text(CONF.format(root=root, port=server.proxy_port, to=server.lmtp_port))
    server.proxy_log = root / "log"
    with open(root / "output", "wb") as output:
        proxy = subprocess.Popen(["dovecot", "-F", "-c", str(conf)], stdout=output, stderr=output)
    end = time.monotonic() + 20
    while True:
        try:
            smtplib.LMTP("127.0.0.1", server.proxy_port).close()
            break
        except OSError:
            assert proxy.poll() is None and time.monotonic() < end, (root / "output").read_text()
            time.sleep(0.05)
    yield server
    proxy.send_signal(signal.SIGTERM)
    proxy.wait(20)
    server.stop()
    server.check_log()
    shutil.rmtree(root)


def test_mail_passes_to_many_with_its_replies(there, config):
    text = message("by a proxy", ".\r\n..dots\r\n" * 5000)
    with Wire(("127.0.0.1", there.proxy_port)) as wire:
        wire.reply()
        wire.smtp("LHLO front.example")
        if "LMTP_XCLIENT" in config:
            # Told to the proxy, which trusts this address, and by it to us.
            assert wire.smtp("XCLIENT ADDR=192.0.2.7 PORT=25")[0] == 220
            wire.smtp("LHLO front.example")
        assert wire.smtp("MAIL FROM:<a@example.org>")[0] == 250
        for user, code in (("demo", 250), ("nobody", 550), ("other", 250)):
            assert wire.smtp(f"RCPT TO:<{user}>")[0] == code
        assert wire.smtp("DATA")[0] == 354
        wire.send(re.sub(r"(?m)^\.", "..", text) + ".\r\n")
        assert [wire.reply()[0] for _ in range(2)] == [250, 250]
    for user in ("demo", "other"):
        client = there.imap(user)
        client.select()
        got = client.fetch("*", "(BODY[])")[1][0][1]
        client.logout()
        assert got.endswith(text.split("\r\n\r\n", 1)[1].encode())
    if "LMTP_XCLIENT" in config:
        there.wait_log(re.compile(r"peer=192\.0\.2\.7"))
    if "LMTP_CHUNKING" in config:
        assert re.search(r"BDAT", there.proxy_log.read_text()), there.proxy_log.read_text()
