/* SPDX-License-Identifier: 0BSD */
#ifndef SATCHEL_X25519_MUL_H
#define SATCHEL_X25519_MUL_H

#include "common.h"

/* Where the compiler has integers of 128 bits. */
#if defined(MBEDTLS_ECP_DP_CURVE25519_ENABLED) && defined(__SIZEOF_INT128__)
#define X25519_MUL

#include "mbedtls/ecp.h"

/* r = m * p on Curve25519, in constant time; m is a valid private key.  0, or mbedTLS's error. */
int x25519_mul(mbedtls_ecp_point *r, const mbedtls_mpi *m, const mbedtls_ecp_point *p);

#endif
#endif
