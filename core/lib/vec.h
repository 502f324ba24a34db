/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_LIB_VEC_H
#define CORE_LIB_VEC_H

/* Growth for plain arrays { T *v; size_t n, cap; }: doubles, checks overflow. */

#include <stddef.h>

/* Makes room for at least `need` elements of `size` bytes in *array.  0, or -1 (ENOMEM; nothing
 * changed). */
int vec_grow(void *array, size_t *cap, size_t need, size_t size);

/* Appends VALUE to struct vec with members v, n, cap.  0 or -1. */
#define vec_push(vec, value)                                                                       \
	(vec_grow(&(vec)->v, &(vec)->cap, (vec)->n + 1, sizeof(*(vec)->v))                         \
			? -1                                                                       \
			: ((vec)->v[(vec)->n++] = (value), 0))

#endif
