/* SPDX-License-Identifier: 0BSD */
#include "core/server/gate_conn.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

int gate_write(struct gate_conn *c)
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

int gate_read(struct gate_conn *c)
{
	struct buf *in = &c->p.in;
	size_t room = in->max - in->len < GATE_READ_MAX ? in->max - in->len : GATE_READ_MAX;
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
	c->received += (uint64_t)n;
	gate_heard(c);
	return 1;
}

int gate_discard(struct gate_conn *c)
{
	char bytes[GATE_READ_MAX];
	ssize_t n = recv(c->io.fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) ? -1 : 0;
}

void gate_watch(struct gate_conn *c)
{
	uint32_t events = c->p.out.len ? EPOLLOUT : 0;

	if ((c->state == OPEN && c->p.out.len < GATE_OUT_HIGH) || c->state == LINGERING)
		events |= EPOLLIN;
	loop_set(c->gate->child.loop, &c->io, events);
}
