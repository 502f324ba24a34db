/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_STORE_KV_H
#define CORE_STORE_KV_H

/*
 * Key-value: a table in memory of what changed since the last checkpoint, over one that a running
 * checkpoint is writing (frozen: only read), over generations on disk, newest first.  A removed key is
 * an entry too (it hides older ones) until a merge reaches the oldest generation.
 *
 * Only the loop changes tables; the checkpoint's thread reads the frozen one.
 */

#include "core/lib/arena.h"
#include "core/store/generation.h"
#include "core/store/hash.h"

/* Spaces of the store itself. */
#define KV_SPACE_FOREIGN 0xffff /* records of types unknown to this binary, carried along */
#define KV_SPACE_ACCOUNT 0xfffe /* u64 account -> the account and its mailboxes */
#define KV_SPACE_NAME    0xfffd /* name -> u64 account */
#define KV_SPACE_BOX     0xfffc /* u64 mailbox -> u64 account */
#define KV_SPACE_INDEX   0xfffb /* u64 mailbox -> changes over its index file (index_kept.c) */
#define KV_SPACE_FIRST   0xfff0 /* from here on they are the store's */

#define GENERATIONS_MAX 24
#define GENERATIONS_KEPT_MAX 4
#define GENERATIONS_DAILY_MAX 8

struct kv {
	struct hash_node node;
	uint64_t lsn;
	uint16_t space;
	uint16_t key_len;
	bool removed;
	uint32_t value_len, room; /* room: for a value, without moving */
	char bytes[]; /* key, value */
};

struct kv_table {
	struct hash_table hash;
	struct arena arena; /* so that a million entries go in one breath */
};

struct kv_stack {
	struct generation *v[GENERATIONS_MAX]; /* newest first */
	size_t n;
};

/* What a space that expires has left behind. */
struct kv_horizon {
	uint16_t space;
	uint64_t before; /* entries of earlier records are gone */
	uint64_t day;    /* where the present day began: no merge goes across if it can be helped */
};

/* The stack a space belongs to: GENERATION_KEPT or itself. */
unsigned kv_class(uint16_t space);
struct str kv_key(const struct kv *kv);
struct str kv_value(const struct kv *kv);
struct kv *kv_table_find(const struct kv_table *t, uint16_t space, struct str key);
/* An entry replaces one of an older or the same LSN.  0 / -1 ENOMEM. */
int kv_table_put(struct kv_table *t, uint16_t space, struct str key, struct str value, bool removed,
	uint64_t lsn);
void kv_table_free(struct kv_table *t);
uint64_t kv_horizon_of(const struct kv_horizon *v, size_t n, uint16_t space);

/* For the thread: makes `next` of the stack `old` and the frozen table, merging what should be
 * merged; new generations are named by `number` and synced, their directory is not.  0 / -1 + errno;
 * next holds what was opened either way. */
struct kv_merge {
	int dirfd;
	const struct format_key *key;
	uint64_t number;
	const struct kv_table *frozen;
	const struct kv_horizon *horizon;
	size_t horizons;
	const struct kv_stack *old;
	struct kv_stack *next;
};
int kv_merge(const struct kv_merge *m);
/* Frees those of a that are not in b. */
void kv_stack_release(struct kv_stack *a, const struct kv_stack *b);
bool kv_stack_has(const struct kv_stack *s, const struct generation *g);

#endif
