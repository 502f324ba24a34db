# SPDX-License-Identifier: 0BSD
"""SCRAM-SHA-1 on the wire, with a client written by hand (RFC 5802)."""

from harness import sasl


class TestScram(sasl.OwnSecretTests):
    name = "SCRAM-SHA-1"
    symbol = "SASL_SCRAM_SHA1"
