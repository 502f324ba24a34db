/* SPDX-License-Identifier: 0BSD */
/*
 * The blob map: id -> place in the log and number of references.  In memory are the entries that
 * changed since the last checkpoint and some that were looked up; the others are in the runs of the
 * last checkpoint (map.c).
 */
#include "core/store/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/lib/log.h"
#include "core/store/large.h"
#include "core/store/map.h"

#define CLEAN_MAX 4096 /* entries kept that are on the disk as well */

static uint64_t stored_bytes(const struct blob *b)
{
	return (uint64_t)b->summary_len + (b->kind == BLOB_LARGE ? 0 : b->body_len);
}

/* ---- rings ---- */

static struct blob *ring_blob(struct ring *n)
{
	return hash_owner(n, struct blob, ring);
}

static struct ring *ring_of(struct store *s, enum blob_state state)
{
	return &s->map.ring[state];
}

static void set_state(struct store *s, struct blob *b, enum blob_state state)
{
	if (b->ring.next)
		s->map.n[b->state]--;
	ring_remove(&b->ring);
	b->state = state;
	s->map.n[state]++;
	ring_add(ring_of(s, state), &b->ring);
}

static void dirty(struct store *s, struct blob *b)
{
	if (b->state != BLOB_DIRTY)
		set_state(s, b, BLOB_DIRTY);
}

void blob_init(struct store *s)
{
	for (int i = 0; i < BLOB_STATES; i++)
		s->map.ring[i].next = s->map.ring[i].prev = &s->map.ring[i];
}

static void drop(struct store *s, struct blob *b)
{
	s->map.n[b->state]--;
	ring_remove(&b->ring);
	hash_remove(&s->blobs, &b->node);
	free(b);
}

/* Entries that are on the disk too make room for others; the longest unused first. */
static void trim(struct store *s)
{
	struct ring *last, *clean = ring_of(s, BLOB_CLEAN);

	while (s->map.n[BLOB_CLEAN] > CLEAN_MAX) {
		last = clean->prev;
		if (ring_blob(last)->pins) {
			set_state(s, ring_blob(last), BLOB_CLEAN);
			return;
		}
		drop(s, ring_blob(last));
	}
}

/* ---- look-up ---- */

static struct blob *make(struct store *s, uint64_t id, const struct record_blob *r, enum blob_state state)
{
	struct blob *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->kind = r->kind;
	b->summary_len = r->summary_len;
	b->summary_crc = r->summary_crc;
	b->body_len = (uint32_t)r->body_len;
	b->body_crc = r->body_crc;
	if (hash_add(&s->blobs, &b->node, id)) {
		free(b);
		return NULL;
	}
	set_state(s, b, state);
	return b;
}

static struct blob *take_entry(struct store *s, const struct map_entry *e)
{
	struct blob *b = make(s, e->id, &e->blob, BLOB_CLEAN);

	if (!b)
		return NULL;
	b->stored = true;
	b->refs = e->refs;
	b->offset = e->offset;
	b->gone = e->flags & MAP_GONE;
	if (e->segment)
		b->segment = segment_find(s, e->segment);
	trim(s);
	return b;
}

/* The newest run that has it decides. */
static struct blob *find_on_disk(struct store *s, uint64_t id)
{
	struct map_entry e;
	int found = 0;

	for (size_t i = s->map.runs.n; i-- && !found;)
		found = map_run_find(&s->map.runs.v[i], &s->key, id, &e);
	if (found == 1)
		return take_entry(s, &e);
	if (found < 0) {
		s->damaged++;
		log_error("blob map damaged", "blob", log_num((int64_t)id), "remedy", "satchel fsck", NULL);
	}
	return NULL;
}

struct blob *blob_find(struct store *s, uint64_t id)
{
	struct hash_node *n = hash_first(&s->blobs, id);
	struct blob *b = n ? hash_owner(n, struct blob, node) : find_on_disk(s, id);

	/* In redo a later record may name it again. */
	if (!b || (b->gone && !s->redoing))
		return NULL;
	if (n && b->state == BLOB_CLEAN)
		set_state(s, b, BLOB_CLEAN); /* used last */
	return b;
}

struct blob *blob_add(struct store *s, uint64_t id, const struct record_blob *r)
{
	return make(s, id, r, BLOB_DIRTY);
}

/* ---- places and references ---- */

static void leave_place(struct blob *b)
{
	struct segment *g = b->segment;

	if (!g)
		return;
	g->live -= stored_bytes(b);
	g->blobs--;
	b->segment = NULL;
}

void blob_place(struct store *s, struct blob *b, struct segment *g, uint64_t offset)
{
	leave_place(b);
	b->segment = g;
	b->offset = offset;
	b->body = NULL;
	b->batch = NULL;
	b->gone = b->moving = false;
	g->blobs++;
	g->live += stored_bytes(b);
	dirty(s, b);
}

/* Nobody needs it.  If the disk knows it, the next checkpoint must say that it is gone. */
static void forget(struct store *s, struct blob *b)
{
	leave_place(b);
	if (b->kind == BLOB_LARGE)
		large_doom(s, b->node.hash);
	if (!b->stored) {
		drop(s, b);
		return;
	}
	b->gone = true;
	dirty(s, b);
}

static void forget_unused(struct store *s, struct blob *b)
{
	/* In redo a later record may name it again: swept at the end. */
	if (!b->refs && !b->pins && !s->redoing)
		forget(s, b);
}

void blob_pin(struct blob *b)
{
	b->pins++;
}

void blob_unpin(struct store *s, struct blob *b)
{
	b->pins--;
	forget_unused(s, b);
}

void blob_ref_id(struct store *s, uint64_t id)
{
	struct blob *b = id ? blob_find(s, id) : NULL;

	if (!b)
		return;
	b->refs++;
	b->gone = false;
	dirty(s, b);
}

void blob_unref_id(struct store *s, uint64_t id)
{
	struct blob *b = id ? blob_find(s, id) : NULL;

	if (!b || !b->refs)
		return;
	b->refs--;
	dirty(s, b);
	forget_unused(s, b);
}

static int sweep_one(void *arg, struct hash_node *n)
{
	struct blob *b = hash_owner(n, struct blob, node);

	if (!b->refs && !b->pins && !b->gone)
		forget(arg, b);
	return 0;
}

void blob_sweep(struct store *s)
{
	hash_each(&s->blobs, sweep_one, s);
}

uint64_t blob_count(const struct store *s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s->segments.n; i++)
		n += s->segments.v[i]->blobs;
	return n;
}

/* ---- checkpoints ---- */

int blobs_freeze(struct store *s, int (*each)(void *arg, const struct blob *b), void *arg)
{
	struct ring *ring = ring_of(s, BLOB_DIRTY), *n;

	while ((n = ring->prev) != ring) {
		if (each(arg, ring_blob(n)))
			return -1;
		ring_blob(n)->stored = true;
		set_state(s, ring_blob(n), BLOB_FROZEN);
	}
	return 0;
}

void blobs_thaw(struct store *s, bool good)
{
	struct ring *ring = ring_of(s, BLOB_FROZEN), *n;

	while ((n = ring->prev) != ring) {
		if (good && ring_blob(n)->gone)
			drop(s, ring_blob(n));
		else
			set_state(s, ring_blob(n), good ? BLOB_CLEAN : BLOB_DIRTY);
	}
	trim(s);
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
	for (size_t i = 0; i < s->map.runs.n; i++)
		map_run_close(&s->map.runs.v[i]);
	free(s->map.runs.v);
	memset(&s->map, 0, sizeof(s->map));
	blob_init(s);
}
