/* SPDX-License-Identifier: 0BSD */
#include "core/server/gate.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/imap/imap.h"
#include "core/lib/log.h"
#include "core/lib/prelogin.h"
#include "core/lib/vec.h"
#include "core/lmtp/lmtp.h"

#define ACCEPT_BURST   64
#define ACCEPT_PAUSE   100 /* ms without descriptors */
#define BUCKETS        1024
#define READ_MAX       4096
#define OUT_MAX        (64 * 1024)
#define OUT_HIGH       (16 * 1024) /* no more commands are read above this */
#define LINGER_MS      2000
#define DRAIN_MS       3000
#define REASON_MAX     4096

/* What a protocol does before login. */
struct gate_protocol {
	const char *name;
	void (*greet)(struct prelogin *p);
	void (*input)(struct prelogin *p);
	void (*auth)(struct prelogin *p, enum prelogin_auth status, struct str data);
	void (*bye)(struct prelogin *p, const char *why);
};

static const struct gate_protocol imap_protocol = {"imap", ENABLE_IMAP ? imap_prelogin_greet : NULL,
	ENABLE_IMAP ? imap_prelogin_input : NULL, ENABLE_IMAP ? imap_prelogin_auth : NULL,
	ENABLE_IMAP ? imap_prelogin_bye : NULL};
static const struct gate_protocol lmtp_protocol = {"lmtp", ENABLE_LMTP ? lmtp_prelogin_greet : NULL,
	ENABLE_LMTP ? lmtp_prelogin_input : NULL, NULL, ENABLE_LMTP ? lmtp_prelogin_bye : NULL};

enum conn_state {
	OPEN,
	WAITING,   /* for auth's answer */
	DELAYED,   /* a refusal that is told later */
	LAST,      /* only its last words are still to be written */
	LINGERING, /* written; reads until the client has seen them, so that no reset eats them */
};

struct gate_conn {
	struct loop_fd io;
	struct loop_timer timer, delay;
	struct gate *gate;
	struct gate_conn *next_same; /* in its bucket */
	const struct gate_protocol *protocol;
	struct prelogin p;
	enum srv_service service;
	enum conn_state state;
	enum prelogin_auth refusal; /* while DELAYED */
	struct buf refusal_data;
	uint64_t id, address;
	unsigned failures;
	bool exchange; /* auth keeps something for this connection */
	char peer[64];
	unsigned char token[SRV_TOKEN_SIZE];
};

struct gate_listener {
	struct loop_fd io;
	struct gate *gate;
	enum srv_service service;
};

struct gate {
	struct srv_child child;
	struct gate_listener *listeners;
	size_t n_listeners;
	struct {
		struct gate_conn **v;
		size_t n, cap;
	} slots; /* by the low half of the id */
	struct gate_conn *bucket[BUCKETS]; /* by address */
	size_t count;
	uint32_t turn; /* the high half of ids, so that an old answer meets nobody */
	struct loop_timer resume, drained;
	bool draining;
};

size_t gate_connections(const struct gate *g)
{
	return g->count;
}

struct srv_child *gate_child(struct gate *g)
{
	return &g->child;
}

/* ---- the table of connections ---- */

static struct gate_conn *find(struct gate *g, uint64_t id)
{
	size_t i = id & UINT32_MAX;

	return i < g->slots.n && g->slots.v[i] && g->slots.v[i]->id == id ? g->slots.v[i] : NULL;
}

static int table_add(struct gate *g, struct gate_conn *c)
{
	size_t i = 0;

	while (i < g->slots.n && g->slots.v[i])
		i++;
	if (i == g->slots.n && vec_push(&g->slots, NULL))
		return -1;
	g->slots.v[i] = c;
	c->id = (uint64_t)++g->turn << 32 | i;
	c->next_same = g->bucket[c->address % BUCKETS];
	g->bucket[c->address % BUCKETS] = c;
	g->count++;
	return 0;
}

static void table_remove(struct gate *g, struct gate_conn *c)
{
	struct gate_conn **p = &g->bucket[c->address % BUCKETS];

	while (*p != c)
		p = &(*p)->next_same;
	*p = c->next_same;
	g->slots.v[c->id & UINT32_MAX] = NULL;
	while (g->slots.n && !g->slots.v[g->slots.n - 1])
		g->slots.n--;
	g->count--;
}

static uint64_t count_same(const struct gate *g, uint64_t address)
{
	uint64_t n = 0;

	for (const struct gate_conn *c = g->bucket[address % BUCKETS]; c; c = c->next_same)
		n += c->address == address;
	return n;
}

static void stop_if_drained(struct gate *g)
{
	if (g->draining && g->count == 0)
		loop_stop(g->child.loop);
}

static void abort_auth(struct gate_conn *c)
{
	struct buf frame = {0};

	buf_put64(&frame, c->id);
	srv_child_send(&c->gate->child, SRV_AUTH, SRV_AUTH_ABORT, &frame, -1);
	buf_free(&frame);
	c->exchange = false;
}

/* The descriptor is closed, or has gone to mail already (io.fd is -1 then). */
static void conn_drop(struct gate_conn *c)
{
	struct gate *g = c->gate;

	if (c->io.fd >= 0) {
		loop_del(g->child.loop, &c->io);
		close(c->io.fd);
	}
	if (c->exchange)
		abort_auth(c);
	loop_timer_stop(&c->timer);
	loop_timer_stop(&c->delay);
	table_remove(g, c);
	buf_wipe(&c->p.in);
	buf_free(&c->p.out);
	buf_wipe(&c->p.auth);
	buf_free(&c->p.tag);
	buf_free(&c->p.lhlo);
	buf_free(&c->refusal_data);
	explicit_bzero(c->token, sizeof(c->token));
	free(c);
	stop_if_drained(g);
}

/* ---- bytes ---- */

/* 0, or -1: the client is gone. */
static int write_out(struct gate_conn *c)
{
	while (c->p.out.len) {
		struct str s = buf_str(&c->p.out);
		ssize_t n = send(c->io.fd, s.p, s.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		buf_consume(&c->p.out, (size_t)n);
	}
	buf_trim(&c->p.out);
	return 0;
}

/* 1 something came, 0 not now, -1 the end. */
static int read_in(struct gate_conn *c)
{
	struct buf *in = &c->p.in;
	size_t room = in->max - in->len < READ_MAX ? in->max - in->len : READ_MAX;
	char *to = buf_reserve(in, room);
	ssize_t n;

	if (!to)
		return -1;
	n = recv(c->io.fd, to, room, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n == 0)
		return -1;
	buf_commit(in, (size_t)n);
	return 1;
}

static void watch(struct gate_conn *c)
{
	uint32_t events = c->p.out.len ? EPOLLOUT : 0;

	if ((c->state == OPEN && c->p.out.len < OUT_HIGH) || c->state == LINGERING)
		events |= EPOLLIN;
	loop_set(c->gate->child.loop, &c->io, events);
}

/* ---- what the protocol wants ---- */

static void act(struct gate_conn *c);

static void say_bye(struct gate_conn *c, const char *why)
{
	c->protocol->bye(&c->p, why);
	c->p.want = PRELOGIN_CLOSE;
}

static uint8_t flags_of(const struct gate_conn *c)
{
	return c->p.secure ? SRV_SECURE : 0;
}

static void answer(struct gate_conn *c, enum prelogin_auth status, struct str data)
{
	c->state = OPEN;
	c->p.want = PRELOGIN_READ;
	c->protocol->auth(&c->p, status, data);
	/* The client may have sent its next commands already. */
	if (c->p.want == PRELOGIN_READ && c->p.in.len)
		c->protocol->input(&c->p);
	act(c);
}

/* 0, or -1: auth is not there. */
static int ask_auth(struct gate_conn *c)
{
	struct gate *g = c->gate;
	struct buf frame = {0};
	int rc;

	if (c->p.auth_abort && c->exchange)
		abort_auth(c);
	c->p.auth_abort = false;
	buf_put64(&frame, c->id);
	if (c->p.auth_first) {
		buf_put8(&frame, (uint8_t)c->service);
		buf_put8(&frame, flags_of(c));
		buf_putstr(&frame, str_from(c->peer));
	}
	buf_addstr(&frame, buf_str(&c->p.auth));
	c->state = WAITING;
	rc = srv_child_send(&g->child, SRV_AUTH,
		c->p.auth_first ? SRV_AUTH_START : SRV_AUTH_STEP, &frame, -1);
	buf_wipe(&frame);
	buf_wipe(&c->p.auth);
	c->exchange = rc == 0;
	return rc;
}

/* Frees c in every case. */
static void hand_off(struct gate_conn *c)
{
	struct buf frame = {0};
	int fd = c->io.fd;

	buf_put8(&frame, (uint8_t)c->service);
	buf_put8(&frame, flags_of(c));
	buf_add(&frame, c->token, sizeof(c->token));
	buf_putstr(&frame, buf_str(&c->p.tag));
	buf_putstr(&frame, buf_str(&c->p.lhlo));
	buf_putstr(&frame, str_from(c->peer));
	buf_putstr(&frame, buf_str(&c->p.in));
	loop_del(c->gate->child.loop, &c->io);
	c->io.fd = -1;
	if (srv_child_send(&c->gate->child, SRV_MAIL, SRV_HANDOFF, &frame, fd))
		log_warning("hand-off failed, connection lost", "peer", c->peer, NULL);
	buf_wipe(&frame);
	conn_drop(c);
}

static void finish(struct gate_conn *c)
{
	if (c->state != LAST && c->state != LINGERING) {
		c->state = LAST;
		loop_timer_start(c->gate->child.loop, &c->timer, LINGER_MS);
	}
	if (c->p.out.len == 0 && c->state == LAST) {
		c->state = LINGERING;
		buf_clear(&c->p.in);
		shutdown(c->io.fd, SHUT_WR);
	}
	watch(c);
}

/* Does what the protocol wants next; c may be gone afterwards. */
static void act(struct gate_conn *c)
{
	bool full = c->p.want == PRELOGIN_READ && c->p.in.len >= c->p.in.max;

	if (full)
		say_bye(c, "line too long");
	if (c->p.want == PRELOGIN_HANDOFF && !srv_child_connected(&c->gate->child, SRV_MAIL))
		say_bye(c, "mail store is restarting, try again");
	if (c->p.in.failed || c->p.out.failed || c->p.auth.failed || write_out(c)) {
		conn_drop(c);
		return;
	}
	switch (c->p.want) {
	case PRELOGIN_READ:
		buf_trim(&c->p.in);
		watch(c);
		break;
	case PRELOGIN_AUTH:
		if (ask_auth(c) == 0)
			watch(c);
		else
			answer(c, PRELOGIN_AUTH_UNAVAILABLE, STR(""));
		break;
	case PRELOGIN_HANDOFF:
		/* Answers to earlier commands leave first. */
		if (c->p.out.len)
			loop_set(c->gate->child.loop, &c->io, EPOLLOUT);
		else
			hand_off(c);
		break;
	case PRELOGIN_CLOSE:
		finish(c);
		break;
	}
}

static void discard(struct gate_conn *c)
{
	char bytes[READ_MAX];
	ssize_t n = recv(c->io.fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		conn_drop(c);
}

static void conn_ready(struct loop_fd *io, uint32_t events)
{
	struct gate_conn *c = (struct gate_conn *)((char *)io - offsetof(struct gate_conn, io));

	if (c->state == LINGERING) {
		discard(c);
		return;
	}
	if (events & (EPOLLERR | EPOLLHUP) && !(events & EPOLLIN)) {
		conn_drop(c);
		return;
	}
	if (c->state == WAITING || c->state == DELAYED) {
		if (write_out(c))
			conn_drop(c);
		else
			watch(c);
		return;
	}
	if (events & EPOLLIN && c->p.want == PRELOGIN_READ) {
		int rc = read_in(c);

		if (rc < 0) {
			write_out(c);
			conn_drop(c);
			return;
		}
		if (rc > 0)
			c->protocol->input(&c->p);
	}
	act(c);
}

/* Too long without a login, or the last words were not taken. */
static void conn_late(struct loop_timer *t)
{
	struct gate_conn *c = (struct gate_conn *)((char *)t - offsetof(struct gate_conn, timer));

	if (c->state == LAST || c->state == LINGERING) {
		conn_drop(c);
		return;
	}
	loop_timer_stop(&c->delay);
	c->state = OPEN;
	say_bye(c, "too long without login");
	act(c);
}

static void conn_delay_over(struct loop_timer *t)
{
	struct gate_conn *c = (struct gate_conn *)((char *)t - offsetof(struct gate_conn, delay));
	struct buf data = c->refusal_data;

	c->refusal_data = (struct buf){0};
	answer(c, c->refusal, buf_str(&data));
	buf_free(&data);
}

/* ---- new connections ---- */

static struct gate_conn *conn_new(struct gate *g, enum srv_service service, int fd)
{
	struct gate_conn *c = calloc(1, sizeof(*c));
	struct sockaddr_storage a = {.ss_family = AF_UNSPEC};
	struct buf peer = {.max = sizeof(c->peer) - 1};
	socklen_t len = sizeof(a);
	int one = 1;

	if (!c)
		return NULL;
	getpeername(fd, (struct sockaddr *)&a, &len);
	srv_address_add(&peer, &a);
	memcpy(c->peer, buf_str(&peer).p, peer.len);
	buf_free(&peer);
	if (a.ss_family == AF_INET || a.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->gate = g;
	c->service = service;
	c->protocol = service == SRV_IMAP ? &imap_protocol : &lmtp_protocol;
	c->address = srv_address_key(&a);
	c->p.hostname = srv_hostname();
	c->p.secure = srv_address_is_local(&a) || srv_settings.plaintext;
	/* Room for a line of the longest kind and what is pipelined behind it. */
	c->p.in.max = CONFIG_PRELOGIN_LINE_MAX + READ_MAX;
	c->p.out.max = OUT_MAX;
	c->p.auth.max = CONFIG_PRELOGIN_LINE_MAX + READ_MAX;
	c->io = (struct loop_fd){.fd = fd, .ready = conn_ready};
	c->timer.fire = conn_late;
	c->delay.fire = conn_delay_over;
	return c;
}

/* Why this one is not welcome, or NULL. */
static const char *refuse(const struct gate *g, const struct gate_conn *c)
{
	if (g->draining)
		return "shutting down";
	if (g->count > srv_settings.prelogin_connections)
		return "too many connections, try again";
	if (c->address && count_same(g, c->address) > srv_settings.prelogin_per_address)
		return "too many connections from your address";
	return NULL;
}

void gate_take(struct gate *g, enum srv_service service, int fd)
{
	struct gate_conn *c = conn_new(g, service, fd);
	const char *why;

	if (!c || table_add(g, c) || loop_add(g->child.loop, &c->io, 0)) {
		if (c && c->id) {
			conn_drop(c);
			return;
		}
		free(c);
		close(fd);
		return;
	}
	why = refuse(g, c);
	if (why) {
		log_warning("connection refused", "service", c->protocol->name, "peer", c->peer, "why",
			why, NULL);
		say_bye(c, why);
		/* Nobody who is turned away may stay, or turning away would not help. */
		write_out(c);
		conn_drop(c);
		return;
	}
	log_debug("connection", "service", c->protocol->name, "peer", c->peer, NULL);
	loop_timer_start(g->child.loop, &c->timer, srv_settings.prelogin_seconds * 1000);
	c->protocol->greet(&c->p);
	act(c);
}

static void listen_all(struct gate *g, bool on)
{
	for (size_t i = 0; i < g->n_listeners; i++) {
		struct gate_listener *l = &g->listeners[i];

		if (l->io.fd >= 0)
			loop_set(g->child.loop, &l->io, on ? EPOLLIN : 0);
	}
}

static void resume(struct loop_timer *t)
{
	struct gate *g = (struct gate *)((char *)t - offsetof(struct gate, resume));

	listen_all(g, true);
}

static void listener_ready(struct loop_fd *io, uint32_t events)
{
	struct gate_listener *l =
		(struct gate_listener *)((char *)io - offsetof(struct gate_listener, io));

	(void)events;
	for (int i = 0; i < ACCEPT_BURST; i++) {
		int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			gate_take(l->gate, l->service, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			/* The connection stays in the queue and would be reported without end. */
			log_warning("no descriptors left, not accepting for a moment", NULL);
			listen_all(l->gate, false);
			loop_timer_start(l->gate->child.loop, &l->gate->resume, ACCEPT_PAUSE);
			return;
		}
		if (errno == EAGAIN)
			return;
	}
}

/* ---- other roles ---- */

static void refused(struct gate_conn *c, enum prelogin_auth status, struct str data)
{
	unsigned doublings = c->failures < 3 ? c->failures : 3;

	c->failures++;
	c->state = DELAYED;
	c->refusal = status;
	buf_clear(&c->refusal_data);
	buf_addstr(&c->refusal_data, data);
	loop_timer_start(c->gate->child.loop, &c->delay,
		srv_settings.login_failure_delay * 1000 << doublings);
	watch(c);
}

static int auth_reply(struct gate *g, struct cursor payload)
{
	struct gate_conn *c = find(g, cursor_u64(&payload));
	uint8_t status = cursor_u8(&payload);
	struct str data = cursor_str(&payload, CONFIG_PRELOGIN_LINE_MAX);
	struct str token = cursor_take(&payload, SRV_TOKEN_SIZE);

	if (payload.failed || !cursor_done(&payload) || status > PRELOGIN_AUTH_REFUSED)
		return -1;
	if (c && status != PRELOGIN_AUTH_CONTINUE)
		c->exchange = false;
	if (!c || c->state != WAITING) /* the client left meanwhile, or is being shown out */
		return 0;
	if (status == PRELOGIN_AUTH_OK && !srv_child_connected(&g->child, SRV_MAIL)) {
		answer(c, PRELOGIN_AUTH_UNAVAILABLE, STR(""));
		return 0;
	}
	if (status == PRELOGIN_AUTH_OK)
		memcpy(c->token, token.p, sizeof(c->token));
	if (status == PRELOGIN_AUTH_FAILED && srv_settings.login_failure_delay)
		refused(c, (enum prelogin_auth)status, data);
	else
		answer(c, (enum prelogin_auth)status, data);
	return 0;
}

static int gate_message(struct srv_child *child, enum srv_role from, uint16_t type,
	struct cursor payload, int fd)
{
	struct gate *g = (struct gate *)child;

	if (fd >= 0) {
		close(fd);
		return -1;
	}
	return from == SRV_AUTH && type == SRV_AUTH_REPLY ? auth_reply(g, payload) : -1;
}

static void gate_peer_down(struct srv_child *child, enum srv_role role)
{
	struct gate *g = (struct gate *)child;

	if (role != SRV_AUTH)
		return;
	for (size_t i = 0; i < g->slots.n; i++) {
		struct gate_conn *c = g->slots.v[i];

		if (c)
			c->exchange = false;
		if (c && c->state == WAITING)
			answer(c, PRELOGIN_AUTH_UNAVAILABLE, STR(""));
	}
}

static void close_listeners(struct gate *g)
{
	for (size_t i = 0; i < g->n_listeners; i++) {
		struct gate_listener *l = &g->listeners[i];

		if (l->io.fd < 0)
			continue;
		loop_del(g->child.loop, &l->io);
		close(l->io.fd);
		l->io.fd = -1;
	}
}

static void drain_over(struct loop_timer *t)
{
	struct gate *g = (struct gate *)((char *)t - offsetof(struct gate, drained));

	loop_stop(g->child.loop);
}

static void gate_drain(struct srv_child *child)
{
	struct gate *g = (struct gate *)child;

	if (g->draining)
		return;
	g->draining = true;
	loop_timer_stop(&g->resume);
	close_listeners(g);
	loop_timer_start(g->child.loop, &g->drained, DRAIN_MS);
	for (size_t i = 0; i < g->slots.n; i++) {
		struct gate_conn *c = g->slots.v[i];

		if (!c || c->state == LAST || c->state == LINGERING)
			continue;
		loop_timer_stop(&c->delay);
		c->state = OPEN;
		say_bye(c, "shutting down");
		act(c);
	}
	stop_if_drained(g);
}

static const struct srv_child_ops gate_ops = {
	.message = gate_message,
	.peer_down = gate_peer_down,
	.drain = gate_drain,
};

/* ---- life ---- */

struct gate *gate_new(struct loop *l, const struct srv_listeners *listeners)
{
	struct gate *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	srv_child_init(&g->child, l, SRV_GATE, &gate_ops);
	g->resume.fire = resume;
	g->drained.fire = drain_over;
	g->listeners = calloc(listeners->n ? listeners->n : 1, sizeof(*g->listeners));
	if (!g->listeners) {
		free(g);
		return NULL;
	}
	for (size_t i = 0; i < listeners->n; i++) {
		struct gate_listener *one = &g->listeners[g->n_listeners++];

		one->io = (struct loop_fd){.fd = listeners->v[i].fd, .ready = listener_ready};
		one->gate = g;
		one->service = listeners->v[i].service;
		if (loop_add(l, &one->io, EPOLLIN))
			one->io.fd = -1;
	}
	return g;
}

void gate_free(struct gate **gate)
{
	struct gate *g = *gate;

	if (!g)
		return;
	g->draining = false;
	for (size_t i = g->slots.n; i-- > 0;) {
		if (i < g->slots.n && g->slots.v[i])
			conn_drop(g->slots.v[i]);
	}
	close_listeners(g);
	loop_timer_stop(&g->resume);
	loop_timer_stop(&g->drained);
	srv_child_close(&g->child);
	free(g->slots.v);
	free(g->listeners);
	free(g);
	*gate = NULL;
}

int srv_gate_run(int channel, const struct srv_listeners *listeners, int jail, int master_pid)
{
	struct loop *l = loop_new();
	struct gate *g = l ? gate_new(l, listeners) : NULL;
	int rc;

	if (!g || srv_child_connect(&g->child, SRV_MASTER, channel))
		die("cannot start the gate", NULL);
	srv_confine(SRV_GATE, -1, jail, master_pid);
	srv_child_ready(&g->child);
	rc = loop_run(l);
	gate_free(&g);
	loop_free(&l);
	return rc ? 1 : 0;
}
