# SPDX-License-Identifier: 0BSD
"""Running real mail programs; one that is not installed is a failure, never a skip."""

import os
import pty
import select
import subprocess
import time


def run(*words, stdin="", timeout=60, env=None, check=True, cwd=None):
    """Runs a client to its end; returns the finished process (text output)."""
    done = subprocess.run([str(w) for w in words], input=stdin, capture_output=True, text=True,
                          timeout=timeout, env={**os.environ, **(env or {})}, cwd=cwd, errors="replace")
    if check and done.returncode:
        raise AssertionError(f"{words[0]}: status {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def run_on_terminal(*words, timeout=60, env=None):
    """Runs a full-screen program on a pseudo terminal; returns its status and what it drew."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update({"TERM": "xterm", "COLUMNS": "100", "LINES": "40", **(env or {})})
        os.execvp(str(words[0]), [str(w) for w in words])
    drawn, end = b"", time.monotonic() + timeout
    try:
        while time.monotonic() < end:
            if select.select([fd], [], [], 0.1)[0]:
                try:
                    drawn += os.read(fd, 65536)
                except OSError:
                    break
        else:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            raise AssertionError(f"{words[0]} did not end:\n{drawn.decode(errors='replace')}")
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), drawn.decode(errors="replace")
    finally:
        os.close(fd)


def message(subject, body="Hello.\r\n", ident=None, **headers):
    """A small message with CRLF line ends."""
    fields = {"From": "Sender <sender@example.org>", "To": "demo@example.org", "Subject": subject,
              "Date": "Thu, 1 Feb 2024 12:00:00 +0100",
              "Message-ID": f"<{ident or subject.replace(' ', '-')}@example.org>", **headers}
    return "".join(f"{k}: {v}\r\n" for k, v in fields.items()) + "\r\n" + body
