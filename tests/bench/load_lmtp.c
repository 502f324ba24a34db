/* SPDX-License-Identifier: 0BSD */
/* LMTP (RFC 2033) with pipelining: MAIL, all RCPT and DATA in one write, then the message. */
#include "tests/bench/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum step { GREETING, HELLO, ENVELOPE, REPLIES };

static void begin(struct client *c)
{
	static char text[65536];
	size_t n = (size_t)sprintf(text, "MAIL FROM:<load@example.net>\r\n");
	for (unsigned i = 0; i < opt.rcpts && n < sizeof(text) - 300; i++)
		n += (size_t)sprintf(text + n, "RCPT TO:<%s>\r\n",
			user_name((unsigned)c->count * opt.conns * opt.rcpts + c->index * opt.rcpts + i));
	n += (size_t)sprintf(text + n, "DATA\r\n");
	c->count++;
	c->step = ENVELOPE;
	c->wait = opt.rcpts + 2;
	c->began = now_ns();
	client_put(c, text, n);
}

static void send_message(struct client *c)
{
	size_t n;
	const char *m = message_next(user_name(c->index), &n);
	char *all = (char *)(uintptr_t)m;
	memcpy(all + n, ".\r\n", 3);
	c->step = REPLIES;
	c->wait = opt.rcpts;
	c->sent = n;
	client_put(c, all, n + 3);
}

static void on_line(struct client *c, const char *line)
{
	if (strlen(line) > 3 && line[3] == '-')
		return;
	if (c->step == GREETING) {
		client_puts(c, "LHLO load.example.net\r\n");
		c->step = HELLO;
		return;
	}
	if (line[0] != '2' && line[0] != '3') {
		if (c->step != REPLIES)
			refused(line);
		op_failed(line);
	} else if (c->step == REPLIES) {
		op_done(c->began, c->sent);
	}
	if (c->step == HELLO || --c->wait == 0) {
		if (c->step == ENVELOPE)
			send_message(c);
		else
			begin(c);
	}
}

int run_lmtp(void)
{
	struct client *c = clients_new(opt.conns);
	for (unsigned i = 0; i < opt.conns; i++) {
		c[i].on_line = on_line;
		client_open(&c[i], opt.port);
	}
	run();
	report("lmtp");
	free(c);
	return 0;
}
