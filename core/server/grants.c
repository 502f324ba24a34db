/* SPDX-License-Identifier: 0BSD */
#include "core/server/grants.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/lib/text.h"

void grants_init(struct grants *g)
{
	*g = (struct grants){0};
	g->tail = &g->head;
	g->parked_tail = &g->parked;
}

void grant_free(struct grant **grant)
{
	if (!*grant)
		return;
	free((*grant)->account);
	free((*grant)->mechanism);
	explicit_bzero(*grant, sizeof(**grant));
	free(*grant);
	*grant = NULL;
}

void handoff_free(struct handoff **h)
{
	if (!*h)
		return;
	if ((*h)->fd >= 0)
		close((*h)->fd);
	buf_free(&(*h)->tag);
	buf_free(&(*h)->lhlo);
	buf_free(&(*h)->peer);
	buf_wipe(&(*h)->unread);
	free(*h);
	*h = NULL;
}

void grants_free(struct grants *g)
{
	while (g->head) {
		struct grant *one = g->head;

		g->head = one->next;
		grant_free(&one);
	}
	while (g->parked) {
		struct handoff *h = g->parked;

		g->parked = h->next;
		handoff_free(&h);
	}
	grants_init(g);
}

static bool same(const unsigned char *a, const unsigned char *b)
{
	return text_equal_secret((struct str){(const char *)a, SRV_TOKEN_SIZE},
		(struct str){(const char *)b, SRV_TOKEN_SIZE});
}

/* A grant waits for a moment only, so the list is short whatever the load. */
static struct grant **find(struct grants *g, const unsigned char *token)
{
	struct grant **p = &g->head;

	while (*p && !same((*p)->token, token))
		p = &(*p)->next;
	return p;
}

static struct grant *unlink_grant(struct grants *g, struct grant **p)
{
	struct grant *one = *p;

	*p = one->next;
	if (!*p)
		g->tail = p;
	g->n--;
	return one;
}

int grants_add(struct grants *g, uint64_t now, const unsigned char *token, enum srv_service service,
	struct str account, struct str mechanism)
{
	struct grant *one;

	if (g->n >= GRANTS_MAX) {
		errno = ENOBUFS;
		return -1;
	}
	if (*find(g, token)) {
		errno = EEXIST;
		return -1;
	}
	one = calloc(1, sizeof(*one));
	if (!one)
		return -1;
	one->until = now + GRANT_MS;
	one->service = service;
	memcpy(one->token, token, SRV_TOKEN_SIZE);
	one->account = strndup(account.p, account.len);
	one->mechanism = strndup(mechanism.p, mechanism.len);
	if (!one->account || !one->mechanism) {
		grant_free(&one);
		return -1;
	}
	*g->tail = one;
	g->tail = &one->next;
	g->n++;
	return 0;
}

struct grant *grants_take(struct grants *g, uint64_t now, const unsigned char *token,
	enum srv_service service)
{
	struct grant **p = find(g, token), *one;

	if (!*p)
		return NULL;
	one = unlink_grant(g, p);
	if (one->until <= now || one->service != service)
		grant_free(&one);
	return one;
}

int grants_park(struct grants *g, uint64_t now, struct handoff *h)
{
	if (g->n_parked >= GRANTS_MAX) {
		errno = ENOBUFS;
		return -1;
	}
	h->until = now + PARKED_MS;
	h->next = NULL;
	*g->parked_tail = h;
	g->parked_tail = &h->next;
	g->n_parked++;
	return 0;
}

static struct handoff *unlink_parked(struct grants *g, struct handoff **p)
{
	struct handoff *h = *p;

	*p = h->next;
	if (!*p)
		g->parked_tail = p;
	g->n_parked--;
	return h;
}

struct handoff *grants_unpark(struct grants *g, const unsigned char *token)
{
	for (struct handoff **p = &g->parked; *p; p = &(*p)->next) {
		if (same((*p)->token, token))
			return unlink_parked(g, p);
	}
	return NULL;
}

struct handoff *grants_expire(struct grants *g, uint64_t now)
{
	while (g->head && g->head->until <= now) {
		struct grant *one = unlink_grant(g, &g->head);

		grant_free(&one);
	}
	return g->parked && g->parked->until <= now ? unlink_parked(g, &g->parked) : NULL;
}

uint64_t grants_due(const struct grants *g)
{
	uint64_t due = g->head ? g->head->until : 0;

	if (g->parked && (!due || g->parked->until < due))
		due = g->parked->until;
	return due;
}
