/* SPDX-License-Identifier: 0BSD */
#include "core/server/gate_conn.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/lib/log.h"

#define ACCEPT_BURST 64

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
			gate_take(l->gate, l->service, l->encrypted, l->name, fd);
			continue;
		}
		if (srv_accept_must_wait(errno)) {
			log_warning("no descriptors left, not accepting for a moment", NULL);
			listen_all(l->gate, false);
			loop_timer_start(l->gate->child.loop, &l->gate->resume, SRV_ACCEPT_PAUSE);
			return;
		}
		if (errno == EAGAIN)
			return;
	}
}

int gate_listen(struct gate *g, const struct srv_listeners *listeners)
{
	g->resume.fire = resume;
	g->listeners = calloc(listeners->n ? listeners->n : 1, sizeof(*g->listeners));
	if (!g->listeners)
		return -1;
	for (size_t i = 0; i < listeners->n; i++) {
		struct gate_listener *one = &g->listeners[g->n_listeners++];

		one->io = (struct loop_fd){.fd = listeners->v[i].fd, .ready = listener_ready};
		one->gate = g;
		one->service = listeners->v[i].service;
		one->name = listeners->v[i].name;
		one->encrypted = listeners->v[i].encrypted;
		if (loop_add(g->child.loop, &one->io, 0))
			one->io.fd = -1;
	}
	return 0;
}

void gate_open(struct gate *g)
{
	g->open = true;
	listen_all(g, true);
}

void gate_close_listeners(struct gate *g)
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
