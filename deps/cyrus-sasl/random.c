/* SPDX-License-Identifier: 0BSD */
/* Nonces and challenges of libsasl2 come from the kernel; config.h renames jrand48 to this. */
#include <stdlib.h>
#include <sys/random.h>

/* As jrand48(3): 32 bits with a sign.  The pool is not needed. */
long satchel_sasl_random(unsigned short *pool)
{
	int value;

	(void)pool;
	/* So few bytes come at once, or never (getrandom(2)). */
	if (getrandom(&value, sizeof(value), 0) != (ssize_t)sizeof(value))
		abort();
	return value;
}
