# SPDX-License-Identifier: 0BSD
"""A private instance of the real binary on free loopback ports, with a spool of its own."""

import imaplib
import os
import pathlib
import re
import signal
import smtplib
import socket
import subprocess
import time

from harness.ports import free_port

START_SECONDS = 60
ROLES = ("gate", "auth", "mail")


def binaries():
    """The binaries under test by name: the static one, and the sanitized one where it was built."""
    found = {"static": os.environ["SATCHEL"]}
    if os.environ.get("SATCHEL_ASAN"):
        found["asan"] = os.environ["SATCHEL_ASAN"]
    return found


def config_symbols(binary=None):
    """CONFIG_ symbols of a binary (the one under test) that are set, as it says itself, as a dict of texts."""
    symbols = {}
    text = subprocess.run([binary or os.environ["SATCHEL"], "config", "--kconfig"], capture_output=True, text=True,
                          check=True, timeout=30).stdout
    for line in text.splitlines():
        if line.startswith("CONFIG_") and "=" in line:
            name, value = line.split("=", 1)
            symbols[name[len("CONFIG_"):]] = value.strip('"')
    return symbols


class Server:
    """One `satchel serve`. start(), stop(), kill(), restart(); log() is all it printed."""

    password = "demo secret"

    def __init__(self, binary, directory, settings=None, users=("demo",)):
        self.binary = str(binary)
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.data = self.dir / "data"
        self.imap_port, self.lmtp_port = free_port(), free_port()
        self.lmtp_socket = str(self.dir / "lmtp.sock")
        self.settings = {
            "imap_listen": f"127.0.0.1:{self.imap_port}",
            "lmtp_listen": f"127.0.0.1:{self.lmtp_port} {self.lmtp_socket}",
            "hostname": "mail.example.org",
        }
        if config_symbols(self.binary).get("SPECIAL_USE") == "y":
            self.settings["special_use"] = ""    # accounts with INBOX alone
        self.settings.update(settings or {})
        self.conf = self.dir / "satchel.conf"
        self.log_path = self.dir / "log"
        self.process = None
        self.data.mkdir(exist_ok=True)
        for user in users:
            self.add_user(user)

    # ---- the command line ----

    def cli(self, *words, stdin="", check=True, timeout=60):
        done = subprocess.run([self.binary, *words], input=stdin, capture_output=True, text=True,
                              timeout=timeout)
        if check and done.returncode:
            raise AssertionError(f"{words}: status {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def add_user(self, name, password=None):
        self.cli("--data", str(self.data), "user", "add", name,
                 stdin=(password or self.password) + "\n")

    def control(self, *words, check=True):
        return self.cli("--data", str(self.data), *words, check=check)

    # ---- its life ----

    def write_conf(self):
        self.conf.write_text("".join(f"{k}: {v}\n" for k, v in self.settings.items()))

    def start(self, env=None, by_log=False):
        """by_log: a greeting is no sign, because something comes before it (PROXY protocol)."""
        self.write_conf()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [self.binary, "serve", "-c", str(self.conf), "--data", str(self.data)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **(env or {})}, start_new_session=True)
        if by_log:
            self.wait_log(": ready pid=")
        else:
            self.wait_ready()
        return self

    def wait_log(self, text, seconds=START_SECONDS):
        """text: words, or a compiled pattern.  The log may say it a moment after the client was answered."""
        pattern = text if isinstance(text, re.Pattern) else re.compile(re.escape(text))
        end = time.monotonic() + seconds
        while not pattern.search(self.log()):
            assert time.monotonic() < end and self.process.poll() is None, self.log()
            time.sleep(0.02)

    def wait_ready(self, seconds=START_SECONDS):
        """Until a login and a greeting really work, or the process has died."""
        end = time.monotonic() + seconds
        while True:
            if self.process.poll() is not None:
                raise AssertionError(f"satchel ended with {self.process.returncode}:\n{self.log()}")
            try:
                with socket.create_connection(("127.0.0.1", self.imap_port), 5) as imap, \
                        socket.create_connection(("127.0.0.1", self.lmtp_port), 5) as lmtp:
                    imap.settimeout(5)
                    lmtp.settimeout(5)
                    if imap.recv(4) == b"* OK" and lmtp.recv(3) == b"220":
                        return
            except OSError:
                pass
            if time.monotonic() > end:
                raise AssertionError(f"satchel did not answer in {seconds} s:\n{self.log()}")
            time.sleep(0.02)

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def role_pid(self, role, timeout=20):
        """The child process that plays this role now."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            for pid in self.children():
                try:
                    if role in pathlib.Path(f"/proc/{pid}/comm").read_text():
                        return pid
                except OSError:
                    continue
            time.sleep(0.02)
        raise AssertionError(f"no {role} process below {self.process.pid}:\n{self.log()}")

    def children(self):
        try:
            path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
            return [int(p) for p in pathlib.Path(path).read_text().split()]
        except OSError:
            return []

    def kill_role(self, role, sig=signal.SIGKILL):
        pid = self.role_pid(role)
        os.kill(pid, sig)
        return pid

    def kill_all(self):
        """kill -9 of all four processes at once: the power button of a process."""
        pids = [self.process.pid, *self.children()]
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait(10)
        for pid in pids[1:]:
            wait_gone(pid)

    def stop(self, timeout=30):
        """SIGTERM; returns the exit status. A hang is a failure."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill_all()
                raise AssertionError(f"satchel did not end on SIGTERM:\n{self.log()}")
        status = self.process.returncode
        self.process = None
        return status

    def restart(self):
        self.stop()
        return self.start()

    def check_log(self):
        """No sanitizer report, no broken invariant, no child that died by a signal of its own."""
        bad = re.search(r"(?m)^.*(AddressSanitizer|LeakSanitizer|runtime error|ThreadSanitizer"
                        r"|invariant).*$", self.log())
        assert not bad, f"{bad.group(0)}\n{self.log()}"

    # ---- clients ----

    def imap(self, user="demo", password=None, login=True):
        client = imaplib.IMAP4("127.0.0.1", self.imap_port, timeout=30)
        if login:
            client.login(user, password or self.password)
        return client

    def count(self, user="demo"):
        """How many messages INBOX has."""
        client = self.imap(user)
        n = int(client.select(readonly=True)[1][0])
        client.logout()
        return n

    def newest(self, user="demo", items="(BODY.PEEK[])"):
        """The newest message of INBOX, as bytes, or another item of it."""
        client = self.imap(user)
        client.select(readonly=True)
        got = client.fetch("*", items)[1][0]
        client.logout()
        return got[1] if isinstance(got, tuple) else got

    def lmtp(self):
        return smtplib.LMTP("127.0.0.1", self.lmtp_port)

    def deliver(self, message, to=("demo",), sender="sender@example.org"):
        with self.lmtp() as client:
            refused = client.sendmail(sender, list(to), message)
            assert not refused, refused

    def raw_imap(self):
        return Wire(("127.0.0.1", self.imap_port))

    def raw_lmtp(self):
        return Wire(("127.0.0.1", self.lmtp_port))


def quote(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def wait_gone(pid, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} is still there")


class Wire:
    """A raw socket that sends bytes and reads lines; every wait is bounded."""

    def __init__(self, address, timeout=20):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.settimeout(timeout)
        self.socket.connect(address)
        self.buffer = b""
        self.tags = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def line(self):
        """The next line without CRLF; None at the end of the connection."""
        while b"\n" not in self.buffer:
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.rstrip(b"\r")

    def exactly(self, count):
        while len(self.buffer) < count:
            more = self.socket.recv(65536)
            assert more, "the connection ended inside a literal"
            self.buffer += more
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def response(self):
        """One IMAP response line with its literals inline; None at the end."""
        line = self.line()
        while line is not None:
            literal = re.search(rb"\{(\d+)\}$", line)
            if not literal:
                return line
            line += b"\r\n" + self.exactly(int(literal.group(1)))
            rest = self.line()
            assert rest is not None, "the connection ended inside a response"
            line += rest
        return None

    def until(self, tag):
        """Responses up to and with the tagged one."""
        tag = tag.encode() if isinstance(tag, str) else tag
        seen = []
        while True:
            response = self.response()
            assert response is not None, f"the connection ended before {tag!r}: {seen}"
            seen.append(response)
            if response.startswith(tag + b" "):
                return seen

    def command(self, text):
        """Sends one IMAP command under a fresh tag; returns its responses, the tagged one last."""
        self.tags += 1
        tag = f"t{self.tags}"
        data = text.encode() if isinstance(text, str) else text
        self.send(tag.encode() + b" " + data + b"\r\n")
        return self.until(tag)

    def ok(self, text):
        responses = self.command(text)
        assert b" OK" in responses[-1][:12], responses
        return responses

    def login(self, user="demo", password=Server.password):
        greeting = self.line()
        assert greeting.startswith(b"* OK"), greeting
        self.ok(f"LOGIN {user} {quote(password)}")
        return self

    def reply(self):
        """One SMTP/LMTP reply: (code, text of all its lines)."""
        text = []
        while True:
            line = self.line()
            assert line is not None, f"the connection ended: {text}"
            text.append(line[4:].decode(errors="replace"))
            if line[3:4] != b"-":
                return int(line[:3]), "\n".join(text)

    def smtp(self, command):
        self.send(command + "\r\n")
        return self.reply()
