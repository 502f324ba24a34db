/* SPDX-License-Identifier: 0BSD */
#include "core/lib/arena.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_FIRST 464 /* most commands need less, and one in IDLE keeps it */
#define ARENA_KEEP  4096
#define ARENA_LARGE (64 * 1024)

struct arena_block {
	struct arena_block *next;
	size_t size, used;
	_Alignas(16) char bytes[];
};

static struct arena_block *add_block(struct arena *a, size_t n)
{
	size_t size = a->head ? a->head->size * 2 : ARENA_FIRST;
	struct arena_block *b;

	if (size > ARENA_LARGE)
		size = ARENA_LARGE;
	if (size < n)
		size = n;
	b = malloc(sizeof(*b) + size);
	if (!b)
		return NULL;
	b->size = size;
	b->used = 0;
	/* A large object gets a block of its own behind the head, whose rest stays in use. */
	if (a->head && n > ARENA_LARGE / 4 && a->head->size - a->head->used > n / 4) {
		b->next = a->head->next;
		a->head->next = b;
	} else {
		b->next = a->head;
		a->head = b;
	}
	return b;
}

size_t arena_bytes(const struct arena *a)
{
	size_t bytes = 0;

	for (const struct arena_block *b = a->head; b; b = b->next)
		bytes += sizeof(*b) + b->size;
	return bytes;
}

void *arena_alloc(struct arena *a, size_t n)
{
	struct arena_block *b = a->head;
	size_t rounded;
	void *p;

	if (n > PTRDIFF_MAX - 64)
		goto no_memory;
	rounded = n ? (n + 15) & ~(size_t)15 : 16;
	if (a->max && (rounded > a->max || a->used > a->max - rounded))
		goto no_memory;
	if (!b || b->size - b->used < rounded) {
		b = add_block(a, rounded);
		if (!b)
			goto no_memory;
	}
	p = b->bytes + b->used;
	b->used += rounded;
	a->used += rounded;
	return memset(p, 0, rounded);

no_memory:
	errno = ENOMEM;
	return NULL;
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
	if (size && n > PTRDIFF_MAX / size) {
		errno = ENOMEM;
		return NULL;
	}
	return arena_alloc(a, n * size);
}

char *arena_strdup(struct arena *a, struct str s)
{
	char *p = s.len < PTRDIFF_MAX ? arena_alloc(a, s.len + 1) : NULL;

	if (p && s.len)
		memcpy(p, s.p, s.len);
	return p;
}

struct str arena_str(struct arena *a, struct str s)
{
	const char *p = arena_strdup(a, s);

	return (struct str){p, p ? s.len : 0};
}

void arena_reset(struct arena *a)
{
	struct arena_block *keep = NULL, *b = a->head, *next;

	for (; b; b = next) {
		next = b->next;
		if (!keep && b->size <= ARENA_KEEP)
			keep = b;
		else
			free(b);
	}
	if (keep) {
		keep->next = NULL;
		keep->used = 0;
	}
	a->head = keep;
	a->used = 0;
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	arena_reset(a);
	free(a->head);
	a->head = NULL;
}

void arena_wipe(struct arena *a)
{
	for (struct arena_block *b = a->head; b; b = b->next)
		explicit_bzero(b->bytes, b->size);
	arena_free(a);
}
