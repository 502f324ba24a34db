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

struct auth_options {
	int dirfd;              /* holds users.cdb; stays the caller's, and open until auth_free() */
	const char *hostname;
	unsigned cache_seconds; /* how long a right password is recognised (core/auth/warm.h); 0: never */
};

/* Initialises libsasl2 with the compiled-in mechanisms, starts CONFIG_AUTH_WORKERS threads and opens
 * users.cdb, which is reopened whenever it is replaced.  One at a time in a process, because libsasl2
 * is global.  NULL + error_r. */
struct auth *auth_new(struct loop *l, const struct auth_options *options, struct buf *error_r);
/* Stops the threads (waits for the passwords being hashed).  Exchanges still there get no answer;
 * auth_end() is due for them as ever.  Not to be called by an auth_done. */
void auth_free(struct auth **a);

struct auth_answer {
	enum prelogin_auth status;
	struct str data;      /* challenge or reason */
	/* OK: whose mail, the authorisation identity.  FAILED, DENIED: the name that was tried, if
	 * known. */
	struct str account;
	struct str actor;     /* OK: who proved to be an admin, where that is not the account; else "" */
	const char *mechanism;
};

/* Called once for each start and step, from the loop and never before they return, unless auth_end()
 * comes first.  The answer is borrowed until auth_end() or the next step; auth_end() may be called
 * inside. */
typedef void auth_done(struct auth_exchange *x, void *arg, const struct auth_answer *answer);

/* The connection that somebody logs in on; copied. */
struct auth_client {
	bool lmtp;                     /* else IMAP */
	bool secure;                   /* passwords may be shown */
	struct str certificate;        /* whom the client's certificate names, "" without one */
	struct str exporter, endpoint; /* channel bindings (RFC 9266, RFC 5929), "" without them */
};

/* LOGIN: name and password at once.  The exchange belongs to the caller until auth_end(); NULL when
 * out of memory.  The strings are copied.  What would show a password on a connection that is not
 * secure is REFUSED, whatever the gate offered.  When too many wait to be hashed the answer is
 * UNAVAILABLE. */
struct auth_exchange *auth_login(struct auth *a, const struct auth_client *client, struct str user,
	struct str password, auth_done *done, void *arg);
/* AUTHENTICATE: initial.p NULL = none was given. */
struct auth_exchange *auth_sasl(struct auth *a, const struct auth_client *client,
	struct str mechanism, struct str initial, auth_done *done, void *arg);
/* Not while an answer is due (ignored then); after an answer other than CONTINUE it is REFUSED. */
void auth_step(struct auth_exchange *x, struct str response);
/* Ends (or abandons) an exchange; wipes what it held. */
void auth_end(struct auth_exchange **x);

#endif
