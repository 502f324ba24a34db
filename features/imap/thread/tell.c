/* SPDX-License-Identifier: 0BSD */
/* The answer: thread-list of RFC 5256 5. */
#include "features/imap/thread/thread.h"

/* Has a node more than one child?  Then each stands in parentheses of its own. */
static bool forks(const struct threads *t, uint32_t node)
{
	uint32_t child = t->node.v[node].child;

	return child != THREAD_NONE && t->node.v[child].next != THREAD_NONE;
}

/* From a node without children to the one that is told next. */
static uint32_t climb(const struct threads *t, uint32_t at, struct buf *out)
{
	const struct thread_node *node = t->node.v;

	while (node[at].parent != THREAD_NONE) {
		if (forks(t, node[at].parent))
			buf_addc(out, ')');
		if (node[at].next != THREAD_NONE) {
			buf_addc(out, '(');
			return node[at].next;
		}
		at = node[at].parent;
	}
	buf_addc(out, ')');
	if (node[at].next != THREAD_NONE)
		buf_addc(out, '(');
	return node[at].next;
}

bool thread_tell_next(const struct threads *t, struct thread_tell *where, struct buf *out)
{
	const struct thread_node *n;

	if (!where->begun) {
		where->begun = true;
		where->at = t->top;
		if (t->top == THREAD_NONE)
			return true;
		buf_addc(out, '(');
	}
	n = &t->node.v[where->at];
	if (n->message != THREAD_NONE)
		buf_addu(out, t->message.v[n->message].number);
	if (n->child == THREAD_NONE) {
		where->at = climb(t, where->at, out);
		return where->at == THREAD_NONE;
	}
	if (n->message != THREAD_NONE)
		buf_addc(out, ' ');
	if (forks(t, where->at))
		buf_addc(out, '(');
	where->at = n->child;
	return false;
}
