/* SPDX-License-Identifier: 0BSD */
#include "features/imap/thread/thread.h"

#include <errno.h>
#include <stdlib.h>

void thread_free(struct threads *t)
{
	free(t->message.v);
	free(t->node.v);
	thread_names_free(&t->ids);
	thread_names_free(&t->subjects);
	for (unsigned i = 0; i < 3; i++)
		free(t->owned[i]);
	buf_free(&t->text);
}

uint32_t thread_new_node(struct threads *t, uint32_t message)
{
	struct thread_node fresh = {.parent = THREAD_NONE, .child = THREAD_NONE, .next = THREAD_NONE,
		.message = message, .rank = THREAD_NONE, .left = THREAD_NONE, .right = THREAD_NONE, .up = THREAD_NONE};

	errno = EMLINK;
	if (t->node.n >= THREAD_NODES_MAX)
		return THREAD_NONE;
	errno = ENOMEM;
	return vec_push(&t->node, fresh) ? THREAD_NONE : (uint32_t)t->node.n - 1;
}

int thread_add(struct threads *t, const struct thread_message *m)
{
	struct thread_message fresh = *m;

	if (fresh.node == THREAD_NONE)
		fresh.node = thread_new_node(t, (uint32_t)t->message.n);
	if (fresh.node == THREAD_NONE)
		return -1;
	t->node.v[fresh.node].message = (uint32_t)t->message.n;
	errno = ENOMEM;
	return vec_push(&t->message, fresh);
}

/* RFC 5256 2.2: equal dates keep the order of their numbers; the sort is stable. */
static int by_date(const void *arg, uint32_t a, uint32_t b)
{
	const struct threads *t = arg;
	int64_t x = t->message.v[a].date, y = t->message.v[b].date;

	return (x > y) - (x < y);
}

static int begin_sort(struct threads *t)
{
	size_t n = t->message.n;

	for (unsigned i = 0; i < 3; i++) {
		t->owned[i] = calloc(n + 1, sizeof(*t->order));
		if (!t->owned[i])
			return -1;
	}
	t->order = t->owned[0];
	t->scratch = t->owned[1];
	t->top = THREAD_NONE;
	for (size_t i = 0; i < n; i++)
		t->order[i] = (uint32_t)i;
	t->merge = (struct merge){.v = t->order, .other = t->scratch, .n = (uint32_t)n, .compare = by_date, .arg = t};
	return 0;
}

int thread_sort(struct threads *t, uint32_t budget)
{
	if (t->sorted)
		return 1;
	if (!t->order && begin_sort(t))
		return -1;
	if (!merge_step(&t->merge, budget))
		return 0;
	t->order = t->merge.v;
	t->scratch = t->merge.other;
	t->sorted = true;
	return 1;
}

/* ---- passes ---- */

static size_t count(const struct threads *t, enum threads_over over)
{
	if (over == THREADS_MESSAGES)
		return t->message.n;
	return over == THREADS_NODES ? t->node.n : t->roots;
}

int thread_passes(struct threads *t, const struct threads_pass *passes, uint32_t budget)
{
	for (; passes[t->pass].over; t->pass++) {
		for (; t->at < count(t, passes[t->pass].over); t->at++) {
			if (!budget--)
				return 0;
			if (passes[t->pass].each(t, t->at))
				return -1;
		}
		t->at = 0;
	}
	return 1;
}

/* The node of the message of that rank. */
static struct thread_node *ranked(struct threads *t, size_t rank)
{
	return &t->node.v[t->message.v[t->order[rank]].node];
}

int thread_rank(struct threads *t, size_t i)
{
	ranked(t, i)->rank = (uint32_t)i;
	return 0;
}

int thread_unrank_dummy(struct threads *t, size_t i)
{
	if (t->node.v[i].message == THREAD_NONE)
		t->node.v[i].rank = THREAD_NONE;
	return 0;
}

int thread_rank_dummy(struct threads *t, size_t i)
{
	const struct thread_node *n = ranked(t, i);
	struct thread_node *parent;

	if (n->parent == THREAD_NONE)
		return 0;
	parent = &t->node.v[n->parent];
	if (parent->message == THREAD_NONE && parent->rank == THREAD_NONE)
		parent->rank = (uint32_t)i;
	return 0;
}

int thread_clear_root(struct threads *t, size_t i)
{
	t->scratch[i] = THREAD_NONE;
	t->roots = 0;
	return 0;
}

/* Each rank belongs to one root at most: a message's, or its dummy's. */
int thread_place_root(struct threads *t, size_t i)
{
	if (t->node.v[i].parent == THREAD_NONE && t->node.v[i].rank != THREAD_NONE)
		t->scratch[t->node.v[i].rank] = (uint32_t)i;
	return 0;
}

int thread_keep_root(struct threads *t, size_t i)
{
	if (t->scratch[i] != THREAD_NONE)
		t->scratch[t->roots++] = t->scratch[i];
	return 0;
}

/* From the last by date to the first, each in front of its siblings. */
int thread_arrange_child(struct threads *t, size_t i)
{
	uint32_t at = t->message.v[t->order[t->message.n - 1 - i]].node, parent = t->node.v[at].parent;

	if (parent == THREAD_NONE)
		return 0;
	t->node.v[at].next = t->node.v[parent].child;
	t->node.v[parent].child = at;
	return 0;
}

int thread_arrange_root(struct threads *t, size_t i)
{
	uint32_t root = t->scratch[t->roots - 1 - i];

	t->node.v[root].next = t->top;
	t->top = root;
	return 0;
}
