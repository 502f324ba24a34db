/* SPDX-License-Identifier: 0BSD */
#include "core/imap/fetch.h"

#include <errno.h>

struct fetch {
	struct imap_pick pick;
	struct fetch_items items;
	struct imap_content content;
	/* The message being answered, 0 between messages. */
	uint32_t seq;
	size_t at;              /* item to go on with */
	size_t mark;            /* where its answer begins in the output, while none of it has left */
	bool pieces;            /* part of it may have left */
	bool said;              /* "* seq FETCH (" */
	bool items_said;        /* the next one needs a space in front */
	unsigned cold;          /* slices in a row in which nothing could be read without waiting */
	struct fetch_literal literal; /* being sent */
	/* Set \Seen ahead, see mark_seen(): UIDs in order, and the last number looked at. */
	uint32_t marked[IMAP_SLICE_MESSAGES], marked_to;
	bool untold[IMAP_SLICE_MESSAGES]; /* had another session changed its flags before? */
	unsigned n_marked, at_marked;
	/* for the tagged reply */
	bool expunged;          /* some numbers had no message any more */
	bool failed;
	uint32_t failed_uid;    /* the first of them */
	int failed_error;
};

static void fetch_cleanup(struct imap_cmd *c)
{
	struct fetch *f = c->state;

	imap_content_free(&f->content);
}

static void reply_failed(struct imap_session *s, struct imap_cmd *c, const struct fetch *f)
{
	struct buf text = {0};
	const char *code = "SERVERBUG";

	buf_adds(&text, "message with UID ");
	buf_addu(&text, f->failed_uid);
	if (f->failed_error == ENOTSUP) {
		code = "UNKNOWN-CTE"; /* RFC 3516 4.3 */
		buf_adds(&text, " has a transfer encoding that is not known");
	} else if (f->failed_error == EPROTO) {
		code = "CORRUPTION"; /* RFC 5530 3 */
		buf_adds(&text, " is damaged and was left out");
	} else {
		buf_adds(&text, " could not be read and was left out");
	}
	buf_addc(&text, 0);
	imap_reply(s, c, IMAP_NO, code, text.failed ? "out of memory" : buf_str(&text).p);
	buf_free(&text);
}

static void fetch_finish(struct imap_session *s, struct imap_cmd *c)
{
	const struct fetch *f = c->state;

	if (f->failed)
		reply_failed(s, c, f);
	else if (f->expunged && !c->uid) /* RFC 2180 4.1, RFC 5530 */
		imap_reply(s, c, IMAP_OK, "EXPUNGEISSUED", "FETCH completed, some messages are gone");
	else
		imap_reply(s, c, IMAP_OK, NULL, "FETCH completed");
}

/* Appends the next n bytes of the literal.  0 / -1 + errno. */
static int add_piece(struct fetch *f, struct buf *out, uint64_t n)
{
	struct fetch_literal *l = &f->literal;
	size_t before = out->len;

	if (l->memory)
		buf_add(out, l->memory + l->offset, n);
	else if (message_read(f->content.store, &f->content.m, l->offset, n, out))
		return -1;
	errno = out->failed ? ENOMEM : EPROTO;
	if (out->failed || out->len - before != n)
		return -1;
	l->offset += n;
	l->left -= n;
	f->content.bytes += n;
	return 0;
}

/* Sends the literal that is open, piece by piece.  1 all of it, 0 later, -1 + errno. */
static int send_pieces(struct imap_session *s, struct fetch *f)
{
	struct fetch_literal *l = &f->literal;

	while (l->left) {
		if (f->pieces && conn_full(&s->conn)) {
			if (!l->memory)
				imap_content_drop_whole(&f->content);
			return 0;
		}
		if (add_piece(f, imap_out(s), l->left < FETCH_PIECE ? l->left : FETCH_PIECE))
			return -1;
		f->pieces = l->left || f->pieces;
	}
	return 1;
}

/*
 * RFC 9051 6.4.5: fetching a body sets \Seen.  The messages that come next are marked together,
 * before they are read, so that the output waits for the disk once for all of them.
 */
static void mark_seen(struct imap_session *s, struct fetch *f, uint32_t seq)
{
	struct imap_pick ahead = f->pick;
	struct message m;
	uint64_t bytes = 0, lsn = 0;

	if (!f->items.sets_seen || s->readonly || seq <= f->marked_to)
		return;
	f->n_marked = f->at_marked = 0;
	for (unsigned n = 0; seq && n < IMAP_SLICE_MESSAGES && bytes < IMAP_SLICE_BYTES; n++) {
		f->marked_to = seq;
		if (view_message(s->view, seq, &m) == 1) {
			bytes += m.size;
			if (!(m.flags & MESSAGE_SEEN)) {
				f->untold[f->n_marked] = view_flags_untold(s->view, &m);
				f->marked[f->n_marked++] = m.uid;
			}
		}
		seq = imap_pick_next(&ahead, s->view);
	}
	if (f->n_marked && mailbox_flag(view_mailbox(s->view), f->marked, f->n_marked, MESSAGE_ADD,
			MESSAGE_SEEN, 0, &lsn))
		f->n_marked = 0; /* the bodies can be told all the same */
	imap_barrier(s, lsn);
	for (unsigned i = 0; i < f->n_marked; i++)
		view_forget_flags(s->view, f->marked[i]);
}

static bool was_marked(struct fetch *f)
{
	while (f->at_marked < f->n_marked && f->marked[f->at_marked] < f->content.m.uid)
		f->at_marked++;
	return f->at_marked < f->n_marked && f->marked[f->at_marked] == f->content.m.uid;
}

static void say_too(struct imap_session *s, struct fetch *f, enum fetch_what what)
{
	if (f->items.once & 1u << what)
		return;
	if (f->items_said)
		buf_addc(imap_out(s), ' ');
	f->items_said = true;
	fetch_add_item(s, imap_out(s), &f->content, &(struct fetch_item){.what = what});
}

/* The answer tells the flags that it changed, asked for or not. */
static void say_seen(struct imap_session *s, struct fetch *f)
{
	if (!was_marked(f))
		return;
	say_too(s, f, FETCH_FLAGS);
	if (!(s->enabled & IMAP_ENABLED_CONDSTORE))
		return;
	say_too(s, f, FETCH_UID); /* RFC 7162 3.2.4 */
	if (!f->items.enables)
		imap_add_told(s, imap_out(s), &f->content.m);
}

/* A body that could not be read was not seen. */
static void unmark(struct imap_session *s, struct fetch *f)
{
	uint64_t lsn = 0;

	if (!was_marked(f))
		return;
	mailbox_flag(view_mailbox(s->view), &f->content.m.uid, 1, MESSAGE_REMOVE, MESSAGE_SEEN, 0, &lsn);
	imap_barrier(s, lsn);
	/* Its flags are what they were, unless another session changed them and this one is still to be told. */
	if (!f->untold[f->at_marked])
		view_forget_flags(s->view, f->content.m.uid);
}

static int add_item(struct imap_session *s, struct fetch *f, const struct fetch_item *item)
{
	struct buf *out = imap_out(s);

	if (f->items_said)
		buf_addc(out, ' ');
	f->items_said = true;
	if (item->what != FETCH_SECTION && item->what != FETCH_BINARY)
		return fetch_add_item(s, out, &f->content, item);
	return fetch_open_literal(out, &f->content, item, &f->literal);
}

/* 1: the message is answered, 0: later, -1 + errno. */
static int fetch_items(struct imap_session *s, struct fetch *f)
{
	struct buf *out = imap_out(s);
	size_t before;
	bool said;
	int done;

	while (f->literal.left || f->at < f->items.n) {
		/* Many items of one message do not pile up either. */
		if (!f->literal.left && out->len > CONN_OUT_HIGH + FETCH_PIECE) {
			f->pieces = true;
			return 0;
		}
		before = out->len;
		said = f->items_said;
		if (!f->literal.left && add_item(s, f, &f->items.v[f->at++])) {
			f->at--;
			f->items_said = said;
			out->len = before;
			return -1;
		}
		done = send_pieces(s, f);
		if (done != 1)
			return done;
	}
	say_seen(s, f);
	return 1;
}

/* Takes back the half answer of a message that cannot be read; the others go on. */
static int give_up(struct imap_session *s, struct fetch *f)
{
	if (f->pieces) {
		/* The client waits for the rest of a literal: nothing true can follow. */
		s->ending = true;
		conn_abort(&s->conn);
		return -1;
	}
	if (!f->failed) {
		f->failed_uid = f->content.m.uid;
		f->failed_error = errno;
	}
	f->failed = true;
	unmark(s, f);
	f->seq = 0;
	imap_out(s)->len = f->mark;
	imap_out(s)->failed = false;
	return 0;
}

static int begin_message(struct imap_session *s, struct fetch *f, uint32_t seq)
{
	struct message m;

	mark_seen(s, f, seq);
	if (view_message(s->view, seq, &m) != 1) {
		f->expunged = true;
		return 0;
	}
	if (f->items.once & 1u << FETCH_FLAGS || f->items.sets_seen)
		imap_tell_keywords(s);
	imap_content_set(&f->content, &m);
	f->seq = seq;
	f->at = 0;
	f->said = f->pieces = f->items_said = false;
	f->literal.left = 0;
	return 1;
}

static bool needs_tree(const struct fetch_items *items)
{
	for (size_t i = 0; i < items->n; i++)
		if (items->v[i].what >= FETCH_SECTION && items->v[i].section.depth)
			return true;
	return false;
}

/* Reads a long message for its tree before anything is said of it, a slice at a time, so that damage can
 * still be told properly.  1; -1 + errno: EAGAIN later. */
static int say_message(struct imap_session *s, struct fetch *f)
{
	struct buf *out = imap_out(s);

	f->mark = out->len;
	if (imap_content_long(&f->content) && needs_tree(&f->items) &&
		!imap_content_mime(&f->content))
		return -1;
	buf_add(out, "* ", 2);
	buf_addu(out, f->seq);
	buf_add(out, " FETCH (", 8);
	f->said = true;
	return 1;
}

/* Its bytes are being read from the disk.  What was said of the message is taken back if it can be, and
 * said again then. */
static int come_again(struct imap_session *s, struct fetch *f)
{
	if (!f->pieces && f->said) {
		imap_out(s)->len = f->mark;
		f->said = f->items_said = false;
		f->at = 0;
		f->literal.left = 0;
	}
	f->cold = f->content.bytes ? 0 : f->cold + 1;
	imap_wait_read(s);
	return -1;
}

/* 0 go on, -1 stop for now (or for good). */
static int go_on_message(struct imap_session *s, struct fetch *f)
{
	int done = f->said ? 1 : say_message(s, f);

	if (done == 1)
		done = fetch_items(s, f);

	if (done == 1) {
		buf_add(imap_out(s), ")\r\n", 3);
		f->seq = 0;
		if (!imap_out(s)->failed)
			return 0;
		errno = ENOMEM;
		done = -1;
	}
	if (done < 0 && errno == EAGAIN)
		return come_again(s, f);
	return done < 0 ? give_up(s, f) : -1;
}

/* The mailbox was deleted meanwhile: the reply says BYE. */
static bool is_gone(struct imap_session *s, struct imap_cmd *c)
{
	struct fetch *f = c->state;

	if (view_alive(s->view) || !f->seq || !f->pieces)
		return imap_view_gone(s, c);
	s->ending = true; /* in the middle of a literal */
	conn_abort(&s->conn);
	return true;
}

static void fetch_slice(struct imap_session *s, struct imap_cmd *c)
{
	struct fetch *f = c->state;
	unsigned n = 0;
	uint32_t seq;

	if (is_gone(s, c))
		return;
	imap_barrier(s, mailbox_lsn(view_mailbox(s->view)));
	f->content.bytes = 0;
	while (!conn_full(&s->conn)) {
		if (f->seq && go_on_message(s, f))
			return;
		if (n++ >= IMAP_SLICE_MESSAGES || f->content.bytes >= IMAP_SLICE_BYTES) {
			imap_yield(s);
			return;
		}
		seq = imap_pick_next(&f->pick, s->view);
		if (!seq) {
			fetch_finish(s, c);
			return;
		}
		if (begin_message(s, f, seq) && go_on_message(s, f))
			return;
	}
}

static void fetch_step(struct imap_session *s, struct imap_cmd *c)
{
	const struct fetch *f = c->state;
	struct store *store = s->base.mail->store;

	store_read_nowait(store, f->cold < IMAP_READ_TRIES);
	fetch_slice(s, c);
	store_read_nowait(store, false);
}

/* SP items [SP "(" modifiers ")"] (RFC 4466 2.4).  NULL, or what is wrong. */
static const char *parse_arguments(struct imap_session *s, struct imap_cmd *c, struct fetch *f)
{
	const struct imap_fetch_word *implied = NULL;
	const char *wrong;

	wrong = fetch_parse_items(&c->args, c->arena, c->uid, &f->items);
	if (!wrong && !cursor_done(&c->args))
		wrong = imap_parse_modifiers(s, c, IMAP_AT_FETCH, &implied);
	if (!wrong && implied)
		wrong = fetch_add_word(&f->items, c->arena, implied);
	if (wrong)
		return wrong;
	c->enables |= f->items.enables;
	f->pick.next = c->next;
	f->pick.modseq = c->modseq;
	return imap_parse_end(&c->args) ? "something follows the items" : NULL;
}

static const char *ask_features(struct imap_session *s, struct imap_cmd *c, const struct imap_pick *pick)
{
	const char *wrong = NULL;

	FEATURE_EACH (feature) {
		if (!wrong && feature->imap_fetch)
			wrong = feature->imap_fetch(s, c, pick);
	}
	return wrong;
}

void imap_fetch_run(struct imap_session *s, struct imap_cmd *c)
{
	struct fetch *f = arena_alloc(c->arena, sizeof(*f));
	const char *wrong;

	if (!f) {
		imap_reply_errno(s, c, ENOMEM);
		return;
	}
	if (imap_pick_parse(&f->pick, s, c))
		return;
	wrong = parse_arguments(s, c, f);
	f->content.store = s->base.mail->store;
	c->state = f;
	c->cleanup = fetch_cleanup;
	c->step = fetch_step;
	if (!wrong)
		wrong = ask_features(s, c, &f->pick);
	if (wrong) {
		c->step = NULL;
		imap_bad(s, c, wrong);
		return;
	}
	imap_enable(s, c->enables);
	c->step(s, c);
}
