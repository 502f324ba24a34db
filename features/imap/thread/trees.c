/* SPDX-License-Identifier: 0BSD */
#include "features/imap/thread/thread.h"

#include <errno.h>
#include <stdlib.h>

void threads_free(struct threads *t)
{
	free(t->message.v);
	free(t->node.v);
	thread_names_free(&t->ids);
	thread_names_free(&t->subjects);
	for (unsigned i = 0; i < 3; i++)
		free(t->owned[i]);
	buf_free(&t->text);
}

uint32_t threads_node(struct threads *t, uint32_t message)
{
	struct thread_node fresh = {.parent = THREAD_NONE, .child = THREAD_NONE, .next = THREAD_NONE,
		.message = message, .rank = THREAD_NONE};

	errno = EMLINK;
	if (t->node.n >= THREAD_NODES_MAX)
		return THREAD_NONE;
	errno = ENOMEM;
	return vec_push(&t->node, fresh) ? THREAD_NONE : (uint32_t)t->node.n - 1;
}

int threads_add(struct threads *t, const struct thread_message *m)
{
	struct thread_message fresh = *m;

	if (fresh.node == THREAD_NONE)
		fresh.node = threads_node(t, (uint32_t)t->message.n);
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
	for (size_t i = 0; i < n; i++)
		t->order[i] = (uint32_t)i;
	t->merge = (struct merge){.v = t->order, .other = t->scratch, .n = (uint32_t)n, .compare = by_date, .arg = t};
	return 0;
}

int threads_sort(struct threads *t, uint32_t budget)
{
	if (t->sorted)
		return 1;
	if (!t->order && begin_sort(t))
		return -1;
	if (!merge_step(&t->merge, budget))
		return 0;
	t->order = t->merge.v;
	t->scratch = t->merge.other;
	for (uint32_t rank = 0; rank < t->merge.n; rank++)
		t->node.v[t->message.v[t->order[rank]].node].rank = rank;
	t->sorted = true;
	return 1;
}

void threads_rank_dummies(struct threads *t)
{
	struct thread_node *parent;

	for (size_t i = 0; i < t->node.n; i++) {
		if (t->node.v[i].message == THREAD_NONE)
			t->node.v[i].rank = THREAD_NONE;
	}
	for (uint32_t rank = 0; rank < t->message.n; rank++) {
		const struct thread_node *n = &t->node.v[t->message.v[t->order[rank]].node];

		if (n->parent == THREAD_NONE)
			continue;
		parent = &t->node.v[n->parent];
		if (parent->message == THREAD_NONE && parent->rank == THREAD_NONE)
			parent->rank = rank;
	}
}

size_t threads_roots(const struct threads *t, uint32_t *roots)
{
	size_t n = 0;

	for (size_t i = 0; i < t->message.n; i++)
		roots[i] = THREAD_NONE;
	/* Each rank belongs to one root at most: a message's, or its dummy's. */
	for (uint32_t i = 0; i < t->node.n; i++) {
		if (t->node.v[i].parent == THREAD_NONE && t->node.v[i].rank != THREAD_NONE)
			roots[t->node.v[i].rank] = i;
	}
	for (size_t i = 0; i < t->message.n; i++) {
		if (roots[i] != THREAD_NONE)
			roots[n++] = roots[i];
	}
	return n;
}

void threads_arrange(struct threads *t)
{
	struct thread_node *node = t->node.v;
	size_t n = threads_roots(t, t->scratch);

	/* From the last by date to the first, each in front of its siblings. */
	for (size_t rank = t->message.n; rank-- > 0;) {
		uint32_t at = t->message.v[t->order[rank]].node, parent = node[at].parent;

		if (parent == THREAD_NONE)
			continue;
		node[at].next = node[parent].child;
		node[parent].child = at;
	}
	t->top = THREAD_NONE;
	while (n-- > 0) {
		node[t->scratch[n]].next = t->top;
		t->top = t->scratch[n];
	}
}
