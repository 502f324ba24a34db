# SPDX-License-Identifier: 0BSD
"""Real mail programs over TLS, from the first byte and by STARTTLS; each verifies the certificate."""

import imaplib
import pathlib
import shutil
import smtplib
import ssl
import tempfile

import pytest

from harness.client import message, run, run_on_terminal
from harness.postfix import Postfix
from harness.tls import TlsServer, make_ca, make_cert

BIG = message("large", "".join(f"line {i:07d} of a large message\r\n" for i in range(20000)))
OPENSSL, GNUTLS = {"TLS_V12": "-tls1_2", "TLS_V13": "-tls1_3"}, {"TLS_V12": "1.2", "TLS_V13": "1.3"}


@pytest.fixture(scope="module", params=["ec", "rsa"])
def tls(request, binary, config):
    """None without TLS; for each kind of key that is compiled in."""
    if {"ec": "TLS_ECDSA", "rsa": "TLS_RSA"}[request.param] not in config:
        yield None
        return
    folder = pathlib.Path(tempfile.mkdtemp(prefix="satchel-tls-"))
    folder.chmod(0o755)
    server = TlsServer(binary, folder, users=("demo", "other"))
    make_ca(folder)
    make_cert(folder, "server", kind=request.param)
    server.settings |= {"tls_cert": folder / "server.pem", "tls_key": folder / "server.key"}
    server.start()
    yield server
    assert server.stop() == 0, server.log()
    server.check_log()
    shutil.rmtree(folder)


def new_user(tls, name, *subjects):
    """A user with a message of each subject; the name, which is another for each server."""
    tls.add_user(name)
    for subject in subjects:
        tls.deliver(message(subject, f"text of {subject}\r\n"), to=(name,))
    return name


def encrypted_login(tls, user):
    return [line for line in tls.log().splitlines() if f"user={user}" in line and 'tls="TLSv1.' in line]


def has(tls, fresh, config):
    """False without TLS, after a look that it is neither offered nor taken."""
    if tls or "TLS" in config:
        return bool(tls)
    fresh.start()
    client = fresh.imap(login=False)
    assert "STARTTLS" not in client.capabilities
    client.logout()
    return False


def curl(tls, where, *words, stdin="", cacert=None):
    scheme, port = ("imaps", tls.imaps_port) if where == "imaps" else ("imap", tls.imap_port)
    return run("curl", "-sS", "--ssl-reqd", "--max-time", "30", "--cacert", cacert or tls.dir / "ca.pem", "-u",
               f"demo:{tls.password}", *words[1:], f"{scheme}://localhost:{port}/{words[0]}", stdin=stdin, check=False)


@pytest.mark.parametrize("where", ["imaps", "starttls"])
def test_curl(tls, fresh, config, tmp_path, where):
    if not has(tls, fresh, config):
        return
    (tmp_path / "message").write_text(BIG, newline="")
    box = f"curl{where}"
    assert curl(tls, where, "", "-X", f"CREATE {box}").returncode == 0
    assert curl(tls, where, box, "-T", tmp_path / "message").returncode == 0
    got = curl(tls, where, f"{box};MAILINDEX=1", "-o", tmp_path / "got")
    assert got.returncode == 0, got.stderr
    assert (tmp_path / "got").read_bytes().decode() == BIG
    make_ca(tls.dir, "unknown")
    assert curl(tls, where, "", cacert=tls.dir / "unknown.pem").returncode == 60  # it cannot be verified


@pytest.mark.parametrize("where", ["imaps", "lmtps", "imap", "lmtp"])
@pytest.mark.parametrize("version", sorted(OPENSSL))
def test_openssl_connects_and_resumes(tls, fresh, config, tmp_path, where, version):
    if not has(tls, fresh, config) or version not in config:
        return
    port = getattr(tls, f"{where}_port")
    words = ["openssl", "s_client", OPENSSL[version], "-connect", f"127.0.0.1:{port}", "-CAfile", tls.dir / "ca.pem",
             "-verify_return_error", "-verify_hostname", "localhost", "-ign_eof",
             *(["-starttls", where] if where in ("imap", "lmtp") else [])]
    end = "a LOGOUT\r\n" if "imap" in where else "QUIT\r\n"
    first = run(*words, "-sess_out", tmp_path / "session", stdin=end)
    assert "Verify return code: 0 (ok)" in first.stdout and "\nNew, TLSv1." in first.stdout, first.stdout
    again = run(*words, "-sess_in", tmp_path / "session", stdin=end)
    assert ("\nReused, TLSv1." in again.stdout) == ("TLS_TICKETS" in config), again.stdout


@pytest.mark.parametrize("where", ["imaps", "lmtps", "imap", "lmtp"])
@pytest.mark.parametrize("version", sorted(GNUTLS))
def test_gnutls_connects_and_resumes(tls, fresh, config, where, version):
    if not has(tls, fresh, config) or version not in config:
        return
    end = "a LOGOUT\r\n" if "imap" in where else "QUIT\r\n"
    done = run("gnutls-cli", "--x509cafile", tls.dir / "ca.pem", "--priority",
               f"NORMAL:-VERS-ALL:+VERS-TLS{GNUTLS[version]}", "-p", getattr(tls, f"{where}_port"), "--crlf",
               *([f"--starttls-proto={where}"] if where in ("imap", "lmtp") else []),
               *(["--resume", "--waitresumption"] if where in ("imaps", "lmtps") else []), "localhost", stdin=end)
    assert "The certificate is trusted" in done.stdout and f"TLS{GNUTLS[version]}" in done.stdout, done
    if where in ("imaps", "lmtps"):
        assert ("This is a resumed session" in done.stdout) == ("TLS_TICKETS" in config), done.stdout


def test_gnutls_changes_its_keys_in_a_session(tls, fresh, config):
    if not has(tls, fresh, config) or "TLS_V13" not in config:
        return
    done = run("gnutls-cli", "--x509cafile", tls.dir / "ca.pem", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.3", "-p",
               tls.imaps_port, "--crlf", "--inline-commands", "localhost",
               stdin=f'a LOGIN demo "{tls.password}"\n^rekey^\nb NOOP\n^rekey1^\nc LOGOUT\n')
    assert "c OK" in done.stdout, done.stdout


@pytest.mark.parametrize("where", ["imaps", "starttls"])
def test_python(tls, fresh, config, where):
    if not has(tls, fresh, config):
        return
    if where == "imaps":
        client = imaplib.IMAP4_SSL("localhost", tls.imaps_port, ssl_context=tls.context(), timeout=30)
    else:
        client = imaplib.IMAP4("localhost", tls.imap_port, timeout=30)
        client.starttls(tls.context())
    client.login("demo", tls.password)
    assert client.append("INBOX", None, None, BIG.encode())[0] == "OK"
    count = client.select()[1][0].decode()
    assert client.fetch(count, "BODY.PEEK[]")[1][0][1] == BIG.encode()
    client.logout()
    with smtplib.LMTP("localhost", tls.lmtp_port) as lmtp:
        lmtp.starttls(context=tls.context())
        assert lmtp.sendmail("a@example.org", ["demo"], BIG) == {}
    with pytest.raises(ssl.SSLCertVerificationError):
        tls.connect(ssl.create_default_context())


@pytest.mark.parametrize("where", ["IMAPS", "STARTTLS"])
def test_mbsync(tls, fresh, config, tmp_path, where):
    if not has(tls, fresh, config):
        return
    user = new_user(tls, f"mbsync{where.lower()}", *(f"mbsync {i}" for i in range(20)))
    (tmp_path / "mail").mkdir()
    (tmp_path / "rc").write_text(f"""IMAPAccount a
Host localhost
Port {tls.imaps_port if where == "IMAPS" else tls.imap_port}
User {user}
Pass "{tls.password}"
SSLType {where}
CertificateFile {tls.dir}/ca.pem

IMAPStore far
Account a

MaildirStore near
Path {tmp_path}/mail/
Inbox {tmp_path}/mail/INBOX

Channel c
Far :far:
Near :near:
Patterns INBOX
Create Both
SyncState *
""")
    run("mbsync", "-c", tmp_path / "rc", "c")
    assert len(list((tmp_path / "mail/INBOX").glob("*/*"))) == 20
    (tmp_path / "mail/INBOX/cur/1700000000.new.host:2,S").write_text(BIG.replace("\r\n", "\n"))
    run("mbsync", "-c", tmp_path / "rc", "c")
    client = tls.imap(user)
    assert client.select()[1] == [b"21"]
    client.logout()
    assert encrypted_login(tls, user)


@pytest.mark.parametrize("where", ["imaps", "starttls"])
@pytest.mark.parametrize("program", ["mutt", "neomutt"])
def test_mutt(tls, fresh, config, tmp_path, program, where):
    if not has(tls, fresh, config):
        return
    user = new_user(tls, program + where, "one", "two")
    url = f"imaps://{user}@localhost:{tls.imaps_port}/" if where == "imaps" else f"imap://{user}@localhost:{tls.imap_port}/"
    out = tmp_path / "saved"
    (tmp_path / "rc").write_text(f"""
set folder="{url}"
set spoolfile="{url}INBOX"
set imap_user="{user}"
set imap_pass="{tls.password}"
set ssl_starttls=yes
set ssl_force_tls=yes
set certificate_file="{tls.dir}/ca.pem"
set confirmcreate=no
set confirmappend=no
set mbox_type=mbox
set move=no
set copy=no
set quit=yes
set wait_key=no
push "<tag-pattern>~A<enter><tag-prefix><copy-message>{out}<enter><quit>"
""")
    status, drawn = run_on_terminal(program, "-n", "-F", tmp_path / "rc", env={"HOME": str(tmp_path)})
    assert status == 0 and out.exists(), drawn
    assert "text of one" in out.read_text() and "text of two" in out.read_text(), drawn
    assert encrypted_login(tls, user)


@pytest.mark.parametrize("where", ["imaps", "starttls"])
def test_fetchmail(tls, fresh, config, tmp_path, where):
    if not has(tls, fresh, config):
        return
    user = new_user(tls, f"fetch{where}", "one", "two")
    out, rc = tmp_path / "mbox", tmp_path / "rc"
    rc.write_text(f'poll localhost service {tls.imaps_port if where == "imaps" else tls.imap_port} protocol imap '
                  f'auth password\n  user "{user}" password "{tls.password}" {"ssl" if where == "imaps" else ""} '
                  f'sslproto "TLS1.2+" sslcertck sslcertfile {tls.dir}/ca.pem\n  mda "cat >> {out}" fetchall\n')
    rc.chmod(0o600)
    run("fetchmail", "-f", rc, "--nodetach", "--nosyslog", "-v", "--pidfile", tmp_path / "pid",
        env={"FETCHMAILHOME": str(tmp_path), "HOME": str(tmp_path)})
    assert "text of one" in out.read_text() and "text of two" in out.read_text()
    assert encrypted_login(tls, user)


@pytest.mark.parametrize("how", ["--tls", "--tlsc"])
def test_swaks_delivers(tls, fresh, config, tmp_path, how):
    """--tls: by STARTTLS; --tlsc: from the first byte."""
    if not has(tls, fresh, config):
        return
    user = new_user(tls, f"swaks{how.strip('-')}")
    (tmp_path / "message").write_text(BIG.replace("\r\n", "\n"))
    done = run("swaks", "--protocol", "LMTP", "--server", f"localhost:{tls.lmtp_port if how == '--tls' else tls.lmtps_port}",
               how, "--tls-verify", "--tls-ca-path", tls.dir / "ca.pem", "--from", "swaks@example.org", "--to", user,
               "--data", f"@{tmp_path}/message")
    assert "TLS started with cipher TLSv1." in done.stdout, done.stdout
    client = tls.imap(user)
    assert client.select()[1] == [b"1"]
    client.logout()


@pytest.mark.needs_root
def test_postfix_delivers_over_verified_tls_alone(tls, fresh, config):
    if not has(tls, fresh, config):
        return
    user = new_user(tls, "postfix")
    root = pathlib.Path(tempfile.mkdtemp(prefix="satchel-postfix-"))
    root.chmod(0o755)
    shutil.copy(tls.dir / "ca.pem", root)
    postfix = Postfix(root, f"lmtp:inet:localhost:{tls.lmtp_port}",
                      f"lmtp_tls_security_level = secure\nlmtp_tls_secure_cert_match = nexthop\n"
                      f"lmtp_tls_CAfile = {root}/ca.pem\nlmtp_tls_loglevel = 1\nlmtp_host_lookup = native\n")
    postfix.start()
    try:
        postfix.send(BIG, f"{user}@example.org")
        postfix.wait_log("status=")
        assert "Verified TLS connection established to localhost" in postfix.log(), postfix.log()
        assert "status=sent" in postfix.log(), postfix.log()
    finally:
        postfix.stop()
        shutil.rmtree(root)
    client = tls.imap(user)
    assert client.select()[1] == [b"1"]
    client.logout()
