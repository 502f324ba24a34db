/* SPDX-License-Identifier: 0BSD */
/* The blob map: id -> place in the log and number of references. */
#include "core/store/state.h"

#include <stdlib.h>

static uint64_t stored_bytes(const struct blob *b)
{
	return (uint64_t)b->summary_len + b->body_len;
}

struct blob *blob_find(const struct store *s, uint64_t id)
{
	struct hash_node *n = hash_first(&s->blobs, id);

	return n ? hash_owner(n, struct blob, node) : NULL;
}

struct blob *blob_add(struct store *s, uint64_t id, const struct record_blob *r)
{
	struct blob *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->kind = r->kind;
	b->summary_len = r->summary_len;
	b->summary_crc = r->summary_crc;
	b->body_len = (uint32_t)r->body_len;
	b->body_crc = r->body_crc;
	if (!hash_add(&s->blobs, &b->node, id))
		return b;
	free(b);
	return NULL;
}

void blob_place(struct blob *b, struct segment *g, uint64_t offset)
{
	b->segment = g;
	b->offset = offset;
	b->body = NULL;
	b->batch = NULL;
	g->blobs++;
	g->live += stored_bytes(b);
}

static void forget(struct store *s, struct blob *b)
{
	if (b->segment) {
		b->segment->blobs--;
		b->segment->live -= stored_bytes(b);
	}
	hash_remove(&s->blobs, &b->node);
	free(b);
}

void blob_ref(struct blob *b)
{
	b->refs++;
}

void blob_unref(struct store *s, struct blob *b)
{
	/* In redo a later record may name it again: swept at the end. */
	if (!--b->refs && !s->redoing)
		forget(s, b);
}

void blob_ref_id(struct store *s, uint64_t id)
{
	struct blob *b = id ? blob_find(s, id) : NULL;

	if (b)
		b->refs++;
}

void blob_unref_id(struct store *s, uint64_t id)
{
	struct blob *b = id ? blob_find(s, id) : NULL;

	if (b)
		blob_unref(s, b);
}

static int sweep_one(void *arg, struct hash_node *n)
{
	struct blob *b = hash_owner(n, struct blob, node);

	if (!b->refs)
		forget(arg, b);
	return 0;
}

void blob_sweep(struct store *s)
{
	hash_each(&s->blobs, sweep_one, s);
}

static int free_one(void *arg, struct hash_node *n)
{
	(void)arg;
	free(hash_owner(n, struct blob, node));
	return 0;
}

void blob_free_all(struct store *s)
{
	hash_each(&s->blobs, free_one, NULL);
	hash_free(&s->blobs);
}
