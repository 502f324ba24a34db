/* SPDX-License-Identifier: 0BSD */
#include "core/imap/parse.h"

#include <stdlib.h>
#include <string.h>

static int parse_seq_number(struct cursor *c, uint32_t *v_r)
{
	if (cursor_accept(c, '*')) {
		*v_r = IMAP_STAR;
		return 0;
	}
	if (imap_parse_nz_number(c, v_r))
		return -1;
	/* 4294967295 is a number that no message ever has, and must not read as "*". */
	if (*v_r == IMAP_STAR)
		*v_r = IMAP_STAR - 1;
	return 0;
}

/* How many elements stand ahead: commas within the run of set characters, and one. */
static size_t count_elements(struct cursor c)
{
	size_t n = 1;

	for (;;) {
		int ch = cursor_peek(&c);

		if (ch == ',')
			n++;
		else if ((ch < '0' || ch > '9') && ch != ':' && ch != '*')
			return n;
		cursor_get(&c);
	}
}

int imap_parse_set(struct cursor *c, struct arena *a, struct imap_set *set_r)
{
	memset(set_r, 0, sizeof(*set_r));
	if (cursor_accept(c, '$')) {
		set_r->saved = true; /* RFC 5182 2.1: stands alone */
		return 0;
	}
	set_r->cap = count_elements(*c);
	set_r->v = arena_array(a, set_r->cap, sizeof(*set_r->v));
	if (!set_r->v)
		return -1;
	do {
		struct imap_range *r = &set_r->v[set_r->n];

		if (parse_seq_number(c, &r->from))
			return -1;
		r->to = r->from;
		if (cursor_accept(c, ':') && parse_seq_number(c, &r->to))
			return -1;
		set_r->n++;
	} while (cursor_accept(c, ',') && set_r->n < set_r->cap);
	return 0;
}

static int by_from(const void *a, const void *b)
{
	const struct imap_range *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

void imap_set_normalise(struct imap_set *set, uint32_t star)
{
	size_t out = 0;

	for (size_t i = 0; i < set->n; i++) {
		struct imap_range *r = &set->v[i];

		if (r->from == IMAP_STAR)
			r->from = star;
		if (r->to == IMAP_STAR)
			r->to = star;
		if (r->from > r->to)
			*r = (struct imap_range){r->to, r->from};
	}
	if (set->n > 1)
		qsort(set->v, set->n, sizeof(*set->v), by_from);
	for (size_t i = 0; i < set->n; i++) {
		struct imap_range *last = out ? &set->v[out - 1] : NULL;

		if (last && (uint64_t)set->v[i].from <= (uint64_t)last->to + 1) {
			if (set->v[i].to > last->to)
				last->to = set->v[i].to;
		} else {
			set->v[out++] = set->v[i];
		}
	}
	set->n = out;
}

bool imap_set_contains(const struct imap_set *set, uint32_t n)
{
	size_t low = 0, high = set->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (n < set->v[mid].from)
			high = mid;
		else if (n > set->v[mid].to)
			low = mid + 1;
		else
			return true;
	}
	return false;
}
