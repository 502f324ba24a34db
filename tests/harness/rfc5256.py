# SPDX-License-Identifier: 0BSD
"""SORT and THREAD of RFC 5256 said once more, slowly: a list of messages in, the answer out.

A message is bytes; its number is its place in the list, from 1.
"""

import email
import email.policy
import email.utils
import random
import re
import unicodedata


class Mail:
    def __init__(self, number, text, internaldate):
        head = email.message_from_bytes(text, policy=email.policy.compat32)
        self.number, self.size, self.arrival = number, len(text), internaldate
        self.base, self.reply = base_subject(decoded(head["Subject"] or ""))
        when = email.utils.parsedate_to_datetime(head["Date"]).timestamp() if head["Date"] else internaldate
        self.date = (when, number)
        self.id = (msgids(head["Message-ID"]) or [None])[0]
        self.references = msgids(head["References"]) or msgids(head["In-Reply-To"])[:1]
        self.people = {name: first_address(head[name] or "") for name in ("From", "To", "Cc")}


def msgids(value):
    return re.findall(r"<([^<>\s]+)>", value or "")


def decoded(value):
    return str(email.header.make_header(email.header.decode_header(value)))


def first_address(value):
    found = email.utils.getaddresses([value])
    name, address = found[0] if value and found else ("", "")
    return decoded(name).lower(), address.lower()


def base_subject(text):
    """(base, was anything of a reply or forward taken away?)"""
    text, reply = re.sub(r"\s+", " ", text).lower(), False
    while True:
        before = text
        text = text.strip(" ")
        if text.endswith("(fwd)"):
            text, reply = text[:-5], True
        leader = re.match(r"(\[[^\[\]]*\] *)*(re|fwd?) *(\[[^\[\]]*\] *)?:", text)
        if leader and not text.endswith("(fwd)"):
            text, reply = text[leader.end():], True
        blob = re.match(r"\[[^\[\]]*\] *(?=[^ ])", text)
        if blob and not leader:
            text = text[blob.end():]
        if text == before and text.startswith("[fwd:") and text.endswith("]"):
            text, reply = text[5:-1], True
        if text == before:
            return text, reply


def collated(text):
    """i;unicode-casemap (RFC 5051)."""
    return unicodedata.normalize("NFD", "".join(c.title() if len(c.title()) == 1 else c for c in text)).encode()


def sort_value(mail, key):
    people = {"FROM": "From", "TO": "To", "CC": "Cc", "DISPLAYFROM": "From", "DISPLAYTO": "To"}
    if key in people:
        name, address = mail.people[people[key]]
        return collated(name or address if key.startswith("DISPLAY") else address.partition("@")[0])
    return {"ARRIVAL": mail.arrival, "SIZE": mail.size, "DATE": mail.date[0],
            "SUBJECT": collated(mail.base)}[key]


def sort(mails, keys):
    """keys: "REVERSE DATE FROM"."""
    mails = sorted(mails, key=lambda m: m.number)
    for key in reversed(re.findall(r"(?:REVERSE )?\w+", keys)):
        word = key.rpartition(" ")[2]
        mails.sort(key=lambda m, word=word: sort_value(m, word), reverse=key.startswith("REVERSE"))
    return [m.number for m in mails]


# ---- THREAD: a tree is [number or None, [trees]] ----

def ordered_subject(mails):
    groups = {}
    for m in sorted(mails, key=lambda m: m.date):
        groups.setdefault(m.base, []).append(m)
    return [[first.number, [[m.number, []] for m in rest]] for first, *rest in groups.values()]


class Node:
    def __init__(self, mail=None):
        self.mail, self.parent, self.children = mail, None, []

    def is_below(self, other):
        node = self
        while node:
            if node is other:
                return True
            node = node.parent
        return False

    def adopt(self, child):
        if child.parent:
            child.parent.children.remove(child)
        child.parent = self
        self.children.append(child)

    def first(self):
        return self.mail or min((c.first() for c in self.children), key=lambda m: m.date)


def link(parent, child):
    if not parent.is_below(child):
        parent.adopt(child)


def gather(mails):
    """Steps 1 and 2: who follows whom."""
    nodes, own = {}, []
    for m in mails:
        name = m.id
        if name is None or name in nodes and nodes[name].mail:
            name = object()
        node = nodes.setdefault(name, Node())
        node.mail = m
        own.append(node)
        chain = [nodes.setdefault(r, Node()) for r in m.references]
        for parent, child in zip(chain, chain[1:]):
            if child.parent is None:
                link(parent, child)
        if node.parent:
            node.parent.children.remove(node)
            node.parent = None
        if chain:
            link(chain[-1], node)
    return [n for n in nodes.values() if n.parent is None]


def prune(node, top):
    """Step 3: what stays of a tree, as a list of trees."""
    kept = [t for c in list(node.children) for t in prune(c, False)]
    if node.mail is None and (not kept or not top or len(kept) == 1):
        for t in kept:
            t.parent = None
        return kept
    node.children, node.parent = kept, None
    for t in kept:
        t.parent = node
    return [node]


def is_reply(node):
    return (node.mail or node.first()).reply


def merge(roots):
    """Step 5: threads of the same subject."""
    table = {}
    for node in roots:
        subject = node.first().base
        if not subject:
            continue
        there = table.get(subject)
        if there is None or (there.mail and (node.mail is None or (is_reply(there) and not is_reply(node)))):
            table[subject] = node
    out = {id(n): n for n in roots}
    for node in roots:
        subject = node.first().base
        there = table.get(subject) if subject else None
        if there is None or there is node:
            continue
        if there.mail is None and node.mail is None:
            for c in list(node.children):
                there.adopt(c)
            del out[id(node)]
        elif there.mail is None or (is_reply(node) and not is_reply(there)):
            there.adopt(node)
            del out[id(node)]
        else:
            both = Node()
            del out[id(node)], out[id(there)]
            both.adopt(there)
            both.adopt(node)
            table[subject] = both
            out[id(both)] = both
    return list(out.values())


def tree(node):
    children = sorted(node.children, key=lambda c: c.first().date)
    return [node.mail.number if node.mail else None, [tree(c) for c in children]]


def references(mails):
    roots = [t for n in gather(mails) for t in prune(n, True)]
    roots.sort(key=lambda n: n.first().date)
    return [tree(n) for n in sorted(merge(roots), key=lambda n: n.first().date)]


def parse_threads(text):
    """"(1 (2)(3 4))(5)" as trees."""
    tokens = re.findall(r"\(|\)|\d+", text)

    def members():
        if tokens[0] == "(":
            return [None, nested()]
        number = int(tokens.pop(0))
        if tokens[0] == "(":
            return [number, nested()]
        return [number, [members()] if tokens[0] != ")" else []]

    def nested():
        found = []
        while tokens and tokens[0] == "(":
            tokens.pop(0)
            found.append(members())
            assert tokens.pop(0) == ")"
        return found

    found = nested()
    assert not tokens, text
    return found


# ---- something to sort ----

def corpus(seed, count):
    """`count` messages that follow each other, lose their ancestors, lie about them, and share subjects."""
    r = random.Random(seed)
    ids, found = [], []
    for n in range(count):
        name = f"{n}.{seed}@example.org"
        fields = [f"From: {r.choice(['', 'Zoe ', '=?utf-8?q?=C3=84nne?= '])}<{r.choice('cabd')}{n % 4}@example.org>",
                  f"To: {r.choice(['Bob <bob@x.org>', 'alice@y.org, bob@x.org', 'Carl <carl@x.org>'])}"]
        if r.random() < 0.5:
            fields.append(f"Cc: {r.choice('xyz')}@example.org")
        if r.random() < 0.95:
            fields.append(f"Date: {email.utils.formatdate(1700000000 + r.randrange(40) * 3600, usegmt=True)}")
        subject = r.choice(["tea", "coffee", "milk", f"one {n}", "", "tea time"])
        fields.append("Subject: " + r.choice(["", "Re: ", "[list] Re: ", "Fwd: ", "[list] "]) + subject
                      + r.choice(["", " (fwd)"]))
        if r.random() < 0.95:
            fields.append(f"Message-ID: <{r.choice(ids) if ids and r.random() < 0.05 else name}>")
        chain = []
        if ids and r.random() < 0.7:
            chain = [r.choice(ids) for _ in range(r.randint(1, 4))] if r.random() < 0.2 else \
                ids[max(0, len(ids) - r.randint(1, 6)):]
            if r.random() < 0.2:
                chain.insert(r.randrange(len(chain) + 1), f"lost{r.randrange(9)}@example.org")
            if r.random() < 0.1:
                chain.append(name)
        if chain and r.random() < 0.3:
            fields.append(f"In-Reply-To: <{chain[-1]}>")
        elif chain:
            fields.append("References: " + "\r\n ".join(f"<{i}>" for i in chain))
        ids = ids if r.random() < 0.2 else [*ids, name]
        found.append(("\r\n".join(fields) + "\r\n\r\n" + "x" * r.randrange(300) + "\r\n").encode())
    return found
