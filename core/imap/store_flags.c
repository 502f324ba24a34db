/* SPDX-License-Identifier: 0BSD */
#include "core/imap/store_flags.h"

#include <errno.h>

#include "core/imap/commands.h"
#include "core/imap/extend.h"

#define STORE_SLICE 1024

struct store_flags {
	struct imap_pick pick;
	enum message_op op;
	bool silent;
	struct imap_flags named; /* as the client wrote them */
	uint64_t keywords;
	bool changed, expunged, end;
	/* The slice whose answers are still to be said. */
	uint32_t said, n;
	uint32_t uids[STORE_SLICE], seqs[STORE_SLICE];
	bool told[STORE_SLICE]; /* are its flags to be said? */
};

void imap_tell_keywords(struct imap_session *s)
{
	const struct mailbox *m = view_mailbox(s->view);

	if (s->input->keywords_told < CONFIG_KEYWORDS_MAX &&
			mailbox_keyword_name(m, s->input->keywords_told).p)
		imap_add_flags_line(s, m);
}

bool imap_view_gone(struct imap_session *s, struct imap_cmd *c)
{
	if (view_alive(s->view))
		return false;
	imap_reply(s, c, IMAP_NO, "NONEXISTENT", "The mailbox was deleted");
	return true;
}

bool imap_shows_recent(const struct imap_session *s, uint32_t uid)
{
	return !(s->enabled & IMAP_ENABLED_REV2) && view_is_recent(s->view, uid);
}

void imap_add_told(struct imap_session *s, struct buf *out, const struct message *m)
{
	FEATURE_EACH (f) {
		if (f->imap_told)
			f->imap_told(s, out, m);
	}
}

void imap_add_fetch_flags(struct imap_session *s, struct buf *out, uint32_t seq,
	const struct message *m, bool uid, bool flags)
{
	size_t begin;

	buf_add(out, "* ", 2);
	buf_addu(out, seq);
	buf_add(out, " FETCH (", 8);
	begin = out->len;
	if (uid || s->enabled & IMAP_ENABLED_CONDSTORE) {
		buf_add(out, "UID ", 4);
		buf_addu(out, m->uid);
	}
	if (flags) {
		buf_adds(out, out->len > begin ? " FLAGS " : "FLAGS ");
		imap_add_flags(out, view_mailbox(s->view), m->flags, m->keywords,
			imap_shows_recent(s, m->uid));
	}
	imap_add_told(s, out, m);
	buf_add(out, ")\r\n", 3);
}

static void store_finish(struct imap_session *s, struct imap_cmd *c)
{
	const struct store_flags *st = c->state;
	const char *code = c->code ? c->code(s, c) : NULL;

	/* RFC 2180 4.2, RFC 5530 */
	if (code || !st->expunged || c->uid)
		imap_reply(s, c, IMAP_OK, code, "STORE completed");
	else if (st->changed)
		imap_reply(s, c, IMAP_OK, "EXPUNGEISSUED", "STORE completed, some messages are gone");
	else
		imap_reply(s, c, IMAP_NO, "EXPUNGEISSUED", "The messages are gone");
}

static void collect(struct imap_session *s, struct imap_cmd *c)
{
	struct store_flags *st = c->state;
	struct message m;
	uint32_t seq;

	st->n = st->said = 0;
	for (unsigned looked = 0; looked < STORE_SLICE; looked++) {
		seq = imap_pick_next(&st->pick, s->view);
		if (!seq) {
			st->end = true;
			return;
		}
		if (view_message(s->view, seq, &m) != 1) {
			st->expunged = true;
			continue;
		}
		if (c->leaves && c->leaves(s, c, seq, &m))
			continue;
		/* RFC 9051 6.4.6: what another session changed is told all the same. */
		st->told[st->n] = !st->silent || view_flags_untold(s->view, &m);
		st->seqs[st->n] = seq;
		st->uids[st->n++] = m.uid;
	}
}

static int change(struct imap_session *s, struct store_flags *st)
{
	uint64_t lsn = 0;

	if (mailbox_flag(view_mailbox(s->view), st->uids, st->n, st->op, st->named.flags, st->keywords, &lsn))
		return -1;
	imap_barrier(s, lsn);
	st->changed = true;
	/* What this command says itself, or was asked not to say, is not announced again. */
	for (uint32_t i = 0; i < st->n; i++)
		view_forget_flags(s->view, st->uids[i]);
	return 0;
}

/* Answers of the slice, as far as the output takes them.  True when all are said. */
static bool say(struct imap_session *s, struct imap_cmd *c)
{
	struct store_flags *st = c->state;
	/* RFC 7162 3.1.3: who knows mod-sequences is told the new one all the same. */
	bool all = !st->silent || s->enabled & IMAP_ENABLED_CONDSTORE;
	struct message m;

	if (st->said < st->n)
		imap_tell_keywords(s);
	for (; st->said < st->n; st->said++) {
		if (!all && !st->told[st->said])
			continue;
		if (conn_full(&s->conn))
			return false;
		/* RFC 9051 6.4.9: the UID form tells UIDs. */
		if (view_message(s->view, st->seqs[st->said], &m) == 1)
			imap_add_fetch_flags(s, imap_out(s), st->seqs[st->said], &m, c->uid, st->told[st->said]);
	}
	return true;
}

static void store_step(struct imap_session *s, struct imap_cmd *c)
{
	struct store_flags *st = c->state;

	if (imap_view_gone(s, c))
		return;
	imap_barrier(s, mailbox_lsn(view_mailbox(s->view)));
	if (!say(s, c))
		return;
	if (!st->end)
		collect(s, c);
	if (st->said < st->n && change(s, st)) {
		imap_reply_errno(s, c, errno);
		return;
	}
	if (!say(s, c))
		return;
	if (st->end)
		store_finish(s, c);
	else
		imap_yield(s);
}

/* [SP "(" modifiers ")"] (RFC 4466 2.3) SP ["+" / "-"] "FLAGS" [".SILENT"] SP.  NULL, or what is
 * wrong. */
static const char *parse_words(struct imap_session *s, struct imap_cmd *c, struct store_flags *st)
{
	static const char expected[] = "expected FLAGS, +FLAGS or -FLAGS and flags";
	struct cursor ahead = c->args;
	const char *wrong = NULL;

	if (!imap_parse_sp(&ahead) && cursor_peek(&ahead) == '(')
		wrong = imap_parse_modifiers(s, c, IMAP_AT_STORE, NULL);
	if (wrong)
		return wrong;
	if (imap_parse_sp(&c->args))
		return expected;
	st->op = MESSAGE_SET;
	if (cursor_accept(&c->args, '+'))
		st->op = MESSAGE_ADD;
	else if (cursor_accept(&c->args, '-'))
		st->op = MESSAGE_REMOVE;
	if (!cursor_accept_word(&c->args, STR("FLAGS")))
		return expected;
	st->silent = cursor_accept_word(&c->args, STR(".SILENT"));
	return imap_parse_sp(&c->args) ? expected : NULL;
}

/* Names to bits of the mailbox's table, made where they are new.  0 / -1 + errno. */
static int find_keywords(struct imap_session *s, struct store_flags *st)
{
	int bit;

	for (size_t i = 0; i < st->named.n; i++) {
		bit = mailbox_keyword(view_mailbox(s->view), st->named.keywords[i],
			st->op != MESSAGE_REMOVE);
		if (bit >= 0)
			st->keywords |= UINT64_C(1) << bit;
		else if (st->op != MESSAGE_REMOVE)
			return -1;
	}
	return 0;
}

void imap_store_run(struct imap_session *s, struct imap_cmd *c)
{
	struct store_flags *st = arena_alloc(c->arena, sizeof(*st));
	const char *wrong;

	if (!st) {
		imap_reply_errno(s, c, ENOMEM);
		return;
	}
	if (imap_pick_parse(&st->pick, s, c))
		return;
	wrong = parse_words(s, c, st);
	if (wrong) {
		imap_bad(s, c, wrong);
		return;
	}
	if (imap_parse_flags(&c->args, c->arena, false, &st->named) || imap_parse_end(&c->args)) {
		imap_bad(s, c, "expected flags that may be stored");
		return;
	}
	if (s->readonly) {
		imap_reply(s, c, IMAP_NO, "READ-ONLY", "The mailbox was opened with EXAMINE");
		return;
	}
	if (find_keywords(s, st)) {
		imap_reply_errno(s, c, errno);
		return;
	}
	imap_enable(s, c->enables);
	c->state = st;
	c->step = store_step;
	store_step(s, c);
}
