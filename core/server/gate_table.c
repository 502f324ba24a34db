/* SPDX-License-Identifier: 0BSD */
#include "core/server/gate_conn.h"

#include "core/lib/vec.h"

struct gate_conn *gate_find(struct gate *g, uint64_t id)
{
	size_t i = id & UINT32_MAX;
	struct gate_conn *c = i < g->slots.n ? g->slots.v[i].conn : NULL;

	return c && c->id == id ? c : NULL;
}

/* ---- by address ---- */

static struct gate_conn **bucket_of(struct gate *g, uint64_t address)
{
	return &g->bucket[address % GATE_BUCKETS];
}

static void bucket_add(struct gate_conn *c)
{
	struct gate_conn **bucket = bucket_of(c->gate, c->address);

	c->next_same = *bucket;
	*bucket = c;
}

static void bucket_remove(struct gate_conn *c)
{
	struct gate_conn **p = bucket_of(c->gate, c->address);

	while (*p != c)
		p = &(*p)->next_same;
	*p = c->next_same;
}

struct gate_conn *gate_bucket(const struct gate *g, uint64_t address)
{
	return g->bucket[address % GATE_BUCKETS];
}

uint64_t gate_count_same(const struct gate *g, uint64_t address)
{
	uint64_t n = 0;

	for (const struct gate_conn *c = gate_bucket(g, address); c; c = c->next_same)
		n += c->address == address;
	return n;
}

void gate_set_address(struct gate_conn *c, uint64_t address)
{
	bucket_remove(c);
	c->address = address;
	bucket_add(c);
}

/* ---- by age ---- */

static void age_add(struct gate_conn *c)
{
	struct gate_age *age = &c->gate->age[c->heard];

	c->older = age->youngest;
	c->younger = NULL;
	*(age->youngest ? &age->youngest->younger : &age->oldest) = c;
	age->youngest = c;
	age->n++;
}

static void age_remove(struct gate_conn *c)
{
	struct gate_age *age = &c->gate->age[c->heard];

	*(c->older ? &c->older->younger : &age->oldest) = c->younger;
	*(c->younger ? &c->younger->older : &age->youngest) = c->older;
	age->n--;
}

void gate_heard(struct gate_conn *c)
{
	if (c->heard)
		return;
	age_remove(c);
	c->heard = true;
	age_add(c);
}

struct gate_conn *gate_oldest(const struct gate *g)
{
	/* Of the kind that there is more of: neither a crowd that is silent nor one that talks can take
	 * the room of the other kind. */
	struct gate_conn *c = g->age[g->age[1].n > g->age[0].n].oldest;

	while (c && c->state == WAITING)
		c = c->younger;
	return c;
}

/* ---- all ---- */

int gate_table_add(struct gate *g, struct gate_conn *c)
{
	uint32_t i = g->free_slot;

	if (i)
		g->free_slot = g->slots.v[--i].next_free;
	else if (g->slots.n < UINT32_MAX && vec_push(&g->slots, (struct gate_slot){0}) == 0)
		i = (uint32_t)g->slots.n - 1;
	else
		return -1;
	g->slots.v[i].conn = c;
	c->id = (uint64_t)++g->turn << 32 | i;
	bucket_add(c);
	age_add(c);
	g->count++;
	return 0;
}

void gate_table_remove(struct gate *g, struct gate_conn *c)
{
	uint32_t i = (uint32_t)c->id;

	bucket_remove(c);
	age_remove(c);
	g->slots.v[i] = (struct gate_slot){.next_free = g->free_slot};
	g->free_slot = i + 1;
	g->count--;
}
