/* SPDX-License-Identifier: 0BSD */
/*
 * A mailbox in which little changed is not worth a file, or a piece of one, at each checkpoint: its
 * changes are kept under one key of the next generation, all of them since its file was last written
 * (or all its messages, if it has none), until they are many.  docs/format.md says what that saves.
 */
#include <errno.h>

#include "core/store/index_private.h"

#define KEPT_TOMBS 128

static size_t entries(const struct index *ix)
{
	size_t n = 0;

	for (size_t i = 0; i < ix->blocks.n; i++)
		n += ix->blocks.v[i].over ? ix->blocks.v[i].over->n : 0;
	return n;
}

/* Up to two thirds more for some, so that not all mailboxes fill up at once. */
static size_t limit(const struct index *ix)
{
	const struct mailbox *m = ix->mailbox;
	uint32_t n = m->account->store->keep_entries;

	return n + m->id % (n * 2 / 3 + 1);
}

static bool is_little(const struct index *ix, size_t *n_r)
{
	/* A file of a failed checkpoint must be written anew; large directories are not searched. */
	if (ix->rewrite || ix->tombs.n > KEPT_TOMBS || ix->changed > limit(ix))
		return false;
	*n_r = entries(ix);
	return *n_r <= limit(ix);
}

static void put_layer(struct buf *out, const struct index_layer *l, const struct format_key *k)
{
	for (size_t i = 0; l && i < l->n; i++) {
		buf_put8(out, l->v[i].was);
		message_encode(out, &l->v[i].msg, k);
	}
}

static void put_all(struct buf *out, const struct index *ix, size_t n, const struct format_key *k)
{
	buf_put64(out, ix->floor);
	buf_put32(out, (uint32_t)n);
	buf_put32(out, (uint32_t)ix->tombs.n);
	for (size_t i = 0; i < ix->blocks.n; i++)
		put_layer(out, ix->blocks.v[i].over, k);
	for (size_t i = 0; i < ix->tombs.n; i++) {
		buf_put64(out, ix->tombs.v[i].modseq);
		buf_put32(out, ix->tombs.v[i].uid);
	}
}

static int set(const struct index *ix, struct str value, bool rm, uint64_t lsn)
{
	struct buf key = {0};
	int answer = buf_put64(&key, ix->mailbox->id);

	if (!answer)
		answer = kv_set(ix->mailbox->account->store, KV_SPACE_INDEX, buf_str(&key), value, rm, lsn);
	buf_free(&key);
	return answer ? -1 : 0;
}

int index_keep(struct index *ix, uint64_t lsn)
{
	struct store *s = ix->mailbox->account->store;
	size_t n;

	if (!is_little(ix, &n))
		return index_keep_not(ix, lsn);
	buf_clear(&s->scratch);
	put_all(&s->scratch, ix, n, &s->key);
	if (s->scratch.failed || set(ix, buf_str(&s->scratch), false, lsn))
		return -1;
	ix->kept = true;
	ix->changed = (uint32_t)n;
	return 1;
}

int index_keep_not(struct index *ix, uint64_t lsn)
{
	if (ix->kept && set(ix, STR_NULL, true, lsn))
		return -1;
	ix->kept = false;
	return 0;
}

static int take_entries(struct mailbox *m, struct cursor *c, uint32_t n)
{
	const struct format_key *k = &m->account->store->key;
	struct index_entry e;

	while (n--) {
		e.was = cursor_u8(c);
		errno = EBADMSG;
		if (!message_decode(c, k, &e.msg) || index_entry_move(m, &e))
			return -1;
	}
	return 0;
}

static int take_tombs(struct index *ix, struct cursor *c, uint32_t n)
{
	struct index_tomb t;

	while (n--) {
		t.modseq = cursor_u64(c);
		t.uid = cursor_u32(c);
		if (vec_push(&ix->tombs, t))
			return -1;
	}
	errno = EBADMSG;
	return c->failed || !cursor_done(c) ? -1 : 0;
}

/* m->ix is its directory already. */
static int take(struct mailbox *m, struct str value)
{
	struct cursor c = cursor_from(value);
	struct index *ix = m->ix;
	uint32_t n, tombs;

	ix->floor = cursor_u64(&c);
	n = cursor_u32(&c);
	tombs = cursor_u32(&c);
	errno = EBADMSG;
	if (c.failed || take_entries(m, &c, n) || take_tombs(ix, &c, tombs))
		return -1;
	ix->kept = true;
	ix->changed = n;
	index_clean(ix);
	return 0;
}

int index_take_kept(struct mailbox *m)
{
	struct buf key = {0}, value = {0};
	int answer = -1;

	if (!buf_put64(&key, m->id))
		answer = kv_get(m->account->store, KV_SPACE_INDEX, buf_str(&key), &value, NULL);
	if (answer > 0)
		answer = take(m, buf_str(&value));
	buf_free(&key);
	buf_free(&value);
	return answer;
}
