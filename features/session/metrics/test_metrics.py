# SPDX-License-Identifier: 0BSD
"""Metrics over HTTP, compiled in and not, read by Prometheus's own parser and by curl."""

import http.client
import os
import pathlib
import re
import resource
import shutil
import socket
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families

from harness.client import message
from harness.disk import figure, wait_for
from harness.ports import free_port


@pytest.fixture
def watched(fresh, config):
    """A server with metrics; None where there are none in the binary."""
    if "METRICS" not in config:
        return None
    fresh.metrics_port = free_port()
    fresh.settings["metrics_listen"] = f"127.0.0.1:{fresh.metrics_port}"
    fresh.start()
    return fresh


def ask(server, path, method="GET", body=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.metrics_port, timeout=20)
    connection.request(method, path, body)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.headers, text


def raw(server, *pieces):
    """Everything that comes back for these bytes."""
    with socket.create_connection(("127.0.0.1", server.metrics_port), timeout=20) as s:
        for piece in pieces:
            s.sendall(piece)
        got = b""
        while data := s.recv(65536):
            got += data
        return got


def samples(text):
    """{(name, labels): value} and {family: type}; each family there once."""
    families = list(text_string_to_metric_families(text))
    names = [family.name for family in families]
    assert len(set(names)) == len(names) > 20
    # The parser does not mind a family in two pieces; scrapers do.
    heads = re.findall(r"(?m)^# TYPE (\S+)", text)
    assert len(set(heads)) == len(heads) == len(names)
    found = {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}
    assert len(found) == sum(len(f.samples) for f in families)
    return found, {family.name: family.type for family in families}


def test_the_setting_is_known_if_compiled_in_and_only_then(fresh, config, tmp_path):
    conf = tmp_path / "x.conf"

    def check(value):
        conf.write_text(f"metrics_listen: {value}\n")
        return fresh.cli("--check-config", "-c", str(conf), check=False)

    on = "METRICS" in config
    for good in ("127.0.0.1:9143", "[::1]:9143", "/run/m.sock"):
        done = check(good)
        assert (done.returncode == 0) == on and (on or "metrics_listen" in done.stderr)
    for bad in ("*:9143", "9143", "192.0.2.1:9143", "127.0.0.1", "127.0.0.1:1 127.0.0.1:2"):
        done = check(bad)
        assert done.returncode != 0 and "metrics_listen" in done.stderr


def listening(pid):
    """Sockets of this process that listen on TCP."""
    table = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inodes = {f"socket:[{row[9]}]" for row in table if row[3] == "0A"}
    return [link for fd in os.listdir(f"/proc/{pid}/fd")
            if (link := os.readlink(f"/proc/{pid}/fd/{fd}")) in inodes]


@pytest.mark.needs_root  # to see descriptors of a process that is not to be traced
def test_mail_listens_if_the_setting_says_so_and_only_then(fresh, config):
    fresh.start()
    assert listening(fresh.role_pid("mail")) == []
    assert len(listening(fresh.role_pid("gate"))) == 2
    if "METRICS" in config:
        fresh.stop()
        fresh.settings["metrics_listen"] = f"127.0.0.1:{free_port()}"
        fresh.start()
        assert len(listening(fresh.role_pid("mail"))) == 1


def test_the_figures_are_those_of_stat(watched):
    if watched is None:
        return
    watched.deliver(message("counted"))
    with watched.raw_imap() as wire:
        wire.login()
        status, headers, text = ask(watched, "/metrics")
        stat = dict(line.split(" ", 1) for line in watched.control("stat").stdout.splitlines())
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found, types = samples(text)
    assert found["satchel_sessions", ()] == 1 and types["satchel_sessions"] in ("unknown", "untyped")
    for name in ("messages", "accounts", "mail_pid", "gate_pid", "segments", "checkpoints_failed"):
        (value,) = [v for (n, _), v in found.items() if n in (f"satchel_{name}", f"satchel_{name}_total")]
        assert value == int(stat[name])
    assert found["satchel_messages", ()] == 1
    assert found["satchel_syncs_total", ()] > 0 and types["satchel_syncs"] == "counter"
    assert found["satchel_mail_restarts_total", ()] == 0 and types["satchel_mail_restarts"] == "counter"
    listener = (("listener", f"127.0.0.1:{watched.imap_port}"), ("service", "imap"))
    assert found["satchel_listen_queue", listener] == 0 and found["satchel_listen_queue_max", listener] > 0
    assert found["satchel_listen_drops_total", listener] == 0
    # Every number of stat is there.
    numbers = {name.split("{")[0] for name, value in stat.items() if value.isdigit()}
    given = {name for name, _ in found}
    assert all({f"satchel_{name}", f"satchel_{name}_total"} & given for name in numbers)


def test_health_head_and_what_is_not_there(watched):
    if watched is None:
        return
    status, headers, text = ask(watched, "/healthz")
    assert (status, text, headers["Connection"]) == (200, "ok\n", "close")
    status, headers, text = ask(watched, "/healthz?verbose=1", "HEAD")
    assert (status, text, headers["Content-Length"]) == (200, "", "3")
    length, text = (ask(watched, "/metrics", "HEAD")[i] for i in (1, 2))
    assert int(length["Content-Length"]) > 1000 and text == ""
    assert ask(watched, "/")[0] == ask(watched, "/metrics/")[0] == 404
    status, headers, _ = ask(watched, "/metrics", "POST", "x" * 1000)
    assert status == 405 and headers["Allow"] == "GET, HEAD"


def test_hostile_requests_are_refused_and_harm_nobody(watched):
    if watched is None:
        return
    for bad in (b"\r\n", b"GET /metrics\r\n", b"GET /metrics HTTP/1.1\r\n\r\n", b"\0" * 5000,
                b"GET / HTTP/1.0\r\nA: " + b"a" * 5000, b"\x16\x03\x01\x02\0\x01\0\x01\xfc\r\n"):
        assert raw(watched, bad).startswith(b"HTTP/1.1 400 ")
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    assert raw(watched, *[request[i:i + 1] for i in range(len(request))]).startswith(b"HTTP/1.1 200 ")
    assert raw(watched, request * 3).count(b"HTTP/1.1") == 1
    # Who says nothing holds a place for a while, and only eight do.
    idle = [socket.create_connection(("127.0.0.1", watched.metrics_port), timeout=20) for _ in range(30)]
    assert all(s.recv(1) == b"" for s in idle)
    assert ask(watched, "/healthz")[0] == 200
    assert watched.role_pid("mail") and "role died" not in watched.log()


@pytest.mark.needs_root  # to change the limit of another process
def test_without_descriptors_the_mail_role_waits_and_does_not_spin(watched):
    if watched is None:
        return
    pid = watched.role_pid("mail")
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (1, limits[1]))
    with socket.create_connection(("127.0.0.1", watched.metrics_port), timeout=20) as waiting:
        waiting.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        for _ in range(3):
            seen = watched.log().count("no descriptors left")
            wait_for(lambda: watched.log().count("no descriptors left") > seen, "it does not try again", watched)
            # Whoever spins says it thousands of times between two looks.
            assert watched.log().count("no descriptors left") - seen < 20
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        assert waiting.recv(100).startswith(b"HTTP/1.1 200 ")


def test_a_unix_socket_serves_curl_and_outlives_restarts(fresh, config):
    if "METRICS" not in config:
        return
    path = fresh.dir / "metrics.sock"
    fresh.settings["metrics_listen"] = str(path)
    fresh.start()

    def curl(what):
        return subprocess.run(["curl", "-sS", "-f", "--retry", "5", "--retry-all-errors", "--unix-socket", str(path), f"http://localhost/{what}"],
                              capture_output=True, text=True, check=True, timeout=30).stdout

    assert curl("healthz") == "ok\n"
    fresh.kill_role("mail")
    fresh.role_pid("mail")
    assert curl("healthz") == "ok\n"
    assert samples(curl("metrics"))[0]["satchel_mail_restarts_total", ()] == 1
    fresh.kill_all()
    fresh.start()
    assert curl("healthz") == "ok\n"


def test_an_address_that_is_taken_stops_the_start_with_a_reason(fresh, config):
    if "METRICS" not in config:
        return
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        fresh.settings["metrics_listen"] = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(Exception):
            fresh.start()
        fresh.wait_log("address in use; choose another with metrics_listen")
    fresh.process = None


@pytest.mark.needs_root  # a small disk of its own
def test_health_says_that_a_full_disk_takes_no_mail(fresh, config):
    if "METRICS" not in config:
        return
    fresh.metrics_port = free_port()
    fresh.settings["metrics_listen"] = f"127.0.0.1:{fresh.metrics_port}"
    small = fresh.dir / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m,mode=755", "none", str(small)], check=True)
    try:
        shutil.move(fresh.data, small / "data")  # with its users
        fresh.data = small / "data"
        fresh.start()
        assert ask(fresh, "/healthz")[0] == 200
        with open(small / "others", "wb") as others:
            v = os.statvfs(small)
            os.posix_fallocate(others.fileno(), 0, v.f_bavail * v.f_frsize)
        wait_for(lambda: figure(fresh, "disk_full") == 1, "full", fresh)
        status, _, text = ask(fresh, "/healthz")
        assert status == 503 and "takes no mail" in text
        assert samples(ask(fresh, "/metrics")[2])[0]["satchel_disk_full", ()] == 1
        (small / "others").unlink()
        wait_for(lambda: ask(fresh, "/healthz")[0] == 200, "well again", fresh)
        assert fresh.stop() == 0
    finally:
        if fresh.process is not None:
            fresh.kill_all()
        subprocess.run(["umount", "-l", str(small)], check=True)


@pytest.mark.needs_root
def test_mail_serves_metrics_as_a_user_of_its_own(fresh, config):
    if "METRICS" not in config:
        return
    fresh.metrics_port = free_port()
    fresh.settings.update(metrics_listen=f"127.0.0.1:{fresh.metrics_port}", user_gate="65501:65501",
                          user_auth="65503:65503", user_mail="65505:65505")
    fresh.start()
    status = pathlib.Path(f"/proc/{fresh.role_pid('mail')}/status").read_text()
    assert re.search(r"(?m)^Uid:\s+65505\s+65505\s", status)
    found = samples(ask(fresh, "/metrics")[2])[0]
    assert found["satchel_auth_pid", ()] == fresh.role_pid("auth")
    listener = (("listener", f"127.0.0.1:{fresh.imap_port}"), ("service", "imap"))
    assert ("satchel_listen_queue", listener) in found
