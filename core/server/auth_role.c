/* SPDX-License-Identifier: 0BSD */
#include "core/server/auth_role.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/lib/file.h"
#include "core/lib/log.h"

#define EXCHANGES_MAX 100000
#define BUCKETS       1024
#define TEXT_MAX      (64 * 1024)
#define PEER_MAX      64
#define TLS_MAX       128
#define CERTIFICATE_MAX 1024
#define BINDING_MAX   128

/* A client that is logging in. */
struct exchange {
	struct exchange *next;      /* in its bucket */
	struct exchange *next_dead; /* answered, to be freed when libsasl2 is off the stack */
	struct auth_role *role;
	struct auth_exchange *auth;
	uint64_t id;
	enum srv_service service;
	uint8_t flags;
	bool dead, asked; /* asked: an answer to the gate is due */
	char peer[PEER_MAX + 1], tls[TLS_MAX + 1];
	char user[64]; /* as given to LOGIN, for the log */
};

struct auth_role {
	struct srv_child child;
	struct auth *auth;
	struct exchange *bucket[BUCKETS];
	unsigned count;
	struct exchange *dead;
	struct loop_idle bury;
};

struct srv_child *auth_role_child(struct auth_role *r)
{
	return &r->child;
}

static struct exchange **find(struct auth_role *r, uint64_t id)
{
	struct exchange **p = &r->bucket[id % BUCKETS];

	while (*p && (*p)->id != id)
		p = &(*p)->next;
	return p;
}

static void exchange_free(struct exchange *x)
{
	auth_end(&x->auth);
	free(x);
}

static void bury(struct loop_idle *i)
{
	struct auth_role *r = (struct auth_role *)((char *)i - offsetof(struct auth_role, bury));

	while (r->dead) {
		struct exchange *x = r->dead;

		r->dead = x->next_dead;
		exchange_free(x);
	}
}

/* Out of the table now, freed at the end of this turn. */
static void end(struct exchange *x)
{
	struct auth_role *r = x->role;
	struct exchange **p = find(r, x->id);

	if (x->dead)
		return;
	*p = x->next;
	r->count--;
	x->dead = true;
	x->next_dead = r->dead;
	r->dead = x;
	loop_idle_add(r->child.loop, &r->bury);
}

static void reply(struct auth_role *r, uint64_t id, enum prelogin_auth status, struct str data,
	const unsigned char *token)
{
	static const unsigned char zeros[SRV_TOKEN_SIZE];
	struct buf frame = {0};

	buf_put64(&frame, id);
	buf_put8(&frame, (uint8_t)status);
	buf_putstr(&frame, data);
	buf_add(&frame, token ? token : zeros, SRV_TOKEN_SIZE);
	srv_child_send(&r->child, SRV_GATE, SRV_AUTH_REPLY, &frame, -1);
	buf_wipe(&frame);
}

/* Tells mail whom to let in, before the gate can send the client there.  0 / -1. */
static int grant(struct auth_role *r, enum srv_service service, const struct auth_answer *answer,
	unsigned char *token_r)
{
	struct buf frame = {0};
	int rc;

	file_random(token_r, SRV_TOKEN_SIZE);
	buf_add(&frame, token_r, SRV_TOKEN_SIZE);
	buf_put8(&frame, (uint8_t)service);
	buf_putstr(&frame, answer->account);
	buf_putstr(&frame, str_from(answer->mechanism));
	rc = srv_child_send(&r->child, SRV_MAIL, SRV_GRANT, &frame, -1);
	buf_wipe(&frame);
	return rc;
}

/* docs/users.md promises the form of these lines to those who watch for guessers. */
static void log_outcome(const struct exchange *x, const struct auth_answer *answer)
{
	const char *tls = x->tls[0] ? x->tls : x->flags & SRV_TLS ? "yes" : "no";
	const char *mech = answer->mechanism ? answer->mechanism : "";
	const char *service = x->service == SRV_IMAP ? "imap" : "lmtp";
	const char *name = answer->account.len ? log_str(answer->account) : x->user;

	switch (answer->status) {
	case PRELOGIN_AUTH_OK:
		log_info("login", "user", name, "mech", mech, "tls", tls, "peer", x->peer, "service",
			service, answer->actor.len ? "admin" : NULL, log_str(answer->actor), NULL);
		break;
	case PRELOGIN_AUTH_FAILED:
		log_info("login failed", "user", name, "mech", mech, "tls", tls, "peer", x->peer,
			"service", service, NULL);
		break;
	case PRELOGIN_AUTH_DENIED:
		log_info("login denied", "user", name, "mech", mech, "tls", tls, "peer", x->peer,
			"service", service, "why", log_str(answer->data), NULL);
		break;
	case PRELOGIN_AUTH_UNAVAILABLE:
		log_warning("login could not be checked", "why", log_str(answer->data), "peer", x->peer,
			NULL);
		break;
	case PRELOGIN_AUTH_REFUSED:
	case PRELOGIN_AUTH_CONTINUE:
		break;
	}
}

static void done(struct auth_exchange *auth, void *arg, const struct auth_answer *answer)
{
	struct exchange *x = arg;
	unsigned char token[SRV_TOKEN_SIZE];

	x->auth = auth;
	if (x->dead || !x->asked) /* the client left while its password was hashed */
		return;
	x->asked = false;
	log_outcome(x, answer);
	if (answer->status != PRELOGIN_AUTH_OK) {
		reply(x->role, x->id, answer->status, answer->data, NULL);
	} else if (grant(x->role, x->service, answer, token)) {
		reply(x->role, x->id, PRELOGIN_AUTH_UNAVAILABLE, STR(""), NULL);
	} else {
		reply(x->role, x->id, PRELOGIN_AUTH_OK, answer->data, token);
		explicit_bzero(token, sizeof(token));
	}
	if (answer->status != PRELOGIN_AUTH_CONTINUE)
		end(x);
}

struct start {
	uint64_t id;
	uint8_t service, flags, kind, has_initial;
	struct str peer, tls, certificate, exporter, endpoint;
	struct str first, second; /* user and password, or mechanism and initial response */
};

static int read_start(struct cursor *c, struct start *s)
{
	s->id = cursor_u64(c);
	s->service = cursor_u8(c);
	s->flags = cursor_u8(c);
	s->peer = cursor_str(c, PEER_MAX);
	s->tls = cursor_str(c, TLS_MAX);
	s->certificate = cursor_str(c, CERTIFICATE_MAX);
	s->exporter = cursor_str(c, BINDING_MAX);
	s->endpoint = cursor_str(c, BINDING_MAX);
	s->kind = cursor_u8(c);
	s->first = cursor_str(c, TEXT_MAX);
	s->has_initial = s->kind == 1 ? cursor_u8(c) : 1;
	s->second = cursor_str(c, TEXT_MAX);
	if (c->failed || !cursor_done(c) || s->kind > 1 || s->has_initial > 1 ||
		s->flags & ~(SRV_TLS | SRV_SECURE))
		return -1;
	return s->service == SRV_IMAP || s->service == SRV_LMTP ? 0 : -1;
}

static struct exchange *exchange_new(struct auth_role *r, const struct start *s)
{
	struct exchange *x = r->count < EXCHANGES_MAX ? calloc(1, sizeof(*x)) : NULL;
	struct exchange **p = &r->bucket[s->id % BUCKETS];

	if (!x)
		return NULL;
	x->role = r;
	x->id = s->id;
	x->service = s->service;
	x->flags = s->flags;
	memcpy(x->peer, s->peer.p, s->peer.len);
	if (s->tls.len)
		memcpy(x->tls, s->tls.p, s->tls.len);
	if (s->kind == 0)
		memcpy(x->user, s->first.p,
			s->first.len < sizeof(x->user) ? s->first.len : sizeof(x->user) - 1);
	x->asked = true;
	x->next = *p;
	*p = x;
	r->count++;
	return x;
}

static int take_start(struct auth_role *r, struct cursor payload)
{
	struct auth_exchange *auth;
	struct auth_client client;
	struct exchange *x;
	struct start s;

	if (read_start(&payload, &s) || *find(r, s.id))
		return -1;
	x = exchange_new(r, &s);
	if (!x) {
		reply(r, s.id, PRELOGIN_AUTH_UNAVAILABLE, STR(""), NULL);
		return 0;
	}
	client = (struct auth_client){
		.lmtp = s.service == SRV_LMTP,
		.secure = s.flags & (SRV_TLS | SRV_SECURE),
		.certificate = s.certificate,
		.exporter = s.exporter,
		.endpoint = s.endpoint,
	};
	if (s.kind == 0)
		auth = auth_login(r->auth, &client, s.first, s.second, done, x);
	else
		auth = auth_sasl(r->auth, &client, s.first,
			s.has_initial ? (s.second.p ? s.second : STR("")) : STR_NULL, done, x);
	/* x is freed no earlier than at the end of this turn. */
	if (auth)
		x->auth = auth;
	if (!auth && x->asked) {
		x->asked = false;
		reply(r, s.id, PRELOGIN_AUTH_UNAVAILABLE, STR(""), NULL);
		end(x);
	}
	return 0;
}

static int take_step(struct auth_role *r, struct cursor payload)
{
	struct exchange *x = *find(r, cursor_u64(&payload));
	struct str response = cursor_str(&payload, TEXT_MAX);

	if (payload.failed || !cursor_done(&payload) || !x || x->asked)
		return -1;
	x->asked = true;
	auth_step(x->auth, response);
	return 0;
}

static int take_abort(struct auth_role *r, struct cursor payload)
{
	struct exchange *x = *find(r, cursor_u64(&payload));

	if (payload.failed || !cursor_done(&payload))
		return -1;
	if (x) /* its answer may have been sent just before */
		end(x);
	return 0;
}

static int auth_message(struct srv_child *child, enum srv_role from, uint16_t type,
	struct cursor payload, int fd)
{
	struct auth_role *r = (struct auth_role *)child;

	if (fd >= 0) {
		close(fd);
		return -1;
	}
	if (from != SRV_GATE)
		return -1;
	switch (type) {
	case SRV_AUTH_START:
		return take_start(r, payload);
	case SRV_AUTH_STEP:
		return take_step(r, payload);
	case SRV_AUTH_ABORT:
		return take_abort(r, payload);
	default:
		return -1;
	}
}

static void end_all(struct auth_role *r)
{
	for (unsigned i = 0; i < BUCKETS; i++) {
		while (r->bucket[i])
			end(r->bucket[i]);
	}
}

static void auth_peer_down(struct srv_child *child, enum srv_role role)
{
	if (role == SRV_GATE)
		end_all((struct auth_role *)child);
}

static void auth_drain(struct srv_child *child)
{
	loop_stop(child->loop);
}

static const struct srv_child_ops auth_ops = {
	.message = auth_message,
	.peer_down = auth_peer_down,
	.drain = auth_drain,
};

struct auth_role *auth_role_new(struct loop *l, struct auth *auth)
{
	struct auth_role *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	srv_child_init(&r->child, l, SRV_AUTH, &auth_ops);
	r->auth = auth;
	r->bury.run = bury;
	return r;
}

void auth_role_free(struct auth_role **r)
{
	if (!*r)
		return;
	end_all(*r);
	bury(&(*r)->bury);
	loop_idle_del((*r)->child.loop, &(*r)->bury);
	srv_child_close(&(*r)->child);
	free(*r);
	*r = NULL;
}

int srv_auth_run(int channel, int data_fd, int jail, int master_pid)
{
	struct loop *l = loop_new();
	struct auth_role *r = l ? auth_role_new(l, NULL) : NULL;
	struct auth_options options = {.dirfd = data_fd};
	struct buf error = {0};
	struct auth *auth;
	int rc;

	if (!r || srv_child_connect(&r->child, SRV_MASTER, channel))
		die("cannot start auth", NULL);
	srv_confine(SRV_AUTH, data_fd, jail, master_pid);
	options.hostname = srv_hostname();
	options.cache_seconds = (unsigned)srv_settings.login_cache_minutes * 60;
	r->auth = auth_new(l, &options, &error);
	if (!r->auth) {
		errno = 0;
		die(log_str(str_trim(buf_str(&error))), NULL);
	}
	srv_child_ready(&r->child);
	rc = loop_run(l);
	auth = r->auth;
	auth_role_free(&r);
	auth_free(&auth);
	loop_free(&l);
	return rc ? 1 : 0;
}
