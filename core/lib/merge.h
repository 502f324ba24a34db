/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_LIB_MERGE_H
#define CORE_LIB_MERGE_H

/*
 * A stable sort of numbers (of whatever the caller counts) that can be done in slices, so that a long
 * one holds nobody up: bottom-up merging, at most n * ceil(log2 n) comparisons.
 */

#include <stdbool.h>
#include <stdint.h>

struct merge {
	uint32_t *v, *other; /* n each; the caller's.  In the end v holds the numbers in order */
	uint32_t n;
	/* < 0, 0 or > 0, of two of the numbers */
	int (*compare)(const void *arg, uint32_t a, uint32_t b);
	const void *arg;
	/* its own, zeroed at first */
	uint32_t width, from, left, right;
	bool inside;         /* in the middle of merging the runs at `from` */
};

/* Goes on for about `budget` comparisons.  True: v is in order.  v and other may change places. */
bool merge_step(struct merge *m, uint32_t budget);

#endif
