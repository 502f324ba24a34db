# SPDX-License-Identifier: 0BSD
"""Ports of loopback for the length of a test run."""

import os
import socket

# Below those that the kernel gives to connections: a server may end and come back to its port.
FIRST, LAST = 10240, 32767

_kept = []
_next = FIRST + os.getpid() * 61 % (LAST - FIRST)


def _take(port):
    """True: free, and no other run that asks here gets it while this process lives."""
    mark = socket.socket(socket.AF_UNIX)
    try:
        mark.bind(f"\0satchel-test-port-{port}")
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except OSError:
        mark.close()
        return False
    _kept.append(mark)
    return True


def free_port():
    global _next
    for _ in range(LAST - FIRST):
        port = _next
        _next = _next + 1 if _next < LAST else FIRST
        if _take(port):
            return port
    raise AssertionError("no port is free")
