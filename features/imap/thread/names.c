/* SPDX-License-Identifier: 0BSD */
/* Message-ids and subjects, found by their text. */
#include "features/imap/thread/thread.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/store/hash.h"

static struct str text_at(const struct threads *t, uint32_t at, uint32_t len)
{
	return (struct str){buf_str(&t->text).p + at, len};
}

static void place(struct thread_names *names, uint32_t hash, uint32_t number)
{
	size_t mask = names->size - 1, i = hash & mask;

	while (names->table[i])
		i = (i + 1) & mask;
	names->table[i] = number + 1;
}

/* Room for one more, at most half full. */
static int grow(struct thread_names *names)
{
	size_t size = names->size ? names->size * 2 : 64;

	if (names->name.n * 2 < names->size)
		return 0;
	free(names->table);
	names->table = calloc(size, sizeof(*names->table));
	names->size = names->table ? size : 0;
	if (!names->table)
		return -1;
	for (size_t i = 0; i < names->name.n; i++)
		place(names, names->name.v[i].hash, (uint32_t)i);
	return 0;
}

struct thread_name *thread_names_get(struct threads *t, struct thread_names *names, uint32_t at, uint32_t len)
{
	struct str text = text_at(t, at, len);
	/* Senders choose the texts: the key of the hash is not theirs to know. */
	struct thread_name fresh = {.hash = (uint32_t)hash_bytes(text, 0), .at = at, .len = len, .node = THREAD_NONE};
	struct thread_name *known;

	errno = ENOMEM;
	if (grow(names))
		return NULL;
	for (size_t i = fresh.hash & (names->size - 1); names->table[i]; i = (i + 1) & (names->size - 1)) {
		known = &names->name.v[names->table[i] - 1];
		if (known->hash == fresh.hash && str_eq(text_at(t, known->at, known->len), text))
			return known;
	}
	if (vec_push(&names->name, fresh))
		return NULL;
	place(names, fresh.hash, (uint32_t)names->name.n - 1);
	return &names->name.v[names->name.n - 1];
}

void thread_names_free(struct thread_names *names)
{
	free(names->name.v);
	free(names->table);
	memset(names, 0, sizeof(*names));
}

int thread_take_id(struct cursor *c, struct str *id_r)
{
	struct cursor start;

	for (;;) {
		cursor_take_until(c, '<');
		if (!cursor_accept(c, '<'))
			return 0;
		start = *c;
		while (cursor_peek(c) > ' ' && cursor_peek(c) != '<' && cursor_peek(c) != '>')
			cursor_skip(c, 1);
		*id_r = cursor_between(&start, c);
		if (cursor_accept(c, '>') && id_r->len)
			return 1;
	}
}
