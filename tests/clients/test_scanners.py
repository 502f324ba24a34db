# SPDX-License-Identifier: 0BSD
"""testssl.sh and sslscan look for weak protocols, ciphers and known vulnerabilities, and find none.

testssl.sh mostly waits, so its parts run beside each other. SCAN=all (make check-clients K=scanners
SCAN=all) has it run everything it knows, at each listener, with each kind of key.
"""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree

import pytest

from harness.tls import TlsServer, make_ca, make_cert

ALL = os.environ.get("SCAN") == "all"
PARTS = ((),) if ALL else (("-p", "-s", "-f"), ("-P",), ("-U",))
SECONDS = 900 if ALL else 180

# What testssl.sh says of a server of ours whatever it does: its own openssl, no HTTP, certificates that
# were made for a month by an authority without lists of revocations, and that it cannot try resumption
# after STARTTLS (test_tls.py does).
NOT_OURS = {"engine_problem", "service", "cert_expirationStatus", "cert_notAfter", "cert_revocation",
            "sessionresumption_ticket", "sessionresumption_ID"}
# What it must have looked at, with this outcome.
FOUND_GOOD = {"SSLv2", "SSLv3", "cipherlist_NULL", "cipherlist_aNULL", "cipherlist_EXPORT", "cipherlist_LOW",
              "cipherlist_STRONG", "PFS", "cipher_order", "heartbleed", "CCS", "ROBOT", "secure_renego",
              "secure_client_renego", "CRIME_TLS", "POODLE_SSL", "SWEET32", "FREAK", "DROWN", "LOGJAM", "BEAST",
              "LUCKY13", "RC4"}
NOT_OFFERED = {"TLS1", "TLS1_1", "cipherlist_3DES_IDEA", "cipherlist_AVERAGE"}


@pytest.fixture(scope="module", params=["ec", "rsa"] if ALL else ["ec"])
def tls(request, config):
    """The shipped binary; None without TLS or this kind of key."""
    if "TLS" not in config or {"ec": "TLS_ECDSA", "rsa": "TLS_RSA"}[request.param] not in config:
        yield None
        return
    folder = pathlib.Path(tempfile.mkdtemp(prefix="satchel-scan-"))
    server = TlsServer(os.environ["SATCHEL"], folder, {"prelogin_per_address": "1000"})
    make_ca(folder)
    make_cert(folder, "server", kind=request.param)
    server.settings |= {"tls_cert": folder / "server.pem", "tls_key": folder / "server.key"}
    server.start()
    yield server
    assert server.stop() == 0, server.log()
    shutil.rmtree(folder)


def findings_of_testssl(tls, tmp_path, port, *words):
    """Its findings by name."""
    running = []
    for i, part in enumerate(PARTS):
        out = tmp_path / f"findings{i}"
        running.append((out, subprocess.Popen(
            ["testssl", "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--connect-timeout", "5",
             "--openssl-timeout", "2", "--add-ca", str(tls.dir / "ca.pem"), "--jsonfile", str(out), *words, *part,
             f"127.0.0.1:{port}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)))
    try:
        said = [process.communicate(timeout=SECONDS)[0] for _, process in running]
    finally:
        for _, process in running:
            process.kill()
    assert all(out.exists() for out, _ in running), said
    return {row["id"]: row for out, _ in running for row in json.loads(out.read_text())}


@pytest.mark.parametrize("where", ["imaps", "lmtps", "imap", "lmtp"] if ALL else ["imaps"])
def test_testssl_finds_nothing_weak(tls, tmp_path, where, config):
    if not tls:
        return
    found = findings_of_testssl(tls, tmp_path, getattr(tls, f"{where}_port"), *(["-t", where] if where in ("imap", "lmtp") else []))
    bad = {name: row["finding"] for name, row in found.items()
           if row["severity"] not in ("OK", "INFO", "DEBUG") and name not in NOT_OURS}
    assert not bad
    assert {name: found[name]["severity"] for name in FOUND_GOOD} == dict.fromkeys(FOUND_GOOD, "OK")
    for name in NOT_OFFERED:
        assert found[name]["finding"].startswith("not offered"), found[name]
    for name, symbol in (("TLS1_2", "TLS_V12"), ("TLS1_3", "TLS_V13")):
        assert found[name]["finding"].startswith("offered" if symbol in config else "not offered"), found[name]


def test_sslscan_finds_nothing_weak(tls, config):
    if not tls:
        return
    done = subprocess.run(["sslscan", "--no-colour", "--xml=-", f"127.0.0.1:{tls.imaps_port}"], capture_output=True,
                          text=True, timeout=120, check=True)
    scan = xml.etree.ElementTree.fromstring(done.stdout).find("ssltest")
    versions = {f"{p.get('type')}{p.get('version')}" for p in scan.iter("protocol") if p.get("enabled") == "1"}
    assert versions == {f"tls{number}" for number, symbol in (("1.2", "TLS_V12"), ("1.3", "TLS_V13"))
                        if symbol in config}
    ciphers = list(scan.iter("cipher"))
    assert ciphers
    for cipher in ciphers:
        assert cipher.get("strength") in ("acceptable", "strong") and int(cipher.get("bits")) >= 128
        assert ("GCM" in cipher.get("cipher") or "CHACHA20" in cipher.get("cipher")) and cipher.get("ecdhebits")
    assert all(row.get("vulnerable") == "0" for row in scan.iter("heartbleed"))
    assert scan.find("renegotiation").get("supported") == "0"
