/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_SERVER_MAIL_H
#define CORE_SERVER_MAIL_H

/* The mail role's inside, open to its unit tests; srv_mail_run() is its one user otherwise. */

#include "core/server/grants.h"
#include "core/server/server.h"
#include "core/session.h"

struct accounts;

struct mail_role {
	struct srv_child child; /* first */
	struct mail mail;
	struct accounts *accounts;
	struct grants grants;
	struct mail_figures *asking; /* for figures */
	struct loop_timer expire, tick, drained;
	uint64_t drain_until;
	int status; /* of the process when the loop has ended */
	/* Starts a session; tests put their own here.  0 / -1; h->fd is taken (-1) in every case. */
	int (*start)(struct mail_role *r, struct handoff *h, const struct grant *grant);
};

/* mail.loop and, outside of tests, mail.store and accounts are set by the caller before. */
void mail_role_init(struct mail_role *r, struct loop *l);
void mail_role_free(struct mail_role *r);

#endif
