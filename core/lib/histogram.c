/* SPDX-License-Identifier: 0BSD */
#include "core/lib/histogram.h"

#include <stddef.h>

/* 0..3 have a slot each; from then on the two bits below the highest one choose among four. */
static unsigned slot_of(uint64_t value)
{
	unsigned top;

	if (value < 4)
		return (unsigned)value;
	top = 63 - (unsigned)__builtin_clzll(value);
	return (top - 1) * 4 + (unsigned)(value >> (top - 2) & 3);
}

/* The highest value of a slot. */
static uint64_t limit_of(unsigned slot)
{
	unsigned top = slot / 4 + 1;

	return slot < 4 ? slot : (((uint64_t)(slot % 4) + 5) << (top - 2)) - 1;
}

void histogram_add(struct histogram *h, uint64_t value)
{
	h->count++;
	h->slot[slot_of(value)]++;
	if (h->max < value)
		h->max = value;
}

uint64_t histogram_at(const struct histogram *h, unsigned per_mille)
{
	uint64_t before = 0, limit;

	for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++) {
		before += h->slot[i];
		if (!before || before * 1000 < h->count * per_mille)
			continue;
		limit = limit_of(i);
		return limit < h->max ? limit : h->max;
	}
	return 0;
}

static void line(struct buf *out, const char *name, const char *what, uint64_t value)
{
	buf_addv(out, name, what, " ", NULL);
	buf_addu(out, value);
	buf_addc(out, '\n');
}

void histogram_print(const struct histogram *h, const char *name, struct buf *out)
{
	uint64_t n;

	line(out, name, "_p50", histogram_at(h, 500));
	line(out, name, "_p90", histogram_at(h, 900));
	line(out, name, "_p99", histogram_at(h, 990));
	line(out, name, "_max", h->max);
	for (unsigned i = 0; i < HISTOGRAM_SLOTS; i += 4) {
		n = (uint64_t)h->slot[i] + h->slot[i + 1] + h->slot[i + 2] + h->slot[i + 3];
		if (!n)
			continue;
		buf_addv(out, name, "_to_", NULL);
		buf_addu(out, limit_of(i + 3));
		line(out, "", "", n);
	}
}
