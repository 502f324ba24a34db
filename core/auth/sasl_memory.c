/* SPDX-License-Identifier: 0BSD */
/* libsasl2 copies passwords and keys about; what it gives back is wiped, whatever it was. */
#include "core/auth/exchange.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <mbedtls/platform_util.h>

static void wipe_free(void *p)
{
	if (p)
		mbedtls_platform_zeroize(p, malloc_usable_size(p));
	free(p);
}

static void *wipe_realloc(void *p, size_t size)
{
	size_t had = p ? malloc_usable_size(p) : 0;
	void *grown = malloc(size);

	if (!grown)
		return NULL;
	if (p)
		memcpy(grown, p, had < size ? had : size);
	wipe_free(p);
	return grown;
}

void auth_memory_start(void)
{
	sasl_set_alloc(malloc, calloc, wipe_realloc, wipe_free);
}
