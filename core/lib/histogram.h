/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_LIB_HISTOGRAM_H
#define CORE_LIB_HISTOGRAM_H

/*
 * How often which values came: four slots for each power of two, so a percentile is at most a
 * quarter too high.  Adding is O(1) and allocates nothing.  A zeroed struct is empty.
 */

#include <stdint.h>

#include "core/lib/buf.h"

#define HISTOGRAM_SLOTS 252 /* values up to 2^64 */

struct histogram {
	uint64_t count, max;
	uint32_t slot[HISTOGRAM_SLOTS];
};

void histogram_add(struct histogram *h, uint64_t value);
/* A value that so many per mille of those added do not exceed; 0 if none were. */
uint64_t histogram_at(const struct histogram *h, unsigned per_mille);
/* Lines "NAME_p50 N", p90, p99, max, and "NAME_to_LIMIT N" for each power of two that has any. */
void histogram_print(const struct histogram *h, const char *name, struct buf *out);

#endif
