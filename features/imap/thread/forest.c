/* SPDX-License-Identifier: 0BSD */
/*
 * Which tree a node is in, while links come and go (link-cut trees, Sleator and Tarjan): every step costs
 * O(log n) on average, however deep the trees are.  A walk along the parents would let one header of many
 * references below a deep thread take seconds.
 *
 * The nodes on a path from a root downwards are kept in a splay tree by depth: `left` is nearer to the root.
 * `up` of the top of a splay tree is the parent of the path's uppermost node.
 */
#include "features/imap/thread/thread.h"

static bool is_top(const struct thread_node *v, uint32_t x)
{
	uint32_t up = v[x].up;

	return up == THREAD_NONE || (v[up].left != x && v[up].right != x);
}

static void hang(struct thread_node *v, uint32_t *place, uint32_t x, uint32_t up)
{
	*place = x;
	if (x != THREAD_NONE)
		v[x].up = up;
}

/* x changes places with the one above it. */
static void rotate(struct thread_node *v, uint32_t x)
{
	uint32_t up = v[x].up, over = v[up].up;
	bool top = is_top(v, up);

	if (v[up].left == x) {
		hang(v, &v[up].left, v[x].right, up);
		v[x].right = up;
	} else {
		hang(v, &v[up].right, v[x].left, up);
		v[x].left = up;
	}
	v[up].up = x;
	v[x].up = over;
	if (top)
		return;
	if (v[over].left == up)
		v[over].left = x;
	else
		v[over].right = x;
}

static void splay(struct thread_node *v, uint32_t x)
{
	while (!is_top(v, x)) {
		uint32_t up = v[x].up;

		if (!is_top(v, up))
			rotate(v, (v[up].left == x) == (v[v[up].up].left == up) ? up : x);
		rotate(v, x);
	}
}

/* Makes the way from the root to x one path that ends there, with x on top. */
static void expose(struct thread_node *v, uint32_t x)
{
	uint32_t below = THREAD_NONE;

	for (uint32_t at = x; at != THREAD_NONE; at = v[at].up) {
		splay(v, at);
		v[at].right = below;
		below = at;
	}
	splay(v, x);
}

static uint32_t root_of(struct thread_node *v, uint32_t x)
{
	expose(v, x);
	while (v[x].left != THREAD_NONE)
		x = v[x].left;
	splay(v, x);
	return x;
}

bool thread_forest_link(struct threads *t, uint32_t parent, uint32_t child)
{
	struct thread_node *v = t->node.v;

	if (root_of(v, parent) == child)
		return false;
	expose(v, child);
	expose(v, parent);
	v[child].up = parent;
	v[child].parent = parent;
	return true;
}

void thread_forest_cut(struct threads *t, uint32_t child)
{
	struct thread_node *v = t->node.v;

	if (v[child].parent == THREAD_NONE)
		return;
	expose(v, child);
	v[v[child].left].up = THREAD_NONE;
	v[child].left = THREAD_NONE;
	v[child].parent = THREAD_NONE;
}
