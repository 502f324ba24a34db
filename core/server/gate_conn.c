/* SPDX-License-Identifier: 0BSD */
#include "core/server/gate_conn.h"

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
#include "core/lib/network.h"
#include "core/lmtp/lmtp.h"

#define OUT_MAX   (64 * 1024)
#define LINGER_MS 2000
#define REFUSAL_LOG_MS 1000

static const struct gate_protocol imap_protocol = {"imap", ENABLE_IMAP ? imap_prelogin_greet : NULL,
	ENABLE_IMAP ? imap_prelogin_input : NULL, ENABLE_IMAP ? imap_prelogin_auth : NULL,
	ENABLE_IMAP ? imap_prelogin_bye : NULL};
static const struct gate_protocol lmtp_protocol = {"lmtp", ENABLE_LMTP ? lmtp_prelogin_greet : NULL,
	ENABLE_LMTP ? lmtp_prelogin_input : NULL,
	ENABLE_LMTP_AUTH ? lmtp_prelogin_auth : NULL, ENABLE_LMTP ? lmtp_prelogin_bye : NULL};

void gate_conn_drop(struct gate_conn *c)
{
	struct gate *g = c->gate;

	if (c->io.fd >= 0) {
		loop_del(g->child.loop, &c->io);
		close(c->io.fd);
	}
	if (c->exchange)
		gate_auth_abort(c);
	loop_timer_stop(&c->timer);
	loop_timer_stop(&c->delay);
	gate_table_remove(g, c);
	if (c->state == WAITING)
		gate_auth_next(g, c->address);
	if (c->t)
		g->transport->free(&c->t);
	transport_info_free(&c->info);
	buf_wipe(&c->p.in);
	buf_free(&c->p.out);
	buf_wipe(&c->p.auth);
	buf_free(&c->p.tag);
	buf_free(&c->p.lhlo);
	buf_free(&c->refusal_data);
	explicit_bzero(c->token, sizeof(c->token));
	free(c);
	gate_stop_if_drained(g);
}

/* ---- what the protocol wants ---- */

void gate_say_bye(struct gate_conn *c, const char *why)
{
	c->protocol->bye(&c->p, why);
	c->p.want = PRELOGIN_CLOSE;
}

uint8_t gate_flags(const struct gate_conn *c)
{
	return (uint8_t)((c->p.secure ? SRV_SECURE : 0) | (c->t ? SRV_TLS : 0));
}

void gate_answer(struct gate_conn *c, enum prelogin_auth status, struct str data)
{
	c->state = OPEN;
	c->p.want = PRELOGIN_READ;
	c->protocol->auth(&c->p, status, data);
	/* The client may have sent its next commands already. */
	if (c->p.want == PRELOGIN_READ && c->p.in.len)
		c->protocol->input(&c->p);
	gate_act(c);
}

/* ---- limits ---- */

/* One line a second, however many are turned away. */
void gate_log_refusal(struct gate_conn *c, const char *event, const char *why)
{
	struct gate *g = c->gate;
	uint64_t now = loop_now(g->child.loop);

	g->refusals++;
	if (g->refusal_logged && now - g->refusal_logged < REFUSAL_LOG_MS)
		return;
	log_warning(event, "service", c->protocol->name, "peer", c->peer, "why", why,
		"since_last_line", log_num((int64_t)g->refusals), NULL);
	g->refusals = 0;
	g->refusal_logged = now;
}

/* Nobody who is turned away may stay, or turning away would not help. */
static void end_at_once(struct gate_conn *c, const char *why)
{
	gate_log_refusal(c, "connection refused", why);
	gate_say_bye(c, why);
	gate_write(c);
	gate_conn_drop(c);
}

/* With too many strangers an old one makes room, not the newcomer: who means to log in does so at
 * once. */
static void make_room(struct gate *g)
{
	struct gate_conn *oldest = g->count >= srv_settings.prelogin_connections ? gate_oldest(g) : NULL;

	if (oldest)
		end_at_once(oldest, "too many connections, try again");
}

/* Where lmtp_peers lists who may deliver, somebody else. */
static bool is_stranger(const struct gate_conn *c)
{
	return ENABLE_LMTP && c->service == SRV_LMTP && !c->preface && *srv_settings.lmtp_peers &&
		!network_listed_text(srv_settings.lmtp_peers, c->peer);
}

/* True: c is not welcome, and gone. */
static bool turn_away(struct gate_conn *c)
{
	const struct gate *g = c->gate;
	const char *why = NULL;

	if (g->draining)
		why = "shutting down";
	else if (g->count > srv_settings.prelogin_connections)
		why = "too many connections, try again";
	else if (c->address && !c->preface &&
		gate_count_same(g, c->address) > srv_settings.prelogin_per_address)
		why = "too many connections from your address";
	else if (is_stranger(c))
		why = "your address may not deliver here";
	if (why)
		end_at_once(c, why);
	return why;
}

/* ---- what it wants next ---- */

/* The descriptor for mail: the client's own, or one end of a relay, which begins.  -1: lost. */
static int detach(struct gate_conn *c)
{
	struct transport_conn *t = c->t;
	int fd = c->io.fd, pair[2];

	if (t && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair)) {
		log_warning("no socket for a relay, connection lost", "peer", c->peer, NULL);
		return -1;
	}
	loop_del(c->gate->child.loop, &c->io);
	c->io.fd = -1;
	if (!t)
		return fd;
	c->t = NULL;
	if (gate_relay_start(c->gate, fd, t, pair[0]) == 0)
		return pair[1];
	close(pair[1]);
	return -1;
}

/* Frees c in every case. */
static void hand_off(struct gate_conn *c)
{
	struct buf frame = {0};
	int fd;

	buf_put8(&frame, (uint8_t)c->service);
	buf_put8(&frame, gate_flags(c));
	buf_add(&frame, c->token, sizeof(c->token));
	buf_putstr(&frame, buf_str(&c->p.tag));
	buf_putstr(&frame, buf_str(&c->p.lhlo));
	buf_putstr(&frame, str_from(c->peer));
	buf_putstr(&frame, buf_str(&c->p.in));
	fd = detach(c);
	if (fd >= 0 && srv_child_send(&c->gate->child, SRV_MAIL, SRV_HANDOFF, &frame, fd))
		log_warning("hand-off failed, connection lost", "peer", c->peer, NULL);
	buf_wipe(&frame);
	gate_conn_drop(c);
}

static void finish(struct gate_conn *c)
{
	if (c->state != LAST && c->state != LINGERING) {
		c->state = LAST;
		loop_timer_start(c->gate->child.loop, &c->timer, LINGER_MS);
	}
	if (gate_written(c) && c->state == LAST) {
		c->state = LINGERING;
		buf_clear(&c->p.in);
		if (c->t) /* a courtesy: what the socket does not take is lost */
			c->gate->transport->shutdown(c->t);
		shutdown(c->io.fd, SHUT_WR);
	}
	gate_watch(c);
}

static void take_input(struct gate_conn *c)
{
	if (c->received > CONFIG_PRELOGIN_BYTES_MAX)
		gate_say_bye(c, "too much without login");
	else
		c->protocol->input(&c->p);
}

/* As if the client that a front end names had come by itself, over the connection as it is.  False: it
 * is gone. */
static bool begin_anew(struct gate_conn *c)
{
	struct sockaddr_storage a;
	bool named = c->p.tag.len && network_address(buf_str(&c->p.tag), &a) == 0;

	buf_clear(&c->p.tag);
	buf_clear(&c->p.lhlo);
	if (named) {
		gate_set_peer(c, &a);
		gate_set_address(c, srv_address_key(&a));
		/* The certificate is the front end's. */
		c->p.certificate = c->p.binding = false;
		c->p.secure |= c->t != NULL;
		c->p.must_encrypt &= c->t == NULL;
	}
	if (turn_away(c))
		return false;
	c->p.state = 0;
	c->p.want = PRELOGIN_READ;
	c->protocol->greet(&c->p);
	if (c->p.in.len)
		c->protocol->input(&c->p);
	return true;
}

/* True: there is more to do. */
static bool act_once(struct gate_conn *c)
{
	bool full = c->p.want == PRELOGIN_READ && c->p.in.len >= c->p.in.max;

	if (full)
		gate_say_bye(c, "line too long");
	if (c->p.want == PRELOGIN_HANDOFF && !srv_child_connected(&c->gate->child, SRV_MAIL))
		gate_say_bye(c, "mail store is restarting, try again");
	if (c->p.in.failed || c->p.out.failed || c->p.auth.failed || gate_write(c)) {
		gate_conn_drop(c);
		return false;
	}
	switch (c->p.want) {
	case PRELOGIN_READ:
		/* No event tells of what was decrypted already. */
		if (c->state == OPEN && gate_pending(c) && c->p.out.len < GATE_OUT_HIGH &&
			gate_read(c) > 0) {
			take_input(c);
			return true;
		}
		buf_trim(&c->p.in);
		gate_watch(c);
		break;
	case PRELOGIN_AUTH:
		gate_auth_ask(c);
		break;
	case PRELOGIN_HANDOFF:
		/* Answers to earlier commands leave first. */
		if (gate_written(c))
			hand_off(c);
		else
			loop_set(c->gate->child.loop, &c->io, EPOLLOUT);
		break;
	case PRELOGIN_ENCRYPT:
		gate_encrypt_start(c);
		break;
	case PRELOGIN_PEER:
		return begin_anew(c);
	case PRELOGIN_CLOSE:
		finish(c);
		break;
	}
	return false;
}

void gate_act(struct gate_conn *c)
{
	while (act_once(c))
		;
}

/* ---- events ---- */

static void preface_came(struct gate_conn *c)
{
	int rc = gate_preface_read(c);

	if (rc < 0)
		gate_conn_drop(c);
	else if (rc == 0)
		gate_watch(c);
	else if (!turn_away(c))
		gate_begin(c);
}

static void conn_ready(struct loop_fd *io, uint32_t events)
{
	struct gate_conn *c = (struct gate_conn *)((char *)io - offsetof(struct gate_conn, io));

	if (c->state == LINGERING) {
		if (gate_discard(io->fd))
			gate_conn_drop(c);
		return;
	}
	if (events & (EPOLLERR | EPOLLHUP) && !(events & EPOLLIN)) {
		gate_conn_drop(c);
		return;
	}
	if (c->state == HANDSHAKE) {
		gate_encrypt_go_on(c);
		return;
	}
	if (c->state == WAITING || c->state == QUEUED || c->state == DELAYED) {
		if (gate_write(c))
			gate_conn_drop(c);
		else
			gate_watch(c);
		return;
	}
	if (events & EPOLLIN && c->p.want == PRELOGIN_READ) {
		int rc = gate_read(c);

		if (rc < 0) {
			gate_write(c);
			gate_conn_drop(c);
			return;
		}
		if (rc > 0 && c->preface) {
			preface_came(c);
			return;
		}
		if (rc > 0)
			take_input(c);
	}
	gate_act(c);
}

/* Too long without a login, or the last words were not taken. */
static void conn_late(struct loop_timer *t)
{
	struct gate_conn *c = (struct gate_conn *)((char *)t - offsetof(struct gate_conn, timer));
	struct gate *g = c->gate;
	uint64_t address = c->address;

	if (c->state == LAST || c->state == LINGERING || c->state == HANDSHAKE) {
		gate_conn_drop(c);
		return;
	}
	loop_timer_stop(&c->delay);
	c->state = OPEN;
	gate_say_bye(c, "too long without login");
	gate_act(c);
	gate_auth_next(g, address);
}

/* ---- new connections ---- */

void gate_set_peer(struct gate_conn *c, const struct sockaddr_storage *a)
{
	struct buf peer = {.max = sizeof(c->peer) - 1};

	srv_address_add(&peer, a);
	memcpy(c->peer, buf_str(&peer).p, peer.len);
	c->peer[peer.len] = '\0';
	buf_free(&peer);
	c->p.must_encrypt = c->gate->transport && c->gate->transport->required() &&
		!srv_address_is_local(a);
	c->p.secure = srv_address_is_local(a) || (srv_settings.plaintext && !c->p.must_encrypt);
	if (!ENABLE_LMTP_AUTH || c->service != SRV_LMTP)
		return;
	c->p.may_login = strcmp(srv_settings.lmtp_auth, "no") != 0;
	c->p.must_login = strcmp(srv_settings.lmtp_auth, "yes") == 0 ||
		(c->p.may_login && !srv_address_is_local(a));
}

static struct gate_conn *conn_new(struct gate *g, enum srv_service service, bool encrypted, int fd,
	const struct sockaddr_storage *a)
{
	struct gate_conn *c = calloc(1, sizeof(*c));
	int one = 1;

	if (!c)
		return NULL;
	if (a->ss_family == AF_INET || a->ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->gate = g;
	c->service = service;
	c->protocol = service == SRV_IMAP ? &imap_protocol : &lmtp_protocol;
	c->address = srv_address_key(a);
	c->encrypted = encrypted;
	c->p.may_encrypt = g->transport && !encrypted;
	c->p.hostname = srv_hostname();
	c->p.peer = c->peer;
	gate_set_peer(c, a);
	/* Room for a line of the longest kind and what is pipelined behind it. */
	c->p.in.max = CONFIG_PRELOGIN_LINE_MAX + GATE_READ_MAX;
	c->p.out.max = OUT_MAX;
	c->p.auth.max = CONFIG_PRELOGIN_LINE_MAX + GATE_READ_MAX;
	c->io = (struct loop_fd){.fd = fd, .ready = conn_ready};
	c->timer.fire = conn_late;
	c->delay.fire = gate_auth_delay_over;
	return c;
}

void gate_begin(struct gate_conn *c)
{
	if (!c->t)
		log_debug("connection", "service", c->protocol->name, "peer", c->peer, NULL);
	if (c->encrypted && !c->t) {
		gate_encrypt_begin(c);
		return;
	}
	c->greeted = true;
	c->protocol->greet(&c->p);
	if (c->p.in.len) /* came with the preface */
		c->protocol->input(&c->p);
	gate_act(c);
}

void gate_take(struct gate *g, enum srv_service service, bool encrypted, const char *listener, int fd)
{
	struct sockaddr_storage a = {.ss_family = AF_UNSPEC};
	socklen_t len = sizeof(a);
	struct gate_conn *c;

	getpeername(fd, (struct sockaddr *)&a, &len);
	make_room(g);
	c = conn_new(g, service, encrypted, fd, &a);
	if (!c || gate_table_add(g, c) || loop_add(g->child.loop, &c->io, 0)) {
		if (c && c->id) {
			gate_conn_drop(c);
			return;
		}
		free(c);
		close(fd);
		return;
	}
	if (gate_preface_expect(c, listener, &a)) {
		gate_conn_drop(c);
		return;
	}
	if (turn_away(c))
		return;
	loop_timer_start(g->child.loop, &c->timer, srv_settings.prelogin_seconds * 1000);
	if (c->preface)
		gate_watch(c);
	else
		gate_begin(c);
}
