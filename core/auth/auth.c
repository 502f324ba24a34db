/* SPDX-License-Identifier: 0BSD */
#include "core/auth/auth.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/auth/exchange.h"
#include "core/lib/file.h"
#include "core/lib/log.h"

/* Each connection before login has one exchange at most. */
#define QUEUE_MAX CONFIG_PRELOGIN_CONNECTIONS
/* musl's 128 KB would do; libsasl2 has buffers of some KB on the stack. */
#define STACK_BYTES (256 * 1024)

int auth_find_user(struct auth_exchange *x, struct str name, struct user_secret *secret_r)
{
	struct auth *a = x->auth;
	int rc;

	pthread_mutex_lock(&a->users_lock);
	rc = users_find(a->users, name, secret_r);
	pthread_mutex_unlock(&a->users_lock);
	if (rc < 0) {
		log_error("users.cdb cannot be read", "reason",
			errno == EPROTO ? "damaged" : strerror(errno), NULL);
		x->unavailable = true;
	}
	return rc;
}

/* Takes the next exchange, or waits for one; NULL when it is time to stop. */
static struct auth_exchange *next_exchange(struct auth *a)
{
	struct auth_exchange *x;

	pthread_mutex_lock(&a->lock);
	while (!a->head && !a->stopping)
		pthread_cond_wait(&a->wake, &a->lock);
	x = a->stopping ? NULL : a->head;
	if (x) {
		a->head = x->next;
		if (!a->head)
			a->tail = NULL;
		a->queued--;
		x->waiting = false;
	}
	pthread_mutex_unlock(&a->lock);
	return x;
}

static void *work(void *arg)
{
	struct auth *a = arg;
	struct auth_exchange *x;

	while ((x = next_exchange(a))) {
		auth_sasl_run(x);
		loop_post(a->loop, &x->job);
	}
	return NULL;
}

static int start_threads(struct auth *a)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int rc = 0;

	/* Signals are the loop's business. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	while (!rc && a->thread_count < CONFIG_AUTH_WORKERS) {
		rc = pthread_create(&a->threads[a->thread_count], &attr, work, a);
		if (!rc)
			a->thread_count++;
	}
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = rc;
	return a->thread_count ? 0 : -1;
}

static void stop_threads(struct auth *a)
{
	pthread_mutex_lock(&a->lock);
	a->stopping = true;
	pthread_cond_broadcast(&a->wake);
	pthread_mutex_unlock(&a->lock);
	while (a->thread_count)
		pthread_join(a->threads[--a->thread_count], NULL);
}

static int fail(struct buf *error_r, const char *what)
{
	buf_addv(error_r, what, ": ", strerror(errno), NULL);
	return -1;
}

static int start(struct auth *a, int dirfd, const char *hostname, struct buf *error_r)
{
	unsigned char nothing[32];

	file_random(nothing, sizeof(nothing));
	if (user_secret_make(STR("nobody"), CONFIG_SCRAM_ITERATIONS, &a->nobody))
		return fail(error_r, "hashing");
	/* No password has this hash. */
	memcpy(a->nobody.stored_key, nothing, sizeof(nothing));
	a->hostname = strdup(hostname && *hostname ? hostname : "localhost");
	a->users = users_open(dirfd);
	if (!a->hostname || !a->users)
		return fail(error_r, "authentication");
	if (auth_sasl_start(a, error_r))
		return -1;
	if (start_threads(a)) {
		fail(error_r, "threads");
		auth_sasl_stop();
		return -1;
	}
	return 0;
}

static void release(struct auth *a)
{
	users_close(&a->users);
	pthread_mutex_destroy(&a->users_lock);
	pthread_mutex_destroy(&a->lock);
	pthread_cond_destroy(&a->wake);
	free(a->hostname);
	free(a);
}

struct auth *auth_new(struct loop *l, int dirfd, const char *hostname, struct buf *error_r)
{
	struct auth *a = calloc(1, sizeof(*a));

	if (!a) {
		fail(error_r, "authentication");
		return NULL;
	}
	a->loop = l;
	pthread_mutex_init(&a->users_lock, NULL);
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->wake, NULL);
	if (start(a, dirfd, hostname, error_r)) {
		release(a);
		return NULL;
	}
	return a;
}

void auth_free(struct auth **a)
{
	if (!*a)
		return;
	stop_threads(*a);
	for (struct auth_exchange *x = (*a)->all; x; x = x->all_next) {
		sasl_dispose(&x->conn);
		x->busy = x->busy && !x->waiting; /* one that still waits will never be posted */
		x->auth = NULL;
	}
	auth_sasl_stop();
	release(*a);
	*a = NULL;
}

static void destroy(struct auth_exchange *x)
{
	struct auth *a = x->auth;

	if (a) {
		if (x->all_next)
			x->all_next->all_prev = x->all_prev;
		if (x->all_prev)
			x->all_prev->all_next = x->all_next;
		else
			a->all = x->all_next;
		sasl_dispose(&x->conn);
	}
	buf_wipe(&x->user);
	buf_wipe(&x->password);
	buf_wipe(&x->response);
	buf_wipe(&x->data);
	buf_free(&x->account);
	free(x);
}

/* On the loop's thread: what a worker (or enqueue) found out goes to the caller. */
static void deliver(struct loop_job *job)
{
	struct auth_exchange *x =
		(struct auth_exchange *)((char *)job - offsetof(struct auth_exchange, job));
	struct auth_answer answer = {
		.status = x->status,
		.data = buf_str(&x->data),
		.account = buf_str(&x->account),
		.mechanism = x->mechanism,
	};

	x->busy = false;
	/* Nobody waits any more, or auth itself has gone. */
	if (x->abandoned)
		destroy(x);
	else if (x->auth)
		x->done(x, x->arg, &answer);
}

static void answer_without_work(struct auth_exchange *x, enum prelogin_auth status, const char *why)
{
	x->status = status;
	x->finished = true;
	buf_clear(&x->data);
	buf_adds(&x->data, why);
	loop_post(x->auth->loop, &x->job);
}

static void enqueue(struct auth_exchange *x)
{
	struct auth *a = x->auth;
	bool full;

	x->next = NULL;
	pthread_mutex_lock(&a->lock);
	full = a->queued >= QUEUE_MAX;
	if (!full) {
		x->waiting = true;
		if (a->tail)
			a->tail->next = x;
		else
			a->head = x;
		a->tail = x;
		a->queued++;
		pthread_cond_signal(&a->wake);
	}
	pthread_mutex_unlock(&a->lock);
	if (full)
		answer_without_work(x, PRELOGIN_AUTH_UNAVAILABLE, "");
}

/* True if x was still waiting and is out of the queue now. */
static bool dequeue(struct auth_exchange *x)
{
	struct auth *a = x->auth;
	struct auth_exchange *before = NULL;
	bool waiting;

	pthread_mutex_lock(&a->lock);
	waiting = x->waiting;
	if (waiting) {
		for (struct auth_exchange *y = a->head; y != x; y = y->next)
			before = y;
		if (before)
			before->next = x->next;
		else
			a->head = x->next;
		if (a->tail == x)
			a->tail = before;
		a->queued--;
		x->waiting = false;
	}
	pthread_mutex_unlock(&a->lock);
	return waiting;
}

static struct auth_exchange *make_exchange(struct auth *a, enum auth_kind kind, const char *service,
	bool secure, auth_done *done, void *arg)
{
	struct auth_exchange *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->auth = a;
	x->job.run = deliver;
	x->kind = kind;
	x->secure = secure;
	x->done = done;
	x->arg = arg;
	strncpy(x->service, service, sizeof(x->service) - 1);
	x->all_next = a->all;
	if (a->all)
		a->all->all_prev = x;
	a->all = x;
	return x;
}

static int copy_terminated(struct buf *to, struct str s)
{
	/* In one piece: growing would leave parts of a password in freed memory. */
	if (s.len >= UINT_MAX || !buf_reserve(to, s.len + 1))
		return -1;
	buf_addstr(to, s);
	return buf_addc(to, '\0');
}

struct auth_exchange *auth_login(struct auth *a, const char *service, bool secure, struct str peer,
	struct str user, struct str password, auth_done *done, void *arg)
{
	struct auth_exchange *x = make_exchange(a, AUTH_LOGIN, service, secure, done, arg);

	(void)peer;
	if (!x)
		return NULL;
	strcpy(x->mechanism, "LOGIN");
	if (copy_terminated(&x->user, user) || copy_terminated(&x->password, password)) {
		destroy(x);
		return NULL;
	}
	x->busy = true;
	if (secure)
		enqueue(x);
	else
		answer_without_work(x, PRELOGIN_AUTH_REFUSED, "a password needs a secure connection");
	return x;
}

/* RFC 4422 3.1: letters, digits, '-' and '_'; they count as capitals. */
static bool take_mechanism(struct auth_exchange *x, struct str name)
{
	if (!name.len || name.len > AUTH_MECHANISM_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.p[i];

		if (c >= 'a' && c <= 'z')
			c = (char)(c - ('a' - 'A'));
		if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_')) {
			x->mechanism[0] = '\0';
			return false;
		}
		x->mechanism[i] = c;
	}
	return true;
}

struct auth_exchange *auth_sasl(struct auth *a, const char *service, bool secure, struct str peer,
	struct str mechanism, struct str initial, auth_done *done, void *arg)
{
	struct auth_exchange *x = make_exchange(a, AUTH_SASL, service, secure, done, arg);

	(void)peer;
	if (!x)
		return NULL;
	x->has_response = initial.p != NULL;
	/* Kept zero-terminated, so that an empty response is not a NULL one. */
	if (copy_terminated(&x->response, initial)) {
		destroy(x);
		return NULL;
	}
	x->response.len--;
	x->busy = true;
	if (take_mechanism(x, mechanism))
		enqueue(x);
	else
		answer_without_work(x, PRELOGIN_AUTH_REFUSED, "no such mechanism");
	return x;
}

void auth_step(struct auth_exchange *x, struct str response)
{
	if (x->busy || !x->auth)
		return;
	x->busy = true;
	if (x->finished) {
		answer_without_work(x, PRELOGIN_AUTH_REFUSED, "no exchange is under way");
		return;
	}
	buf_wipe(&x->response);
	x->has_response = true;
	if (copy_terminated(&x->response, response)) {
		answer_without_work(x, PRELOGIN_AUTH_UNAVAILABLE, "");
		return;
	}
	x->response.len--;
	enqueue(x);
}

void auth_end(struct auth_exchange **x)
{
	struct auth_exchange *gone = *x;

	if (!gone)
		return;
	*x = NULL;
	if (gone->busy && !(gone->auth && dequeue(gone)))
		gone->abandoned = true; /* deliver() is on its way */
	else
		destroy(gone);
}
