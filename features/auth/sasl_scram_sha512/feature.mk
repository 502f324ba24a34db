# SPDX-License-Identifier: 0BSD
cyrus-sasl-needs += scram_server
mbedtls-needs += SHA512_C
