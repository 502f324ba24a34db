/* SPDX-License-Identifier: 0BSD */
/* Where the PSA interface, by which TLS 1.3 computes, has its random bytes: getrandom(2). */
#include "common.h"

#if defined(MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG)

#include <errno.h>
#include <sys/random.h>

#include "psa/crypto.h"

psa_status_t mbedtls_psa_external_get_random(mbedtls_psa_external_random_context_t *context,
	uint8_t *output, size_t output_size, size_t *output_length)
{
	size_t n = 0;

	(void)context;
	while (n < output_size) {
		ssize_t got = getrandom(output + n, output_size - n, 0);

		if (got < 0 && errno != EINTR)
			return PSA_ERROR_INSUFFICIENT_ENTROPY;
		n += got > 0 ? (size_t)got : 0;
	}
	*output_length = n;
	return PSA_SUCCESS;
}

#endif
