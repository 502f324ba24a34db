/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_AUTH_EXCHANGE_H
#define CORE_AUTH_EXCHANGE_H

/*
 * Inside core/auth: auth.c owns exchanges, workers.c moves them between the loop and the threads,
 * sasl.c does their steps.  An exchange is touched by one thread at a time: by a worker while it is queued
 * or running, else by the loop; the lock of the queues hands it over.
 */

#include <pthread.h>
#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "core/auth/auth.h"
#include "core/auth/users.h"

#define AUTH_MECHANISM_MAX 20 /* RFC 4422 3.1 */
/* No mechanism needs nearly as many; each costs a turn in the queue. */
#define AUTH_ROUNDS_MAX 10
#define AUTH_CALLBACKS 6
#define AUTH_PLUS "-PLUS" /* RFC 5802 6: ends the name of a mechanism that is bound to TLS */

struct auth_queue {
	struct auth_exchange *head, *tail;
	size_t n;
};

struct auth {
	struct loop *loop;
	char *hostname;

	pthread_mutex_t users_lock; /* held for one lookup */
	struct users *users;
	struct buf nobody; /* a line to check against when there is no such user; nothing fits it */
	/* What is made up for unknown users comes from it (users_find_key()). */
	unsigned char install_key[32];
	bool has_key;

	pthread_mutex_t lock; /* all below */
	pthread_cond_t wake;
	struct auth_queue pending, done;
	bool stopping;

	pthread_t threads[CONFIG_AUTH_WORKERS];
	size_t thread_count;
	/* the loop's */
	struct loop_fd ready; /* an eventfd: something is done */
	struct auth_exchange *all;
};

enum auth_kind { AUTH_LOGIN, AUTH_SASL };

struct auth_exchange {
	struct auth *auth; /* NULL after auth_free() */
	auth_done *done;
	void *arg;
	struct auth_exchange *all_prev, *all_next;

	/* the loop's */
	bool busy, abandoned;
	/* under auth->lock */
	bool waiting; /* in pending */
	struct auth_exchange *next;

	enum auth_kind kind;
	bool lmtp, secure, plus; /* plus: the -PLUS form of the mechanism was named */
	struct buf certificate, exporter, endpoint; /* zero-terminated, not counted */
	char mechanism[AUTH_MECHANISM_MAX + 1];
	const struct sasl_mech *mech; /* SASL, when there is such a one */
	struct buf user, password; /* LOGIN, zero-terminated */
	struct buf response;       /* SASL */
	bool has_response, bound, finished; /* bound: bind_channel() has seen the first response */
	unsigned rounds;

	sasl_conn_t *conn;
	sasl_channel_binding_t binding; /* in use by conn */
	sasl_callback_t callbacks[AUTH_CALLBACKS];
	bool unavailable; /* the users could not be looked up */
	bool hashed;      /* a password was tried */
	bool looked_up;   /* a mechanism went on with what is kept of a user, or with something made up */
	bool denied;      /* proved to be somebody who may not act for whom it wants to */

	enum prelogin_auth status;
	struct buf data, account, actor;
	struct buf tried; /* the name of the last attempt, in its one form */
};

/* Starts and ends libsasl2.  0 / -1 + message. */
int auth_sasl_start(struct auth *a, struct buf *error_r);
void auth_sasl_stop(void);
/* One step, in a worker: sets status, data, account. */
void auth_sasl_run(struct auth_exchange *x);

/* 0 / -1 + errno. */
int auth_workers_start(struct auth *a);
/* Waits for the steps under way; what still waits stays in the queue. */
void auth_workers_stop(struct auth *a);
/* False: too many wait. */
bool auth_workers_add(struct auth_exchange *x);
/* True if x was still waiting, and does no more. */
bool auth_workers_cancel(struct auth_exchange *x);
/* To the loop, from any thread. */
void auth_workers_hand_back(struct auth_exchange *x);
/* The next one that came back, or NULL. */
struct auth_exchange *auth_workers_done(struct auth *a);

/* Look a user up, from any thread.  Answer as users_find_password() and so on; -1 is logged. */
int auth_find_password(struct auth_exchange *x, struct str name, struct buf *line);
int auth_find_line(struct auth_exchange *x, struct str name, const char *kind, struct buf *line);
int auth_find_flags(struct auth_exchange *x, struct str name, unsigned *flags_r);

/* libsasl2 finds users by the auxprop plugin of that name. */
#define AUTH_USERS_PLUGIN "satchel"
int auth_lookup_init(const sasl_utils_t *utils, int max_version, int *version_r,
	sasl_auxprop_plug_t **plugin_r, const char *name);
/* Before anything else of libsasl2 is called: memory that wipes itself. */
void auth_memory_start(void);

#endif
