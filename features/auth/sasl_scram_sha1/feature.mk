# SPDX-License-Identifier: 0BSD
cyrus-sasl-needs += scram_server
mbedtls-needs += SHA1_C
