# SPDX-License-Identifier: 0BSD
"""The processor's instructions for AES: used where it has them, and nowhere else in the program. Processors
that have none are QEMU's."""

import os
import platform
import re
import ssl
import subprocess

import pytest

from harness.tls import TlsServer, make_ca, make_cert

X86 = platform.machine() == "x86_64"
# The second is the least that any x86-64 has; the third can encrypt fast, and not authenticate.
WITHOUT = ("max,-aes,-pclmulqdq", "qemu64,-aes,-pclmulqdq", "max,-pclmulqdq")


@pytest.fixture
def emulated(fresh_folder, config):
    """A function: the shipped binary on such a processor. None without TLS."""
    started = []

    def start(cpu):
        wrapper = fresh_folder / "satchel"
        wrapper.write_text(f'#!/bin/sh\nexec qemu-x86_64 -cpu {cpu} {os.environ["SATCHEL"]} "$@"\n')
        wrapper.chmod(0o755)
        server = TlsServer(wrapper, fresh_folder)
        make_ca(fresh_folder)
        make_cert(fresh_folder, "server")
        server.settings |= {"tls_cert": fresh_folder / "server.pem", "tls_key": fresh_folder / "server.key"}
        started.append(server.start())
        return server

    yield start if "TLS" in config and X86 else None
    for server in started:
        assert server.stop() == 0, server.log()


def versions(config):
    return [version for symbol, version in (("TLS_V12", ssl.TLSVersion.TLSv1_2), ("TLS_V13", ssl.TLSVersion.TLSv1_3))
            if symbol in config]


def first_choice(server, version):
    """The cipher of a session that really passed bytes."""
    client = server.imaps(server.context(version=version))
    client.append("INBOX", None, None, b"Subject: x\r\n\r\n" + b"0123456789abcdef\r\n" * 2000)
    client.select("INBOX")
    assert len(client.fetch("1", "BODY.PEEK[]")[1][0][1]) > 36000
    cipher = client.sock.cipher()[0]
    client.logout()
    return cipher


@pytest.mark.parametrize("cpu", WITHOUT)
def test_without_instructions_for_aes_it_prefers_chacha20(emulated, config, cpu):
    if not emulated:
        return
    server = emulated(cpu)
    for version in versions(config):
        assert "CHACHA20" in first_choice(server, version)


def test_with_them_it_prefers_aes(emulated, config):
    if not emulated:
        return
    server = emulated("max")
    for version in versions(config):
        assert "AES_128_GCM" in first_choice(server, version).replace("AES128", "AES_128").replace("-", "_")


def test_a_client_that_knows_aes_alone_is_served_without_instructions_for_it(emulated, config):
    if not emulated or "TLS_V12" not in config:
        return
    server = emulated(WITHOUT[0])
    context = server.context(version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("ECDHE+AESGCM")
    client = server.imaps(context)
    assert "AES" in client.sock.cipher()[0]
    client.logout()


def test_the_instructions_are_in_the_code_that_is_chosen_at_run_time_alone(config):
    if "TLS" not in config or not X86:
        return
    program = os.path.join(os.environ["SATCHEL_O"], "satchel.debug")
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", program], capture_output=True, text=True, check=True,
                          timeout=120).stdout
    where, function = set(), None
    for line in text.splitlines():
        head = re.match(r"[0-9a-f]+ <(\w[^>]*)>:$", line)
        if head:
            function = head.group(1)
        elif re.search(r"\tv?(aes(enc|dec|imc|keygenassist)\w*|pclmul\w+) ", line):
            where.add(re.sub(r"\..*", "", function))
    assert where
    assert all(name.startswith(("mbedtls_aesni_", "gcm_bulk")) for name in where), where
