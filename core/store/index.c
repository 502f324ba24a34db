/* SPDX-License-Identifier: 0BSD */
/* The directory of a mailbox's messages and the layers of changes over their blocks. */
#include "core/store/index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/store/index_private.h"

/* ---- the Fenwick tree over live counts ---- */

static void tree_add(struct index *ix, size_t block, int delta)
{
	for (size_t i = block + 1; i <= ix->blocks.n; i += i & -i)
		ix->tree[i] += (uint32_t)delta;
}

/* Live messages in blocks before this one. */
static uint32_t tree_before(const struct index *ix, size_t block)
{
	uint32_t sum = 0;

	for (size_t i = block; i; i -= i & -i)
		sum += ix->tree[i];
	return sum;
}

/* The block that holds a position < live; *position becomes the one in it. */
static size_t tree_find(const struct index *ix, uint32_t *position)
{
	size_t at = 0, step = 1;

	while (step * 2 <= ix->blocks.n)
		step *= 2;
	for (; step; step /= 2) {
		if (at + step > ix->blocks.n || ix->tree[at + step] > *position)
			continue;
		at += step;
		*position -= ix->tree[at];
	}
	return at;
}

static int tree_room(struct index *ix)
{
	return vec_grow(&ix->tree, &ix->tree_cap, ix->blocks.n + 1, sizeof(*ix->tree));
}

/* The node of a last block that was just added, empty. */
static int tree_grow(struct index *ix)
{
	size_t n = ix->blocks.n;

	if (tree_room(ix))
		return -1;
	ix->tree[n] = tree_before(ix, n - 1) - tree_before(ix, n - (n & -n));
	return 0;
}

int index_count_again(struct index *ix)
{
	size_t n = ix->blocks.n, up;

	if (tree_room(ix))
		return -1;
	ix->live = ix->unseen = ix->deleted = 0;
	ix->bytes = 0;
	memset(ix->tree, 0, (n + 1) * sizeof(*ix->tree));
	for (size_t i = 1; i <= n; i++) {
		const struct index_block *b = &ix->blocks.v[i - 1];

		ix->live += b->live;
		ix->unseen += b->unseen;
		ix->deleted += b->deleted;
		ix->bytes += b->bytes;
		ix->tree[i] += b->live;
		up = i + (i & -i);
		if (up <= n)
			ix->tree[up] += ix->tree[i];
	}
	return 0;
}

/* ---- layers ---- */

static size_t layer_lower(const struct index_layer *l, uint32_t uid)
{
	size_t lo = 0, hi = l ? l->n : 0, mid;

	if (hi && l->v[hi - 1].msg.uid < uid)
		return hi;
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (l->v[mid].msg.uid < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static size_t layer_bytes(uint32_t cap)
{
	return sizeof(struct index_layer) + cap * sizeof(struct index_entry);
}

static void charge(struct index *ix, int64_t more)
{
	struct index_shared *sh = &ix->mailbox->account->store->index;

	ix->layer_bytes += (uint64_t)more;
	ix->bytes_held += (uint64_t)more;
	if (ix->busy)
		sh->busy += (uint64_t)more;
	if (ix->idle)
		sh->idle += (uint64_t)more;
}

/* Many mailboxes get one message between two checkpoints: the first one takes room for itself only. */
static int layer_grow(struct index *ix, struct index_layer **at)
{
	uint32_t old = *at ? (*at)->cap : 0, cap = old ? old * 2 : 1;
	struct index_layer *l;

	if (*at && (*at)->n < old)
		return 0;
	l = realloc(*at, layer_bytes(cap));
	if (!l)
		return -1;
	if (!*at)
		l->n = 0;
	l->cap = cap;
	charge(ix, (int64_t)(layer_bytes(cap) - (old ? layer_bytes(old) : 0)));
	*at = l;
	return 0;
}

void index_layer_free(struct index *ix, struct index_layer **at)
{
	if (*at && ix)
		charge(ix, -(int64_t)layer_bytes((*at)->cap));
	free(*at);
	*at = NULL;
}

static void layer_remove(struct index_layer *l, size_t at)
{
	l->n--;
	memmove(l->v + at, l->v + at + 1, (l->n - at) * sizeof(*l->v));
}

/* A UID that is there already keeps its `was`. */
int index_layer_put(struct index *ix, struct index_layer **layer, const struct index_entry *e)
{
	size_t at = layer_lower(*layer, e->msg.uid);
	struct index_layer *l = *layer;
	bool dead = e->msg.flags & MESSAGE_EXPUNGED;

	if (l && at < l->n && l->v[at].msg.uid == e->msg.uid) {
		if (dead && !(l->v[at].was & INDEX_EXISTS))
			layer_remove(l, at);
		else
			l->v[at].msg = e->msg;
		return 0;
	}
	if (dead && !(e->was & INDEX_EXISTS))
		return 0;
	if (layer_grow(ix, layer))
		return -1;
	l = *layer;
	memmove(l->v + at + 1, l->v + at, (l->n - at) * sizeof(*l->v));
	l->v[at] = *e;
	l->n++;
	return 0;
}

/* ---- which differ from their files ---- */

void index_dirty(struct index *ix)
{
	struct index_shared *sh = &ix->mailbox->account->store->index;

	if (ix->link)
		return;
	ix->next = sh->dirty;
	ix->link = &sh->dirty;
	if (ix->next)
		ix->next->link = &ix->next;
	sh->dirty = ix;
	index_place(ix);
}

static void unlink_dirty(struct index *ix)
{
	if (!ix->link)
		return;
	*ix->link = ix->next;
	if (ix->next)
		ix->next->link = ix->link;
	ix->link = NULL;
}

void index_clean(struct index *ix)
{
	unlink_dirty(ix);
	index_place(ix);
}

void index_release(struct index_shared *sh, struct index **at)
{
	struct index *ix = *at;

	*at = NULL;
	if (!ix)
		return;
	unlink_dirty(ix);
	index_forget_cache(sh, ix);
	/* What is frozen belongs to the checkpoint. */
	for (size_t i = 0; i < ix->blocks.n; i++)
		index_layer_free(ix, &ix->blocks.v[i].over);
	index_leave(ix);
	free(ix->blocks.v);
	free(ix->tree);
	free(ix->tombs.v);
	free(ix);
}

void index_free(struct mailbox *m)
{
	struct index_shared *sh = &m->account->store->index;

	index_release(sh, &m->ix);
	index_forget_fd(sh, m->id);
}

bool index_unload(struct mailbox *m)
{
	if (m->ix && (m->ix->link || m->ix->frozen))
		return false;
	index_free(m);
	return true;
}

void index_shared_free(struct store *s)
{
	for (size_t i = 0; i < INDEX_CACHE; i++)
		free(s->index.cache[i].v);
	memset(s->index.cache, 0, sizeof(s->index.cache));
	index_forget_fd(&s->index, 0);
}

/* ---- asking ---- */

struct index *index_of(const struct mailbox *m)
{
	/* Reading the directory late changes nothing that anybody could see. */
	struct mailbox *to = (struct mailbox *)(uintptr_t)m;

	return !index_open(to) ? m->ix : NULL;
}

uint32_t index_count(const struct mailbox *m)
{
	const struct index *ix = index_of(m);

	return ix ? ix->live : 0;
}

uint32_t index_unseen(const struct mailbox *m)
{
	const struct index *ix = index_of(m);

	return ix ? ix->unseen : 0;
}

uint32_t index_deleted(const struct mailbox *m)
{
	const struct index *ix = index_of(m);

	return ix ? ix->deleted : 0;
}

uint64_t index_bytes(const struct mailbox *m)
{
	const struct index *ix = index_of(m);

	return ix ? ix->bytes : 0;
}

uint64_t index_deleted_bytes(const struct mailbox *m)
{
	struct index *ix = index_of(m);
	uint64_t bytes = 0;

	for (size_t i = 0; ix && i < ix->blocks.n; i++) {
		const struct index_cached *c = ix->blocks.v[i].deleted ? index_load(m->account->store, ix, i) : NULL;

		for (size_t k = 0; c && k < c->n; k++)
			bytes += c->v[k].flags & MESSAGE_DELETED ? c->v[k].size : 0;
	}
	return bytes;
}

/* The last block whose first UID is not higher, or the first one. */
static size_t block_of(const struct index *ix, uint32_t uid)
{
	size_t lo = 0, hi = ix->blocks.n, mid;

	if (hi && ix->blocks.v[hi - 1].first <= uid)
		return hi - 1;
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (ix->blocks.v[mid].first <= uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo ? lo - 1 : 0;
}

static size_t cached_lower(const struct index_cached *c, uint32_t uid)
{
	size_t lo = 0, hi = c->n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (c->v[mid].uid < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

uint32_t index_rank(const struct mailbox *m, uint32_t uid)
{
	struct index *ix = index_of(m);
	const struct index_cached *c;
	uint32_t before;
	size_t block;

	if (!ix || uid > ix->top)
		return ix ? ix->live : 0;
	block = block_of(ix, uid);
	before = tree_before(ix, block);
	if (!ix->blocks.n || uid <= ix->blocks.v[block].first || !ix->blocks.v[block].live)
		return before;
	c = index_load(m->account->store, ix, block);
	return before + (c ? (uint32_t)cached_lower(c, uid) : 0);
}

int index_at(const struct mailbox *m, uint32_t position, struct message *m_r)
{
	struct index *ix = index_of(m);
	const struct index_cached *c;
	size_t block;

	if (!ix)
		return -1;
	if (position >= ix->live)
		return 0;
	block = tree_find(ix, &position);
	c = index_load(m->account->store, ix, block);
	if (!c)
		return -1;
	if (position >= c->n)
		return 0;
	*m_r = c->v[position];
	return 1;
}

int index_get(const struct mailbox *m, uint32_t uid, struct message *m_r)
{
	struct index *ix = index_of(m);
	const struct index_cached *c;
	size_t block, at;

	if (!ix)
		return -1;
	if (!uid || uid > ix->top || !ix->blocks.n)
		return 0;
	block = block_of(ix, uid);
	c = index_load(m->account->store, ix, block);
	if (!c)
		return -1;
	at = cached_lower(c, uid);
	if (at == c->n || c->v[at].uid != uid)
		return 0;
	*m_r = c->v[at];
	return 1;
}

/* The first message from (block, uid) on in a block that `wanted` accepts, that it accepts too. */
static int walk(const struct mailbox *m, uint32_t uid, uint64_t modseq, bool unseen,
	struct message *m_r)
{
	struct index *ix = index_of(m);
	const struct index_cached *c;

	if (!ix)
		return -1;
	if (uid > ix->top)
		return 0;
	for (size_t i = block_of(ix, uid); i < ix->blocks.n; i++) {
		const struct index_block *b = &ix->blocks.v[i];

		if (!b->live || b->modseq <= modseq || (unseen && !b->unseen))
			continue;
		c = index_load(m->account->store, ix, i);
		if (!c)
			return -1;
		for (size_t at = cached_lower(c, uid); at < c->n; at++) {
			if (c->v[at].modseq <= modseq || (unseen && c->v[at].flags & MESSAGE_SEEN))
				continue;
			*m_r = c->v[at];
			return 1;
		}
	}
	return 0;
}

int index_next(const struct mailbox *m, uint32_t uid, struct message *m_r)
{
	return walk(m, uid, 0, false, m_r);
}

int index_newer(const struct mailbox *m, uint32_t uid, uint64_t modseq, struct message *m_r)
{
	return walk(m, uid, modseq, false, m_r);
}

int index_first_unseen(const struct mailbox *m, struct message *m_r)
{
	return walk(m, 0, 0, true, m_r);
}

/* ---- changing ---- */

static uint8_t was(const struct message *msg)
{
	return (uint8_t)(INDEX_EXISTS | (msg->flags & MESSAGE_SEEN ? 0 : INDEX_UNSEEN) |
		(msg->flags & MESSAGE_DELETED ? INDEX_DELETED : 0));
}

static uint16_t less(uint16_t n, bool by)
{
	return n && by ? n - 1 : n;
}

/* Only a damaged record can make a count smaller than what it counts. */
static void count_out(struct index *ix, size_t block, uint8_t old, uint32_t size)
{
	struct index_block *b = &ix->blocks.v[block];
	uint16_t unseen = less(b->unseen, old & INDEX_UNSEEN);
	uint16_t deleted = less(b->deleted, old & INDEX_DELETED);

	if (b->live) {
		b->live--;
		ix->live--;
		tree_add(ix, block, -1);
	}
	ix->unseen -= b->unseen - unseen;
	ix->deleted -= b->deleted - deleted;
	b->unseen = unseen;
	b->deleted = deleted;
	size = size < b->bytes ? size : (uint32_t)b->bytes;
	b->bytes -= size;
	ix->bytes -= size;
}

static void count_in(struct index *ix, size_t block, const struct message *msg)
{
	struct index_block *b = &ix->blocks.v[block];
	uint8_t now = was(msg);

	b->live++;
	ix->live++;
	tree_add(ix, block, 1);
	if (now & INDEX_UNSEEN) {
		b->unseen++;
		ix->unseen++;
	}
	if (now & INDEX_DELETED) {
		b->deleted++;
		ix->deleted++;
	}
	b->bytes += msg->size;
	ix->bytes += msg->size;
}

static int block_add(struct index *ix, uint32_t first)
{
	struct index_block b = {.first = first};

	if (vec_push(&ix->blocks, b))
		return -1;
	if (!tree_grow(ix))
		return 0;
	ix->blocks.n--;
	return -1;
}

/* Where a UID that is not there yet goes: UIDs grow, so nearly always the last block. */
static int block_for_new(struct index *ix, uint32_t uid, size_t *block_r)
{
	if (!ix->blocks.n || (uid > ix->top && ix->blocks.v[ix->blocks.n - 1].slots >= INDEX_BLOCK)) {
		if (block_add(ix, uid))
			return -1;
	}
	*block_r = block_of(ix, uid);
	if (ix->blocks.v[*block_r].slots < UINT16_MAX)
		return 0;
	errno = EOVERFLOW;
	return -1;
}

static void cache_put(struct index_shared *sh, struct index_cached *c, const struct message *msg)
{
	size_t at = cached_lower(c, msg->uid);
	bool there = at < c->n && c->v[at].uid == msg->uid;

	if (there && msg->flags & MESSAGE_EXPUNGED) {
		c->n--;
		memmove(c->v + at, c->v + at + 1, (c->n - at) * sizeof(*c->v));
	} else if (there) {
		c->v[at] = *msg;
	} else if (vec_grow(&c->v, &c->cap, c->n + 1, sizeof(*c->v))) {
		index_forget_cache(sh, c->ix);
	} else {
		memmove(c->v + at + 1, c->v + at, (c->n - at) * sizeof(*c->v));
		c->v[at] = *msg;
		c->n++;
	}
}

/* Everything that changes when e stands over the block. */
static int put_into(struct store *s, struct index *ix, size_t block, const struct index_entry *e)
{
	struct index_block *b = &ix->blocks.v[block];
	struct index_cached *c;

	if (index_layer_put(ix, &b->over, e))
		return -1;
	if (b->modseq < e->msg.modseq)
		b->modseq = e->msg.modseq;
	if (b->first > e->msg.uid)
		b->first = e->msg.uid;
	if (ix->top < e->msg.uid)
		ix->top = e->msg.uid;
	ix->changed++;
	c = index_cached(s, ix, block);
	if (c)
		cache_put(&s->index, c, &e->msg);
	index_dirty(ix);
	return 0;
}

static int put_new(struct store *s, struct index *ix, const struct index_entry *e)
{
	size_t block;

	if (block_for_new(ix, e->msg.uid, &block) || put_into(s, ix, block, e))
		return -1;
	ix->blocks.v[block].slots++;
	count_in(ix, block, &e->msg);
	return 1;
}

int index_put(struct mailbox *m, const struct message *msg)
{
	struct store *s = m->account->store;
	struct index_entry e = {.msg = *msg};
	struct index *ix = index_of(m);
	struct message old;
	size_t block;
	int found;

	if (!ix)
		return -1;
	found = index_get(m, msg->uid, &old);
	if (found < 0)
		return -1;
	if (!found)
		return put_new(s, ix, &e);
	block = block_of(ix, msg->uid);
	e.was = was(&old);
	if (put_into(s, ix, block, &e))
		return -1;
	count_out(ix, block, e.was, old.size);
	count_in(ix, block, msg);
	return 0;
}

static void remember(struct store *s, struct index *ix, const struct message *msg)
{
	struct index_tomb t = {msg->modseq, msg->uid};
	size_t n = ix->tombs.n, most = CONFIG_EXPUNGE_HISTORY, half;

	for (unsigned i = 0; i < ix->runs; i++)
		n += ix->run[i].n;
	if (most && n >= most && !ix->frozen) {
		half = (n + 1) / 2;
		if (ix->runs) {
			/* Errors are told when somebody asks for them. */
			index_drop_tombs(s, ix, (uint32_t)half);
		} else {
			ix->floor = ix->tombs.v[half - 1].modseq;
			ix->tombs.n -= half;
			memmove(ix->tombs.v, ix->tombs.v + half, ix->tombs.n * sizeof(*ix->tombs.v));
		}
	}
	if (!most || vec_push(&ix->tombs, t))
		ix->floor = msg->modseq;
}

int index_remove(struct mailbox *m, const struct message *tombstone)
{
	struct store *s = m->account->store;
	struct index_entry e = {.msg = *tombstone};
	struct index *ix = index_of(m);
	struct message old;
	size_t block;
	int found = ix ? index_get(m, tombstone->uid, &old) : -1;

	if (found <= 0)
		return found;
	block = block_of(ix, old.uid);
	e.was = was(&old);
	e.msg.flags |= MESSAGE_EXPUNGED;
	if (put_into(s, ix, block, &e))
		return -1;
	count_out(ix, block, e.was, old.size);
	remember(s, ix, tombstone);
	return 1;
}

int index_entry_move(struct mailbox *m, const struct index_entry *e)
{
	struct store *s = m->account->store;
	struct index *ix = m->ix;
	size_t block;

	if (!(e->was & INDEX_EXISTS))
		return put_new(s, ix, e) < 0 ? -1 : 0;
	block = block_of(ix, e->msg.uid);
	if (put_into(s, ix, block, e))
		return -1;
	count_out(ix, block, e->was, e->msg.size);
	if (!(e->msg.flags & MESSAGE_EXPUNGED))
		count_in(ix, block, &e->msg);
	return 0;
}
