/* SPDX-License-Identifier: 0BSD */
#ifndef TESTS_UNIT_IMAP_HELP_H
#define TESTS_UNIT_IMAP_HELP_H

/* A client of one IMAP session over a socketpair.  Included after cmocka.h by one file per program,
 * hence static. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/imap/commands.h"
#include "tests/unit/store_help.h"

struct client {
	struct spool *spool;
	struct mail mail;
	int fd;
	struct buf got;
	bool eof;
};

static int help_lookup(struct mail *m, struct str name, struct buf *words)
{
	(void)m, (void)name, (void)words;
	return 1;
}

static void turn(struct client *c)
{
	char bytes[65536];
	ssize_t n;

	loop_turn(c->spool->loop, 1);
	while ((n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		buf_add(&c->got, bytes, (size_t)n);
	c->eof |= n == 0;
}

static void sends(struct client *c, const void *p, size_t n)
{
	while (n) {
		ssize_t done = send(c->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (done > 0) {
			p = (const char *)p + done;
			n -= (size_t)done;
		} else if (done < 0 && errno != EAGAIN) {
			return;
		}
		turn(c);
	}
}

static char *text_of(struct client *c)
{
	buf_addc(&c->got, 0);
	c->got.len--;
	return c->got.data + c->got.off;
}

/* Turns the loop until `part` was said. */
static const char *until(struct client *c, const char *part)
{
	for (int i = 0; i < 3000; i++) {
		if (strstr(text_of(c), part))
			return text_of(c);
		if (c->eof)
			break;
		turn(c);
	}
	fail_msg("\"%s\" was never said: \"%s\"", part, text_of(c));
	return NULL;
}

/* Sends one command under the tag "t" and returns all that is said up to its answer. */
__attribute__((unused)) static const char *ask(struct client *c, const char *command)
{
	buf_clear(&c->got);
	sends(c, "t ", 2);
	sends(c, command, strlen(command));
	sends(c, "\r\n", 2);
	for (int i = 0; i < 3000 && !c->eof; i++) {
		char *text = text_of(c), *tagged = !strncmp(text, "t ", 2) ? text : strstr(text, "\nt ");

		if (tagged && strstr(tagged + 1, "\r\n"))
			return text;
		turn(c);
	}
	fail_msg("%s: no answer: \"%s\"", command, text_of(c));
	return NULL;
}

__attribute__((unused)) static void assert_says(const char *answer, const char *part)
{
	if (!strstr(answer, part))
		fail_msg("expected \"%s\" in \"%s\"", part, answer);
}

__attribute__((unused)) static void assert_silent_on(const char *answer, const char *part)
{
	if (strstr(answer, part))
		fail_msg("did not expect \"%s\" in \"%s\"", part, answer);
}

static void connects(struct client *c, struct spool *p, const char *unread)
{
	int fd[2];

	memset(c, 0, sizeof(*c));
	c->spool = p;
	c->mail = (struct mail){.loop = p->loop, .store = p->s, .hostname = "mail.example.org",
		.account_lookup = help_lookup};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	c->fd = fd[1];
	assert_int_equal(imap_session_start(&c->mail, fd[0], STR("login"), STR("alice"), "PLAIN", STR("unix"),
		false, str_from(unread)), 0);
	until(c, "login OK [CAPABILITY IMAP4rev1 ");
}

static void leaves(struct client *c)
{
	close(c->fd);
	for (int i = 0; i < 1000 && c->mail.sessions; i++)
		loop_turn(c->spool->loop, 1);
	assert_null(c->mail.sessions);
	buf_free(&c->got);
}

#endif
