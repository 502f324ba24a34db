/* SPDX-License-Identifier: 0BSD */
#include "core/server/gate_conn.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static int write_encrypted(struct gate_conn *c)
{
	const struct transport *tr = c->gate->transport;
	enum transport_result rc = tr->flush(c->t);

	while (rc == TRANSPORT_DONE && c->p.out.len) {
		struct str s = buf_str(&c->p.out);
		size_t n = 0;
		char *to = tr->room(c->t, &n);

		if (!to)
			return -1;
		n = n < s.len ? n : s.len;
		memcpy(to, s.p, n);
		buf_consume(&c->p.out, n);
		rc = tr->write(c->t, n);
	}
	c->blocked = rc == TRANSPORT_WRITE;
	buf_trim(&c->p.out);
	return rc == TRANSPORT_DONE || rc == TRANSPORT_WRITE ? 0 : -1;
}

int gate_write(struct gate_conn *c)
{
	if (c->encrypted && c->state != HANDSHAKE && c->t)
		return write_encrypted(c);
	if (c->encrypted) /* before its handshake is over nothing can be said */
		buf_clear(&c->p.out);
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

static int read_encrypted(struct gate_conn *c, char *to, size_t room)
{
	const struct transport *tr = c->gate->transport;
	enum transport_result rc = tr->read(c->t);
	struct str s;

	if (rc == TRANSPORT_WRITE)
		c->blocked = true;
	if (rc != TRANSPORT_DONE)
		return rc == TRANSPORT_READ || rc == TRANSPORT_WRITE ? 0 : -1;
	s = tr->bytes(c->t);
	s.len = s.len < room ? s.len : room;
	if (s.len)
		memcpy(to, s.p, s.len);
	tr->consume(c->t, s.len);
	buf_commit(&c->p.in, s.len);
	c->received += s.len;
	return s.len > 0;
}

int gate_read(struct gate_conn *c)
{
	struct buf *in = &c->p.in;
	size_t room = in->max - in->len < GATE_READ_MAX ? in->max - in->len : GATE_READ_MAX;
	char *to = buf_reserve(in, room);
	ssize_t n;

	if (!to)
		return -1;
	if (c->t)
		return read_encrypted(c, to, room);
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

int gate_discard(int fd)
{
	char bytes[GATE_READ_MAX];
	ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) ? -1 : 0;
}

bool gate_pending(const struct gate_conn *c)
{
	return c->t && c->gate->transport->bytes(c->t).len;
}

bool gate_written(const struct gate_conn *c)
{
	return !c->p.out.len && !c->blocked;
}

void gate_watch(struct gate_conn *c)
{
	uint32_t events = gate_written(c) ? 0 : EPOLLOUT;

	if ((c->state == OPEN && c->p.out.len < GATE_OUT_HIGH) || c->state == LINGERING)
		events |= EPOLLIN;
	if (c->t)
		c->gate->transport->rest(c->t);
	loop_set(c->gate->child.loop, &c->io, events);
}
