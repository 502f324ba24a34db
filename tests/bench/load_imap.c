/* SPDX-License-Identifier: 0BSD */
/* One IMAP command, again and again, on each connection.  The tag is always "t". */
#include "tests/bench/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum step { GREETING, LOGIN, SELECT, WORK, LOGOUT };

static int needs_mailbox, is_login;

static void again(struct client *c);

static void log_in(struct client *c)
{
	static unsigned next;
	const char *user = user_name(is_login ? next++ : c->index);
	char text[LINE];
	if (!strcmp(opt.auth, "scram"))
		snprintf(text, sizeof(text), "t AUTHENTICATE SCRAM-SHA-256 %s\r\n", scram_first(c, user));
	else
		snprintf(text, sizeof(text), "t LOGIN %s \"%s\"\r\n", user, opt.password);
	c->step = LOGIN;
	client_puts(c, text);
}

static void append(struct client *c)
{
	char head[128];
	size_t n, h;
	const char *m = message_next(user_name(c->index), &n);
	char *all;
	h = (size_t)snprintf(head, sizeof(head), "t APPEND INBOX {%zu+}\r\n", n);
	all = malloc(h + n + 2);
	if (!all)
		fatal("malloc");
	memcpy(all, head, h);
	memcpy(all + h, m, n);
	memcpy(all + h + n, "\r\n", 2);
	c->sent = n;
	client_put(c, all, h + n + 2);
	free(all);
}

/* Each message's flag is set in one pass and taken away in the next, so every command changes
 * something. */
static void store(struct client *c)
{
	char text[128];
	snprintf(text, sizeof(text), "t STORE %llu %cFLAGS (\\Flagged)\r\n",
		(unsigned long long)(c->count % opt.messages + 1), c->count / opt.messages % 2 ? '-' : '+');
	client_puts(c, text);
}

static void body(struct client *c)
{
	char text[128];
	snprintf(text, sizeof(text), "t FETCH %llu BODY.PEEK[]\r\n",
		(unsigned long long)((c->count * 7919 + c->index) % opt.messages + 1));
	client_puts(c, text);
}

static void work(struct client *c)
{
	static const struct { const char *what; void (*make)(struct client *); const char *text; } table[] = {
		{"append", append, NULL}, {"store", store, NULL}, {"body", body, NULL},
		{"select", NULL, "t SELECT INBOX\r\n"}, {"noop", NULL, "t NOOP\r\n"},
		{"list", NULL, "t FETCH 1:* (FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)\r\n"},
		{"header", NULL, "t FETCH 1:* BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE MESSAGE-ID)]\r\n"},
		{"search", NULL, "t SEARCH BODY \"this is nowhere\"\r\n"},
	};
	c->step = WORK;
	c->began = now_ns();
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		if (strcmp(table[i].what, opt.what))
			continue;
		if (table[i].make)
			table[i].make(c);
		else
			client_puts(c, table[i].text);
		c->count++;
		return;
	}
	refused("what= is unknown");
}

static void answer(struct client *c, const char *challenge)
{
	client_puts(c, scram_final(c, challenge));
	client_puts(c, "\r\n");
}

static void on_tagged(struct client *c, const char *line)
{
	if (line[0] == '+') {
		if (c->step == LOGIN)
			answer(c, line + 2);
		return;
	}
	if (c->step == GREETING) {
		log_in(c);
		return;
	}
	if (strncmp(line, "t OK", 4))
		refused(line);
	if (c->step == LOGIN && is_login) {
		c->step = LOGOUT;
		client_puts(c, "t LOGOUT\r\n");
	} else if (c->step == LOGIN && needs_mailbox) {
		c->step = SELECT;
		client_puts(c, "t SELECT INBOX\r\n");
	} else if (c->step == LOGOUT) {
		op_done(c->began, 0);
		client_close(c);
		again(c);
	} else {
		if (c->step == WORK)
			op_done(c->began, c->sent);
		work(c);
	}
}

static void again(struct client *c)
{
	c->began = now_ns();
	c->step = GREETING;
	c->on_tagged = on_tagged;
	client_open(c, opt.port);
}

int run_imap(void)
{
	struct client *c = clients_new(opt.conns);
	is_login = !strcmp(opt.what, "login");
	needs_mailbox = strcmp(opt.what, "append") && strcmp(opt.what, "noop");
	for (unsigned i = 0; i < opt.conns; i++)
		again(&c[i]);
	run();
	report(opt.what);
	free(c);
	return 0;
}
