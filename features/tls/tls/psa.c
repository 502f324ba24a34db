/* SPDX-License-Identifier: 0BSD */
#include "features/tls/tls/tls.h"

#include <psa/crypto.h>

int tls_psa_setup(void)
{
	return psa_crypto_init() == PSA_SUCCESS ? 0 : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}
