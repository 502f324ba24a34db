/* SPDX-License-Identifier: 0BSD */
#include "core/store/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/lib/file.h"

#define FIRST_SIZE 64

static size_t slot(const struct hash_table *t, uint64_t hash)
{
	return (size_t)((hash * 0x9e3779b97f4a7c15ull) >> 32) & (t->size - 1);
}

static int grow(struct hash_table *t)
{
	struct hash_table wider = {NULL, t->n, t->size ? t->size * 2 : FIRST_SIZE};
	struct hash_node *n, *next;

	wider.v = calloc(wider.size, sizeof(*wider.v));
	if (!wider.v)
		return t->size ? 0 : -1;
	for (size_t i = 0; i < t->size; i++)
		for (n = t->v[i]; n; n = next) {
			next = n->next;
			n->next = wider.v[slot(&wider, n->hash)];
			wider.v[slot(&wider, n->hash)] = n;
		}
	free(t->v);
	*t = wider;
	return 0;
}

int hash_add(struct hash_table *t, struct hash_node *n, uint64_t hash)
{
	if (t->n >= t->size && grow(t))
		return -1;
	n->hash = hash;
	n->next = t->v[slot(t, hash)];
	t->v[slot(t, hash)] = n;
	t->n++;
	return 0;
}

void hash_remove(struct hash_table *t, struct hash_node *n)
{
	struct hash_node **at;

	for (at = &t->v[slot(t, n->hash)]; *at; at = &(*at)->next)
		if (*at == n) {
			*at = n->next;
			t->n--;
			return;
		}
}

static struct hash_node *same(struct hash_node *n, uint64_t hash)
{
	while (n && n->hash != hash)
		n = n->next;
	return n;
}

struct hash_node *hash_first(const struct hash_table *t, uint64_t hash)
{
	return t->size ? same(t->v[slot(t, hash)], hash) : NULL;
}

struct hash_node *hash_next(const struct hash_node *n)
{
	return same(n->next, n->hash);
}

int hash_each(const struct hash_table *t, int (*each)(void *arg, struct hash_node *n), void *arg)
{
	struct hash_node *n, *next;
	int answer;

	for (size_t i = 0; i < t->size; i++)
		for (n = t->v[i]; n; n = next) {
			next = n->next;
			answer = each(arg, n);
			if (answer)
				return answer;
		}
	return 0;
}

void hash_free(struct hash_table *t)
{
	free(t->v);
	*t = (struct hash_table){0};
}

static uint64_t rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

uint64_t hash_bytes(struct str s, uint64_t salt)
{
	static uint64_t key[2];
	uint64_t v[4], word, left = s.len;
	const char *p = s.p;

	if (!key[0])
		file_random(key, sizeof(key));
	v[0] = key[0] ^ 0x736f6d6570736575ull;
	v[1] = key[1] ^ 0x646f72616e646f6dull ^ salt;
	v[2] = key[0] ^ 0x6c7967656e657261ull;
	v[3] = key[1] ^ 0x7465646279746573ull;
	for (; left >= 8; left -= 8, p += 8) {
		memcpy(&word, p, 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	word = (uint64_t)s.len << 56;
	for (uint64_t i = 0; i < left; i++)
		word |= (uint64_t)(unsigned char)p[i] << (8 * i);
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
