/* SPDX-License-Identifier: 0BSD */
/*
 * From a frozen table and a stack of generations to the next stack.  Each stack is merged by size: the
 * new generation takes in those that are at most twice as large as what it holds already, so a key is
 * written about log(n) times in all; and more of them when there are too many.
 */
#include "core/store/kv.h"

#include <errno.h>

#include "core/lib/log.h"
#include "core/store/io.h"

/* The generations of one class. */
struct plan {
	const struct kv_merge *m;
	unsigned class;
	struct generation *v[GENERATIONS_MAX]; /* newest first */
	size_t n, take;          /* the first `take` are merged */
	bool oldest;             /* nothing of this class stays below */
	uint64_t before, day;
	uint64_t frozen_bytes, frozen;
	struct generation_writer *w;
	uint64_t written;
	size_t depth;            /* of the generation being copied */
};

static int count_frozen(void *arg, struct hash_node *n)
{
	const struct kv *kv = hash_owner(n, struct kv, node);
	struct plan *p = arg;

	if (kv_class(kv->space) != p->class)
		return 0;
	p->frozen++;
	p->frozen_bytes += 48u + kv->key_len + kv->value_len;
	return 0;
}

static void choose(struct plan *p)
{
	size_t max = p->class == GENERATION_KEPT ? GENERATIONS_KEPT_MAX : GENERATIONS_DAILY_MAX;
	uint64_t bytes = p->frozen_bytes > GENERATION_PAGE ? p->frozen_bytes : GENERATION_PAGE;
	bool many, near;

	for (p->take = 0; p->take < p->n; p->take++) {
		many = p->n - p->take + 1 > max;
		near = p->v[p->take]->size <= 2 * bytes && p->v[p->take]->last >= p->day;
		if ((!many && !near) || bytes + p->v[p->take]->size > GENERATION_BYTES_MAX / 2)
			break;
		bytes += p->v[p->take]->size;
	}
	p->oldest = p->take == p->n;
}

static int copy(struct plan *p, uint16_t space, struct str key, const struct generation_value *v,
	struct str value)
{
	if ((v->removed && p->oldest) || v->lsn < p->before)
		return 0;
	p->written++;
	return generation_add(p->w, space, key, v, value);
}

static int copy_frozen(void *arg, struct hash_node *n)
{
	const struct kv *kv = hash_owner(n, struct kv, node);
	const struct generation_value v = {kv->lsn, kv->removed};
	struct plan *p = arg;

	return kv_class(kv->space) == p->class ? copy(p, kv->space, kv_key(kv), &v, kv_value(kv)) : 0;
}

static int copy_old(void *arg, uint16_t space, struct str key, const struct generation_value *v,
	struct str value)
{
	struct generation_value newer;
	struct plan *p = arg;
	int answer;

	if (kv_table_find(p->m->frozen, space, key))
		return 0;
	for (size_t i = 0; i < p->depth; i++) {
		answer = generation_find(p->v[i], space, key, &newer, NULL);
		if (answer)
			return answer < 0 ? -1 : 0;
	}
	return copy(p, space, key, v, value);
}

static int fill(struct plan *p)
{
	if (hash_each(&p->m->frozen->hash, copy_frozen, p))
		return -1;
	for (p->depth = 0; p->depth < p->take; p->depth++)
		if (generation_each(p->v[p->depth], copy_old, p))
			return -1;
	return 0;
}

static int push(struct kv_stack *s, struct generation *g)
{
	if (s->n == GENERATIONS_MAX) {
		errno = E2BIG;
		return -1;
	}
	s->v[s->n++] = g;
	return 0;
}

static int open_made(struct plan *p)
{
	const struct kv_merge *m = p->m;
	struct buf error = {0};
	struct generation *g = generation_open(m->dirfd, m->number, p->class, m->key, &error);

	if (!g) {
		log_error("key-value file", "error", log_str(buf_str(&error)), NULL);
		buf_free(&error);
		errno = EIO;
		return -1;
	}
	buf_free(&error);
	if (!push(m->next, g))
		return 0;
	generation_free(&g);
	return -1;
}

static int make(struct plan *p)
{
	const struct kv_merge *m = p->m;
	char name[GENERATION_NAME_SIZE];
	int answer, error;

	p->w = generation_create(m->dirfd, m->number, p->class);
	if (!p->w)
		return -1;
	generation_name(name, m->number, p->class);
	answer = fill(p);
	if (!answer && p->written)
		answer = generation_finish(&p->w, m->key) || open_made(p) ? -1 : 0;
	error = errno;
	generation_abandon(&p->w);
	if (!answer && p->written)
		return 0;
	if (io_unlink(m->dirfd, name) && !answer)
		return -1;
	errno = error;
	return answer;
}

static int merge_class(const struct kv_merge *m, unsigned class)
{
	struct plan p = {.m = m, .class = class};

	for (size_t i = 0; i < m->horizons; i++)
		if (m->horizon[i].space == class) {
			p.before = m->horizon[i].before;
			p.day = m->horizon[i].day;
		}
	for (size_t i = 0; i < m->old->n; i++)
		/* One whose newest entry is forgotten goes whole, without being read. */
		if (m->old->v[i]->class == class && m->old->v[i]->last >= p.before)
			p.v[p.n++] = m->old->v[i];
	hash_each(&m->frozen->hash, count_frozen, &p);
	if (p.frozen) {
		choose(&p);
		if (make(&p))
			return -1;
	}
	for (size_t i = p.take; i < p.n; i++)
		if (push(m->next, p.v[i]))
			return -1;
	return 0;
}

/* ---- the classes there are ---- */

struct classes {
	unsigned v[GENERATIONS_MAX];
	size_t n;
};

static int note_class(struct classes *c, unsigned class)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->v[i] == class)
			return 0;
	if (c->n == GENERATIONS_MAX) {
		errno = E2BIG;
		return -1;
	}
	c->v[c->n++] = class;
	return 0;
}

static int note_kv(void *arg, struct hash_node *n)
{
	return note_class(arg, kv_class(hash_owner(n, struct kv, node)->space));
}

int kv_merge(const struct kv_merge *m)
{
	struct classes c = {{GENERATION_KEPT}, 1};

	if (hash_each(&m->frozen->hash, note_kv, &c))
		return -1;
	for (size_t i = 0; i < m->old->n; i++)
		if (note_class(&c, m->old->v[i]->class))
			return -1;
	for (size_t i = 0; i < c.n; i++)
		if (merge_class(m, c.v[i]))
			return -1;
	return 0;
}

bool kv_stack_has(const struct kv_stack *s, const struct generation *g)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i] == g)
			return true;
	return false;
}

void kv_stack_release(struct kv_stack *a, const struct kv_stack *b)
{
	for (size_t i = 0; i < a->n; i++)
		if (!kv_stack_has(b, a->v[i]))
			generation_free(&a->v[i]);
}
