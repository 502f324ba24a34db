/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_AUTH_EXCHANGE_H
#define CORE_AUTH_EXCHANGE_H

/*
 * Inside core/auth: auth.c owns exchanges and moves them between the loop and the workers, sasl.c
 * does their steps.  An exchange is touched by one thread at a time: by a worker while it is queued
 * or running, else by the loop; the locks of the queue and of loop_post() hand it over.
 */

#include <pthread.h>
#include <sasl/sasl.h>

#include "core/auth/auth.h"
#include "core/auth/users.h"

#define AUTH_MECHANISM_MAX 20 /* RFC 4422 3.1 */
/* No mechanism needs nearly as many; each costs a turn in the queue. */
#define AUTH_ROUNDS_MAX 10
#define AUTH_CALLBACKS 6

struct auth {
	struct loop *loop;
	char *hostname;

	pthread_mutex_t users_lock; /* held for one lookup */
	struct users *users;
	struct user_secret nobody; /* hashed against when there is no such user */

	pthread_mutex_t lock; /* all below */
	pthread_cond_t wake;
	struct auth_exchange *head, *tail;
	size_t queued;
	bool stopping;

	pthread_t threads[CONFIG_AUTH_WORKERS];
	size_t thread_count;
	struct auth_exchange *all; /* the loop's */
};

enum auth_kind { AUTH_LOGIN, AUTH_SASL };

struct auth_exchange {
	struct auth *auth; /* NULL after auth_free() */
	struct loop_job job;
	auth_done *done;
	void *arg;
	struct auth_exchange *all_prev, *all_next;

	/* the loop's */
	bool busy, abandoned;
	/* under auth->lock */
	bool waiting;
	struct auth_exchange *next;

	enum auth_kind kind;
	bool secure;
	char service[16];
	char mechanism[AUTH_MECHANISM_MAX + 1];
	struct buf user, password; /* LOGIN, zero-terminated */
	struct buf response;       /* SASL */
	bool has_response, finished;
	unsigned rounds;

	sasl_conn_t *conn;
	sasl_callback_t callbacks[AUTH_CALLBACKS];
	bool unavailable; /* the users could not be looked up */
	bool hashed;      /* a password was tried */

	enum prelogin_auth status;
	struct buf data, account;
};

/* Starts and ends libsasl2.  0 / -1 + message. */
int auth_sasl_start(struct auth *a, struct buf *error_r);
void auth_sasl_stop(void);
/* One step, in a worker: sets status, data, account. */
void auth_sasl_run(struct auth_exchange *x);

/* Looks a user up, from any thread.  Answers as users_find(). */
int auth_find_user(struct auth_exchange *x, struct str name, struct user_secret *secret_r);

#endif
