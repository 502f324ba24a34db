/* SPDX-License-Identifier: 0BSD */
#include "core/lib/vec.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int vec_grow(void *array, size_t *cap, size_t need, size_t size)
{
	size_t want = *cap ? *cap : 8;
	void *old, *fresh;

	if (need <= *cap)
		return 0;
	while (want < need)
		want = want > SIZE_MAX / 2 ? need : want * 2;
	if (want > PTRDIFF_MAX / size) {
		errno = ENOMEM;
		return -1;
	}
	/* The caller's variable is a T *, not a void *: copied, never type-punned. */
	memcpy(&old, array, sizeof(old));
	fresh = realloc(old, want * size);
	if (!fresh)
		return -1;
	memcpy(array, &fresh, sizeof(fresh));
	*cap = want;
	return 0;
}
