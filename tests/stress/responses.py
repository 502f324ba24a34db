# SPDX-License-Identifier: 0BSD
"""IMAP responses as Python values: only as much grammar as a client that keeps track needs."""

import re

ATOM = re.compile(rb"BODY\[[^\]]*\](?:<\d+>)?|BINARY(?:\.SIZE)?\[[^\]]*\]|[^\s()\"{}]+")
LITERAL = re.compile(rb"~?\{(\d+)\}\r\n")


def values(text):
    """The parenthesised list, string or atom at the beginning of `text`, and what follows it."""
    if text[:1] == b"(":
        text, found = text[1:], []
        while text[:1] != b")":
            one, text = values(text)
            found.append(one)
            text = text.lstrip(b" ")
        return found, text[1:]
    if text[:1] == b'"':
        match = re.match(rb'"((?:[^"\\]|\\.)*)"', text, re.DOTALL)
        return re.sub(rb"\\(.)", rb"\1", match.group(1)), text[match.end():]
    literal = LITERAL.match(text)
    if literal:
        end = literal.end() + int(literal.group(1))
        return text[literal.end():end], text[end:]
    match = ATOM.match(text)
    assert match, f"not a value: {text[:80]!r}"
    return match.group(0), text[match.end():]


def attributes(text):
    """The pairs of "(NAME value NAME value)"."""
    flat, rest = values(text)
    assert rest == b"" and len(flat) % 2 == 0, text[:200]
    return {flat[i].upper(): flat[i + 1] for i in range(0, len(flat), 2)}


def numbers(text):
    """"1:3,5" as a list; ranges may stand either way round."""
    found = []
    for piece in text.split(b","):
        first, _, last = piece.partition(b":")
        low, high = sorted((int(first), int(last or first)))
        found.extend(range(low, high + 1))
    return found


def as_set(found):
    """A list of numbers as a sequence set."""
    text, found = [], sorted(found)
    while found:
        length = 1
        while length < len(found) and found[length] == found[0] + length:
            length += 1
        text.append(str(found[0]) if length == 1 else f"{found[0]}:{found[length - 1]}")
        found = found[length:]
    return ",".join(text)


def code(line, name):
    """The arguments of response code `name` in a line, as words; None if it is not there."""
    match = re.search(rb"\[" + name + rb"(?: ([^\]]*))?\]", line)
    return (match.group(1) or b"").split() if match else None
