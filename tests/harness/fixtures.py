# SPDX-License-Identifier: 0BSD
"""Fixtures of all wire tests: each runs on the static binary and on the sanitized one.

Loaded with `-p harness.fixtures` (see tests/tests.mk), so that tests in feature folders have them too.
"""

import os

import pytest

from harness.server import Server, binaries, config_symbols


@pytest.fixture(scope="session")
def config():
    """The CONFIG_ symbols of the build under test."""
    return config_symbols()


@pytest.fixture(params=sorted(binaries() if "SATCHEL" in os.environ else {}), scope="module")
def binary(request):
    """Path of the binary under test."""
    return binaries()[request.param]


@pytest.fixture(scope="module")
def server(binary, tmp_path_factory):
    """A running instance with the user `demo`, shared by the tests of one file."""
    instance = Server(binary, tmp_path_factory.mktemp("satchel"), users=("demo", "other"))
    instance.start()
    yield instance
    assert instance.stop() == 0, instance.log()
    instance.check_log()


@pytest.fixture
def fresh(binary, tmp_path):
    """An instance for one test alone; not started yet."""
    instance = Server(binary, tmp_path)
    yield instance
    if instance.process is not None:
        instance.stop()
    instance.check_log()
