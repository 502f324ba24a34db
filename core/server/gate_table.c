/* SPDX-License-Identifier: 0BSD */
#include "core/server/gate_conn.h"

#include "core/lib/vec.h"

struct gate_conn *gate_find(struct gate *g, uint64_t id)
{
	size_t i = id & UINT32_MAX;

	return i < g->slots.n && g->slots.v[i] && g->slots.v[i]->id == id ? g->slots.v[i] : NULL;
}

int gate_table_add(struct gate *g, struct gate_conn *c)
{
	size_t i = 0;

	while (i < g->slots.n && g->slots.v[i])
		i++;
	if (i == g->slots.n && vec_push(&g->slots, NULL))
		return -1;
	g->slots.v[i] = c;
	c->id = (uint64_t)++g->turn << 32 | i;
	c->next_same = g->bucket[c->address % GATE_BUCKETS];
	g->bucket[c->address % GATE_BUCKETS] = c;
	g->count++;
	return 0;
}

void gate_table_remove(struct gate *g, struct gate_conn *c)
{
	struct gate_conn **p = &g->bucket[c->address % GATE_BUCKETS];

	while (*p != c)
		p = &(*p)->next_same;
	*p = c->next_same;
	g->slots.v[c->id & UINT32_MAX] = NULL;
	while (g->slots.n && !g->slots.v[g->slots.n - 1])
		g->slots.n--;
	g->count--;
}

uint64_t gate_count_same(const struct gate *g, uint64_t address)
{
	uint64_t n = 0;

	for (const struct gate_conn *c = g->bucket[address % GATE_BUCKETS]; c; c = c->next_same)
		n += c->address == address;
	return n;
}
