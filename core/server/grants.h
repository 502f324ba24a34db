/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_SERVER_GRANTS_H
#define CORE_SERVER_GRANTS_H

/*
 * Who may come in: auth's grants, each good for one hand-off for a short time, and the hand-offs
 * that arrived before their grant (the two come by different channels).  Both are bounded.
 */

#include <stdint.h>

#include "core/lib/buf.h"
#include "core/server/messages.h"

#define GRANTS_MAX 4096
#define GRANT_MS   10000 /* a grant that nobody used */
#define PARKED_MS  2000  /* a hand-off without a grant: auth sends the grant first, so it is late already */

struct grant {
	struct grant *next;
	uint64_t until;
	unsigned char token[SRV_TOKEN_SIZE];
	enum srv_service service;
	char *account, *mechanism;
};

struct handoff {
	struct handoff *next;
	uint64_t until;
	enum srv_service service;
	uint8_t flags;
	unsigned char token[SRV_TOKEN_SIZE];
	int fd; /* owned */
	struct buf tag, lhlo, peer, unread;
};

struct grants {
	struct grant *head, **tail;
	struct handoff *parked, **parked_tail;
	unsigned n, n_parked;
};

void grants_init(struct grants *g);
void grants_free(struct grants *g);
/* The copy is made here.  0, or -1 (ENOMEM, ENOBUFS too many, EEXIST token used before). */
int grants_add(struct grants *g, uint64_t now, const unsigned char *token, enum srv_service service,
	struct str account, struct str mechanism);
/* Takes the grant of that token out, or NULL: none, too old, or for another service.  The caller frees
 * it. */
struct grant *grants_take(struct grants *g, uint64_t now, const unsigned char *token,
	enum srv_service service);
void grant_free(struct grant **grant);
/* Keeps a hand-off until its grant comes.  0, or -1 ENOBUFS (still the caller's). */
int grants_park(struct grants *g, uint64_t now, struct handoff *h);
/* The parked hand-off of that token, taken out, or NULL. */
struct handoff *grants_unpark(struct grants *g, const unsigned char *token);
/* Forgets grants that are too old; returns one hand-off that waited too long, or NULL. */
struct handoff *grants_expire(struct grants *g, uint64_t now);
/* When grants_expire() has work next, 0 = nothing waits. */
uint64_t grants_due(const struct grants *g);
/* Closes the descriptor unless it is -1. */
void handoff_free(struct handoff **h);

#endif
