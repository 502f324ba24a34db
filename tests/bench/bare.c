/* SPDX-License-Identifier: 0BSD */
/*
 * The ceiling for LMTP on this machine: an epoll loop that speaks just enough LMTP for `load`,
 * appends every message to one preallocated file and syncs in groups, and does nothing else: no
 * accounts, no index, no parsing.   bare DIR PORT      serves until it is killed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { IN = 1 << 16, FILE_BYTES = 256 << 20, GROUP = 1024 };

struct client {
	int fd;
	int data;          /* inside DATA */
	size_t len;
	char in[IN];
};

static struct client *waiting[GROUP];
static struct iovec group[GROUP];
static int group_n;
static int file, ep;
static off_t at;

static void fatal(const char *what)
{
	perror(what);
	exit(1);
}

static void say(struct client *c, const char *text)
{
	if (write(c->fd, text, strlen(text)) < 0 && errno != EPIPE)
		fatal("write");
}

static int listen_on(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 511))
		fatal("listen");
	return fd;
}

static void open_file(const char *dir)
{
	static char zero[1 << 20];
	char name[4096];
	snprintf(name, sizeof(name), "%s/bare.XXXXXX", dir);
	file = mkstemp(name);
	if (file < 0)
		fatal(name);
	unlink(name);
	for (int i = 0; i < FILE_BYTES / (int)sizeof(zero); i++)
		if (write(file, zero, sizeof(zero)) < 0)
			fatal("write");
	fsync(file);
}

static void accept_one(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), one = 1;
	struct client *c = fd < 0 ? NULL : calloc(1, sizeof(*c));
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	if (!c)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->fd = fd;
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	say(c, "220 bare LMTP\r\n");
}

/* Answers the commands at hand; returns 1 when a whole message lies in the buffer. */
static int commands(struct client *c)
{
	char out[1024] = "";
	size_t used = 0;
	char *nl;
	while (!c->data && (nl = memchr(c->in + used, '\n', c->len - used))) {
		char first = c->in[used];
		strcat(out, first == 'D' ? "354 go\r\n" : "250 ok\r\n");
		c->data = first == 'D';
		used = (size_t)(nl + 1 - c->in);
	}
	memmove(c->in, c->in + used, c->len -= used);
	if (*out)
		say(c, out);
	return c->data && c->len >= 5 && !memcmp(c->in + c->len - 5, "\r\n.\r\n", 5);
}

static void readable(struct client *c)
{
	ssize_t n = read(c->fd, c->in + c->len, IN - c->len);
	if (n <= 0) {
		close(c->fd);
		free(c);
		return;
	}
	c->len += (size_t)n;
	if (commands(c) && group_n < GROUP) {
		group[group_n] = (struct iovec){c->in, c->len};
		waiting[group_n++] = c;
	}
}

/* One write and one fdatasync for everything that arrived in this turn. */
static void commit(void)
{
	size_t bytes = 0;
	for (int i = 0; i < group_n; i++)
		bytes += group[i].iov_len;
	if (at + (off_t)bytes > FILE_BYTES)
		at = 0;
	if (pwritev(file, group, group_n, at) != (ssize_t)bytes || fdatasync(file))
		fatal("commit");
	at += (off_t)((bytes + 511) & ~(size_t)511);
	for (int i = 0; i < group_n; i++) {
		waiting[i]->len = 0;
		waiting[i]->data = 0;
		say(waiting[i], "250 2.1.5 stored\r\n");
	}
	group_n = 0;
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: bare DIR PORT\n");
		return 2;
	}
	struct epoll_event ev[256] = {{.events = EPOLLIN}};
	int listener = listen_on(atoi(argv[2]));
	open_file(argv[1]);
	ep = epoll_create1(0);
	epoll_ctl(ep, EPOLL_CTL_ADD, listener, ev);
	puts("ready");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(ep, ev, 256, -1);
		for (int i = 0; i < n; i++) {
			if (ev[i].data.ptr)
				readable(ev[i].data.ptr);
			else
				accept_one(listener);
		}
		if (group_n)
			commit();
	}
}
