/* SPDX-License-Identifier: 0BSD */
/*
 * What accounts hold.  The store's own counts of each mailbox are the truth; a table of sums saves
 * adding them up for each delivery.  An account finds its place by its id; another one in that place is
 * forgotten, and added up when it is asked for again.
 */
#include "features/store/quota/quota.h"

#include <stdlib.h>

#define TABLE_BITS 12

static struct entry {
	uint64_t account; /* 0: nobody's */
	uint64_t used[QUOTA_RESOURCES];
} *table;

static struct entry *place_of(const struct account *a)
{
	/* Ids lie close together: a multiplication spreads them (Knuth 6.4). */
	return &table[account_id(a) * 0x9e3779b97f4a7c15u >> (64 - TABLE_BITS)];
}

int quota_usage_start(struct store *s, const struct store_watch *w)
{
	table = calloc((size_t)1 << TABLE_BITS, sizeof(*table));
	if (!table)
		return -1;
	store_watch(s, w);
	return 0;
}

void quota_usage_stop(void)
{
	free(table);
	table = NULL;
}

void quota_usage_count(struct account *a, int64_t messages, int64_t bytes)
{
	struct entry *e = place_of(a);

	if (e->account != account_id(a))
		return;
	e->used[QUOTA_MESSAGE] += (uint64_t)messages;
	e->used[QUOTA_STORAGE] += (uint64_t)bytes;
}

static void add_up(struct account *a, struct entry *e)
{
	*e = (struct entry){.account = account_id(a)};
	for (uint32_t i = 0; i < account_mailbox_count(a); i++) {
		const struct mailbox *m = account_mailbox(a, i);

		e->used[QUOTA_MESSAGE] += mailbox_messages(m);
		e->used[QUOTA_STORAGE] += mailbox_bytes(m);
	}
}

void quota_usage(struct account *a, uint64_t used_r[QUOTA_RESOURCES])
{
	struct entry *e = place_of(a);

	if (e->account != account_id(a))
		add_up(a, e);
	for (int i = 0; i < QUOTA_RESOURCES; i++)
		used_r[i] = e->used[i];
}
