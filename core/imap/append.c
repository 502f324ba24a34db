/* SPDX-License-Identifier: 0BSD */
#include "core/imap/commands.h"

#include <errno.h>
#include <time.h>

#include "core/lib/date.h"

struct append_args {
	struct str mailbox;
	struct imap_flags flags;
	struct date date;
	bool has_date;
};

bool imap_append_is_message(struct str text)
{
	struct arena arena = {.max = CONFIG_IMAP_LINE_MAX};
	struct cursor c = cursor_from(text);
	struct str tag, name, mailbox;
	bool is;

	if (imap_parse_head(&c, &tag, &name) || !str_ieq(name, STR("APPEND")))
		return false;
	is = !imap_parse_sp(&c) && !imap_parse_astring(&c, &arena, &mailbox) && !imap_parse_sp(&c);
	arena_free(&arena);
	return is;
}

/* SP mailbox [SP flag-list] [SP date-time] SP, and then the literal, which is elsewhere. NULL, or
 * what is wrong. */
static const char *parse_args(struct cursor *c, struct arena *a, struct append_args *args_r)
{
	*args_r = (struct append_args){0};
	if (imap_parse_sp(c) || imap_parse_mailbox(c, a, &args_r->mailbox) || imap_parse_sp(c))
		return "APPEND: expected a mailbox name";
	if (cursor_peek(c) == '(' && (imap_parse_flags(c, a, true, &args_r->flags) || imap_parse_sp(c)))
		return "APPEND: malformed flags";
	if (cursor_accept(c, '"')) {
		if (date_parse_imap(c, &args_r->date) || !cursor_accept(c, '"') || imap_parse_sp(c))
			return "APPEND: malformed date";
		args_r->has_date = true;
	}
	return imap_parse_end(c) ? "APPEND: expected a message as a literal" : NULL;
}

static int refuse(const char *status, const char *code, const char *why, const char **status_r,
	const char **code_r, const char **why_r)
{
	*status_r = status;
	*code_r = code;
	*why_r = why;
	return -1;
}

const char *imap_append_trouble(int error)
{
	return error == ENOSPC ? "The disk is full" : error == EIO ? "The store takes no changes now" :
		"No room for the message now, try again";
}

static void append_step(struct imap_session *s, struct imap_cmd *c);

/* More of the message can be taken, or all of it is in its file. */
static void body_ready(void *arg)
{
	struct imap_session *s = arg;

	if (s->running) {
		s->running->step = append_step;
		imap_yield(s);
	} else {
		loop_idle_add(s->conn.loop, &s->wake);
	}
}

int imap_append_begin(struct imap_session *s, struct str text, uint64_t size, const char **status_r,
	const char **code_r, const char **why_r)
{
	struct cursor c = cursor_from(text);
	struct append_args args;
	struct str tag, name;
	const char *wrong;
	struct mailbox *to;
	int error;

	imap_parse_head(&c, &tag, &name);
	wrong = parse_args(&c, &s->arena, &args);
	to = wrong ? NULL : mailbox_find(s->account, args.mailbox);
	arena_reset(&s->arena);
	if (wrong)
		return refuse("BAD", NULL, wrong, status_r, code_r, why_r);
	if (!to) { /* RFC 9051 6.3.12 */
		imap_barrier(s, account_lsn(s->account));
		return refuse("NO", "TRYCREATE", "No such mailbox", status_r, code_r, why_r);
	}
	if (size == 0)
		return refuse("NO", NULL, "An empty message is none", status_r, code_r, why_r);
	if (size > (uint64_t)CONFIG_MESSAGE_MAX_MB << 20) /* RFC 7889 */
		return refuse("NO", "TOOBIG", "Message too large", status_r, code_r, why_r);
	if (store_watch_check(to, 1, size)) /* RFC 9208 4.3 */
		return refuse("NO", "OVERQUOTA", "Over quota", status_r, code_r, why_r);
	error = store_admits(s->base.mail->store, size);
	if (error)
		return refuse("NO", "UNAVAILABLE", imap_append_trouble(error), status_r, code_r, why_r);
	body_free(&s->append_body);
	s->append_body = body_new(s->base.mail->store);
	if (!s->append_body)
		return refuse("NO", "UNAVAILABLE", imap_append_trouble(errno), status_r, code_r, why_r);
	body_expect(s->append_body, size);
	body_notify(s->append_body, body_ready, s);
	return 0;
}

/* Numbers of the keywords in the mailbox's table.  0 / -1 + errno. */
static int find_keywords(struct mailbox *m, const struct imap_flags *f, uint64_t *keywords_r)
{
	*keywords_r = 0;
	for (size_t i = 0; i < f->n; i++) {
		int k = mailbox_keyword(m, f->keywords[i], true);

		if (k < 0)
			return -1;
		*keywords_r |= (uint64_t)1 << k;
	}
	return 0;
}

/* 0 / -1 + errno */
static int append(struct imap_session *s, struct mailbox *m, const struct append_args *args,
	uint32_t *uid_r, uint64_t *lsn_r)
{
	struct message_new new = {.body = s->append_body, .prefix = STR(""), .flags = args->flags.flags};
	int rc = -1;

	new.internaldate = args->has_date ? date_to_unix(&args->date) : (int64_t)time(NULL);
	new.zone = args->has_date ? (int16_t)args->date.zone : 0;
	store_begin(s->base.mail->store);
	if (!find_keywords(m, &args->flags, &new.keywords))
		rc = mailbox_append(m, &new, 1, uid_r, lsn_r);
	store_end(s->base.mail->store);
	return rc;
}

/* The message is complete. */
static void store_message(struct imap_session *s, struct imap_cmd *c, const struct append_args *args)
{
	struct mailbox *m = mailbox_find(s->account, args->mailbox);
	struct buf code = {0};
	uint64_t lsn = 0;
	uint32_t uid = 0;

	if (!m) {
		imap_barrier(s, account_lsn(s->account));
		imap_reply(s, c, IMAP_NO, "TRYCREATE", "No such mailbox");
		return;
	}
	if (append(s, m, args, &uid, &lsn)) {
		imap_reply_errno(s, c, errno);
		return;
	}
	imap_barrier(s, lsn);
	/* RFC 4315 3 */
	buf_adds(&code, "APPENDUID ");
	buf_addu(&code, mailbox_uidvalidity(m));
	buf_addc(&code, ' ');
	buf_addu(&code, uid);
	buf_addc(&code, 0);
	imap_reply(s, c, IMAP_OK, code.failed ? NULL : code.data, "Message stored");
	buf_free(&code);
}

/* Until the message's file is on the disk there is no step: body_ready() brings it back. */
static void append_step(struct imap_session *s, struct imap_cmd *c)
{
	int done = body_finish(s->append_body);

	c->step = NULL;
	if (done < 0)
		imap_reply(s, c, IMAP_NO, "UNAVAILABLE", imap_append_trouble(errno));
	else if (!done)
		store_message(s, c, c->state);
}

static void append_run(struct imap_session *s, struct imap_cmd *c)
{
	struct append_args *args = arena_alloc(c->arena, sizeof(*args));
	const char *wrong = args ? parse_args(&c->args, c->arena, args) : "APPEND: out of memory";

	if (wrong || !s->append_body) {
		imap_bad(s, c, wrong ? wrong : "APPEND: expected a message as a literal");
		return;
	}
	c->state = args;
	append_step(s, c);
}

const struct imap_command imap_append_commands[] = {
	{"APPEND", IMAP_LOGGED_IN, 0, append_run},
	{0},
};
