# SPDX-License-Identifier: 0BSD
"""A TLS client by OpenSSL's own interface, for what Python's ssl module does not reach."""

import ctypes
import ctypes.util
import socket

ssl = ctypes.CDLL(ctypes.util.find_library("ssl"))
for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
    getattr(ssl, name).restype = ctypes.c_void_p
ssl.SSL_export_keying_material.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p,
                                           ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int]

CTRL_SET_MIN_PROTO_VERSION, CTRL_SET_MAX_PROTO_VERSION = 123, 124
FILETYPE_PEM = 1


class Client:
    """Like a socket. Nothing is verified but what the caller compares."""

    def __init__(self, port, version=None, certificate=None):
        """version: 0x0303 for TLS 1.2, 0x0304 for TLS 1.3; certificate: a file with it and a file with its key."""
        self.context = ctypes.c_void_p(ssl.SSL_CTX_new(ctypes.c_void_p(ssl.TLS_client_method())))
        for control in (CTRL_SET_MIN_PROTO_VERSION, CTRL_SET_MAX_PROTO_VERSION) if version else ():
            assert ssl.SSL_CTX_ctrl(self.context, control, ctypes.c_long(version), None) == 1
        if certificate:
            assert ssl.SSL_CTX_use_certificate_chain_file(self.context, str(certificate[0]).encode()) == 1
            assert ssl.SSL_CTX_use_PrivateKey_file(self.context, str(certificate[1]).encode(), FILETYPE_PEM) == 1
        self.raw = socket.create_connection(("127.0.0.1", port))
        self.ssl = ctypes.c_void_p(ssl.SSL_new(self.context))
        ssl.SSL_set_fd(self.ssl, self.raw.fileno())
        if ssl.SSL_connect(self.ssl) != 1:
            self.close()
            raise OSError("the handshake failed")

    def sendall(self, data):
        if ssl.SSL_write(self.ssl, data, len(data)) != len(data):
            raise OSError("the connection is gone")

    def recv(self, size):
        buffer = ctypes.create_string_buffer(size)
        count = ssl.SSL_read(self.ssl, buffer, size)
        return buffer.raw[:max(count, 0)]

    def update_key(self, ask=False):
        """RFC 8446 4.6.3; ask: the server is to change its own too."""
        if ssl.SSL_key_update(self.ssl, int(ask)) != 1 or ssl.SSL_do_handshake(self.ssl) != 1:
            raise OSError("the connection is gone")

    def exporter(self):
        """tls-exporter, RFC 9266"""
        label, buffer = b"EXPORTER-Channel-Binding", ctypes.create_string_buffer(32)
        assert ssl.SSL_export_keying_material(self.ssl, buffer, 32, label, len(label), b"", 0, 1) == 1
        return buffer.raw

    def close(self):
        ssl.SSL_free(self.ssl)
        ssl.SSL_CTX_free(self.context)
        self.raw.close()
