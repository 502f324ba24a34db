/* SPDX-License-Identifier: 0BSD */
#include "core/auth/auth.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/auth/exchange.h"
#include "core/auth/warm.h"
#include "core/lib/file.h"
#include "core/lib/log.h"

static int found(struct auth_exchange *x, int rc)
{
	if (rc < 0 && !x->unavailable) {
		log_error("users.cdb cannot be read", "reason",
			errno == EPROTO ? "damaged" : strerror(errno), NULL);
		x->unavailable = true;
	}
	return rc;
}

/* The file's number, which stays; else one of this process. */
static void take_key(struct auth *a)
{
	unsigned char key[32];

	if (!a->has_key && users_find_key(a->users, key) == 1) {
		memcpy(a->install_key, key, sizeof(key));
		a->has_key = true;
	}
	explicit_bzero(key, sizeof(key));
}

int auth_find_password(struct auth_exchange *x, struct str name, struct buf *line)
{
	struct auth *a = x->auth;
	int rc;

	pthread_mutex_lock(&a->users_lock);
	rc = users_find_password(a->users, name, line);
	pthread_mutex_unlock(&a->users_lock);
	return found(x, rc);
}

int auth_find_line(struct auth_exchange *x, struct str name, const char *kind, struct buf *line)
{
	struct auth *a = x->auth;
	int rc;

	pthread_mutex_lock(&a->users_lock);
	take_key(a);
	rc = users_find_line(a->users, name, kind, line);
	pthread_mutex_unlock(&a->users_lock);
	return found(x, rc);
}

int auth_find_flags(struct auth_exchange *x, struct str name, unsigned *flags_r)
{
	struct auth *a = x->auth;
	int rc;

	pthread_mutex_lock(&a->users_lock);
	rc = users_find_flags(a->users, name, flags_r);
	pthread_mutex_unlock(&a->users_lock);
	return found(x, rc);
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
	buf_wipe(&x->exporter);
	buf_free(&x->endpoint);
	buf_free(&x->certificate);
	buf_free(&x->account);
	buf_free(&x->actor);
	buf_free(&x->tried);
	free(x);
}

/* What a worker found out goes to the caller, or nowhere when nobody waits any more. */
static void deliver(struct auth_exchange *x)
{
	struct auth_answer answer = {
		.status = x->status,
		.data = buf_str(&x->data),
		.account = buf_str(&x->account),
		.actor = buf_str(&x->actor),
		.mechanism = x->mechanism,
	};

	x->busy = false;
	if (x->abandoned)
		destroy(x);
	else
		x->done(x, x->arg, &answer);
}

static void deliver_all(struct loop_fd *ready, uint32_t events)
{
	struct auth *a = (struct auth *)((char *)ready - offsetof(struct auth, ready));
	struct auth_exchange *x;
	uint64_t count;
	ssize_t ignored = read(ready->fd, &count, sizeof(count));

	(void)ignored;
	(void)events;
	while ((x = auth_workers_done(a)))
		deliver(x);
}

static int fail(struct buf *error_r, const char *what)
{
	buf_addv(error_r, what, ": ", strerror(errno), NULL);
	return -1;
}

/* A line that costs what any costs, and that no password is known to fit. */
static int make_nobody(struct buf *line)
{
	struct user_secret secret = {.iterations = CONFIG_SCRAM_ITERATIONS, .salt_len = 16};

	file_random(secret.salt, secret.salt_len);
	file_random(secret.stored_key, sizeof(secret.stored_key));
	return user_secret_format(&secret, line);
}

static int start(struct auth *a, const struct auth_options *o, struct buf *error_r)
{
	file_random(a->install_key, sizeof(a->install_key));
	warm_start(o->cache_seconds);
	a->hostname = strdup(o->hostname && *o->hostname ? o->hostname : "localhost");
	a->users = users_open(o->dirfd);
	if (make_nobody(&a->nobody))
		return fail(error_r, "authentication");
	if (!a->hostname || !a->users)
		return fail(error_r, "authentication");
	a->ready.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (a->ready.fd < 0 || loop_add(a->loop, &a->ready, EPOLLIN))
		return fail(error_r, "authentication");
	if (auth_sasl_start(a, error_r))
		goto leave_loop;
	if (auth_workers_start(a)) {
		fail(error_r, "threads");
		goto stop_sasl;
	}
	return 0;

stop_sasl:
	auth_sasl_stop();
leave_loop:
	loop_del(a->loop, &a->ready);
	return -1;
}

static void release(struct auth *a)
{
	if (a->ready.fd >= 0)
		close(a->ready.fd);
	users_close(&a->users);
	buf_free(&a->nobody);
	explicit_bzero(a->install_key, sizeof(a->install_key));
	warm_stop();
	pthread_mutex_destroy(&a->users_lock);
	pthread_mutex_destroy(&a->lock);
	pthread_cond_destroy(&a->wake);
	free(a->hostname);
	free(a);
}

struct auth *auth_new(struct loop *l, const struct auth_options *options, struct buf *error_r)
{
	struct auth *a = calloc(1, sizeof(*a));

	if (!a) {
		fail(error_r, "authentication");
		return NULL;
	}
	a->loop = l;
	a->ready.fd = -1;
	a->ready.ready = deliver_all;
	pthread_mutex_init(&a->users_lock, NULL);
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->wake, NULL);
	if (start(a, options, error_r)) {
		release(a);
		return NULL;
	}
	return a;
}

void auth_free(struct auth **auth)
{
	struct auth *a = *auth;
	struct auth_exchange *next;

	if (!a)
		return;
	auth_workers_stop(a);
	loop_del(a->loop, &a->ready);
	for (struct auth_exchange *x = a->all; x; x = next) {
		next = x->all_next;
		x->busy = false;
		if (x->abandoned) {
			destroy(x);
		} else {
			sasl_dispose(&x->conn);
			x->auth = NULL;
		}
	}
	auth_sasl_stop();
	release(a);
	*auth = NULL;
}

static void answer_without_work(struct auth_exchange *x, enum prelogin_auth status, const char *why)
{
	x->status = status;
	x->finished = true;
	buf_clear(&x->data);
	buf_adds(&x->data, why);
	auth_workers_hand_back(x);
}

static void enqueue(struct auth_exchange *x)
{
	if (!auth_workers_add(x))
		answer_without_work(x, PRELOGIN_AUTH_UNAVAILABLE, "");
}

static int copy_terminated(struct buf *to, struct str s)
{
	/* In one piece: growing would leave parts of a password in freed memory. */
	if (s.len >= UINT_MAX || !buf_reserve(to, s.len + 1))
		return -1;
	buf_addstr(to, s);
	return buf_addc(to, '\0');
}

/* The same, with the end not counted. */
static int copy_text(struct buf *to, struct str s)
{
	if (copy_terminated(to, s))
		return -1;
	to->len--;
	return 0;
}

static struct auth_exchange *make_exchange(struct auth *a, enum auth_kind kind,
	const struct auth_client *c, auth_done *done, void *arg)
{
	struct auth_exchange *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->auth = a;
	x->kind = kind;
	x->lmtp = c->lmtp;
	x->secure = c->secure;
	x->done = done;
	x->arg = arg;
	x->all_next = a->all;
	if (a->all)
		a->all->all_prev = x;
	a->all = x;
	/* A name with a NUL in it is somebody else's when it is cut there. */
	if ((c->certificate.len && !memchr(c->certificate.p, 0, c->certificate.len) &&
		    copy_text(&x->certificate, c->certificate)) ||
			(c->exporter.len && copy_text(&x->exporter, c->exporter)) ||
			(c->endpoint.len && copy_text(&x->endpoint, c->endpoint))) {
		destroy(x);
		return NULL;
	}
	return x;
}

struct auth_exchange *auth_login(struct auth *a, const struct auth_client *client, struct str user,
	struct str password, auth_done *done, void *arg)
{
	struct auth_exchange *x = make_exchange(a, AUTH_LOGIN, client, done, arg);

	if (!x)
		return NULL;
	strcpy(x->mechanism, "LOGIN");
	if (copy_terminated(&x->user, user) || copy_terminated(&x->password, password)) {
		destroy(x);
		return NULL;
	}
	x->busy = true;
	if (x->secure)
		enqueue(x);
	else
		answer_without_work(x, PRELOGIN_AUTH_REFUSED,
			"a password needs a secure connection");
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

struct auth_exchange *auth_sasl(struct auth *a, const struct auth_client *client,
	struct str mechanism, struct str initial, auth_done *done, void *arg)
{
	struct auth_exchange *x = make_exchange(a, AUTH_SASL, client, done, arg);

	if (!x)
		return NULL;
	x->has_response = initial.p != NULL;
	/* Kept zero-terminated, so that an empty response is not a NULL one. */
	if (copy_text(&x->response, initial)) {
		destroy(x);
		return NULL;
	}
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
	if (copy_text(&x->response, response)) {
		answer_without_work(x, PRELOGIN_AUTH_UNAVAILABLE, "");
		return;
	}
	enqueue(x);
}

void auth_end(struct auth_exchange **x)
{
	struct auth_exchange *gone = *x;

	if (!gone)
		return;
	*x = NULL;
	if (gone->busy && !auth_workers_cancel(gone))
		gone->abandoned = true; /* deliver() or auth_free() comes by */
	else
		destroy(gone);
}
