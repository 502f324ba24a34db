# SPDX-License-Identifier: 0BSD
"""TLS on the wire, compiled in and not: handshakes, relays, certificates, and what must be refused."""

import imaplib
import os
import signal
import smtplib
import socket
import ssl
import struct
import subprocess
import time

import pytest

from harness.client import message
from harness.tls import TlsServer, make_ca, make_cert, openssl

BIG = message("large", "".join(f"line {i:07d} of a large message\r\n" for i in range(90000)))


def wait_for(what, seconds=10):
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)
    return found


@pytest.fixture(scope="module")
def tls(binary, server_folder, config):
    if "TLS" not in config:
        yield None
        return
    make_ca(server_folder)
    make_cert(server_folder, "server")
    make_cert(server_folder, "person", subject="/CN=demo", san="email:demo@example.org")
    make_ca(server_folder, "strange")
    make_cert(server_folder, "stranger", ca="strange", subject="/CN=demo", san=None)
    server = TlsServer(binary, server_folder, {
        "tls_cert": server_folder / "server.pem", "tls_key": server_folder / "server.key", "log_level": "debug",
        "prelogin_per_address": "1000", "prelogin_seconds": "8"}
        | ({"tls_client_ca": server_folder / "ca.pem"} if "TLS_CLIENT_CERT" in config else {}))
    server.start()
    yield server
    assert server.stop() == 0, server.log()
    server.check_log()


@pytest.fixture
def own(binary, fresh_folder, config):
    """A server of one test, not started, with files of the test's making."""
    if "TLS" not in config:
        yield None
        return
    server = TlsServer(binary, fresh_folder)
    yield server
    if server.process is not None:
        server.stop()
    server.check_log()


def versions(config):
    return [v for v, symbol in ((ssl.TLSVersion.TLSv1_2, "TLS_V12"), (ssl.TLSVersion.TLSv1_3, "TLS_V13"))
            if symbol in config]


def test_without_it_nobody_offers_or_accepts_it(fresh, config):
    fresh.start()
    plain = fresh.imap(login=False)
    assert ("STARTTLS" in plain.capabilities) == ("TLS" in config)
    if "TLS" not in config:
        with pytest.raises(imaplib.IMAP4.error):
            plain.xatom("STARTTLS")
        fresh.stop()
        fresh.settings["tls_cert"] = "/nowhere"
        fresh.write_conf()
        done = fresh.cli("--check-config", "-c", str(fresh.conf), check=False)
        assert done.returncode and "CONFIG_TLS" in done.stderr
        return
    plain.logout()
    with fresh.lmtp() as client:
        client.ehlo_or_helo_if_needed()
        assert client.has_extn("starttls")


def test_a_session_over_tls_from_the_first_byte(tls, config):
    if not tls:
        return
    for version in versions(config):
        client = tls.imaps(tls.context(version=version))
        assert client.sock.version() == version.name.replace("_", ".")
        assert "STARTTLS" not in client.capabilities
        assert client.select("INBOX")[0] == "OK"
        client.logout()


def test_starttls_for_imap_and_lmtp(tls):
    if not tls:
        return
    client = imaplib.IMAP4("127.0.0.1", tls.imap_port, timeout=30)
    client.starttls(tls.context())
    assert "STARTTLS" not in client.capabilities
    with pytest.raises(imaplib.IMAP4.error, match="encrypted already"):
        client.xatom("STARTTLS")
    client.login("demo", tls.password)
    client.logout()
    with smtplib.LMTP("127.0.0.1", tls.lmtp_port) as lmtp:
        lmtp.ehlo()
        assert lmtp.starttls(context=tls.context())[0] == 220
        assert lmtp.docmd("MAIL FROM:<a@example.org>")[0] == 503  # RFC 3207 4.2: LHLO is forgotten
        assert not lmtp.has_extn("starttls") and lmtp.ehlo()[0] == 250
        assert not lmtp.has_extn("starttls")
        assert lmtp.sendmail("a@example.org", ["demo"], message("by starttls", "x\r\n")) == {}


def test_what_stands_behind_starttls_is_not_obeyed(tls):
    if not tls:
        return
    for port, start in ((tls.imap_port, b"a STARTTLS\r\n"), (tls.lmtp_port, b"STARTTLS\r\n")):
        with socket.create_connection(("127.0.0.1", port), 10) as raw:
            raw.recv(4096)
            raw.sendall(start + b"b NOOP\r\nNOOP\r\n")
            text = b""
            while data := raw.recv(4096):
                text += data
            assert b"b OK" not in text and b"250" not in text
            assert b"BYE" in text or b"421" in text


def test_16_kilobyte_records_both_ways(tls, config):
    if not tls:
        return
    for version in versions(config):
        client = tls.imaps(tls.context(version=version))
        assert client.append("INBOX", None, None, BIG.encode())[0] == "OK"
        count = client.select("INBOX")[1][0].decode()
        assert client.fetch(count, "BODY.PEEK[]")[1][0][1] == BIG.encode()
        client.logout()
    with smtplib.LMTP("127.0.0.1", tls.lmtp_port) as lmtp:
        lmtp.starttls(context=tls.context())
        assert lmtp.sendmail("a@example.org", ["demo"], BIG) == {}


def test_records_arrive_in_pieces_of_one_byte(tls):
    if not tls:
        return
    context, into, out = tls.context(), ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(into, out, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", tls.imaps_port), 30) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def pump(step):
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    for byte in out.read():
                        raw.send(bytes([byte]))
                    into.write(raw.recv(65536))

        pump(client.do_handshake)
        pump(lambda: client.read(4096))
        client.write(b"a LOGOUT\r\n")
        assert b"BYE" in pump(lambda: client.read(4096))


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_session_is_resumed_by_its_ticket(tls, config, version):
    if not tls or getattr(ssl.TLSVersion, version) not in versions(config):
        return
    context = tls.context(version=getattr(ssl.TLSVersion, version))
    with tls.connect(context) as first:
        first.recv(4096)
        assert not first.session_reused
        session = first.session
    with tls.connect(context, session=session) as second:
        assert second.session_reused == ("TLS_TICKETS" in config)
        second.sendall(b"a LOGOUT\r\n")
        assert b"* OK" in second.recv(4096)


def test_protocols_and_ciphers_of_the_past_are_refused(tls):
    if not tls:
        return
    weak = ["-tls1", "-tls1_1"] + [f"-tls1_2 -cipher {c}" for c in (
        "ECDHE-ECDSA-AES128-SHA256", "AES128-GCM-SHA256", "DHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA")]
    for words in weak:
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{tls.imaps_port}", *words.split(),
                               "-cipher" if "-cipher" not in words else "-quiet",
                               *(["ALL:@SECLEVEL=0"] if "-cipher" not in words else [])],
                              input=b"", capture_output=True, timeout=20, check=False)
        assert done.returncode, words


def test_aes_comes_first_where_the_processor_has_it(tls):
    if not tls:
        return
    words = set(open("/proc/cpuinfo", encoding="ascii", errors="replace").read().split())
    with tls.connect() as client:
        assert ("AES" in client.cipher()[0]) == bool({"aes"} & words)


def test_alpn_names_imap(tls, config):
    if not tls or "TLS_ALPN" not in config:
        return
    context = tls.context()
    context.set_alpn_protocols(["imap"])
    with tls.connect(context) as client:
        assert client.selected_alpn_protocol() == "imap"
    context.set_alpn_protocols(["http/1.1"])
    with pytest.raises(ssl.SSLError):
        tls.connect(context)


def test_the_log_says_how_a_login_was_encrypted(tls):
    if not tls:
        return
    client = tls.imaps()
    version = client.sock.version()
    client.logout()
    wait_for(lambda: f'tls="{version} TLS_' in tls.log())


def test_the_client_certificate_may_be_wrong_or_absent(tls, config):
    if not tls or "TLS_CLIENT_CERT" not in config:
        return
    for who in (None, "person", "stranger"):
        client = tls.imaps(tls.context(client=who))
        assert client.noop()[0] == "OK"
        client.logout()


def test_renegotiation_is_refused(tls, config):
    if not tls or "TLS_V12" not in config:
        return
    client = subprocess.Popen(["openssl", "s_client", "-tls1_2", "-connect", f"127.0.0.1:{tls.imaps_port}"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    # Not before the greeting, which OpenSSL would take for a part of the handshake.
    said = b""
    while b"* OK" not in said:
        said += client.stdout.read1()
        assert client.poll() is None, said
    said += client.communicate(b"R\n", timeout=20)[0]
    assert b"RENEGOTIATING" in said and b"no renegotiation" in said


@pytest.mark.parametrize("key", ["k", "K"])
def test_a_client_may_change_its_keys(tls, config, key):
    """k: its own; K: its own, and it asks for ours."""
    if not tls or "TLS_V13" not in config:
        return
    client = subprocess.Popen(["openssl", "s_client", "-tls1_3", "-connect", f"127.0.0.1:{tls.imaps_port}"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    for line in (b"a NOOP\r\n", key.encode() + b"\n", b"b NOOP\r\n", key.encode() + b"\n",
                 f'c LOGIN demo "{tls.password}"\r\n'.encode(), key.encode() + b"\n", b"d LIST \"\" *\r\n",
                 b"e LOGOUT\r\n"):
        time.sleep(0.3)
        client.stdin.write(line)
        client.stdin.flush()
    time.sleep(0.5)
    text = client.communicate(timeout=20)[0]
    assert text.count(b"KEYUPDATE") == 3
    for answer in (b"a OK", b"b OK", b"c OK", b"d OK", b"e OK"):
        assert answer in text, text


def test_garbage_instead_of_a_handshake_ends_the_connection(tls):
    if not tls:
        return
    for junk in (b"a LOGIN demo x\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 70000, os.urandom(3000),
                 b"\x16\x03\x01\x00\x04\x01\x00\x00\x00", b"\x80\x2e\x01\x00\x02" + bytes(60),
                 b"\x15\x03\x03\x00\x02\x02\x28", b"\x17\x03\x03\x00\x05hello", b"\x14\x03\x03\x00\x01\x01" * 50):
        with socket.create_connection(("127.0.0.1", tls.imaps_port), 15) as raw:
            try:
                raw.sendall(junk)
                raw.shutdown(socket.SHUT_WR)
                while raw.recv(4096):
                    pass
            except OSError:
                pass
    tls.imaps().logout()


def test_who_never_ends_the_handshake_is_shown_out(tls):
    if not tls:
        return
    with socket.create_connection(("127.0.0.1", tls.imaps_port), 20) as silent, \
            socket.create_connection(("127.0.0.1", tls.imaps_port), 20) as half:
        half.sendall(b"\x16\x03\x01\x02\x00\x01")
        begin = time.monotonic()
        assert silent.recv(10) == b"" and half.recv(10) == b""
        assert 5 < time.monotonic() - begin < 15


def test_a_client_that_does_not_read_stops_only_itself(tls):
    if not tls:
        return
    client = tls.imaps()
    client.append("INBOX", None, None, BIG.encode())
    count = int(client.select("INBOX")[1][0])
    client.logout()
    with tls.connect() as slow:
        slow.recv(4096)
        slow.sendall(f'a LOGIN demo "{tls.password}"\r\nb SELECT INBOX\r\n'.encode())
        slow.sendall(b"".join(f"c{i} FETCH {count} BODY.PEEK[]\r\n".encode() for i in range(20)))
        time.sleep(1)
        begin = time.monotonic()
        tls.imaps().logout()
        assert time.monotonic() - begin < 3
        gate = tls.role_pid("gate")
        used = cpu_of(gate)
        time.sleep(1)
        assert cpu_of(gate) - used < 20  # ticks: nothing spins
        slow.settimeout(60)
        text = b""
        while b"c19 OK" not in text[-200:]:
            data = slow.recv(1 << 20)
            assert data
            text = text[-200:] + data


def cpu_of(pid):
    fields = open(f"/proc/{pid}/stat", encoding="ascii").read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def pss_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as text:
        return next(int(line.split()[1]) for line in text if line.startswith("Pss:"))


def test_an_idle_session_keeps_no_buffers_for_records(tls, config):
    """33 KiB they would be; the library would keep a handshake of TLS 1.3 too. The first fill the reserve."""
    if not tls or tls.binary != os.environ["SATCHEL"]:
        return
    gate = tls.role_pid("gate")
    for version in versions(config):
        held = [tls.imaps(tls.context(version=version)) for _ in range(60)]
        before = pss_kib(gate)
        held += [tls.imaps(tls.context(version=version)) for _ in range(100)]
        for client in held:
            client.select("INBOX")
        more = pss_kib(gate) - before
        for client in held:
            client.logout()
        assert more < 100 * 8, version


def test_a_client_may_end_its_side_and_still_read(tls):
    """close_notify, then the answers to what was sent before it (RFC 8446 6.1)."""
    if not tls:
        return
    done = subprocess.run(["openssl", "s_client", "-quiet", "-ign_eof", "-connect", f"127.0.0.1:{tls.imaps_port}"],
                          input=f'a LOGIN demo "{tls.password}"\r\nb NOOP\r\nc LOGOUT\r\n'.encode(),
                          capture_output=True, timeout=20, check=False)
    assert b"c OK" in done.stdout


def test_a_client_that_vanishes_takes_its_session_along(tls):
    if not tls:
        return
    before = tls.control("stat").stdout
    client = tls.connect()
    client.recv(4096)
    client.sendall(f'a LOGIN demo "{tls.password}"\r\n'.encode())
    assert b"a OK" in client.recv(4096)
    raw = socket.socket(fileno=client.detach())
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.close()
    sessions = [line for line in before.splitlines() if line.startswith("sessions ")]
    wait_for(lambda: sessions[0] in tls.control("stat").stdout)


def test_sighup_takes_a_new_certificate_and_keeps_sessions(own):
    if not own:
        return
    make_ca(own.dir)
    make_cert(own.dir, "one")
    make_cert(own.dir, "two", subject="/CN=second")
    own.settings |= {"tls_cert": own.dir / "cert", "tls_key": own.dir / "key"}
    for new, old in (("cert", "one.pem"), ("key", "one.key")):
        (own.dir / new).write_bytes((own.dir / old).read_bytes())
    own.start()
    client, gate = own.imaps(), own.role_pid("gate")
    with own.connect() as probe:
        first = probe.getpeercert(binary_form=True)
    (own.dir / "cert").write_bytes((own.dir / "two.pem").read_bytes())
    done = own.control("reload", check=False)
    assert done.returncode and "does not belong" in done.stderr + done.stdout
    with own.connect() as probe:
        assert probe.getpeercert(binary_form=True) == first
    (own.dir / "key").write_bytes((own.dir / "two.key").read_bytes())
    own.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "settings read again" in own.log())

    def renewed():
        with own.connect() as again:
            return again.getpeercert(binary_form=True) != first

    wait_for(renewed)
    assert client.noop()[0] == "OK" and own.role_pid("gate") == gate
    client.logout()


def test_sessions_outlive_the_gate_that_relays_them(own):
    """A setting of the gate changes: a new one serves, the old one stays for its sessions."""
    if not own:
        return
    make_ca(own.dir)
    make_cert(own.dir, "one")
    own.settings |= {"tls_cert": own.dir / "one.pem", "tls_key": own.dir / "one.key"}
    own.start()
    client, gate = own.imaps(), own.role_pid("gate")
    own.settings["prelogin_seconds"] = "77"
    own.write_conf()
    own.control("reload")
    wait_for(lambda: len([p for p in own.children() if "gate" in open(f"/proc/{p}/comm").read()]) == 2)
    assert client.select("INBOX")[0] == "OK"
    other = own.imaps()
    assert other.noop()[0] == "OK"
    client.logout()
    wait_for(lambda: gate not in own.children())
    assert other.noop()[0] == "OK"
    assert own.stop() == 0, own.log()


def test_a_server_that_stops_says_so_over_tls(own):
    if not own:
        return
    own.start()
    client = own.imaps(insecure())
    own.process.send_signal(signal.SIGTERM)
    text = b""
    client.sock.settimeout(20)
    while data := client.sock.recv(4096):
        text += data
    assert b"* BYE" in text
    assert own.stop() == 0, own.log()


def insecure():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def test_a_certificate_of_its_own_is_made_once_and_kept(own, config):
    if not own or "TLS_SELF_SIGNED" not in config:
        return
    own.start()
    with own.connect(insecure()) as client:
        first = client.getpeercert(binary_form=True)
    assert "tls.pem" in own.log() and (own.data / "tls.pem").stat().st_mode & 0o777 == 0o600
    own.restart()
    context = ssl.create_default_context(cafile=own.data / "tls.pem")
    context.check_hostname = False
    with own.connect(context) as client:
        assert client.getpeercert(binary_form=True) == first
        assert client.getpeercert()["subjectAltName"] == (("DNS", "mail.example.org"),)
    assert own.log().count("made a certificate") == 1


def starts(own):
    """What the server says when it does not start, or None."""
    own.write_conf()
    try:
        own.start()
    except AssertionError as error:
        own.process = None
        return str(error)
    own.stop()
    return None


def test_each_mistake_with_files_is_explained_with_its_file(own):
    if not own:
        return
    folder = own.dir
    make_ca(folder)
    make_cert(folder, "good")
    make_cert(folder, "other")
    make_cert(folder, "short", kind="rsa1024")
    openssl("pkey", "-in", "good.key", "-aes128", "-passout", "pass:x", "-out", "locked.key", folder=folder)
    (folder / "reversed.pem").write_bytes((folder / "ca.pem").read_bytes() + (folder / "good.pem").read_bytes())
    (folder / "mixed.pem").write_bytes((folder / "good.pem").read_bytes() + (folder / "other.pem").read_bytes())
    (folder / "empty").write_text("")
    (folder / "noise").write_bytes(bytes(range(256)) * 10)
    (folder / "folder").mkdir()
    for cert, key, words in (
            ("missing.pem", "good.key", "missing.pem: No such file"),
            ("good.pem", "missing.key", "missing.key: No such file"),
            ("empty", "good.key", "empty: holds no certificate"),
            ("noise", "good.key", "noise: holds no certificate"),
            ("folder", "good.key", "folder: Is a directory"),
            ("good.pem", "noise", "noise: holds no key"),
            ("good.pem", "empty", "empty: holds no key"),
            ("good.pem", "other.key", "other.key: the key does not belong to the certificate"),
            ("reversed.pem", "good.key", "belongs to certificate 2; put that one first"),
            ("mixed.pem", "good.key", "certificate 2 did not sign certificate 1"),
            ("good.pem", "locked.key", "locked.key: the key has a passphrase"),
            ("short.pem", "short.key", "short.key: ")):
        own.settings |= {"tls_cert": folder / cert, "tls_key": folder / key}
        said = starts(own)
        assert said and words in said, (cert, key, said)
    own.settings.pop("tls_cert")
    assert "tls_cert must be set too" in starts(own)


def test_an_expired_certificate_serves_and_is_warned_of(own):
    if not own:
        return
    make_ca(own.dir)
    make_cert(own.dir, "old")
    (own.dir / "index").write_text("")
    (own.dir / "ca.cnf").write_text("[ca]\ndefault_ca=d\n[d]\ndatabase=index\nserial=serial\nnew_certs_dir=.\n"
                                    "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")
    openssl("ca", "-config", "ca.cnf", "-batch", "-in", "old.csr", "-cert", "ca.pem", "-keyfile", "ca.key",
            "-startdate", "20240101000000Z", "-enddate", "20240201000000Z", "-create_serial", "-out", "old.pem",
            "-notext", folder=own.dir)
    own.settings |= {"tls_cert": own.dir / "old.pem", "tls_key": own.dir / "old.key"}
    own.start()
    assert "the certificate has expired; renew it" in own.log() and "old.pem" in own.log()
    with own.connect(insecure()):
        pass


def test_an_rsa_key_and_both_in_one_file(own, config):
    if not own or "TLS_RSA" not in config:
        return
    make_ca(own.dir)
    make_cert(own.dir, "rsa", kind="rsa")
    (own.dir / "both.pem").write_bytes((own.dir / "rsa.key").read_bytes() + (own.dir / "rsa.pem").read_bytes())
    own.settings["tls_cert"] = own.dir / "both.pem"
    own.start()
    for version in versions(config):
        own.imaps(own.context(version=version)).logout()
