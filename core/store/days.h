/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_STORE_DAYS_H
#define CORE_STORE_DAYS_H

/*
 * How long something was kept, for features that forget by the day, by a clock that cannot be fooled:
 * days on which the store was up count, and not what the wall clock says has passed between them.  A clock
 * that jumps, ahead or back, costs a day at most; while it stands before 2024 no day begins.
 */

#include "core/store/store.h"

#define STORE_DAYS_MAX 400

struct store_days {
	struct store_day {
		uint64_t number, lsn; /* since 1970; LSN at which it began */
	} *v; /* ascending */
	size_t n, cap;
};

/* Reads the list that is kept under "days" in the feature's key-value space.  0 / -1 ENOMEM. */
int store_days_load(struct store *s, uint16_t space, struct store_days *d);
/* To be called after that, and about once a minute: notes a day that has begun, and forgets those before
 * today and the last `keep` (below STORE_DAYS_MAX) whole ones.  What has a lower LSN than the answer is older
 * than that; 0: nothing is. */
uint64_t store_days_look(struct store *s, uint16_t space, struct store_days *d, size_t keep);
void store_days_free(struct store_days *d);

#endif
