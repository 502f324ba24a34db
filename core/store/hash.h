/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_STORE_HASH_H
#define CORE_STORE_HASH_H

/*
 * Chained hash tables; the node sits inside the owner's object, so an insertion allocates nothing
 * but (now and then) a larger table.  A zeroed struct is an empty table.
 */

#include <stddef.h>
#include <stdint.h>

#include "core/lib/buf.h"

struct hash_node {
	struct hash_node *next;
	uint64_t hash;
};

struct hash_table {
	struct hash_node **v;
	size_t n, size; /* size: a power of two, or 0 */
};

/* 0, or -1 ENOMEM (only when the table owns no memory yet; otherwise it just stays dense). */
int hash_add(struct hash_table *t, struct hash_node *n, uint64_t hash);
void hash_remove(struct hash_table *t, struct hash_node *n);
/* First node with that hash, and the next with the same one; NULL at the end. */
struct hash_node *hash_first(const struct hash_table *t, uint64_t hash);
struct hash_node *hash_next(const struct hash_node *n);
/* Calls each() for all nodes; each() may free its node. Stops at non-zero and returns it. */
int hash_each(const struct hash_table *t, int (*each)(void *arg, struct hash_node *n), void *arg);
void hash_free(struct hash_table *t);

/* SipHash-1-3 (Aumasson and Bernstein) under a key drawn at start: keys come from strangers. */
uint64_t hash_bytes(struct str s, uint64_t salt);

#define hash_owner(node, type, member) ((type *)(void *)((char *)(node) - offsetof(type, member)))

#endif
