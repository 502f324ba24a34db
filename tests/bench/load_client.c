/* SPDX-License-Identifier: 0BSD */
/* Connections and what comes in on them. */
#include "tests/bench/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, CHUNK = 256 * 1024, TAIL = 3072 };

static int ep = -1;

struct client *clients_new(unsigned n)
{
	struct client *c = calloc(n, sizeof(*c));
	if (!c)
		fatal("calloc");
	for (unsigned i = 0; i < n; i++) {
		c[i].fd = -1;
		c[i].index = i;
	}
	return c;
}

void client_open(struct client *c, int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	int one = 1;
	if (ep < 0)
		ep = epoll_create1(0);
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)))
		fatal("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->len = 0;
	c->opened++;
	if (opt.tls)
		tls_open(c);
	if (epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev))
		fatal("epoll_ctl");
}

/* With a reset, so that thousands of short connections do not use up the ports. */
void client_close(struct client *c)
{
	struct linger now = {.l_onoff = 1};
	if (c->tls)
		tls_close(c);
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(c->fd);
	c->fd = -1;
}

void client_put(struct client *c, const char *p, size_t n)
{
	if (c->tls) {
		tls_write(c, p, n);
		return;
	}
	while (n) {
		ssize_t w = write(c->fd, p, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			fatal("write");
		p += w;
		n -= (size_t)w;
	}
}

void client_puts(struct client *c, const char *text)
{
	client_put(c, text, strlen(text));
}

ssize_t client_read(struct client *c, char *to, size_t room)
{
	ssize_t n = c->tls ? tls_read(c, to, room) : read(c->fd, to, room);
	if (n == 0 || (n < 0 && !c->tls))
		fatal("the server closed a connection");
	return n;
}

static void lines(struct client *c)
{
	ssize_t n = client_read(c, c->line + c->len, sizeof(c->line) - c->len - 1);
	char *nl, *at = c->line;
	unsigned opened = c->opened;
	if (n < 0)
		return;
	c->len += (size_t)n;
	c->line[c->len] = 0;
	while (c->opened == opened && (nl = memchr(at, '\n', (size_t)(c->line + c->len - at)))) {
		*nl = 0;
		if (nl > at && nl[-1] == '\r')
			nl[-1] = 0;
		c->on_line(c, at);
		at = nl + 1;
	}
	if (c->opened != opened)
		return;
	c->len -= (size_t)(at - c->line);
	memmove(c->line, at, c->len);
	if (c->len >= sizeof(c->line) - 1)
		c->len = 0; /* a long line nobody reads */
}

/*
 * Only one command is under way on a connection, so its answer ends where the stream ends with a
 * line that begins with the tag: all else need not be looked at.  The messages read back are ours
 * and hold no such line.
 */
static void answers(struct client *c)
{
	static char chunk[CHUNK];
	ssize_t n = client_read(c, chunk, sizeof(chunk));
	size_t take;
	char *start;
	if (n < 0)
		return;
	bytes_came((uint64_t)n);
	take = n < TAIL ? (size_t)n : TAIL;
	if (c->len + take > TAIL) {
		size_t drop = c->len + take - TAIL;
		memmove(c->line, c->line + drop, c->len -= drop);
	}
	memcpy(c->line + c->len, chunk + n - take, take);
	c->len += take;
	if (c->len < 2 || c->line[c->len - 1] != '\n')
		return;
	start = memrchr(c->line, '\n', c->len - 1);
	if (!start && c->len >= TAIL)
		return; /* the end of a long line */
	start = start ? start + 1 : c->line;
	if (start[0] != 't' && start[0] != '+' && c->step)
		return;
	c->line[c->len - 1] = 0;
	c->len = 0;
	c->on_tagged(c, start);
}

static void serve(struct client *c)
{
	unsigned opened = c->opened;
	if (c->tls && !c->encrypted && !tls_handshake(c))
		return;
	do {
		if (c->on_encrypted)
			c->on_encrypted(c);
		else if (c->on_line)
			lines(c);
		else
			answers(c);
	} while (c->opened == opened && c->tls && tls_pending(c));
}

void turn(int timeout_ms)
{
	struct epoll_event ev[EVENTS];
	int n = ep < 0 ? 0 : epoll_wait(ep, ev, EVENTS, timeout_ms);
	for (int i = 0; i < n; i++)
		serve(ev[i].data.ptr);
}
