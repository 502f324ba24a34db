# SPDX-License-Identifier: 0BSD
"""AUTH in LMTP (RFC 4954): who must log in before delivering, and what a login is good for."""

import base64
import re
import subprocess

import pytest

from harness.sasl import Scram
from harness.server import Server, Wire


@pytest.fixture(scope="module")
def strict(binary, server_folder, config):
    """Everybody must log in; `mta` may deliver, `root` is an admin, `demo` is neither."""
    one = Server(binary, server_folder / "strict", {"login_failure_delay": "0"}, users=("demo", "mta", "root"))
    one.cli("--data", str(one.data), "user", "grant", "mta", "lmtp")
    one.cli("--data", str(one.data), "user", "grant", "root", "admin")
    if "LMTP_AUTH" in config:
        one.settings["lmtp_auth"] = "yes"
    one.start()
    yield one
    assert one.stop() == 0, one.log()
    one.check_log()


@pytest.fixture
def wire(strict):
    with strict.raw_lmtp() as w:
        assert w.reply()[0] == 220
        yield w


def plain(user, password=Server.password, actor=""):
    return base64.b64encode(f"{actor}\0{user}\0{password}".encode()).decode()


def offered(wire):
    for line in wire.smtp("LHLO pc")[1].splitlines():
        if line.startswith("AUTH "):
            return set(line.split()[1:])
    return set()


def deliver(wire, code=250):
    assert wire.smtp("MAIL FROM:<a@example.org>")[0] == 250
    assert wire.smtp("RCPT TO:<demo>")[0] == 250
    assert wire.smtp("DATA")[0] == 354
    assert wire.smtp("Subject: with a login\r\n\r\nbody\r\n.")[0] == code


def test_without_the_feature_nothing_of_it_is_there(strict, config):
    if "LMTP_AUTH" in config:
        return
    with strict.raw_lmtp() as wire:
        wire.reply()
        assert offered(wire) == set()
        assert wire.smtp(f"AUTH PLAIN {plain('mta')}")[0] == 500
    done = strict.cli("config", "--man")
    assert "lmtp_auth" not in done.stdout


def test_mechanisms_are_offered_and_nobody_delivers_without_a_login(wire, config):
    if "LMTP_AUTH" not in config:
        return
    names = offered(wire)
    assert ("PLAIN" in names) == ("SASL_PLAIN" in config)
    assert ("SCRAM-SHA-256" in names) == ("SASL_SCRAM_SHA256" in config)
    code, text = wire.smtp("MAIL FROM:<a@example.org>")
    assert (code, text) == (530, "5.7.0 Authentication required")
    assert wire.smtp("RCPT TO:<demo>")[0] == 503


@pytest.mark.parametrize("user", ("mta", "root"))
def test_who_has_the_right_delivers(strict, wire, config, user):
    if "LMTP_AUTH" not in config or "SASL_PLAIN" not in config:
        return
    offered(wire)
    assert wire.smtp(f"AUTH PLAIN {plain(user)}") == (235, "2.7.0 Authentication successful")
    assert wire.smtp(f"AUTH PLAIN {plain(user)}")[0] == 503
    assert wire.smtp("LHLO again")[0] == 250
    deliver(wire)
    deliver(wire)
    assert wire.smtp("QUIT")[0] == 221
    assert wire.line() is None
    strict.wait_log(re.compile(rf"login user={user} mech=PLAIN tls=no peer=127.0.0.1 service=lmtp"))


def test_who_has_not_the_right_does_not(strict, wire, config):
    if "LMTP_AUTH" not in config or "SASL_PLAIN" not in config:
        return
    offered(wire)
    assert wire.smtp(f"AUTH PLAIN {plain('demo')}") == (535, "5.7.8 Not allowed: this user may not deliver")
    assert wire.smtp("MAIL FROM:<a@example.org>")[0] == 530
    strict.wait_log("login denied user=demo")


def test_wrong_passwords_unknown_names_and_malformed_words(wire, config):
    if "LMTP_AUTH" not in config or "SASL_PLAIN" not in config:
        return
    assert wire.smtp(f"AUTH PLAIN {plain('mta')}")[0] == 503  # LHLO first
    offered(wire)
    wrong = (535, "5.7.8 Wrong name or password")
    assert wire.smtp(f"AUTH PLAIN {plain('mta', 'x')}") == wrong
    assert wire.smtp(f"AUTH plain {plain('nobody')}") == wrong
    assert wire.smtp("AUTH FROBNICATE")[0] == 504
    assert wire.smtp("AUTH")[0] == 501
    assert wire.smtp("AUTH PLAIN ####")[0] == 501
    assert wire.smtp("AUTH PLAIN")[0] == 334
    assert wire.smtp("*")[0] == 501
    assert wire.smtp("AUTH PLAIN")[0] == 334
    assert wire.smtp("not base64!")[0] == 501
    assert wire.smtp("AUTH PLAIN")[0] == 334
    assert wire.smtp("QUJD" * 2500)[0] == 500
    assert wire.smtp("AUTH PLAIN")[0] == 334
    assert wire.smtp(plain("mta"))[0] == 235
    deliver(wire)


def test_too_many_failures_end_the_connection(wire, config):
    if "LMTP_AUTH" not in config or "SASL_PLAIN" not in config:
        return
    offered(wire)
    for _ in range(4):
        assert wire.smtp(f"AUTH PLAIN {plain('mta', 'x')}")[0] == 535
    assert wire.reply()[0] == 421
    assert wire.line() is None


def test_a_password_need_not_be_shown(wire, config):
    if "LMTP_AUTH" not in config or "SASL_SCRAM_SHA256" not in config:
        return
    offered(wire)
    client = Scram("SCRAM-SHA-256", "mta", Server.password)
    code, text = wire.smtp("AUTH SCRAM-SHA-256 " + base64.b64encode(client.first().encode()).decode())
    assert code == 334
    code, text = wire.smtp(base64.b64encode(client.final(base64.b64decode(text)).encode()).decode())
    assert code == 334 and base64.b64decode(text).decode() == client.verifier
    assert wire.smtp("")[0] == 235
    deliver(wire)


def test_what_is_pipelined_behind_a_login_is_not_lost(strict, wire, config):
    if "LMTP_AUTH" not in config or "SASL_PLAIN" not in config:
        return
    wire.send(f"LHLO pc\r\nAUTH PLAIN {plain('mta')}\r\nMAIL FROM:<>\r\nRCPT TO:<demo>\r\nNOOP\r\n")
    assert [wire.reply()[0] for _ in range(5)] == [250, 235, 250, 250, 250]


def test_a_user_who_only_delivers_reads_with_his_own_login_and_no_other(strict, config):
    """The grant of a login is for the service that it was given to (see also server_roles_test)."""
    if "LMTP_AUTH" not in config:
        return
    with strict.raw_imap().login("mta") as wire:
        wire.ok("SELECT INBOX")


def test_a_real_client_logs_in(strict, config):
    if "LMTP_AUTH" not in config or "SASL_PLAIN" not in config:
        return
    words = ["swaks", "--protocol", "LMTP", "--server", "127.0.0.1", "--port", str(strict.lmtp_port), "--to", "demo",
             "--from", "a@example.org", "--auth", "PLAIN", "--auth-user", "mta", "--auth-password"]
    done = subprocess.run([*words, Server.password], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run([*words, "wrong"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 28 and "535" in done.stdout, done.stdout  # swaks: AUTH failed


def test_remote_asks_those_only_who_are_not_on_this_machine(fresh, config):
    if "LMTP_AUTH" not in config or "PROXY_PROTOCOL" not in config:
        return  # a proxy is what makes a client of this machine a stranger
    fresh.settings.update(lmtp_auth="remote", plaintext="yes", proxy_protocol_from="127.0.0.1",
                          proxy_protocol_listen=f"127.0.0.1:{fresh.lmtp_port}")
    if "TLS" in config:
        fresh.settings["tls_required"] = "no"
    fresh.start(by_log=True)
    with Wire(fresh.lmtp_socket) as local:
        assert local.reply()[0] == 220
        assert "PLAIN" in offered(local) or "SASL_PLAIN" not in config
        deliver(local)
    with Wire(("127.0.0.1", fresh.lmtp_port)) as remote:
        remote.send("PROXY TCP4 192.0.2.9 192.0.2.1 1 24\r\n")
        assert remote.reply()[0] == 220
        offered(remote)
        assert remote.smtp("MAIL FROM:<a@example.org>")[0] == 530


def test_by_default_it_is_not_offered(server):
    with server.raw_lmtp() as wire:
        wire.reply()
        assert offered(wire) == set()
        assert wire.smtp(f"AUTH PLAIN {plain('demo')}")[0] in (500, 502)


def test_another_word_is_an_error(fresh, config):
    if "LMTP_AUTH" not in config:
        return
    fresh.settings["lmtp_auth"] = "perhaps"
    fresh.write_conf()
    done = fresh.cli("--check-config", "-c", str(fresh.conf), check=False)
    assert done.returncode != 0 and "lmtp_auth must be no, remote or yes" in done.stderr
