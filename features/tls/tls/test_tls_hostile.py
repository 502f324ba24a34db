# SPDX-License-Identifier: 0BSD
"""Clients that send records without end in which they say nothing: others are served, and these are ended."""

import socket
import threading
import time

import pytest

from harness.libssl import Client
from harness.tls import TlsServer, make_ca, make_cert, openssl

WARNING = b"\x15\x03\x03\x00\x02\x01\x5a"  # user_canceled, which nobody answers
TLS13 = 0x0304


@pytest.fixture
def tls(binary, fresh_folder, config):
    if "TLS" not in config:
        yield None
        return
    server = TlsServer(binary, fresh_folder)
    make_ca(server.dir)
    make_cert(server.dir, "server")
    server.settings |= {"tls_cert": server.dir / "server.pem", "tls_key": server.dir / "server.key"}
    yield server
    if server.process is not None:
        assert server.stop() == 0
    server.check_log()


class Flood(threading.Thread):
    """Sends until the connection is gone, at most so many seconds."""

    def __init__(self, send, seconds=10):
        super().__init__()
        self.send, self.seconds, self.refused = send, seconds, False
        self.start()

    def run(self):
        end = time.monotonic() + self.seconds
        while time.monotonic() < end and not self.refused:
            try:
                self.send()
            except OSError:
                self.refused = True


def serves(server):
    begin = time.monotonic()
    server.imaps().logout()
    return time.monotonic() - begin < 5


def test_alerts_without_end_instead_of_a_handshake(tls):
    if not tls:
        return
    tls.start()
    with socket.create_connection(("127.0.0.1", tls.imaps_port), 10) as raw:
        flood = Flood(lambda: raw.sendall(WARNING * 2000))
        assert serves(tls)
        flood.join()
    assert flood.refused
    tls.wait_log("the client sends much and says nothing", 10)


@pytest.mark.parametrize("login", [False, True])
@pytest.mark.parametrize("ask", [False, True])
def test_key_updates_without_end(tls, config, login, ask):
    if not tls or "TLS_V13" not in config:
        return
    tls.start()
    client = Client(tls.imaps_port, TLS13)
    assert client.recv(4096).startswith(b"* OK")
    if login:
        client.sendall(f'a LOGIN demo "{tls.password}"\r\n'.encode())
        assert b"a OK" in client.recv(4096)
    flood = Flood(lambda: client.update_key(ask))
    assert serves(tls)
    flood.join()
    client.close()
    assert flood.refused


def test_key_updates_between_commands_go_on_for_ever(tls, config):
    if not tls or "TLS_V13" not in config:
        return
    tls.start()
    client = Client(tls.imaps_port, TLS13)
    assert client.recv(4096).startswith(b"* OK")
    for i in range(60):
        for _ in range(50):
            client.update_key(i % 2 == 0)
        client.sendall(b"a NOOP\r\n")
        assert client.recv(4096).startswith(b"a OK")
        if i == 30:
            client.sendall(f'b LOGIN demo "{tls.password}"\r\n'.encode())
            assert b"b OK" in client.recv(4096)
    client.close()


def test_a_key_that_would_be_slow_to_compute_with_is_refused(tls, config):
    """A client's certificate may hold any key: one with a public exponent of its modulus' length costs most."""
    if not tls or "TLS_RSA" not in config:
        return
    folder = tls.dir
    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-pkeyopt",
            f"rsa_keygen_pubexp:{(1 << 200) + 235}", "-out", "slow.key", folder=folder)
    openssl("req", "-x509", "-key", "slow.key", "-subj", "/CN=slow", "-out", "slow.pem", folder=folder)
    tls.settings |= {"tls_cert": folder / "slow.pem", "tls_key": folder / "slow.key"}
    with pytest.raises(AssertionError, match="slow.pem: holds no certificate"):
        tls.start()
    tls.process = None
