/* SPDX-License-Identifier: 0BSD */
/* THREAD=REFERENCES (RFC 5256 3). */
#include "features/imap/thread/thread.h"

#include <errno.h>

/* The node of a message-id, made if it is new.  THREAD_NONE + errno. */
static uint32_t node_of(struct threads *t, struct str id)
{
	uint32_t at = (uint32_t)t->text.len;
	struct thread_name *name;
	size_t known = t->ids.name.n;

	errno = EMLINK;
	if (buf_addstr(&t->text, id))
		return THREAD_NONE;
	name = thread_names_get(t, &t->ids, at, (uint32_t)id.len);
	if (!name)
		return THREAD_NONE;
	if (t->ids.name.n == known)
		t->text.len = at;
	if (name->node == THREAD_NONE)
		name->node = thread_new_node(t, THREAD_NONE);
	return name->node;
}

/* A field whose first ids are passed over, so that at most THREAD_IDS_MAX stay. */
static struct cursor last_ids(struct str value)
{
	struct cursor c = cursor_from(value);
	struct str id;
	size_t n = 0;

	while (thread_take_id(&c, &id))
		n++;
	for (c = cursor_from(value); n > THREAD_IDS_MAX; n--)
		thread_take_id(&c, &id);
	return c;
}

/* Step 1.A: the ids of a field, each the parent of the next that has none yet, unless that makes a loop.
 * first_only: In-Reply-To, whose first one counts.  *last_r: the last one's node, or THREAD_NONE.
 * 0 / -1 + errno. */
static int link_ancestors(struct threads *t, struct str value, bool first_only, uint32_t *last_r)
{
	struct cursor c = first_only ? cursor_from(value) : last_ids(value);
	struct str id;
	uint32_t node;

	*last_r = THREAD_NONE;
	while (thread_take_id(&c, &id)) {
		node = node_of(t, id);
		if (node == THREAD_NONE)
			return -1;
		if (*last_r != THREAD_NONE && t->node.v[node].parent == THREAD_NONE)
			thread_forest_link(t, *last_r, node);
		*last_r = node;
		if (first_only)
			break;
	}
	return 0;
}

/* No message-id, or one that another message has: the message is known by itself alone. */
static uint32_t own_node(struct threads *t, struct str value)
{
	struct cursor c = cursor_from(value);
	struct str id;
	uint32_t node;

	if (!thread_take_id(&c, &id))
		return thread_new_node(t, (uint32_t)t->message.n);
	node = node_of(t, id);
	if (node == THREAD_NONE || t->node.v[node].message == THREAD_NONE)
		return node;
	return thread_new_node(t, (uint32_t)t->message.n);
}

int thread_references_add(struct threads *t, struct thread_message *m, struct str id, struct str references,
	struct str in_reply_to)
{
	uint32_t last;

	m->node = own_node(t, id);
	if (m->node == THREAD_NONE || thread_add(t, m) || link_ancestors(t, references, false, &last))
		return -1;
	if (last == THREAD_NONE && link_ancestors(t, in_reply_to, true, &last))
		return -1;
	/* Step 1.B: what the message says of itself counts more than what others said. */
	thread_forest_cut(t, m->node);
	if (last != THREAD_NONE)
		thread_forest_link(t, last, m->node);
	return 0;
}

static bool is_dummy(const struct threads *t, uint32_t node)
{
	return t->node.v[node].message == THREAD_NONE;
}

/* The nearest ancestor that is a message, else the topmost dummy, else THREAD_NONE.  Dummies passed are led
 * there directly, so that all walks together are linear. */
static uint32_t nearest(struct threads *t, uint32_t from)
{
	struct thread_node *node = t->node.v;
	uint32_t to = node[from].parent, next;

	while (to != THREAD_NONE && is_dummy(t, to) && node[to].parent != THREAD_NONE)
		to = node[to].parent;
	for (uint32_t i = node[from].parent; i != THREAD_NONE && i != to; i = next) {
		next = node[i].parent;
		node[i].parent = to;
	}
	return to;
}

/* Step 3: dummies go, but for those at the top that hold several threads together. */
static int pass_over_dummies(struct threads *t, size_t i)
{
	struct thread_node *node = t->node.v;
	uint32_t at = t->message.v[i].node, parent = nearest(t, at);

	node[at].parent = parent;
	if (parent != THREAD_NONE && is_dummy(t, parent))
		node[parent].children++;
	return 0;
}

static int leave_lonely_dummy(struct threads *t, size_t i)
{
	struct thread_node *n = &t->node.v[t->message.v[i].node];

	if (n->parent != THREAD_NONE && is_dummy(t, n->parent) && t->node.v[n->parent].children == 1)
		n->parent = THREAD_NONE;
	return 0;
}

/* The message that speaks for a tree: the root, or the first child of a dummy. */
static const struct thread_message *speaker(const struct threads *t, uint32_t root)
{
	return &t->message.v[t->order[t->node.v[root].rank]];
}

static struct thread_name *entry_of(struct threads *t, uint32_t root)
{
	const struct thread_message *m = speaker(t, root);

	return thread_names_get(t, &t->subjects, m->subject, m->subject_len);
}

/* Step 5.B: who stands for a subject: rather a dummy, rather no reply. */
static int choose(struct threads *t, size_t i)
{
	uint32_t root = t->scratch[i];
	struct thread_name *name;

	if (!speaker(t, root)->subject_len)
		return 0;
	name = entry_of(t, root);
	if (!name)
		return -1;
	if (name->node == THREAD_NONE || (!is_dummy(t, name->node) && (is_dummy(t, root) ||
			(speaker(t, name->node)->reply && !speaker(t, root)->reply))))
		name->node = root;
	return 0;
}

/* Step 5.C */
static int merge(struct threads *t, size_t i)
{
	uint32_t root = t->scratch[i], there, both;
	struct thread_name *name;

	if (!speaker(t, root)->subject_len)
		return 0;
	name = entry_of(t, root);
	if (!name)
		return -1;
	there = name->node;
	if (there == root)
		return 0;
	/* A dummy below a dummy: its children become the other's in flatten(). */
	if (is_dummy(t, there) || (speaker(t, root)->reply && !speaker(t, there)->reply)) {
		t->node.v[root].parent = there;
		return 0;
	}
	both = thread_new_node(t, THREAD_NONE);
	if (both == THREAD_NONE)
		return -1;
	t->node.v[there].parent = t->node.v[root].parent = name->node = both;
	return 0;
}

static int flatten(struct threads *t, size_t i)
{
	struct thread_node *node = t->node.v;
	uint32_t *parent = &node[t->message.v[i].node].parent;

	if (*parent != THREAD_NONE && is_dummy(t, *parent) && node[*parent].parent != THREAD_NONE)
		*parent = node[*parent].parent;
	return 0;
}

int thread_references_finish(struct threads *t, uint32_t budget)
{
	static const struct threads_pass passes[] = {
		{THREADS_MESSAGES, thread_rank},
		{THREADS_MESSAGES, pass_over_dummies}, {THREADS_MESSAGES, leave_lonely_dummy},
		THREADS_RANK_DUMMIES, THREADS_FIND_ROOTS, /* step 4: by date */
		{THREADS_ROOTS, choose}, {THREADS_ROOTS, merge}, {THREADS_MESSAGES, flatten},
		THREADS_RANK_DUMMIES, THREADS_ARRANGE, {THREADS_END, NULL},
	};

	return thread_passes(t, passes, budget);
}
