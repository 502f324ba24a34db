/* SPDX-License-Identifier: 0BSD */
/*
 * A session whose connection is encrypted: mail has one end of a socket pair, and what passes is
 * decrypted and encrypted here.  Nothing is kept besides the record in work in each direction: a side
 * that does not read stops the other, and an idle relay holds no buffer at all.
 */
#include "core/server/gate_conn.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BURST     16    /* records in a row, before others have their turn */
#define FLUSH_MS  10000 /* for the last words to a client that reads slowly */
#define LINGER_MS 2000  /* as in gate_conn.c */

struct gate_relay {
	struct gate_relay *prev, *next;
	struct gate *gate;
	struct transport_conn *t;
	struct loop_fd client, mail;
	struct loop_timer timer;
	bool client_ended; /* it sends no more */
	bool mail_ended;   /* the session is over; mail.fd is closed */
	bool told;         /* the client knows: only its end is awaited */
	bool client_full, mail_full; /* they do not take more now */
	bool mail_watched;
};

static void relay_free(struct gate_relay *r)
{
	struct gate *g = r->gate;

	loop_timer_stop(&r->timer);
	g->transport->free(&r->t);
	loop_del(g->child.loop, &r->client);
	close(r->client.fd);
	if (r->mail_watched)
		loop_del(g->child.loop, &r->mail);
	if (!r->mail_ended)
		close(r->mail.fd);
	if (r->prev)
		r->prev->next = r->next;
	else
		g->relays = r->next;
	if (r->next)
		r->next->prev = r->prev;
	g->n_relays--;
	free(r);
	gate_stop_if_drained(g);
}

/* A descriptor that is not waited for is taken out: epoll would report its end without end. */
static int watch_mail(struct gate_relay *r, uint32_t events)
{
	struct loop *l = r->gate->child.loop;

	if (events && r->mail_watched)
		return loop_set(l, &r->mail, events);
	if (events) {
		r->mail_watched = true;
		return loop_add(l, &r->mail, events);
	}
	if (r->mail_watched)
		loop_del(l, &r->mail);
	r->mail_watched = false;
	return 0;
}

static int watch(struct gate_relay *r)
{
	const struct transport *tr = r->gate->transport;
	uint32_t client = r->client_full ? EPOLLOUT : 0, mail = r->mail_full ? EPOLLOUT : 0;

	if (r->told || (!r->client_ended && !r->mail_full))
		client |= EPOLLIN;
	if (!r->client_full)
		mail |= EPOLLIN;
	tr->rest(r->t);
	if (watch_mail(r, r->mail_ended ? 0 : mail))
		return -1;
	return loop_set(r->gate->child.loop, &r->client, client);
}

/* What was decrypted goes to mail. */
static void push(struct gate_relay *r, struct str s)
{
	const struct transport *tr = r->gate->transport;
	ssize_t n = (ssize_t)s.len;

	if (!r->mail_ended)
		n = send(r->mail.fd, s.p, s.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN) {
		r->mail_full = true;
		return;
	}
	if (n < 0 && errno != EINTR)
		n = (ssize_t)s.len; /* the session ended, what it still says is read later */
	if (n > 0)
		tr->consume(r->t, (size_t)n);
}

static int from_client(struct gate_relay *r)
{
	const struct transport *tr = r->gate->transport;

	r->mail_full = false;
	for (int records = 0; !r->mail_full;) {
		struct str s = tr->bytes(r->t);
		enum transport_result rc;

		if (s.len) {
			push(r, s);
			continue;
		}
		if (r->client_ended || ++records > BURST)
			return 0;
		rc = tr->read(r->t);
		if (rc == TRANSPORT_FAILED)
			return -1;
		if (rc == TRANSPORT_WRITE)
			r->client_full = true;
		if (rc == TRANSPORT_READ || rc == TRANSPORT_WRITE)
			return 0;
		if (rc == TRANSPORT_END) {
			r->client_ended = true;
			if (!r->mail_ended)
				shutdown(r->mail.fd, SHUT_WR);
		}
	}
	return 0;
}

static int tell_end(struct gate_relay *r)
{
	enum transport_result rc = r->gate->transport->shutdown(r->t);

	if (rc == TRANSPORT_FAILED || r->client_ended)
		return -1;
	r->told = true;
	shutdown(r->client.fd, SHUT_WR);
	loop_timer_start(r->gate->child.loop, &r->timer, LINGER_MS);
	return 0;
}

static int from_mail(struct gate_relay *r)
{
	const struct transport *tr = r->gate->transport;
	enum transport_result rc = tr->flush(r->t);

	for (int i = 0; rc == TRANSPORT_DONE && !r->mail_ended && i < BURST; i++) {
		size_t room = 0;
		char *to = tr->room(r->t, &room);
		ssize_t n;

		if (!to)
			return -1; /* no memory; waiting for it would spin */
		n = recv(r->mail.fd, to, room, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n > 0) {
			rc = tr->write(r->t, (size_t)n);
			continue;
		}
		watch_mail(r, 0);
		close(r->mail.fd);
		r->mail_ended = true;
		loop_timer_start(r->gate->child.loop, &r->timer, FLUSH_MS);
	}
	if (rc != TRANSPORT_DONE && rc != TRANSPORT_WRITE)
		return -1;
	r->client_full = rc == TRANSPORT_WRITE;
	return r->mail_ended && !r->client_full && !r->told ? tell_end(r) : 0;
}

static void step(struct gate_relay *r)
{
	if (from_client(r) || from_mail(r) || watch(r))
		relay_free(r);
}

static void client_ready(struct loop_fd *io, uint32_t events)
{
	struct gate_relay *r = (struct gate_relay *)((char *)io - offsetof(struct gate_relay, client));

	if (r->told || events & EPOLLERR || (events & EPOLLHUP && !(events & EPOLLIN))) {
		if (!r->told || gate_discard(io->fd))
			relay_free(r);
		return;
	}
	step(r);
}

static void mail_ready(struct loop_fd *io, uint32_t events)
{
	struct gate_relay *r = (struct gate_relay *)((char *)io - offsetof(struct gate_relay, mail));

	(void)events;
	step(r);
}

static void late(struct loop_timer *t)
{
	relay_free((struct gate_relay *)((char *)t - offsetof(struct gate_relay, timer)));
}

int gate_relay_start(struct gate *g, int fd, struct transport_conn *t, int mail_fd)
{
	struct gate_relay *r = calloc(1, sizeof(*r));

	if (!r) {
		g->transport->free(&t);
		close(fd);
		close(mail_fd);
		return -1;
	}
	r->gate = g;
	r->t = t;
	r->client = (struct loop_fd){.fd = fd, .ready = client_ready};
	r->mail = (struct loop_fd){.fd = mail_fd, .ready = mail_ready};
	r->timer.fire = late;
	r->next = g->relays;
	if (r->next)
		r->next->prev = r;
	g->relays = r;
	g->n_relays++;
	/* The turn that EPOLLOUT brings at once moves what was decrypted already. */
	r->client_full = true;
	if (loop_add(g->child.loop, &r->client, EPOLLOUT) == 0 && watch(r) == 0)
		return 0;
	relay_free(r);
	return -1;
}

void gate_relay_free_all(struct gate *g)
{
	while (g->relays)
		relay_free(g->relays);
}
