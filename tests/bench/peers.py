# SPDX-License-Identifier: 0BSD
"""Other servers from the distribution's packages, as private instances on loopback ports, with
their default durability. They start as root (as they do when installed) and drop their own rights;
nothing of the host's configuration is read or changed, nothing is started through its init."""

import imaplib
import os
import pathlib
import shutil
import signal
import smtplib
import socket
import subprocess
import time

from measure import free_port, tree
from targets import PASSWORD, Target, counting

START_SECONDS = 60


def install(*packages):
    """Debian's packages, unless they are there."""
    state = subprocess.run(["dpkg-query", "-W", "-f", "${Status}\n", *packages], capture_output=True,
                           text=True, check=False).stdout
    if state.count("ok installed") == len(packages):
        return
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    # A package's own service must not come up: it would take the CPU and the ports.
    policy = pathlib.Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        subprocess.run(["apt-get", "update", "-qq"], env=env, check=False, timeout=300)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], env=env,
                       check=True, timeout=900, stdout=subprocess.DEVNULL)
    finally:
        if ours:
            policy.unlink()


def version_of(package):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True,
                          check=True)
    return done.stdout


class Peer(Target):
    def __init__(self, root, users):
        if os.geteuid():
            raise RuntimeError(f"{self.name} must be started as root")
        install(*self.packages)
        self.version = version_of(self.packages[0])
        self.dir = pathlib.Path(root) / self.name
        self.dir.mkdir()
        # Their own users must get to the folders below.
        for folder in (self.dir, *self.dir.parents):
            if folder == pathlib.Path("/") or folder.stat().st_mode & 0o1:
                continue
            folder.chmod(folder.stat().st_mode | 0o11)
        self.users = users
        self.imap_port, self.lmtp_port = free_port(), free_port()
        self.log_path = self.dir / "log"

    def path(self, name, text=None):
        path = self.dir / name
        if text is not None:
            path.write_text(text)
        return path

    def spawn(self, *words):
        with open(self.dir / "output", "ab") as out:
            self.process = subprocess.Popen([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=out, start_new_session=True, cwd=self.dir)
        self.pid = self.process.pid
        end = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.name} did not start: {(self.dir / 'output').read_text()[-2000:]}")
            time.sleep(0.1)

    def answers(self):
        try:
            for port in (self.imap_port, self.lmtp_port):
                with socket.create_connection(("127.0.0.1", port), 5) as s:
                    s.settimeout(10)
                    if not s.recv(3):
                        return False
            return True
        except OSError:
            return False

    def first_mail(self):
        """One message to each user, one after the other: what a first delivery makes is made."""
        with smtplib.LMTP("127.0.0.1", self.lmtp_port) as client:
            for user in self.users:
                client.sendmail("load@example.net", [user],
                                f"Subject: first\r\nMessage-ID: <first-{user}@example.net>\r\n\r\nhello\r\n")
        for user in self.users:
            with imaplib.IMAP4("127.0.0.1", self.imap_port, timeout=30) as client:
                client.login(user, PASSWORD)
                client.select("INBOX")
                client.store("1", "+FLAGS", r"(\Deleted)")
                client.expunge()

    def stop(self):
        pids = tree(self.pid)
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        time.sleep(0.5)
        for pid in pids:
            if self.owns(pid):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.dir, ignore_errors=True)

    def owns(self, pid):
        """Is it still one of the processes of this instance (same session), and not a later one?"""
        try:
            return os.getsid(pid) == self.pid or str(self.dir) in pathlib.Path(
                f"/proc/{pid}/cmdline").read_text()
        except OSError:
            return False


class Dovecot(Peer):
    """sdbox, login processes that serve many connections, plain passwords: its fast settings."""

    name = "dovecot"
    packages = ("dovecot-core", "dovecot-imapd", "dovecot-lmtpd")

    def start(self):
        owner = "mail"
        (self.dir / "mail").mkdir()
        shutil.chown(self.dir / "mail", owner, owner)
        self.path("passwd", "".join(f"{u}:{{PLAIN}}{PASSWORD}\n" for u in self.users))
        conf = self.path("dovecot.conf", f"""
protocols = imap lmtp
listen = 127.0.0.1
base_dir = {self.dir}/run
state_dir = {self.dir}/state
log_path = {self.dir}/log
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
auth_username_format = %Ln
mail_location = sdbox:~/sdbox
mail_uid = {owner}
mail_gid = {owner}
first_valid_uid = 1
first_valid_gid = 1
mail_max_userip_connections = 10000
passdb {{
  driver = passwd-file
  args = {self.dir}/passwd
}}
userdb {{
  driver = static
  args = uid={owner} gid={owner} home={self.dir}/mail/%Ln
}}
namespace inbox {{
  inbox = yes
}}
service imap-login {{
  service_count = 0
  process_min_avail = 2
  client_limit = 4000
  inet_listener imap {{
    port = {self.imap_port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service imap {{
  process_limit = 2048
}}
service lmtp {{
  process_limit = 512
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {self.lmtp_port}
  }}
}}
service anvil {{
  client_limit = 8000
}}
service auth {{
  client_limit = 8000
}}
""")
        self.spawn("/usr/sbin/dovecot", "-F", "-c", conf)
        self.first_mail()
        return counting(self)


class Cyrus(Peer):
    """Duplicate suppression on, as by default; idled runs, so that IDLE is told at once."""

    name = "cyrus"
    packages = ("cyrus-imapd", "cyrus-admin", "sasl2-bin", "libsasl2-modules")
    owner = "cyrus"

    def start(self):
        for folder in ("conf", "conf/socket", "conf/proc", "conf/log", "conf/msg", "spool", "sieve"):
            (self.dir / folder).mkdir()
        self.write_configuration()
        self.add_passwords()
        subprocess.run(["chown", "-R", f"{self.owner}:mail", self.dir], check=True)
        self.spawn("/usr/lib/cyrus/bin/master", "-C", self.dir / "imapd.conf", "-M", self.dir / "cyrus.conf",
                   "-p", self.dir / "conf" / "master.pid")
        with imaplib.IMAP4("127.0.0.1", self.imap_port, timeout=30) as admin:
            admin.login(self.owner, PASSWORD)
            for user in self.users:
                answer, text = admin.create(f"user.{user}")
                if answer != "OK":
                    raise RuntimeError(f"cyrus: CREATE: {text}")
        self.first_mail()
        return counting(self)

    def write_configuration(self):
        self.path("imapd.conf", f"""
configdirectory: {self.dir}/conf
partition-default: {self.dir}/spool
defaultpartition: default
sievedir: {self.dir}/sieve
idlesocket: {self.dir}/conf/socket/idle
lmtpsocket: {self.dir}/conf/socket/lmtp
notifysocket: {self.dir}/conf/socket/notify
servername: bench.example.org
admins: {self.owner}
allowplaintext: yes
unixhierarchysep: no
virtdomains: off
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {self.dir}/sasldb2
sasl_mech_list: PLAIN
duplicatesuppression: yes
popminpoll: 0
""")
        bin_dir = "/usr/lib/cyrus/bin"
        conf = f"-C {self.dir}/imapd.conf"
        self.path("cyrus.conf", f"""
START {{
  recover cmd="{bin_dir}/ctl_cyrusdb {conf} -r"
  idled cmd="{bin_dir}/idled {conf}"
}}
SERVICES {{
  imap cmd="{bin_dir}/imapd {conf} -U 100" listen="127.0.0.1:{self.imap_port}" prefork=8
  lmtp cmd="{bin_dir}/lmtpd {conf} -a" listen="127.0.0.1:{self.lmtp_port}" prefork=4
}}
EVENTS {{
  checkpoint cmd="{bin_dir}/ctl_cyrusdb {conf} -c" period=30
}}
""")

    def add_passwords(self):
        for user in (*self.users, self.owner):
            subprocess.run(["saslpasswd2", "-p", "-c", "-f", self.dir / "sasldb2", "-u", "bench.example.org",
                            user], input=PASSWORD, text=True, check=True)


def peer(name, root, users):
    kinds = {"dovecot": Dovecot, "cyrus": Cyrus}
    if name not in kinds:
        raise RuntimeError(f"no peer is called {name}; known: {', '.join(kinds)}")
    return kinds[name](root, users)
