/* SPDX-License-Identifier: 0BSD */
/*
 * Curve25519 by the verified code of Project Everest, which comes with mbedTLS: ten times as fast as
 * its arithmetic for all curves, and every TLS 1.3 handshake needs it twice.
 */
#include "x25519_mul.h"

#if defined(X25519_MUL)

#include "mbedtls/error.h"
#include "mbedtls/platform_util.h"

#include "Hacl_Curve25519.c"
#include "kremlib/FStar_UInt64_FStar_UInt32_FStar_UInt16_FStar_UInt8.c"

#define BYTES 32

int x25519_mul(mbedtls_ecp_point *r, const mbedtls_mpi *m, const mbedtls_ecp_point *p)
{
	unsigned char scalar[BYTES], point[BYTES], result[BYTES];
	unsigned char any = 0;
	int rc = mbedtls_mpi_write_binary_le(m, scalar, BYTES);

	if (rc == 0)
		rc = mbedtls_mpi_write_binary_le(&p->X, point, BYTES);
	if (rc)
		goto out;
	Hacl_Curve25519_crypto_scalarmult(result, scalar, point);
	for (int i = 0; i < BYTES; i++)
		any |= result[i];
	/* RFC 7748 6.1, RFC 8446 7.4.2: a point of small order was sent. */
	rc = any ? mbedtls_mpi_read_binary_le(&r->X, result, BYTES) : MBEDTLS_ERR_ECP_INVALID_KEY;
	if (rc == 0)
		rc = mbedtls_mpi_lset(&r->Z, 1);
	mbedtls_mpi_free(&r->Y);
out:
	mbedtls_platform_zeroize(scalar, sizeof(scalar));
	mbedtls_platform_zeroize(result, sizeof(result));
	return rc;
}

#endif
