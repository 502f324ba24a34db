/* SPDX-License-Identifier: 0BSD */
#include "core/mime/boundary.h"

#include <string.h>

static int compare(struct str a, struct str b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int order = n ? memcmp(a.p, b.p, n) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* How many are not behind `key` in the order. */
static size_t count_upto(const struct boundaries *b, struct str key)
{
	size_t low = 0, high = b->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(b->v[middle].text, key) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int grow(struct arena *a, struct boundaries *b)
{
	size_t cap = b->cap ? b->cap * 2 : 8;
	struct boundary *v = arena_array(a, cap, sizeof(*v));

	if (!v)
		return -1;
	if (b->n)
		memcpy(v, b->v, b->n * sizeof(*v));
	b->v = v;
	b->cap = cap;
	return 0;
}

int boundaries_add(struct arena *a, struct boundaries *b, struct str text, void *owner)
{
	size_t at = count_upto(b, text);

	if (b->n == b->cap && grow(a, b))
		return -1;
	memmove(b->v + at + 1, b->v + at, (b->n - at) * sizeof(*b->v));
	b->v[at] = (struct boundary){text, owner};
	b->n++;
	return 0;
}

void boundaries_remove(struct boundaries *b, struct str text)
{
	size_t after = count_upto(b, text);

	b->n--;
	memmove(b->v + after - 1, b->v + after, (b->n + 1 - after) * sizeof(*b->v));
}

static size_t common_length(struct str a, struct str b)
{
	size_t n = 0;

	while (n < a.len && n < b.len && a.p[n] == b.p[n])
		n++;
	return n;
}

/*
 * Whatever of the set begins the line sorts before the line, and begins everything sorted between.
 * So the nearest in front is the answer, or else the answer is no longer than what the two share.
 */
void *boundaries_match(const struct boundaries *b, struct str line, struct str *rest_r)
{
	struct str key = line;
	size_t at;

	while ((at = count_upto(b, key)) > 0) {
		const struct boundary *near = &b->v[at - 1];
		size_t common = common_length(near->text, key);

		if (common == near->text.len) {
			*rest_r = (struct str){line.p + common, line.len - common};
			return near->owner;
		}
		if (common == 0)
			return NULL;
		key.len = common;
	}
	return NULL;
}
