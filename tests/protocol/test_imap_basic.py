# SPDX-License-Identifier: 0BSD
"""IMAP sessions: login, mailboxes, LIST, STATUS, APPEND, pipelining and literals (RFC 3501, RFC 9051)."""

import base64
import re

import pytest

MESSAGE = b"From: a@example.org\r\nSubject: hello\r\n\r\nbody\r\n"


@pytest.fixture
def imap(server):
    """A logged-in session of a user of its own: each test begins with an empty account."""
    imap.count = getattr(imap, "count", 0) + 1
    user = f"user{imap.count}"
    server.add_user(user)
    with server.raw_imap() as wire:
        wire.user = user
        yield wire.login(user)


@pytest.fixture
def stranger(server):
    with server.raw_imap() as wire:
        wire.greeting = wire.line()
        yield wire


def words(response):
    return re.search(rb"CAPABILITY ([^\]\r]*)", response).group(1).decode().split()


def untagged(responses, start):
    return [r for r in responses if r.startswith(b"* " + start.encode())]


def append(wire, mailbox, message=MESSAGE, options=""):
    wire.tags += 1
    tag = f"t{wire.tags}"
    wire.send(f"{tag} APPEND {mailbox} {options}{{{len(message)}+}}\r\n".encode() + message + b"\r\n")
    seen = wire.until(tag)
    assert b" OK [APPENDUID " in seen[-1], seen
    return [int(n) for n in re.search(rb"APPENDUID (\d+) (\d+)", seen[-1]).groups()]


# ---- login ----

def test_capabilities_fit_the_state(stranger):
    before = words(stranger.greeting)
    assert before[0] == "IMAP4rev1"
    assert {"LITERAL+", "SASL-IR"} <= set(before)
    assert not {"UIDPLUS", "LIST-STATUS"} & set(before)
    assert words(stranger.ok("CAPABILITY")[0]) == before
    after = words(stranger.ok('LOGIN demo "demo secret"')[-1])
    assert {"LITERAL+", "ENABLE", "UIDPLUS", "LIST-EXTENDED", "LIST-STATUS", "SPECIAL-USE", "ESEARCH"} <= set(after)
    assert not [w for w in after if w.startswith(("AUTH=", "LOGIN", "SASL"))]
    assert words(stranger.ok("CAPABILITY")[0]) == after


def test_rev2_is_offered_only_with_all_that_it_took_in(config, stranger):
    complete = all(config.get(name) == "y" for name in ("IDLE", "NAMESPACE", "UNSELECT", "MOVE"))
    assert ("IMAP4rev2" in words(stranger.greeting)) == complete


def test_login_takes_literals(stranger):
    stranger.send("x LOGIN {4}\r\n")
    assert stranger.line().startswith(b"+ ")
    stranger.send("demo {11}\r\n")
    assert stranger.line().startswith(b"+ ")
    stranger.send("demo secret\r\n")
    assert stranger.until("x")[-1].startswith(b"x OK [CAPABILITY ")


@pytest.mark.parametrize("initial", [True, False])
def test_authenticate_plain_works_both_ways(config, stranger, initial):
    if config.get("SASL_PLAIN") != "y":
        assert b"NO [CANNOT]" in stranger.command("AUTHENTICATE PLAIN")[-1]
        return
    response = base64.b64encode(b"\0demo\0demo secret").decode()
    if initial:
        stranger.send(f"x AUTHENTICATE PLAIN {response}\r\n")
    else:
        stranger.send("x AUTHENTICATE PLAIN\r\n")
        assert stranger.line() == b"+ "
        stranger.send(response + "\r\n")
    assert stranger.until("x")[-1].startswith(b"x OK [CAPABILITY ")


def test_what_was_sent_behind_the_login_is_not_lost(stranger):
    stranger.send('a LOGIN demo "demo secret"\r\nb SELECT INBOX\r\nc STATUS INBOX (MESSAGES)\r\nd LOGOUT\r\n')
    seen = stranger.until("d")
    assert [s.split()[:2] for s in seen if s[:1] in b"abcd"] == [[t, b"OK"] for t in (b"a", b"b", b"c", b"d")]
    assert stranger.line() is None


def test_a_wrong_password_leaves_the_connection_open(stranger):
    assert b"NO [AUTHENTICATIONFAILED]" in stranger.command("LOGIN demo wrong")[-1]
    stranger.ok('LOGIN demo "demo secret"')


# ---- mailboxes ----

def test_select_tells_all_about_a_mailbox(imap):
    append(imap, "INBOX")
    append(imap, "INBOX", options="(\\Seen $Forwarded) ")
    seen = imap.ok("SELECT INBOX")
    text = b"\n".join(seen)
    assert b"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Forwarded)" in text
    assert re.search(rb"PERMANENTFLAGS \(.*\\\*\)", text)
    assert b"* 2 EXISTS\n* 2 RECENT\n* OK [UNSEEN 1]" in text
    assert b"[UIDNEXT 3]" in text and re.search(rb"\[UIDVALIDITY [1-9]\d*\]", text)
    assert b" OK [READ-WRITE]" in seen[-1]
    seen = imap.ok("EXAMINE INBOX")
    assert seen[0].startswith(b"* OK [CLOSED]")
    assert b"* 0 RECENT" in seen and b" OK [READ-ONLY]" in seen[-1]


def test_rev2_sessions_are_not_told_of_recent(config, imap):
    if "IMAP4rev2" not in words(imap.ok("CAPABILITY")[0]):
        assert imap.ok("ENABLE IMAP4rev2")[0] == b"* ENABLED"
        return
    assert imap.ok("ENABLE IMAP4rev2")[0] == b"* ENABLED IMAP4rev2"
    imap.ok('CREATE "Entw\u00fcrfe"')
    seen = b"\n".join(imap.ok("SELECT INBOX"))
    assert b"RECENT" not in seen and b"[UNSEEN" not in seen
    assert b'* LIST (\\HasNoChildren) "/" INBOX' in seen
    assert '* LIST (\\HasNoChildren) "/" "Entw\u00fcrfe"'.encode() in imap.ok('LIST "" E*')


def test_uidvalidity_and_uids_are_never_used_again(imap):
    imap.ok("CREATE box")
    first, uid = append(imap, "box")
    assert append(imap, "box") == [first, uid + 1]
    imap.ok("DELETE box")
    imap.ok("CREATE box")
    assert append(imap, "box")[0] > first


def test_names_survive_a_restart(fresh):
    fresh.start()
    with fresh.raw_imap() as wire:
        wire.login()
        wire.ok('CREATE "a/b c"')
        wire.ok('SUBSCRIBE "a/b c"')
        wire.ok("CREATE gone")
        wire.ok("DELETE gone")
        uid = append(wire, '"a/b c"')
    fresh.restart()
    with fresh.raw_imap() as wire:
        wire.login()
        assert wire.ok('LIST "" *')[:-1] == [
            b'* LIST (\\HasNoChildren) "/" INBOX', b'* LIST (\\HasChildren) "/" a',
            b'* LIST (\\HasNoChildren) "/" "a/b c"']
        assert wire.ok('LSUB "" *')[0] == b'* LSUB () "/" "a/b c"'
        assert append(wire, '"a/b c"') == [uid[0], uid[1] + 1]


def test_rename_of_inbox_moves_its_mail(imap):
    append(imap, "INBOX")
    imap.ok("RENAME INBOX old")
    assert b"* STATUS INBOX (MESSAGES 0)" in imap.ok("STATUS INBOX (MESSAGES)")
    assert b"* STATUS old (MESSAGES 1)" in imap.ok("STATUS old (MESSAGES)")


def test_the_list_commands_of_real_clients_are_understood(imap):
    imap.ok("CREATE Sent")
    imap.ok("SUBSCRIBE Sent")
    for command, name in (
            ('list (subscribed) "" "*" return (special-use)', b"Sent"),
            ('LIST "" "*" RETURN (SPECIAL-USE STATUS (UNSEEN))', b"INBOX"),
            ('LIST "" "*" RETURN (CHILDREN SUBSCRIBED STATUS (MESSAGES UIDNEXT UIDVALIDITY UNSEEN RECENT))', b"Sent"),
            ('LIST "" ("INBOX" "Sent" "Sent/%")', b"Sent"), ('LSUB "" "*"', b"Sent"), ('LIST "" %', b"INBOX")):
        assert any(r.endswith(name) for r in imap.ok(command)), command
    assert not untagged(imap.ok('LIST (SPECIAL-USE) "" "*"'), "LIST (\\HasNoChildren) \"/\" INBOX")
    assert len(untagged(imap.ok('LIST "" "*" RETURN (STATUS (UNSEEN))'), "STATUS")) == 2


def test_a_thousand_mailboxes_are_listed_with_their_status(imap):
    imap.send("".join(f"c{i} CREATE box/{i}\r\n" for i in range(1000)))
    imap.until("c999")
    seen = imap.ok('LIST "" * RETURN (STATUS (MESSAGES UNSEEN))')
    assert len(untagged(seen, "LIST")) == 1002 and len(untagged(seen, "STATUS")) == 1002


# ---- APPEND ----

def test_append_gives_back_what_it_was_given(imap):
    binary = bytes(range(1, 256)) * 2000
    append(imap, "INBOX", b"A: b\r\n\r\n" + binary + b"\r\n", '(\\Flagged) "17-Jul-1996 02:44:25 -0700" ')
    imap.ok("SELECT INBOX")
    seen = imap.ok("FETCH 1 (FLAGS INTERNALDATE BODY.PEEK[])")[0]
    assert b"\\Flagged" in seen and b'"17-Jul-1996 02:44:25 -0700"' in seen
    assert b"\r\n\r\n" + binary + b"\r\n" in seen


def test_append_to_no_mailbox_says_trycreate_before_the_message(imap):
    imap.send("x APPEND nosuch {1000000}\r\n")
    assert imap.line().startswith(b"x NO [TRYCREATE]")
    imap.send("y APPEND nosuch {5+}\r\nhello\r\nz NOOP\r\n")
    assert [s[:4] for s in imap.until("z")] == [b"y NO", b"z OK"]


def test_appends_may_be_pipelined(imap):
    count = 200
    imap.send(b"".join(b"p%d APPEND INBOX {%d+}\r\n%s\r\n" % (i, len(MESSAGE), MESSAGE) for i in range(count)))
    uids = [int(re.search(rb"APPENDUID \d+ (\d+)", s).group(1)) for s in imap.until(f"p{count - 1}")]
    assert uids == list(range(uids[0], uids[0] + count))
    assert b"* STATUS INBOX (MESSAGES %d)" % count in imap.ok("STATUS INBOX (MESSAGES)")


# ---- the session ----

def test_enable_tells_what_is_new(imap):
    assert imap.ok("ENABLE NOSUCH X-OTHER")[0] == b"* ENABLED"


def test_logout_ends_in_peace(imap):
    seen = imap.command("LOGOUT")
    assert seen[0].startswith(b"* BYE ") and b" OK " in seen[-1]
    assert imap.line() is None


def test_a_terminated_server_says_bye(fresh):
    fresh.start()
    with fresh.raw_imap() as wire:
        wire.login()
        wire.ok("SELECT INBOX")
        assert fresh.stop() == 0
        assert wire.line().startswith(b"* BYE")
        assert wire.line() is None
