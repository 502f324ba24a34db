/* SPDX-License-Identifier: 0BSD */
#include "core/store/days.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/lib/cursor.h"
#include "core/lib/log.h"
#include "core/lib/vec.h"

#define DAY 86400u
/* An appliance without a battery starts in 1970; its clock says nothing about age. */
#define BELIEVABLE 1704067200u

int store_days_load(struct store *s, uint16_t space, struct store_days *d)
{
	struct buf b = {0};
	struct cursor c;
	int rc = 0;

	d->n = 0;
	if (store_kv_get(s, space, STR("days"), &b, NULL) > 0) {
		c = cursor_from(buf_str(&b));
		while (!rc && d->n < STORE_DAYS_MAX && cursor_left(&c) >= 16) {
			struct store_day day = {.number = cursor_u64(&c)};

			day.lsn = cursor_u64(&c);
			rc = vec_push(d, day);
		}
	}
	buf_free(&b);
	return rc;
}

static void save(struct store *s, uint16_t space, const struct store_days *d)
{
	struct buf b = {0};

	for (size_t i = 0; i < d->n; i++) {
		buf_put64(&b, d->v[i].number);
		buf_put64(&b, d->v[i].lsn);
	}
	if (b.failed || store_kv_put(s, space, STR("days"), buf_str(&b), NULL))
		log_warning("cannot note that a day has begun", NULL);
	buf_free(&b);
}

static void drop(struct store_days *d, size_t keep)
{
	size_t old = d->n > keep ? d->n - keep : 0;

	d->n -= old;
	if (old)
		memmove(d->v, d->v + old, d->n * sizeof(*d->v));
}

/* True: the list has changed. */
static bool note(struct store *s, struct store_days *d, uint64_t today)
{
	struct store_day day = {today, store_last_lsn(s) + 1};
	bool changed = false;

	/* The clock was wrong then, or is now: what came on those days counts for this one. */
	while (d->n && d->v[d->n - 1].number > today) {
		day.lsn = d->v[--d->n].lsn;
		changed = true;
	}
	if (d->n && d->v[d->n - 1].number == today)
		return changed;
	return !vec_push(d, day) || changed;
}

uint64_t store_days_look(struct store *s, uint16_t space, struct store_days *d, size_t keep)
{
	uint64_t clock = (uint64_t)time(NULL);
	bool changed = clock >= BELIEVABLE && note(s, d, clock / DAY);

	drop(d, keep + 1); /* today is not a whole one */
	if (changed)
		save(s, space, d);
	return d->n == keep + 1 ? d->v[0].lsn : 0;
}

void store_days_free(struct store_days *d)
{
	free(d->v);
	*d = (struct store_days){0};
}
