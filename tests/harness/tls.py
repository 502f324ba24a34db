# SPDX-License-Identifier: 0BSD
"""An authority and certificates made on the spot, and an instance that listens for TLS."""

import imaplib
import socket
import ssl
import subprocess

from harness.ports import free_port
from harness.server import Server, Wire


def openssl(*words, folder, stdin=None):
    return subprocess.run(["openssl", *words], cwd=folder, input=stdin, capture_output=True, check=True, timeout=60)


def make_ca(folder, name="ca"):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN=Test {name}", "-days", "30", folder=folder)


def make_cert(folder, name, kind="ec", ca="ca", subject="/CN=localhost", san="DNS:localhost,IP:127.0.0.1",
              usage=""):
    new = {"ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["-newkey", "rsa:2048"],
           "rsa1024": ["-newkey", "rsa:1024"]}[kind]
    openssl("req", *new, "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", subject,
            folder=folder)
    (folder / f"{name}.ext").write_text((f"subjectAltName={san}\n" if san else "\n")
                                        + (f"extendedKeyUsage={usage}\n" if usage else ""))
    openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial",
            "-days", "30", "-extfile", f"{name}.ext", "-out", f"{name}.pem", folder=folder)


class TlsServer(Server):
    def __init__(self, binary, directory, settings=None, users=("demo",)):
        super().__init__(binary, directory, users=users)
        self.imaps_port, self.lmtps_port = free_port(), free_port()
        self.settings |= {"imaps_listen": f"127.0.0.1:{self.imaps_port}",
                          "lmtps_listen": f"127.0.0.1:{self.lmtps_port}", **(settings or {})}

    def context(self, cafile=None, version=None, client=None):
        context = ssl.create_default_context(cafile=cafile or self.dir / "ca.pem")
        if version:
            context.minimum_version = context.maximum_version = version
        if client:
            context.load_cert_chain(self.dir / f"{client}.pem", self.dir / f"{client}.key")
        return context

    def imaps(self, context=None, login=True):
        client = imaplib.IMAP4_SSL("127.0.0.1", self.imaps_port, ssl_context=context or self.context(), timeout=60)
        if login:
            client.login("demo", self.password)
        return client

    def connect(self, context=None, session=None, port=None):
        raw = socket.create_connection(("127.0.0.1", port or self.imaps_port), 30)
        return (context or self.context()).wrap_socket(raw, server_hostname="localhost", session=session)


class TlsWire(Wire):
    """A Wire over a connection that is encrypted already."""

    def __init__(self, encrypted):
        self.socket, self.buffer, self.tags = encrypted, b"", 0
