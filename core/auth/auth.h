/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_AUTH_AUTH_H
#define CORE_AUTH_AUTH_H

/*
 * Checking who somebody is, with libsasl2 over users.cdb; lives in the auth role alone.
 */

#include "core/lib/buf.h"
#include "core/lib/loop.h"
#include "core/lib/prelogin.h"

struct auth;
struct auth_exchange;

/* Initialises libsasl2 with the compiled-in mechanisms and opens users.cdb below dirfd (kept, and
 * reopened when the file is replaced; a missing file means no users).  NULL + error_r. */
struct auth *auth_new(struct loop *l, int dirfd, const char *hostname, struct buf *error_r);
void auth_free(struct auth **a);

struct auth_answer {
	enum prelogin_auth status;
	struct str data;      /* challenge or reason */
	struct str account;   /* OK: whose mail; the authorisation identity */
	const char *mechanism;
};

/* Called exactly once for each start and step, maybe before they return; the answer is borrowed. */
typedef void auth_done(struct auth_exchange *x, void *arg, const struct auth_answer *answer);

/* LOGIN: name and password at once.  The exchange belongs to the caller until auth_end(). */
struct auth_exchange *auth_login(struct auth *a, const char *service, bool secure, struct str peer,
	struct str user, struct str password, auth_done *done, void *arg);
/* AUTHENTICATE: initial.p NULL = none was given. */
struct auth_exchange *auth_sasl(struct auth *a, const char *service, bool secure, struct str peer,
	struct str mechanism, struct str initial, auth_done *done, void *arg);
void auth_step(struct auth_exchange *x, struct str response);
/* Ends (or abandons) an exchange. */
void auth_end(struct auth_exchange **x);

#endif
