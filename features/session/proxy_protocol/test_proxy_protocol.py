# SPDX-License-Identifier: 0BSD
"""The PROXY protocol, compiled in and not: whose word is believed, and what becomes of the client."""

import re
import subprocess
import time

import pytest

from harness.ports import free_port
from harness.server import Server, Wire

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V1 = b"PROXY TCP4 192.0.2.7 198.51.100.2 56324 143\r\n"
V2 = SIGNATURE + b"\x21\x11\0\x0c" + bytes([192, 0, 2, 7, 198, 51, 100, 2, 0xdc, 4, 0, 143])
V2_TLS = (SIGNATURE + b"\x21\x11\0\x14" + bytes([192, 0, 2, 7, 198, 51, 100, 2, 0xdc, 4, 0, 143])
          + b"\x20\0\5\1\0\0\0\0")
V2_IPV6 = SIGNATURE + b"\x21\x21\0\x24" + bytes.fromhex("20010db8") + bytes(11) + b"\7" + bytes(16) + b"\0\1\0\2"
V2_LOCAL = SIGNATURE + b"\x20\0\0\0"


def listed(server, **more):
    """Every listener takes headers, from loopback."""
    server.settings.update({"proxy_protocol_listen": f"127.0.0.1:{server.imap_port} "
                                                     f"127.0.0.1:{server.lmtp_port}",
                            "proxy_protocol_from": "127.0.0.0/8 ::1", "plaintext": "yes"})
    server.settings.update(more)
    return server


@pytest.fixture
def behind(fresh, config):
    """A server behind a proxy; its harness would wait for a greeting without one."""
    listed(fresh)
    if "PROXY_PROTOCOL" in config:
        fresh.start(by_log=True)
    return fresh


def with_header(server, header, port=None):
    wire = Wire(("127.0.0.1", port or server.imap_port))
    wire.send(header)
    return wire


def test_the_settings_are_known_if_compiled_in_and_only_then(fresh, config):
    listed(fresh).write_conf()
    done = fresh.cli("--check-config", "-c", str(fresh.conf), check=False)
    if "PROXY_PROTOCOL" in config:
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode != 0 and "CONFIG_PROXY_PROTOCOL" in done.stderr


def test_without_the_setting_a_header_is_no_command(server):
    with with_header(server, V1) as wire:
        assert wire.line().startswith(b"* OK")
        assert b"BAD" in wire.line()


@pytest.mark.parametrize("header, address", ((V1, "192.0.2.7"), (V2, "192.0.2.7"), (V2_IPV6, "2001:db8::7"),
                                             (V2_LOCAL, "127.0.0.1"), (b"PROXY UNKNOWN\r\n", "127.0.0.1")))
def test_log_and_who_show_the_real_client(behind, config, header, address):
    if "PROXY_PROTOCOL" not in config:
        return
    with with_header(behind, header).login() as wire:
        wire.ok("SELECT INBOX")
        behind.wait_log(re.compile(rf"login user=demo .*peer={re.escape(address)}(\s|$)"))
        if "PROC" in config:
            assert address in behind.control("who").stdout
    assert behind.stop() == 0


def test_a_header_may_come_in_pieces_and_with_all_that_follows(behind, config):
    if "PROXY_PROTOCOL" not in config:
        return
    for header in (V1, V2):
        with with_header(behind, header[:1]) as wire:
            for i in range(1, len(header)):
                time.sleep(0.002)
                wire.send(header[i:i + 1])
            wire.login()
        with with_header(behind, header + f'a LOGIN demo "{behind.password}"\r\nb NOOP\r\n'.encode()) as wire:
            assert wire.line().startswith(b"* OK")
            assert wire.until("b")[-1].startswith(b"b OK")
    with with_header(behind, V1 + b"LHLO me\r\n", behind.lmtp_port) as wire:
        assert wire.reply()[0] == 220 and wire.reply()[0] == 250
        assert wire.smtp("MAIL FROM:<a@example.org>")[0] == 250
        assert wire.smtp("RCPT TO:<demo>")[0] == 250
        assert wire.smtp("DATA")[0] == 354
        assert wire.smtp("Subject: by proxy\r\n\r\nbody\r\n.")[0] == 250


@pytest.mark.parametrize("bad", (b"a NOOP\r\n", b"PROXY TCP4 999.0.2.7 1.2.3.4 1 2\r\n", SIGNATURE + b"\x33\x11\0\0",
                                 SIGNATURE + b"\x21\x11\xff\xff", b"PROXY " + b"x" * 200, b"\x16\x03\x01\0\xa5"))
def test_what_is_no_header_ends_the_connection_with_a_line_in_the_log(behind, config, bad):
    if "PROXY_PROTOCOL" not in config:
        return
    with with_header(behind, bad) as wire:
        assert wire.line() is None
    behind.wait_log("malformed preface, connection closed")
    with with_header(behind, V1).login() as wire:
        wire.ok("NOOP")


def test_others_than_the_listed_proxies_are_not_heard(fresh, config):
    if "PROXY_PROTOCOL" not in config:
        return
    listed(fresh, proxy_protocol_from="192.0.2.0/24 2001:db8::/32")
    fresh.start(by_log=True)
    with with_header(fresh, V1) as wire:
        assert wire.line() is None
    fresh.wait_log("not in proxy_protocol_from")


def test_listeners_that_are_not_named_take_no_header(fresh, config):
    if "PROXY_PROTOCOL" not in config:
        return
    listed(fresh, proxy_protocol_listen=f"127.0.0.1:{fresh.lmtp_port}")
    fresh.start(by_log=True)
    with fresh.raw_imap().login() as wire:
        wire.ok("NOOP")


def test_a_silent_proxy_is_shown_out_in_time(fresh, config):
    if "PROXY_PROTOCOL" not in config:
        return
    listed(fresh, prelogin_seconds="1")
    fresh.start(by_log=True)
    with with_header(fresh, V1[:10]) as wire:
        begin = time.monotonic()
        assert (wire.line() or b"* BYE").startswith(b"* BYE")
        assert time.monotonic() - begin < 5


def test_limits_count_the_real_client_and_not_the_proxy(fresh, config):
    if "PROXY_PROTOCOL" not in config:
        return
    listed(fresh, prelogin_per_address="3")
    fresh.start(by_log=True)
    held = [with_header(fresh, V1) for _ in range(3)]
    for wire in held:
        assert wire.line().startswith(b"* OK")
    with with_header(fresh, V1) as fourth:
        assert fourth.line().startswith(b"* BYE too many connections from your address")
    others = [with_header(fresh, V1.replace(b"192.0.2.7", b"192.0.2.%d" % i)) for i in range(10, 30)]
    for wire in others:
        assert wire.line().startswith(b"* OK")
    for wire in held + others:
        wire.close()


def test_passwords_pass_only_where_the_client_itself_speaks_tls(fresh, config):
    if "PROXY_PROTOCOL" not in config:
        return
    listed(fresh, plaintext="no")
    fresh.start(by_log=True)
    with with_header(fresh, V2) as wire:
        assert wire.line().startswith(b"* OK")
        assert b"LOGINDISABLED" in b" ".join(wire.ok("CAPABILITY"))
        assert b" NO" in wire.command(f'LOGIN demo "{fresh.password}"')[-1]
    with with_header(fresh, V2_TLS).login() as wire:
        wire.ok("NOOP")


def test_plaintext_yes_lets_passwords_pass_in_clear(fresh, config):
    """From another machine; without the setting only over TLS, see above."""
    if "PROXY_PROTOCOL" not in config:
        return
    listed(fresh, plaintext="yes")
    fresh.start(by_log=True)
    with with_header(fresh, V2) as wire:
        greeting = wire.line()
        assert b"LOGINDISABLED" not in greeting and (b"AUTH=PLAIN" in greeting) == ("SASL_PLAIN" in config)
        wire.ok(f'LOGIN demo "{fresh.password}"')


@pytest.mark.parametrize("settings, complaint", (
    ({"proxy_protocol_from": "192.0.2.0/33"}, "192.0.2.0/33 in proxy_protocol_from"),
    ({"proxy_protocol_from": "example.org"}, "example.org in proxy_protocol_from"),
    ({"proxy_protocol_from": ""}, "proxy_protocol_listen needs proxy_protocol_from"),
    ({"proxy_protocol_listen": "127.0.0.1:1"}, "127.0.0.1:1 in proxy_protocol_listen")))
def test_bad_settings_are_told(fresh, config, settings, complaint):
    if "PROXY_PROTOCOL" not in config:
        return
    listed(fresh, **settings).write_conf()
    done = fresh.cli("--check-config", "-c", str(fresh.conf), check=False)
    assert done.returncode != 0 and complaint in done.stderr, done.stderr


@pytest.mark.parametrize("word", ("send-proxy", "send-proxy-v2", "send-proxy-v2-ssl"))
def test_haproxy_passes_clients_on(behind, config, tmp_path, word):
    if "PROXY_PROTOCOL" not in config:
        return
    port = free_port()
    conf = tmp_path / "haproxy.cfg"
    conf.write_text(f"""
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen imap
    bind 127.0.0.1:{port}
    server satchel 127.0.0.1:{behind.imap_port} {word} check
""")
    haproxy = subprocess.Popen(["haproxy", "-db", "-f", str(conf)], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 10
        while True:
            try:
                wire = Wire(("127.0.0.1", port))
                break
            except OSError:
                assert haproxy.poll() is None and time.monotonic() < end
                time.sleep(0.05)
        with wire.login():
            wire.ok("SELECT INBOX")
        assert "malformed" not in behind.log()
    finally:
        haproxy.terminate()
        haproxy.wait(10)
