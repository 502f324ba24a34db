# SPDX-License-Identifier: 0BSD
"""Small steps that IMAP wire tests share."""

import itertools
import re

numbers = itertools.count(1)


def append(wire, mailbox, message, arguments=""):
    """APPENDs one message; returns its UID."""
    data = message.encode() if isinstance(message, str) else message
    wire.tags += 1
    tag = f"t{wire.tags}"
    arguments = f" {arguments}" if arguments else ""
    wire.send(f"{tag} APPEND {mailbox}{arguments} {{{len(data)}+}}\r\n".encode() + data + b"\r\n")
    done = wire.until(tag)[-1]
    found = re.search(rb"APPENDUID \d+ (\d+)", done)
    assert found, done
    return int(found.group(1))


def new_mailbox(wire, messages=(), select=True):
    """Creates a mailbox of its own, fills it, selects it; returns its name."""
    name = f"box{next(numbers)}"
    wire.ok(f"CREATE {name}")
    for message in messages:
        append(wire, name, message)
    if select:
        wire.ok(f"SELECT {name}")
    return name


def simple(subject="A subject", body="A body.\r\n", **fields):
    """A small message with CRLF line ends."""
    head = {"From": "Sender <sender@example.org>", "To": "Demo <demo@example.org>", "Subject": subject,
            "Date": "Thu, 1 Feb 2024 12:00:00 +0100", "Message-ID": f"<{next(numbers)}@example.org>"}
    head.update({name.replace("_", "-"): value for name, value in fields.items()})
    return "".join(f"{k}: {v}\r\n" for k, v in head.items()) + "\r\n" + body


def fetched(responses):
    """{sequence number: text of its FETCH answer}; later answers of a number come behind the first."""
    found = {}
    for response in responses:
        match = re.match(rb"\* (\d+) FETCH \((.*)\)$", response, re.DOTALL)
        if match:
            number = int(match.group(1))
            found[number] = found.get(number, b"") + match.group(2)
    return found


def expunged(responses, exists):
    """Which of the messages 1..exists the EXPUNGE answers remove, whatever their order."""
    left = list(range(1, exists + 1))
    for response in responses:
        match = re.match(rb"\* (\d+) EXPUNGE$", response)
        if match:
            del left[int(match.group(1)) - 1]
    return [n for n in range(1, exists + 1) if n not in set(left)]


def literal(text, label):
    """The literal that follows `label` in a FETCH answer, or None."""
    at = text.find(label + b" {")
    if at < 0:
        return None
    size, rest = text[at + len(label) + 2:].split(b"}\r\n", 1)
    return rest[:int(size)]
