/* SPDX-License-Identifier: 0BSD */
/* An LMTP session in mail, from its first MAIL on. */
#include "core/lmtp/lmtp.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/hooks.h"
#include "core/lib/log.h"
#include "core/lmtp/extend.h"

/* RFC 5321 4.5.3.2.7 */
#define TIMEOUT_MS (5 * 60 * 1000)
#define IN_MAX     (LMTP_LINE_MAX + 64 * 1024)

static struct lmtp_session *of(struct conn *c)
{
	return (struct lmtp_session *)((char *)c - offsetof(struct lmtp_session, conn));
}

const char *lmtp_error_reply(int error)
{
	switch (error) {
	case ENOSPC:
		return "452 4.3.1 Out of disk space, try again later";
	case ENOMEM:
		return "452 4.3.1 Out of memory, try again later";
	case EDQUOT:
		return "452 4.2.2 Mailbox is full";
	case EOVERFLOW:
		return "552 5.2.2 Mailbox can take no more messages";
	default:
		return "451 4.3.0 Mail store is not available, try again later";
	}
}

void lmtp_end(struct lmtp_session *s, const char *code, const char *why)
{
	buf_addv(&s->conn.out, "421 ", code, " ", s->base.mail->hostname, " ", why, "\r\n", NULL);
	conn_send(&s->conn);
	conn_close(&s->conn);
}

static void count_error(struct lmtp_session *s)
{
	if (++s->errors == LMTP_ERRORS_MAX)
		lmtp_end(s, "4.7.0", "Too many errors");
}

void lmtp_reply(struct lmtp_session *s, const char *text)
{
	buf_addv(&s->conn.out, text, "\r\n", NULL);
	if (text[0] == '5')
		count_error(s);
}

static void say_lhlo(struct lmtp_session *s, struct cursor *args)
{
	struct str name;

	if (lmtp_parse_lhlo(args, &name)) {
		lmtp_reply(s, "501 5.5.4 Say LHLO and your host name");
		return;
	}
	buf_clear(&s->lhlo);
	buf_addstr(&s->lhlo, name);
	lmtp_transaction_reset(s); /* RFC 5321 4.1.4 */
	lmtp_add_lhlo(&s->conn.out, s->base.mail->hostname, NULL);
}

/* What core does not know. */
static bool by_feature(struct lmtp_session *s, struct str line)
{
	struct cursor c = cursor_from(line);
	struct str verb = cursor_take_until(&c, ' ');

	FEATURE_EACH (f) {
		for (const struct lmtp_command *k = f->lmtp_commands; k && k->name; k++) {
			if (str_ieq(verb, str_from(k->name))) {
				k->run(s, &c);
				return true;
			}
		}
	}
	return false;
}

static void run_command(struct lmtp_session *s, struct str line)
{
	struct cursor c = cursor_from(line);
	enum lmtp_verb verb = lmtp_parse_verb(&c);

	switch (verb) {
	case LMTP_LHLO:
		say_lhlo(s, &c);
		break;
	case LMTP_MAIL:
		lmtp_mail(s, &c);
		break;
	case LMTP_RCPT:
		lmtp_rcpt(s, &c);
		break;
	case LMTP_DATA:
		lmtp_data(s, &c);
		break;
	case LMTP_RSET:
		lmtp_transaction_reset(s);
		session_state(&s->base, "idle");
		lmtp_reply(s, "250 2.0.0 Ok");
		break;
	case LMTP_QUIT:
		buf_addv(&s->conn.out, "221 2.0.0 ", s->base.mail->hostname, " Bye\r\n", NULL);
		conn_close(&s->conn);
		break;
	default:
		if (verb == LMTP_UNKNOWN && by_feature(s, line))
			break;
		if (lmtp_answer_common(&s->conn.out, verb) > 0)
			count_error(s);
	}
}

/* Takes one line; false: it is not complete yet. */
static bool take_line(struct lmtp_session *s)
{
	struct cursor c = cursor_from(buf_str(&s->conn.in));
	bool ended, was_skipping = s->skipping;
	struct str line = cursor_take_line(&c, &ended);
	size_t taken = s->conn.in.len - cursor_left(&c);

	if (!ended && taken <= LMTP_LINE_MAX && !was_skipping)
		return false;
	s->skipping = !ended;
	if (!was_skipping && taken > LMTP_LINE_MAX)
		lmtp_reply(s, "500 5.5.2 Line too long");
	else if (!was_skipping)
		run_command(s, line);
	buf_consume(&s->conn.in, taken);
	return true;
}

/* The text is complete: answers recipients, all at once or slice by slice. */
static void deliver(struct lmtp_session *s)
{
	bool done = lmtp_deliver_some(s);

	conn_send(&s->conn);
	if (!done) {
		loop_idle_add(s->base.mail->loop, &s->work);
		return;
	}
	lmtp_transaction_reset(s);
	session_state(&s->base, "idle");
}

static void run(struct lmtp_session *s)
{
	struct conn *c = &s->conn;

	while (c->in.len && !c->closing && !conn_full(c) && s->phase <= LMTP_TEXT && !s->stalled) {
		if (s->ending && s->phase == LMTP_COMMANDS)
			break;
		if (s->phase == LMTP_TEXT)
			s->tx.take(s);
		else if (!take_line(s))
			break;
		if (s->phase == LMTP_DELIVERING)
			deliver(s);
	}
	if (c->out.len)
		conn_send(c);
	/* The disk decides when it goes on: no input, and no timeout for want of it. */
	conn_pause(c, s->stalled || s->phase == LMTP_STORING);
	if (s->phase >= LMTP_STORING || s->stalled || c->closing || conn_full(c))
		return;
	if (s->ending && s->phase == LMTP_COMMANDS)
		lmtp_end(s, "4.3.2", s->ending);
	else if (c->eof) /* what is left over can never be complete */
		conn_close(c);
}

void lmtp_body_ready(void *session)
{
	struct lmtp_session *s = session;

	if (s->conn.dead || s->conn.closing)
		return;
	s->stalled = false;
	if (s->phase == LMTP_STORING) {
		lmtp_deliver_begin(s);
		if (s->phase == LMTP_DELIVERING)
			deliver(s);
	}
	run(s);
}

static void on_input(struct conn *c)
{
	run(of(c));
}

static void on_work(struct loop_idle *i)
{
	struct lmtp_session *s =
		(struct lmtp_session *)((char *)i - offsetof(struct lmtp_session, work));

	if (s->conn.dead || s->conn.closing)
		return;
	deliver(s);
	run(s);
}

static void on_closed(struct conn *c)
{
	struct lmtp_session *s = of(c);

	loop_idle_del(s->base.mail->loop, &s->work);
	lmtp_transaction_reset(s);
	session_log_end(&s->base, c->received, c->sent);
	session_finish(&s->base);
	conn_free(c);
	free(s->tx.rcpts.v);
	arena_free(&s->arena);
	buf_free(&s->lhlo);
	free(s);
}

static void on_timeout(struct conn *c)
{
	lmtp_end(of(c), "4.4.2", "Idle too long");
}

/* Every reply that waited was a promise that cannot be kept: each is answered again, with a
 * temporary failure.  The client may stand anywhere in what it sent meanwhile, so this is the end. */
static void on_lost(struct conn *c, int error)
{
	struct lmtp_session *s = of(c);
	struct cursor dropped = cursor_from(c->dropped);
	struct str line;
	bool ended;

	while (!cursor_done(&dropped)) {
		line = cursor_take_line(&dropped, &ended);
		if (line.len > 3 && line.p[3] != '-')
			buf_addv(&c->out, lmtp_error_reply(error), "\r\n", NULL);
	}
	s->ending = NULL;
	lmtp_end(s, "4.3.0", "Mail store is not available, try again later");
}

static void end(struct session *base, const char *why)
{
	struct lmtp_session *s = (struct lmtp_session *)base;

	s->ending = why;
	if (s->phase == LMTP_COMMANDS && !s->conn.closing)
		lmtp_end(s, "4.3.2", why);
}

/* Mail admits nobody without a grant, so it is mail that tells who had one. */
static size_t bytes(const struct session *base)
{
	const struct lmtp_session *s = (const struct lmtp_session *)base;

	return sizeof(*s) + conn_bytes(&s->conn) + arena_bytes(&s->arena) + s->lhlo.cap;
}

static int welcome(struct lmtp_session *s, const struct lmtp_login *login)
{
	size_t n = strlen(login->mechanism);

	n = n < sizeof(s->mechanism) ? n : sizeof(s->mechanism) - 1;
	memcpy(s->mechanism, login->mechanism, n);
	s->mechanism[n] = '\0';
	if (session_login(&s->base, str_from(login->account), s->mechanism))
		return -1;
	buf_adds(&s->conn.out, "235 2.7.0 Authentication successful\r\n");
	conn_send(&s->conn);
	return 0;
}

int lmtp_session_start(struct mail *m, int fd, struct str lhlo, const struct lmtp_login *login,
	struct str peer, bool tls, struct str unread)
{
	struct lmtp_session *s = calloc(1, sizeof(*s));

	if (!s)
		goto close_fd;
	if (buf_addstr(&s->lhlo, lhlo) || session_init(&s->base, m, "lmtp", peer, tls))
		goto free_session;
	s->base.end = end;
	s->base.bytes = bytes;
	s->base.state = "idle";
	s->work.run = on_work;
	s->conn.in_max = IN_MAX;
	s->conn.timeout_ms = TIMEOUT_MS;
	s->conn.input = on_input;
	s->conn.drained = on_input;
	s->conn.closed = on_closed;
	s->conn.timeout = on_timeout;
	s->conn.lost = on_lost;
	/* From here on the connection owns the descriptor. */
	if (conn_start(&s->conn, m->loop, m->store, fd, unread))
		goto finish_session;
	if (!login->account)
		session_login(&s->base, STR_NULL, "");
	else if (welcome(s, login))
		conn_abort(&s->conn);
	if (m->draining)
		end(&s->base, "Shutting down");
	return 0;

finish_session:
	session_finish(&s->base);
	fd = -1;
free_session:
	buf_free(&s->lhlo);
	free(s);
close_fd:
	if (fd >= 0)
		close(fd);
	return -1;
}
