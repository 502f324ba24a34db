/* SPDX-License-Identifier: 0BSD */
/*
 * Which accounts and indexes are in memory.  All that changed since the last checkpoint, and all that
 * somebody has pinned, must be; of the others those used last, up to a bound, and the rest is read
 * again from the checkpoint's files when it is asked for.
 */
#include "core/store/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TRIM_STEP 2048 /* forgotten in one turn of the loop: more than sessions load in one */

/* ---- where an account belongs ---- */

static bool is_busy(const struct account *a)
{
	return a->dirty || a->frozen;
}

static void leave(struct account *a)
{
	struct store *s = a->store;

	ring_remove(&a->ring);
	if (a->idle)
		s->cache.idle -= a->bytes;
	if (a->busy)
		s->cache.busy -= a->bytes;
	a->idle = a->busy = false;
}

static void consider_trim(struct store *s)
{
	if (s->cache.idle + s->index.idle > s->cache.max && !s->redoing && !s->cache.trim.queued)
		loop_idle_add(s->loop, &s->cache.trim);
}

void account_place(struct account *a)
{
	struct store *s = a->store;

	leave(a);
	if (a->dirty)
		ring_add(&s->cache.dirty, &a->ring);
	a->busy = is_busy(a);
	a->idle = !a->busy && !a->pins;
	if (a->idle)
		ring_add(&s->cache.accounts, &a->ring);
	if (a->idle)
		s->cache.idle += a->bytes;
	if (a->busy)
		s->cache.busy += a->bytes;
	consider_trim(s);
}

void account_dirty(struct account *a)
{
	if (a->dirty)
		return;
	a->dirty = true;
	account_place(a);
}

void account_frozen(struct account *a)
{
	a->dirty = false;
	a->frozen = true;
	account_place(a);
}

void account_thawed(struct account *a, bool good)
{
	a->frozen = false;
	if (!good)
		a->dirty = true;
	account_place(a);
}

void account_pin(struct account *a)
{
	if (!a->pins++)
		account_place(a);
}

void account_unpin(struct account *a)
{
	if (!--a->pins)
		account_place(a);
}

void account_used(struct account *a)
{
	if (!a->idle)
		return;
	ring_remove(&a->ring);
	ring_add(&a->store->cache.accounts, &a->ring);
}

void account_weigh(struct account *a, int64_t more)
{
	struct store *s = a->store;

	a->bytes += (uint64_t)more;
	if (a->idle)
		s->cache.idle += (uint64_t)more;
	if (a->busy)
		s->cache.busy += (uint64_t)more;
}

/* ---- indexes ---- */

static uint64_t index_weight(const struct index *ix)
{
	return sizeof(*ix) + ix->blocks.cap * sizeof(*ix->blocks.v) + ix->tree_cap * sizeof(*ix->tree) +
		ix->tombs.cap * sizeof(*ix->tombs.v) + ix->layer_bytes;
}

void index_place(struct index *ix)
{
	struct store *s = ix->mailbox->account->store;

	index_leave(ix);
	ix->bytes_held = index_weight(ix);
	ix->busy = ix->link || ix->frozen;
	ix->idle = !ix->busy && !ix->mailbox->views;
	if (ix->idle) {
		ring_add(&s->index.ring, &ix->ring);
		s->index.idle += ix->bytes_held;
	}
	if (ix->busy)
		s->index.busy += ix->bytes_held;
	s->index.loaded++;
	consider_trim(s);
}

void index_leave(struct index *ix)
{
	struct store *s = ix->mailbox->account->store;

	ring_remove(&ix->ring);
	if (ix->idle)
		s->index.idle -= ix->bytes_held;
	if (ix->busy)
		s->index.busy -= ix->bytes_held;
	if (ix->bytes_held)
		s->index.loaded--;
	ix->idle = ix->busy = false;
	ix->bytes_held = 0;
}

/* ---- forgetting ---- */

void account_free(struct account **at)
{
	struct account *a = *at;
	struct store *s = a->store;

	*at = NULL;
	leave(a);
	for (size_t i = 0; i < a->boxes.n; i++) {
		hash_remove(&s->mailboxes, &a->boxes.v[i]->by_id);
		mailbox_free(a->boxes.v[i]);
	}
	hash_remove(&s->accounts, &a->by_name);
	hash_remove(&s->accounts_by_id, &a->by_id);
	free(a->boxes.v);
	free(a->name);
	free(a);
}

static bool forget_one(struct store *s)
{
	struct ring *account = s->cache.accounts.prev, *index = s->index.ring.prev;

	if (s->cache.idle + s->index.idle <= s->cache.max)
		return false;
	/* A directory is read again sooner than an account with all its names. */
	if (index != &s->index.ring && (s->index.idle >= s->cache.idle || account == &s->cache.accounts))
		index_unload(hash_owner(index, struct index, ring)->mailbox);
	else if (account == &s->cache.accounts)
		return false;
	else
		account_free(&(struct account *){hash_owner(account, struct account, ring)});
	return true;
}

static void trim_run(struct loop_idle *i)
{
	struct store *s = hash_owner(i, struct store, cache.trim);
	unsigned n = TRIM_STEP;

	while (n && forget_one(s))
		n--;
	if (!n)
		consider_trim(s);
}

void store_forget(struct store *s)
{
	while (forget_one(s))
		;
}

/* ---- the beginning and the end ---- */

void accounts_init(struct store *s, uint64_t bytes)
{
	ring_init(&s->cache.accounts);
	ring_init(&s->cache.dirty);
	ring_init(&s->index.ring);
	s->cache.max = bytes ? bytes : (uint64_t)CONFIG_STORE_CACHE_KB * 1024;
	s->cache.trim.run = trim_run;
}

static int free_each(void *arg, struct hash_node *n)
{
	(void)arg;
	account_free(&(struct account *){hash_owner(n, struct account, by_id)});
	return 0;
}

void accounts_free(struct store *s)
{
	hash_each(&s->accounts_by_id, free_each, NULL);
	if (s->cache.trim.queued)
		loop_idle_del(s->loop, &s->cache.trim);
	hash_free(&s->mailboxes);
	hash_free(&s->accounts);
	hash_free(&s->accounts_by_id);
	s->account_count = s->mailbox_count = 0;
}
