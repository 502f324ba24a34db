# SPDX-License-Identifier: 0BSD
"""Fixtures of all wire tests: each runs on the static binary and on the sanitized one.

Loaded with `-p harness.fixtures` (see tests/tests.mk), so that tests in feature folders have them too.
"""

import os
import pathlib
import shutil
import tempfile

import pytest

from harness.server import Server, binaries, config_symbols

LEFT_OUT = set()    # names of tests that need root, and there is none


@pytest.fixture(scope="session")
def config():
    """The CONFIG_ symbols of the build under test."""
    return config_symbols()


@pytest.fixture(params=sorted(binaries() if "SATCHEL" in os.environ else {}), scope="module")
def binary(request):
    """Path of the binary under test."""
    return binaries()[request.param]


def pytest_configure(config):
    config.addinivalue_line("markers", "needs_root: cannot run as an ordinary user")


def pytest_collection_modifyitems(config, items):
    """Without root, what needs it is left out, and named at the end."""
    config.needs_root = [item for item in items if item.get_closest_marker("needs_root")]
    if os.geteuid() == 0:
        config.needs_root = []
    elif config.needs_root:
        items[:] = [item for item in items if item not in config.needs_root]
        config.hook.pytest_deselected(items=config.needs_root)


def pytest_sessionfinish(session):
    """A process beside others tells the one that prints what it has left out."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = [item.nodeid for item in session.config.needs_root]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    LEFT_OUT.update(getattr(node, "workeroutput", {}).get("left_out", []))


def pytest_terminal_summary(terminalreporter, config):
    LEFT_OUT.update(item.nodeid for item in getattr(config, "needs_root", []))
    for name in sorted(LEFT_OUT):
        terminalreporter.write_line(f"NOT RUN (needs root): {name}")


def open_folder(binary):
    """A folder for one instance that users other than the present one can reach (pytest's own are
    closed to them), removed after the test."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="satchel-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


server_folder = pytest.fixture(open_folder, scope="module")
fresh_folder = pytest.fixture(open_folder)


@pytest.fixture(scope="module")
def server(binary, server_folder):
    """A running instance with the user `demo`, shared by the tests of one file."""
    instance = Server(binary, server_folder, users=("demo", "other"))
    instance.start()
    yield instance
    assert instance.stop() == 0, instance.log()
    instance.check_log()


@pytest.fixture
def wire(server):
    """A session of `demo`, logged in."""
    with server.raw_imap() as client:
        yield client.login()


@pytest.fixture
def fresh(binary, fresh_folder):
    """An instance for one test alone; not started yet."""
    instance = Server(binary, fresh_folder)
    yield instance
    if instance.process is not None:
        instance.stop()
    instance.check_log()
