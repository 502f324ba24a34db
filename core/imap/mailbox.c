/* SPDX-License-Identifier: 0BSD */
/* SELECT and what changes the set of mailboxes. */
#include "core/imap/commands.h"

#include <errno.h>

#include "core/imap/extend.h"
#include "core/imap/message.h"

#define ALL_FLAGS (MESSAGE_SEEN | MESSAGE_ANSWERED | MESSAGE_FLAGGED | MESSAGE_DELETED | MESSAGE_DRAFT)

/* SP mailbox and the end.  0, or -1: answered. */
static int parse_one_name(struct imap_session *s, struct imap_cmd *c, struct str *name_r)
{
	if (!imap_parse_sp(&c->args) && !imap_parse_mailbox(&c->args, c->arena, name_r) &&
	    !imap_parse_end(&c->args))
		return 0;
	imap_bad(s, c, "Expected a mailbox name");
	return -1;
}

static uint64_t known_keywords(const struct mailbox *m, uint8_t *count_r)
{
	uint64_t known = 0;

	*count_r = 0;
	for (unsigned i = 0; i < 64; i++) {
		if (mailbox_keyword_name(m, i).p) {
			known |= (uint64_t)1 << i;
			*count_r = (uint8_t)(i + 1);
		}
	}
	return known;
}

void imap_add_flags_line(struct imap_session *s, const struct mailbox *m)
{
	uint64_t known = known_keywords(m, &s->input->keywords_told);

	buf_adds(imap_out(s), "* FLAGS ");
	imap_add_flags(imap_out(s), m, ALL_FLAGS, known, false);
	buf_adds(imap_out(s), "\r\n");
}

static void add_permanent_flags(struct imap_session *s, const struct mailbox *m)
{
	struct buf *out = imap_out(s);
	uint64_t known = known_keywords(m, &s->input->keywords_told);

	if (s->readonly) {
		imap_untagged(s, "OK [PERMANENTFLAGS ()] Nothing can be changed");
		return;
	}
	buf_adds(out, "* OK [PERMANENTFLAGS ");
	imap_add_flags(out, m, ALL_FLAGS, known, false);
	/* RFC 9051 7.1: \* says that new keywords can be made; within the parentheses. */
	if (!out->failed && s->input->keywords_told < CONFIG_KEYWORDS_MAX) {
		out->len--;
		buf_adds(out, " \\*)");
	}
	buf_adds(out, "] These can be changed\r\n");
}

static void add_count(struct imap_session *s, uint64_t n, const char *what)
{
	buf_adds(imap_out(s), "* ");
	buf_addu(imap_out(s), n);
	buf_addv(imap_out(s), " ", what, "\r\n", NULL);
}

static void add_code(struct imap_session *s, const char *code, uint64_t n, const char *text)
{
	buf_addv(imap_out(s), "* OK [", code, " ", NULL);
	buf_addu(imap_out(s), n);
	buf_addv(imap_out(s), "] ", text, "\r\n", NULL);
}

/* RFC 9051 6.3.2, RFC 3501 6.3.1 */
static void show_selected(struct imap_session *s, const struct mailbox *m)
{
	bool rev2 = s->enabled & IMAP_ENABLED_REV2;
	uint32_t unseen = rev2 ? 0 : view_first_unseen(s->view);

	imap_add_flags_line(s, m);
	add_permanent_flags(s, m);
	add_count(s, view_exists(s->view), "EXISTS");
	if (!rev2)
		add_count(s, view_recent(s->view), "RECENT");
	if (unseen)
		add_code(s, "UNSEEN", unseen, "First unseen message");
	add_code(s, "UIDVALIDITY", mailbox_uidvalidity(m), "UIDs are valid");
	add_code(s, "UIDNEXT", mailbox_uidnext(m), "Predicted next UID");
	if (rev2)
		imap_add_list_line(s, m);
}

/* SP mailbox [SP "(" parameters ")"] (RFC 4466 2.1).  NULL, or what is wrong. */
static const char *parse_select(struct imap_session *s, struct imap_cmd *c, struct str *name_r)
{
	const char *wrong = NULL;

	if (imap_parse_sp(&c->args) || imap_parse_mailbox(&c->args, c->arena, name_r))
		return "Expected a mailbox name";
	if (!cursor_done(&c->args))
		wrong = imap_parse_modifiers(s, c, IMAP_AT_SELECT, NULL);
	if (wrong)
		return wrong;
	return imap_parse_end(&c->args) ? "Something follows the parameters" : NULL;
}

void imap_select_reply(struct imap_session *s, struct imap_cmd *c)
{
	imap_reply(s, c, IMAP_OK, s->readonly ? "READ-ONLY" : "READ-WRITE", "Selected");
}

static bool features_go_on(struct imap_session *s, struct imap_cmd *c)
{
	FEATURE_EACH (f) {
		if (f->imap_selected && f->imap_selected(s, c) == HOOK_DONE)
			return true;
	}
	return false;
}

static void select_or_examine(struct imap_session *s, struct imap_cmd *c, bool readonly)
{
	const char *wrong;
	struct mailbox *m;
	struct str name;

	wrong = parse_select(s, c, &name);
	if (wrong) {
		imap_bad(s, c, wrong);
		return;
	}
	if (s->view) {
		imap_unselect(s);
		imap_untagged(s, "OK [CLOSED] The previous mailbox is closed"); /* RFC 9051 7.1 */
	}
	imap_enable(s, c->enables);
	m = mailbox_find(s->account, name);
	if (!m) {
		imap_barrier(s, account_lsn(s->account));
		imap_reply_errno(s, c, ENOENT);
		return;
	}
	s->view = view_open(m, !readonly);
	if (!s->view || session_select(&s->base, mailbox_name(m))) {
		view_close(&s->view);
		imap_reply_errno(s, c, ENOMEM);
		return;
	}
	s->readonly = readonly;
	view_notify(s->view, imap_view_changed, s);
	imap_barrier(s, mailbox_lsn(m));
	show_selected(s, m);
	if (!features_go_on(s, c))
		imap_select_reply(s, c);
}

static void select_run(struct imap_session *s, struct imap_cmd *c)
{
	select_or_examine(s, c, false);
}

static void examine_run(struct imap_session *s, struct imap_cmd *c)
{
	select_or_examine(s, c, true);
}

/* code: of the OK, or NULL */
static void answer(struct imap_session *s, struct imap_cmd *c, int rc, uint64_t lsn, const char *code, const char *text)
{
	if (rc) {
		int error = errno;

		/* "Exists already" and "is not there" are state too. */
		imap_barrier(s, account_lsn(s->account));
		imap_reply_errno(s, c, error);
		return;
	}
	imap_barrier(s, lsn);
	imap_reply(s, c, IMAP_OK, code, text);
}

static struct str without_slash(struct str name)
{
	/* RFC 9051 6.3.4: a separator at the end says that names below it will follow. */
	if (name.len > 1 && name.p[name.len - 1] == '/')
		name.len--;
	return name;
}

unsigned imap_use_of(struct str name)
{
	static const struct { struct str name; unsigned use; } usual[] = {
		{{"Archive", 7}, MAILBOX_ARCHIVE}, {{"Drafts", 6}, MAILBOX_DRAFTS}, {{"Junk", 4}, MAILBOX_JUNK},
		{{"Sent", 4}, MAILBOX_SENT}, {{"Trash", 5}, MAILBOX_TRASH},
	};

	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
		if (str_ieq(name, usual[i].name))
			return usual[i].use;
	}
	return 0;
}

unsigned imap_free_uses(const struct account *a, unsigned use)
{
	for (uint32_t i = 0; use && i < account_mailbox_count(a); i++)
		use &= ~mailbox_special_use(account_mailbox(a, i));
	return use;
}

/* RFC 6154 2: the server may say what a mailbox is for.  The usual names mean the usual thing, so that
 * all clients of an account agree where sent mail goes; one mailbox for each use. */
static unsigned usual_use(const struct account *a, struct str name)
{
	return imap_free_uses(a, imap_use_of(name));
}

/* SP mailbox [SP "(" parameters ")"] (RFC 4466 2.2).  NULL, or what is wrong. */
static const char *parse_create(struct imap_session *s, struct imap_cmd *c, struct str *name_r)
{
	struct cursor ahead;
	const char *wrong;

	if (imap_parse_sp(&c->args) || imap_parse_mailbox(&c->args, c->arena, name_r))
		return "CREATE: expected a mailbox name";
	ahead = c->args;
	if (!imap_parse_sp(&ahead) && cursor_peek(&ahead) == '(') {
		wrong = imap_parse_modifiers(s, c, IMAP_AT_CREATE, NULL);
		if (wrong)
			return wrong;
	}
	return imap_parse_end(&c->args) ? "CREATE: something follows the mailbox name" : NULL;
}

static void created(struct imap_session *s, struct str name, struct buf *code)
{
	FEATURE_EACH (f) {
		if (f->imap_created)
			f->imap_created(s, mailbox_find(s->account, name), code);
	}
	if (code->len)
		buf_addc(code, 0);
}

static void create_run(struct imap_session *s, struct imap_cmd *c)
{
	struct buf code = {0};
	const char *wrong;
	struct str name;
	uint64_t lsn = 0;
	int rc;

	wrong = parse_create(s, c, &name);
	if (wrong) {
		imap_bad(s, c, wrong);
		return;
	}
	if (c->refusal) {
		imap_reply(s, c, IMAP_NO, c->refusal, "The mailbox cannot be made so");
		return;
	}
	name = without_slash(name);
	rc = mailbox_create(s->account, name, c->has_use ? c->use : usual_use(s->account, name), &lsn);
	if (!rc)
		created(s, name, &code);
	answer(s, c, rc, lsn, code.len && !code.failed ? code.data : NULL, "Created");
	buf_free(&code);
}

static void delete_run(struct imap_session *s, struct imap_cmd *c)
{
	struct mailbox *m;
	struct str name;
	uint64_t lsn = 0;
	int rc;

	if (parse_one_name(s, c, &name))
		return;
	m = mailbox_find(s->account, name);
	rc = mailbox_delete(s->account, name, &lsn);
	if (!rc && s->view && (!view_alive(s->view) || view_mailbox(s->view) == m)) {
		imap_unselect(s);
		imap_untagged(s, "OK [CLOSED] The selected mailbox is gone");
	}
	answer(s, c, rc, lsn, NULL, "Deleted");
}

static void rename_run(struct imap_session *s, struct imap_cmd *c)
{
	struct str from, to;
	uint64_t lsn = 0;
	int rc;

	if (imap_parse_sp(&c->args) || imap_parse_mailbox(&c->args, c->arena, &from) ||
	    parse_one_name(s, c, &to)) {
		if (!s->input->done)
			imap_bad(s, c, "RENAME: expected two mailbox names");
		return;
	}
	rc = mailbox_rename(s->account, from, without_slash(to), &lsn);
	if (!rc && s->view && view_alive(s->view))
		session_select(&s->base, mailbox_name(view_mailbox(s->view)));
	answer(s, c, rc, lsn, NULL, "Renamed");
}

static void subscribe(struct imap_session *s, struct imap_cmd *c, bool on)
{
	struct str name;
	uint64_t lsn = 0;
	int rc;

	if (parse_one_name(s, c, &name))
		return;
	rc = mailbox_subscribe(s->account, without_slash(name), on, &lsn);
	answer(s, c, rc, lsn, NULL, on ? "Subscribed" : "Unsubscribed");
}

static void subscribe_run(struct imap_session *s, struct imap_cmd *c)
{
	subscribe(s, c, true);
}

static void unsubscribe_run(struct imap_session *s, struct imap_cmd *c)
{
	subscribe(s, c, false);
}

static void close_done(struct imap_session *s, struct imap_cmd *c, int error)
{
	if (error) {
		imap_reply_errno(s, c, error);
		return;
	}
	imap_unselect(s);
	imap_reply(s, c, IMAP_OK, NULL, "Closed");
}

/* RFC 9051 6.4.1: removes what is \Deleted, without a word about it. */
static void close_run(struct imap_session *s, struct imap_cmd *c)
{
	if (!cursor_done(&c->args))
		imap_bad(s, c, "CLOSE takes no arguments");
	else if (s->readonly || !view_alive(s->view))
		close_done(s, c, 0);
	else
		imap_expunge_deleted(s, c, NULL, close_done);
}

const struct imap_command imap_mailbox_commands[] = {
	{"SELECT", IMAP_LOGGED_IN, 0, select_run},
	{"EXAMINE", IMAP_LOGGED_IN, 0, examine_run},
	{"CREATE", IMAP_LOGGED_IN, 0, create_run},
	{"DELETE", IMAP_LOGGED_IN, 0, delete_run},
	{"RENAME", IMAP_LOGGED_IN, 0, rename_run},
	{"SUBSCRIBE", IMAP_LOGGED_IN, 0, subscribe_run},
	{"UNSUBSCRIBE", IMAP_LOGGED_IN, 0, unsubscribe_run},
	{"CLOSE", IMAP_SELECTED, 0, close_run},
	{0},
};
