/* SPDX-License-Identifier: 0BSD */
/*
 * IMAP sessions after login: runs the commands that input.c collects, one after the other, a slice
 * of work at a time, and lets the output leave behind the barrier of what it tells.
 */
#include "core/imap/commands.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/imap/message.h"
#include "core/lib/log.h"

#define COMMANDS_PER_TURN 32
#define ERRORS_MAX 20
#define ARENA_MAX ((size_t)16 << 20) /* of one command */

struct whole { /* one allocation per session */
	struct imap_session s;
	struct imap_input input;
};

static struct imap_session *of_conn(struct conn *c)
{
	return (struct imap_session *)((char *)c - offsetof(struct imap_session, conn));
}

/* ---- output ---- */

void imap_flush(struct imap_session *s)
{
	if (s->barrier)
		conn_barrier(&s->conn, s->barrier);
	s->barrier = 0;
	conn_send(&s->conn);
}

void imap_bye(struct imap_session *s, const char *code, const char *text)
{
	if (s->ending)
		return;
	s->ending = true;
	imap_tagged(imap_out(s), STR(""), "BYE", code, text);
	imap_flush(s);
	conn_close(&s->conn);
}

void imap_yield(struct imap_session *s)
{
	s->input->step_due = true;
	loop_idle_add(s->conn.loop, &s->wake);
}

static void read_done(struct store_reading *r)
{
	imap_yield((struct imap_session *)((char *)r - offsetof(struct imap_session, reading)));
}

void imap_wait_read(struct imap_session *s)
{
	s->reading.done = read_done;
	if (store_read_wait(s->base.mail->store, &s->reading))
		imap_yield(s);
}

/* Does its next slice come with a turn of the loop, and not with bytes or with room for output? */
static bool next_turn(const struct imap_session *s)
{
	return !s->input->done && s->running->step && !conn_full(&s->conn) && !s->reading.job;
}

void imap_command_done(struct imap_session *s)
{
	s->input->done = true;
	if (!s->input->driving)
		loop_idle_add(s->conn.loop, &s->wake);
}

/* ---- the selected mailbox ---- */

void imap_unselect(struct imap_session *s)
{
	if (!s->view)
		return;
	view_close(&s->view);
	s->readonly = false;
	free(s->saved);
	s->saved = NULL;
	s->saved_count = 0;
	session_select(&s->base, STR_NULL);
}

static void tell_expunge(void *arg, uint32_t seq, uint32_t uid)
{
	struct buf *out = imap_out(arg);

	(void)uid;
	buf_adds(out, "* ");
	buf_addu(out, seq);
	buf_adds(out, " EXPUNGE\r\n");
}

static void tell_exists(void *arg, uint32_t exists, uint32_t recent)
{
	struct imap_session *s = arg;
	struct buf *out = imap_out(s);

	buf_adds(out, "* ");
	buf_addu(out, exists);
	buf_adds(out, " EXISTS\r\n");
	if (s->enabled & IMAP_ENABLED_REV2)
		return; /* RFC 9051 A: no RECENT */
	buf_adds(out, "* ");
	buf_addu(out, recent);
	buf_adds(out, " RECENT\r\n");
}

static void tell_flags(void *arg, uint32_t seq, const struct message *m)
{
	struct imap_session *s = arg;
	bool uid = s->enabled & IMAP_ENABLED_REV2 || (s->running && s->running->uid);

	imap_tell_keywords(s);
	imap_add_fetch_flags(s, imap_out(s), seq, m, uid, true);
}

/* Has a feature told the expunged messages in another form (VANISHED)? */
static bool expunges_told(struct imap_session *s, bool allowed)
{
	FEATURE_EACH (f) {
		if (f->imap_expunges && f->imap_expunges(s, allowed) == HOOK_DONE)
			return true;
	}
	return false;
}

void imap_sync(struct imap_session *s, bool allow_expunge)
{
	struct view_events events = {
		.expunge = tell_expunge, .exists = tell_exists, .flags = tell_flags,
	};

	if (!s->view)
		return;
	if (!view_alive(s->view)) {
		imap_bye(s, NULL, "The selected mailbox was deleted");
		return;
	}
	if (!view_pending(s->view))
		return;
	if (expunges_told(s, allow_expunge))
		events.expunge = NULL;
	imap_barrier(s, view_sync(s->view, allow_expunge, &events, s));
}

/* ---- commands ---- */

static const char *wrong_state(const struct imap_command *command, const struct imap_session *s)
{
	if (command->states & (s->view ? IMAP_SELECTED : IMAP_AUTHENTICATED))
		return NULL;
	if (command->states == IMAP_SELECTED)
		return "Select a mailbox first";
	return s->view ? "Not while a mailbox is selected" : "Not after login";
}

/* Fills c from the text; NULL, or what is wrong with it. */
static const char *parse_command(struct imap_session *s, struct imap_cmd *c, struct str text)
{
	const char *wrong;

	c->args = cursor_from(text);
	wrong = imap_parse_head(&c->args, &c->tag, &c->name);
	if (wrong)
		return wrong;
	if (memchr(text.p, 0, text.len))
		return "NUL bytes cannot stand in a command"; /* RFC 9051 9: CHAR8 */
	c->uid = str_ieq(c->name, STR("UID"));
	if (c->uid && (imap_parse_sp(&c->args) || imap_parse_atom(&c->args, &c->name)))
		return "UID: expected a command";
	c->command = imap_command_find(c->name, c->uid);
	if (!c->command)
		return c->uid ? "UID: unknown command" : "Unknown command";
	return wrong_state(c->command, s);
}

static void run_command(struct imap_session *s, struct str text)
{
	struct imap_cmd *c = &s->input->cmd;
	const char *wrong;

	memset(c, 0, sizeof(*c));
	c->arena = &s->arena;
	s->running = c;
	wrong = parse_command(s, c, text);
	if (wrong) {
		imap_reply(s, c, IMAP_BAD, NULL, wrong);
		return;
	}
	session_state(&s->base, c->command->name);
	c->command->run(s, c);
}

static void end_command(struct imap_session *s)
{
	struct imap_cmd *c = s->running;

	if (!c)
		return;
	if (c->cleanup)
		c->cleanup(c);
	s->running = NULL;
	s->line = NULL;
	s->input->done = s->input->step_due = false;
	body_free(&s->append_body);
	arena_reset(&s->arena);
	imap_flush(s);
}

/* Between two commands: is it time to go? */
static bool leave(struct imap_session *s)
{
	if (s->input->end_why)
		imap_bye(s, "UNAVAILABLE", s->input->end_why);
	else if (s->errors >= ERRORS_MAX)
		imap_bye(s, NULL, "Too many bad commands");
	return s->ending;
}

/* The running command's next move.  False: it waits for something. */
static bool go_on(struct imap_session *s)
{
	struct imap_input *i = s->input;
	struct str line;

	if (i->done) {
		end_command(s);
		return true;
	}
	if (i->step_due && s->running->step) {
		i->step_due = false;
		s->running->step(s, s->running);
		imap_flush(s);
		/* The next slice comes after the other sessions' turns. */
		if (next_turn(s))
			imap_yield(s);
		return i->done;
	}
	if (s->line && imap_input_line(s, &line)) {
		s->line(s, s->running, line);
		imap_flush(s);
		return true;
	}
	return false;
}

static bool next_command(struct imap_session *s)
{
	struct str text;
	bool again;

	if (imap_input_next(s, &text, &again)) {
		run_command(s, text);
		if (next_turn(s))
			imap_yield(s);
		imap_flush(s);
		return s->input->done || s->line;
	}
	return again && !leave(s);
}

static void settle(struct imap_session *s)
{
	/* The client sends no more, and all that it sent has been answered. */
	if (s->conn.eof && !s->wake.queued && (s->running ? s->line != NULL :
			!conn_full(&s->conn) && !s->input->stalled))
		s->ending = true;
	if (s->ending)
		conn_close(&s->conn);
	conn_pause(&s->conn, (s->running && !s->line) || s->input->stalled);
	if (!s->running)
		session_state(&s->base, "idle");
	if (!s->running && !s->conn.in.len)
		arena_free(&s->arena);
	imap_flush(s);
}

static void drive(struct imap_session *s)
{
	unsigned budget = COMMANDS_PER_TURN;

	s->input->driving = true;
	while (!s->ending) {
		if (s->running) {
			if (!go_on(s))
				break;
		} else if (leave(s) || conn_full(&s->conn)) {
			break;
		} else if (!budget--) {
			loop_idle_add(s->conn.loop, &s->wake);
			break;
		} else if (!next_command(s)) {
			break;
		}
	}
	s->input->driving = false;
	settle(s);
}

/* ---- what the loop and the connection call ---- */

static void on_input(struct conn *c)
{
	drive(of_conn(c));
}

static void on_drained(struct conn *c)
{
	struct imap_session *s = of_conn(c);

	if (s->ending)
		return;
	if (s->running && s->running->step && !s->reading.job)
		s->input->step_due = true;
	drive(s);
}

static void on_wake(struct loop_idle *w)
{
	struct imap_session *s = (struct imap_session *)((char *)w - offsetof(struct imap_session, wake));

	if (s->ending)
		return;
	if (s->running && s->line && s->view && (view_pending(s->view) || !view_alive(s->view))) {
		FEATURE_EACH (f) {
			if (f->imap_pending && f->imap_pending(s) == HOOK_DONE)
				break;
		}
	}
	drive(s);
}

void imap_view_changed(void *arg)
{
	struct imap_session *s = arg;

	if (s->line && !s->ending)
		loop_idle_add(s->conn.loop, &s->wake);
}

static void on_timeout(struct conn *c)
{
	imap_bye(of_conn(c), NULL, "Idle for too long");
}

static void on_lost(struct conn *c, int error)
{
	(void)error;
	of_conn(c)->barrier = 0;
	imap_bye(of_conn(c), "UNAVAILABLE", "The store failed; what was not confirmed is undone");
}

static void on_end(struct session *base, const char *why)
{
	struct imap_session *s = (struct imap_session *)base;

	if (s->running && !s->line)
		s->input->end_why = why; /* at the end of the command */
	else
		imap_bye(s, "UNAVAILABLE", why);
}

static void free_session(struct imap_session *s)
{
	if (s->running && s->running->cleanup)
		s->running->cleanup(s->running);
	s->running = NULL;
	store_read_cancel(&s->reading);
	imap_unselect(s);
	if (s->account)
		account_unpin(s->account);
	session_finish(&s->base);
	loop_idle_del(s->conn.loop, &s->wake);
	body_free(&s->append_body);
	buf_free(&s->input->head);
	arena_free(&s->arena);
	conn_free(&s->conn);
	free(s);
}

static void on_closed(struct conn *c)
{
	session_log_end(&of_conn(c)->base, c->received, c->sent);
	free_session(of_conn(c));
}

static size_t bytes(const struct session *base)
{
	const struct imap_session *s = (const struct imap_session *)base;

	return sizeof(struct whole) + conn_bytes(&s->conn) + arena_bytes(&s->arena) + view_bytes(s->view) +
		s->saved_count * sizeof(*s->saved) + s->input->head.cap;
}

/* ---- start ---- */

static void greet(struct imap_session *s, struct str tag)
{
	struct buf *out = imap_out(s);

	/* RFC 9051 6.2.3: the capabilities after login */
	buf_addstr(out, tag);
	buf_adds(out, " OK [CAPABILITY ");
	imap_add_capabilities(out, IMAP_AUTHENTICATED, NULL);
	buf_adds(out, "] Logged in\r\n");
}

static void open_account(struct imap_session *s, struct str tag, struct str account)
{
	if (account_open(s->base.mail->store, account, true, &s->account) == 1) {
		account_pin(s->account);
		FEATURE_EACH (f) {
			if (f->imap_opened)
				f->imap_opened(s);
		}
		greet(s, tag);
		imap_flush(s);
		return;
	}
	log_error("account", "user", log_str(account), "error", strerror(errno), NULL);
	imap_tagged(imap_out(s), tag, "NO", "UNAVAILABLE", "The mail store cannot be used now");
	imap_bye(s, "UNAVAILABLE", "Try again later");
}

int imap_session_start(struct mail *m, int fd, struct str tag, struct str account,
	const char *mechanism, struct str peer, bool tls, struct str unread)
{
	struct whole *w = calloc(1, sizeof(*w));
	struct imap_session *s;
	size_t n = strlen(mechanism);

	if (!w)
		goto close_fd;
	s = &w->s;
	s->input = &w->input;
	memcpy(w->input.mechanism, mechanism,
		n < sizeof(w->input.mechanism) ? n : sizeof(w->input.mechanism) - 1);
	s->arena.max = ARENA_MAX;
	s->wake.run = on_wake;
	s->base.end = on_end;
	s->base.bytes = bytes;
	if (session_init(&s->base, m, "imap", peer, tls))
		goto free_whole;
	s->conn.in_max = 4096;
	s->conn.timeout_ms = (uint64_t)CONFIG_IDLE_TIMEOUT_MINUTES * 60000;
	s->conn.input = on_input;
	s->conn.drained = on_drained;
	s->conn.closed = on_closed;
	s->conn.timeout = on_timeout;
	s->conn.lost = on_lost;
	if (conn_start(&s->conn, m->loop, m->store, fd, unread)) {
		fd = -1;
		goto finish;
	}
	if (session_login(&s->base, account, w->input.mechanism)) {
		conn_abort(&s->conn); /* closed() frees all */
		return 0;
	}
	session_state(&s->base, "idle");
	open_account(s, tag, account);
	return 0;

finish:
	session_finish(&s->base);
free_whole:
	free(w);
close_fd:
	if (fd >= 0)
		close(fd);
	return -1;
}
