# SPDX-License-Identifier: 0BSD
"""`satchel user`, and a running server that takes notice of it."""

import imaplib
import os
import pty
import smtplib
import stat
import subprocess
import time

import pytest

SECRET = ("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
          ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=")  # RFC 7677 3: "pencil"


@pytest.fixture
def user(binary, tmp_path):
    """Runs `satchel --data ... user WORDS`; returns (status, stdout, stderr)."""
    def run(*words, stdin="", **more):
        done = subprocess.run([binary, "--data", str(tmp_path / "data"), "user", *words], input=stdin,
                              capture_output=True, text=True, timeout=60, **more)
        return done.returncode, done.stdout, done.stderr
    return run


def test_users_come_change_and_go(user):
    assert user("add", "Zoe", stdin="one\n") == (0, "", "")
    assert user("add", "anne@Example.ORG", stdin="two") == (0, "", "")
    assert user("list") == (0, "anne@example.org\nzoe\n", "")
    assert user("passwd", "ZOE", stdin="three\n") == (0, "", "")
    assert user("del", "anne@example.org") == (0, "", "")
    assert user("list") == (0, "zoe\n", "")


@pytest.mark.parametrize("words, stdin, names", [
    (("add", "zoe"), "x\n", "zoe exists already"),
    (("add", "a/b"), "x\n", "not a user name"),
    (("add", "new"), "", "password is empty"),
    (("add", "new"), "x" * 1025, "password is too long"),
    (("add", "new"), "x\0y\n", "NUL"),
    (("passwd", "nobody"), "x\n", "no user is named nobody"),
    (("del", "nobody"), "", "no user is named nobody"),
    (("import", "/nonexistent"), "", "/nonexistent: No such file"),
    (("add", "new", "--secret"), "wonderland\n", "malformed secret"),
    (("add", "new", "--secret"), "{SSHA}abcd\n", "cannot check"),
    (("passwd", "zoe", "--secret"), "SCRAM-SHA-256$1:x\n", "malformed secret"),
    (("disable", "nobody"), "", "no user is named nobody"),
    (("enable", "nobody"), "", "no user is named nobody"),
    (("grant", "nobody", "admin"), "", "no user is named nobody"),
    (("grant", "zoe", "root"), "", "root is no right"),
    (("revoke", "zoe", "disabled"), "", "disabled is no right"),
])
def test_a_failure_says_why_with_status_1_and_changes_nothing(user, words, stdin, names):
    user("add", "zoe", stdin="one\n")
    status, out, err = user(*words, stdin=stdin)
    assert (status, out) == (1, "")
    assert names in err
    assert user("list")[1] == "zoe\n"


@pytest.mark.parametrize("words", [(), ("frob",), ("add",), ("add", "a", "b"), ("list", "x"), ("grant", "a"), ("disable",),
                                   ("add", "--secret", "a", "b"), ("del", "a", "--secret"), ("revoke", "a", "admin", "x")])
def test_wrong_usage_has_status_2(user, words):
    status, out, err = user(*words)
    assert (status, out) == (2, "")
    assert err.startswith("usage: ")


def test_help_is_on_standard_output(user):
    for words in (("--help",), ("add", "--help")):
        status, out, err = user(*words)
        assert (status, err) == (0, "")
        assert "import FILE" in out


def test_rights_and_locks_are_listed_and_outlive_a_new_password(user):
    user("add", "zoe", stdin="one\n")
    kinds = user("list", "--long")[1].rstrip("\n").split("\t")[2]
    assert kinds.split(",")[0] == "SCRAM-SHA-256"
    assert user("grant", "ZOE", "admin") == (0, "", "")
    assert user("disable", "zoe") == (0, "", "")
    assert user("list", "--long")[1] == f"zoe\tadmin,disabled\t{kinds}\n"
    assert user("passwd", "zoe", stdin="two\n") == (0, "", "")
    assert user("import", "-", stdin=f"zoe:three\nanne:{SECRET}\n") == (0, "", "")
    assert user("list", "--long")[1] == f"anne\t-\tSCRAM-SHA-256\nzoe\tadmin,disabled\t{kinds}\n"
    assert user("revoke", "zoe", "admin") == (0, "", "")
    assert user("enable", "zoe") == (0, "", "")
    assert user("grant", "zoe", "lmtp") == (0, "", "")
    assert user("list", "--long")[1].splitlines()[1] == f"zoe\tlmtp\t{kinds}"
    assert user("list")[1] == "anne\nzoe\n"


def test_a_secret_made_elsewhere_is_taken_and_listed(user):
    with_commas = "{SCRAM-SHA-256}" + SECRET.split("$", 1)[1].replace(":", ",").replace("$", ",")
    for name, secret in (("a", SECRET), ("b", with_commas)):
        assert user("add", name, "--secret", stdin=secret + "\n") == (0, "", "")
    assert user("passwd", "a", "--secret", stdin=with_commas) == (0, "", "")
    assert user("list", "--long")[1] == "a\t-\tSCRAM-SHA-256\nb\t-\tSCRAM-SHA-256\n"


def test_an_import_is_all_or_nothing_and_names_each_faulty_line(user, tmp_path):
    lines = tmp_path / "users"
    lines.write_text(f"# staff\n\nanne:pass:word\r\nrobert:{SECRET}\nnocolon\na/b:x\neve:\n"
                     "bob:SCRAM-SHA-256$12:x\ntom:{SSHA}abcd\nAnne:again\n")
    status, out, err = user("import", str(lines))
    assert (status, out) == (1, "")
    assert sorted(line.split(":")[1] for line in err.splitlines()) == ["10", "5", "6", "7", "8", "9"]
    assert all(line.startswith(f"{lines}:") for line in err.splitlines())
    assert user("list")[0:2] in ((0, ""), (1, ""))
    lines.write_text(f"# staff\n\nanne:pass:word\r\nrobert:{SECRET}\n")
    assert user("import", str(lines)) == (0, "", "")
    assert user("import", "-", stdin="carl:x\n") == (0, "", "")
    assert user("list")[1] == "anne\ncarl\nrobert\n"


def test_secrets_are_readable_by_the_owner_alone(user, tmp_path):
    user("add", "zoe", stdin="one\n", umask=0)
    modes = {name: stat.S_IMODE((tmp_path / "data" / name).stat().st_mode)
             for name in ("users.cdb", "accounts.cdb", "users.lock")}
    assert modes == {"users.cdb": 0o600, "accounts.cdb": 0o640, "users.lock": 0o600}
    assert b"SCRAM" not in (tmp_path / "data/accounts.cdb").read_bytes()


def test_each_file_belongs_to_the_role_that_reads_it(binary, tmp_path):
    conf, data = tmp_path / "conf", tmp_path / "data"
    conf.write_text("user_auth: 60001:60002\nuser_mail: 60003:60004\n")
    for name in ("zoe", "anne"):
        subprocess.run([binary, "-c", conf, "--data", data, "user", "add", name], input=b"x\n", check=True)
    owners = {name: ((data / name).stat().st_uid, (data / name).stat().st_gid)
              for name in ("users.cdb", "accounts.cdb")}
    me = (os.getuid(), os.getgid())  # who is not root cannot give anything away
    assert owners == ({"users.cdb": (60001, 60002), "accounts.cdb": (60003, 60004)} if me[0] == 0
                      else {"users.cdb": me, "accounts.cdb": me})


def test_a_damaged_file_is_named_and_not_overwritten(user, tmp_path):
    user("add", "zoe", stdin="one\n")
    path = tmp_path / "data/users.cdb"
    broken = bytearray(path.read_bytes())
    broken[2060] ^= 1
    path.write_bytes(broken)
    status, _, err = user("add", "anne", stdin="x\n")
    assert status == 1 and "users.cdb is damaged" in err
    assert path.read_bytes() == broken


def test_changes_at_the_same_time_are_all_kept(binary, tmp_path):
    data = tmp_path / "data"
    running = [subprocess.Popen([binary, "--data", str(data), "user", "add", f"user{i}"],
                                stdin=subprocess.PIPE) for i in range(12)]
    for process in running:
        process.communicate(b"x\n", timeout=60)
    assert [process.returncode for process in running] == [0] * 12
    done = subprocess.run([binary, "--data", str(data), "user", "list"], capture_output=True, check=True)
    assert len(done.stdout.split()) == 12


def type_at(binary, data, keys):
    """Plays a person at a terminal; returns (what the terminal showed, status)."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(binary, [binary, "--data", data, "user", "add", "typed"])
    shown = b""
    for key in keys:
        while not shown.rstrip(b" ").endswith(b":"):
            shown += os.read(fd, 1000)
        os.write(fd, key)
        shown += b"|"
    try:
        while more := os.read(fd, 1000):
            shown += more
    except OSError:  # the other end has closed
        pass
    return shown, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_terminal_is_asked_twice_without_echo(binary, tmp_path, user):
    data = str(tmp_path / "data")
    shown, status = type_at(str(binary), data, [b"secret1\r", b"secret2\r"])
    assert status == 1 and b"differ" in shown and b"secret" not in shown
    shown, status = type_at(str(binary), data, [b"secret\x03"])
    assert status == 1 and b"secret" not in shown
    shown, status = type_at(str(binary), data, [b"secrxx\x7f\x7fet\r", b"secret\r"])
    assert status == 0 and b"secret" not in shown
    assert user("list")[1] == "typed\n"


def login(server, name, password):
    try:
        server.imap(name, password).logout()
    except imaplib.IMAP4.error as error:
        return str(error)
    return "OK"


def test_a_running_server_takes_notice(server):
    data = ("--data", str(server.data), "user")
    assert "AUTHENTICATIONFAILED" in login(server, "late", "first")
    server.cli(*data, "add", "late", stdin="first\n")
    assert login(server, "Late", "first") == "OK"
    server.deliver("Subject: x\r\n\r\nx\r\n", to=("late",))
    server.cli(*data, "passwd", "late", stdin="second\n")
    assert "AUTHENTICATIONFAILED" in login(server, "late", "first")
    assert login(server, "late", "second") == "OK"
    server.cli(*data, "del", "late")
    assert "AUTHENTICATIONFAILED" in login(server, "late", "second")
    time.sleep(1.1)  # recipients found are remembered for a second
    with pytest.raises((AssertionError, smtplib.SMTPRecipientsRefused)) as refused:
        server.deliver("Subject: x\r\n\r\nx\r\n", to=("late",))
    assert "550" in str(refused.value)


def test_an_imported_scram_secret_is_good_for_a_login(server):
    server.cli("--data", str(server.data), "user", "import", "-", stdin=f"pupil:{SECRET}\n")
    assert login(server, "pupil", "pencil") == "OK"
    assert "AUTHENTICATIONFAILED" in login(server, "pupil", "Pencil")


def test_damaged_files_are_temporary_failures(fresh):
    fresh.start()
    assert login(fresh, "demo", fresh.password) == "OK"
    for name in ("users.cdb", "accounts.cdb"):
        (fresh.data / f"{name}.new").write_bytes(b"nonsense" * 400)
        (fresh.data / f"{name}.new").rename(fresh.data / name)
    assert "UNAVAILABLE" in login(fresh, "demo", fresh.password)
    time.sleep(1.1)
    with pytest.raises((AssertionError, smtplib.SMTPRecipientsRefused)) as refused:
        fresh.deliver("Subject: x\r\n\r\nx\r\n")
    assert "451" in str(refused.value)


def test_a_password_that_looks_like_a_secret_can_be_imported(server):
    server.cli("--data", str(server.data), "user", "import", "-", stdin="curly:{PLAIN}{SSHA}x\n")
    assert login(server, "curly", "{SSHA}x") == "OK"


def test_who_is_disabled_is_out_at_once_and_mail_still_comes_in(server):
    server.add_user("locked")
    assert login(server, "locked", server.password) == "OK"  # and known to the cache
    server.cli("--data", str(server.data), "user", "disable", "locked")
    assert "AUTHENTICATIONFAILED" in login(server, "locked", server.password)
    server.deliver("Subject: x\r\n\r\nx\r\n", to=("locked",))
    server.cli("--data", str(server.data), "user", "enable", "locked")
    assert login(server, "locked", server.password) == "OK"


def test_an_old_password_that_was_just_used_is_refused_after_a_change(server):
    server.add_user("changed", "first word")
    assert login(server, "changed", "first word") == "OK"
    server.cli("--data", str(server.data), "user", "passwd", "changed", stdin="second word\n")
    assert "AUTHENTICATIONFAILED" in login(server, "changed", "first word")
    server.cli("--data", str(server.data), "user", "del", "changed")
    assert "AUTHENTICATIONFAILED" in login(server, "changed", "second word")


def test_a_user_file_that_vanished_or_was_cut_is_a_temporary_failure_until_it_is_back(fresh):
    fresh.start()
    assert login(fresh, "demo", fresh.password) == "OK"
    path = fresh.data / "users.cdb"
    good = path.read_bytes()
    path.unlink()
    for user in ("demo", "nobody"):
        assert "UNAVAILABLE" in login(fresh, user, fresh.password)
    for size in (0, 100, len(good) // 2, len(good) - 1):
        (fresh.data / "cut").write_bytes(good[:size])
        (fresh.data / "cut").rename(path)
        for user in ("demo", "nobody"):
            assert "UNAVAILABLE" in login(fresh, user, fresh.password), size
    (fresh.data / "cut").write_bytes(good)
    (fresh.data / "cut").rename(path)
    assert login(fresh, "demo", fresh.password) == "OK"
