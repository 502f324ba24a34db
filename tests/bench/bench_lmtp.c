/* SPDX-License-Identifier: 0BSD */
/*
 * What a delivery costs from the first byte of its envelope to the answer, without a network, other
 * roles and start-up: for profilers that count instructions.   bench_lmtp DIR [MESSAGES [CONNECTIONS]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/hooks.h"
#include "core/lib/log.h"
#include "core/lmtp/lmtp.h"
#include "core/store/store.h"

#define BODY     4096
#define ACCOUNTS 1000

struct client {
	struct loop_fd fd;
	bool text; /* 354 has come: the message is on its way */
	unsigned long number; /* of its message */
};

static struct mail mail;
static unsigned long begun, ended, wanted;

static int lookup(struct mail *m, struct str name, struct buf *words)
{
	(void)m;
	(void)name;
	(void)words;
	return 1;
}

static double cpu(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e6 +
		(double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

static void put(struct client *c, const char *text, size_t n)
{
	if (send(c->fd.fd, text, n, MSG_NOSIGNAL) != (ssize_t)n)
		abort();
}

static void begin(struct client *c)
{
	char text[200];
	int n;

	c->text = false;
	if (begun >= wanted)
		return;
	c->number = ++begun;
	n = snprintf(text, sizeof(text), "MAIL FROM:<load@example.net>\r\nRCPT TO:<a%lu>\r\nDATA\r\n",
		c->number * 7 % ACCOUNTS);
	put(c, text, (size_t)n);
}

static void send_text(struct client *c)
{
	static char text[BODY + 8];
	int n = snprintf(text, sizeof(text),
		"From: Load Test <load@example.net>\r\nTo: somebody@example.org\r\n"
		"Subject: Message number %lu of many\r\nDate: Thu, 26 Nov 2026 10:00:00 +0000\r\n"
		"Message-ID: <%lu.bench@example.net>\r\nMIME-Version: 1.0\r\n"
		"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n", c->number, c->number);

	memset(text + n, 'x', BODY - (size_t)n);
	for (size_t i = (size_t)n + 76; i < BODY - 2; i += 78)
		memcpy(text + i, "\r\n", 2);
	memcpy(text + BODY - 2, "\r\n.\r\n", 5);
	c->text = true;
	put(c, text, BODY + 3);
}

static void ready(struct loop_fd *f, uint32_t events)
{
	struct client *c = (struct client *)(void *)f;
	char in[1024];
	ssize_t n = recv(f->fd, in, sizeof(in) - 1, 0);

	(void)events;
	if (n <= 0)
		return;
	in[n] = '\0';
	if (c->text && strncmp(in, "250 ", 4) == 0) {
		ended++;
		begin(c);
	} else if (strstr(in, "354 ")) {
		send_text(c);
	} else if (in[0] != '2') {
		fprintf(stderr, "answered: %s\n", in);
		exit(1);
	}
}

static void open_client(struct client *c)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) ||
		lmtp_session_start(&mail, fd[0], STR("bench.example"), &(struct lmtp_login){0}, STR("127.0.0.1"),
			false, STR("")))
		abort();
	c->fd = (struct loop_fd){.fd = fd[1], .ready = ready};
	if (loop_add(mail.loop, &c->fd, EPOLLIN))
		abort();
	begin(c);
}

int main(int argc, char **argv)
{
	struct store_options options = {.checkpoint_interval = 86400, .body_budget = 256 << 20};
	unsigned connections = argc > 3 ? (unsigned)atoi(argv[3]) : 32;
	struct buf error = {0};
	struct client *clients = calloc(connections, sizeof(*clients));
	char dir[200];
	double began;

	wanted = argc > 2 ? strtoul(argv[2], NULL, 10) : 20000;
	snprintf(dir, sizeof(dir), "%s/bench-lmtp-spool", argc > 1 ? argv[1] : ".");
	options.dir = dir;
	log_init("bench", LOG_LEVEL_WARNING, false);
	mail = (struct mail){.loop = loop_new(), .hostname = "mx.example", .account_lookup = lookup};
	mail.store = store_open(mail.loop, &options, &error);
	if (!mail.store || !clients) {
		fprintf(stderr, "%.*s\n", (int)error.len, error.data + error.off);
		return 1;
	}
	FEATURE_EACH (f) {
		if (f->mail_start && f->mail_start(&mail))
			fprintf(stderr, "%s does not start here\n", f->name);
	}
	began = cpu();
	for (unsigned i = 0; i < connections; i++)
		open_client(&clients[i]);
	while (ended < wanted)
		loop_turn(mail.loop, 1000);
	printf("%lu deliveries, %u connections, %.1f us of CPU each, both ends\n", ended, connections,
		(cpu() - began) / (double)ended);
	return 0;
}
