/* SPDX-License-Identifier: 0BSD */
#include "core/server/failures.h"

#include <stddef.h>
#include <stdlib.h>

#include "core/lib/file.h"

#define SETS 1024
#define WAYS 4

struct place {
	uint64_t address; /* 0: free */
	uint64_t until;   /* when the last of its failures is forgotten */
};

struct failures {
	uint64_t forget_ms, key;
	struct place v[SETS][WAYS];
};

struct failures *failures_new(uint64_t forget_ms)
{
	struct failures *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->forget_ms = forget_ms ? forget_ms : 1;
	file_random(&f->key, sizeof(f->key));
	return f;
}

void failures_free(struct failures **f)
{
	free(*f);
	*f = NULL;
}

/* Every bit of address and key reaches the ones that are used (the finaliser of splitmix64). */
static size_t set_of(const struct failures *f, uint64_t address)
{
	uint64_t h = address ^ f->key;

	h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
	h = (h ^ h >> 27) * 0x94d049bb133111ebu;
	return (h ^ h >> 31) % SETS;
}

static const struct place *find(const struct failures *f, uint64_t address)
{
	const struct place *set = f->v[set_of(f, address)];

	for (int i = 0; address && i < WAYS; i++) {
		if (set[i].address == address)
			return &set[i];
	}
	return NULL;
}

uint64_t failures_count(const struct failures *f, uint64_t address, uint64_t now)
{
	const struct place *p = find(f, address);

	return p && p->until > now ? (p->until - now + f->forget_ms - 1) / f->forget_ms : 0;
}

void failures_add(struct failures *f, uint64_t address, uint64_t now)
{
	struct place *p = (struct place *)find(f, address), *set = f->v[set_of(f, address)];

	if (!address)
		return;
	if (!p) {
		p = set;
		for (int i = 1; i < WAYS; i++) {
			if (set[i].until < p->until)
				p = &set[i];
		}
		*p = (struct place){.address = address};
	}
	p->until = (p->until > now ? p->until : now) + f->forget_ms;
}
