/* SPDX-License-Identifier: 0BSD */
#include "core/imap/search.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Messages tried in one turn when only the index is read. */
#define SEARCH_SLICE 4096

struct search {
	struct search_use use;    /* of another command, or take is NULL */
	unsigned options;
	struct search_key *top;
	struct imap_range everything;
	struct imap_pick pick;
	struct imap_content content;
	bool unread;              /* some message could not be read */
	uint32_t again;           /* a long message that is not done with, 0 = none */
	unsigned cold;            /* slices in a row in which nothing could be read without waiting */
	/* what was found, as the answer numbers it, and as UIDs for "$" */
	struct imap_ranges found, uids;
	uint32_t count, min, max, min_uid, max_uid;
	uint64_t modseq, min_modseq, max_modseq; /* the highest of all; of the first and the last */
	const struct imap_search_word *tail;
	/* the answer being written */
	bool begun;
	size_t range;
	uint32_t number;
};

static void search_cleanup(struct imap_cmd *c)
{
	struct search *q = c->state;

	imap_content_free(&q->content);
	free(q->found.v);
	free(q->uids.v);
	q->found = q->uids = (struct imap_ranges){0};
	if (q->use.release)
		q->use.release(q->use.own);
}

/* Walks only the messages of a sequence set that every match must be in. */
static void choose_walk(struct imap_session *s, struct search *q)
{
	const struct search_key *k;
	uint32_t exists = view_exists(s->view);

	q->everything = (struct imap_range){1, exists};
	q->pick.set = (struct imap_set){.v = &q->everything, .n = exists ? 1 : 0};
	for (k = q->top->child; k; k = k->next) {
		if (k->negate || (k->op != SEARCH_SEQ && k->op != SEARCH_UID))
			continue;
		q->pick.set = k->set;
		q->pick.uid = k->op == SEARCH_UID;
		return;
	}
}

static int found(struct imap_session *s, struct imap_cmd *c, uint32_t seq, const struct message *m)
{
	struct search *q = c->state;
	uint32_t uid = m->uid, number = c->uid ? uid : seq;

	if (q->use.take && q->use.take(s, c, &q->content, seq))
		return -1;
	if (!q->count++) {
		q->min = number;
		q->min_uid = uid;
		q->min_modseq = m->modseq;
	}
	q->max = number;
	q->max_uid = uid;
	q->max_modseq = m->modseq;
	if (q->modseq < m->modseq)
		q->modseq = m->modseq;
	errno = ENOMEM;
	if ((q->options & SEARCH_SAVE) && imap_ranges_add(&q->uids, uid))
		return -1;
	/* MIN, MAX and COUNT need no list. */
	if (q->use.take || ((q->options & SEARCH_RETURN) && !(q->options & SEARCH_RETURN_ALL)))
		return 0;
	return imap_ranges_add(&q->found, number);
}

/* EAGAIN is no failure: the message comes again. */
static int come_again(struct search *q, uint32_t seq)
{
	if (errno != EAGAIN)
		return -1;
	q->again = seq;
	return 0;
}

static int try_message(struct imap_session *s, struct imap_cmd *c, uint32_t seq)
{
	struct search *q = c->state;
	struct message m;
	int rc;

	if (view_message(s->view, seq, &m) != 1) {
		q->again = 0;
		return 0;
	}
	if (seq != q->again)
		imap_content_set(&q->content, &m);
	rc = search_match(s->view, &q->content, seq, q->top);
	q->again = 0;
	if (rc < 0 && come_again(q, seq))
		q->unread = true;
	if (rc != 1 || !found(s, c, seq, &m))
		return 0;
	return come_again(q, seq);
}

/* RFC 5182 2.1 and 2.4: with MIN and MAX alone only those are saved. */
static void save(struct imap_session *s, struct search *q)
{
	struct imap_ranges kept = {0};

	free(s->saved);
	s->saved = NULL;
	s->saved_count = 0;
	if ((q->options & (SEARCH_MIN | SEARCH_MAX)) && !(q->options & (SEARCH_RETURN_ALL | SEARCH_COUNT))) {
		if (q->count && (q->options & SEARCH_MIN))
			imap_ranges_add(&kept, q->min_uid);
		if (q->count && (q->options & SEARCH_MAX) && (!kept.n || q->max_uid != q->min_uid))
			imap_ranges_add(&kept, q->max_uid);
		free(q->uids.v);
		q->uids = kept;
	}
	s->saved = q->uids.v;
	s->saved_count = q->uids.n;
	q->uids = (struct imap_ranges){0};
}

static void add_value(struct buf *out, const char *name, uint32_t value)
{
	buf_addv(out, " ", name, " ", NULL);
	buf_addu(out, value);
}

/* * ESEARCH (TAG "t") UID MIN 1 MAX 9 COUNT 3 ALL 1,5,9 (RFC 9051 7.3.4) */
void imap_search_begin_esearch(struct buf *out, const struct imap_cmd *c, unsigned options, uint32_t count,
	uint32_t min, uint32_t max)
{
	buf_adds(out, "* ESEARCH (TAG \"");
	buf_addstr(out, c->tag);
	buf_addv(out, "\")", c->uid ? " UID" : "", NULL);
	if (count && (options & SEARCH_MIN))
		add_value(out, "MIN", min);
	if (count && (options & SEARCH_MAX))
		add_value(out, "MAX", max);
	if (options & SEARCH_COUNT)
		add_value(out, "COUNT", count);
	if (count && (options & SEARCH_RETURN_ALL))
		buf_adds(out, " ALL ");
}

static void add_range(struct buf *out, struct search *q)
{
	buf_adds(out, q->range ? "," : "");
	imap_add_ranges(out, &q->found.v[q->range++], 1);
}

static void add_number(struct buf *out, struct search *q)
{
	const struct imap_range *r = &q->found.v[q->range];

	if (q->number < r->from)
		q->number = r->from;
	buf_addc(out, ' ');
	buf_addu(out, q->number);
	if (q->number++ == r->to)
		q->range++;
}

/* RFC 4731 3.2: MIN and MAX alone tell the mod-sequences of the messages that they name. */
static uint64_t answered_modseq(const struct search *q)
{
	unsigned what = q->options & (SEARCH_MIN | SEARCH_MAX | SEARCH_COUNT | SEARCH_RETURN_ALL);

	if (what == SEARCH_MIN)
		return q->min_modseq;
	if (what == SEARCH_MAX)
		return q->max_modseq;
	if (what == (SEARCH_MIN | SEARCH_MAX))
		return q->min_modseq > q->max_modseq ? q->min_modseq : q->max_modseq;
	return q->modseq;
}

bool imap_search_is_silent(unsigned options)
{
	return (options & (SEARCH_RETURN | SEARCH_SAVE)) == (SEARCH_RETURN | SEARCH_SAVE) &&
		!(options & ~(unsigned)(SEARCH_RETURN | SEARCH_SAVE));
}

static void search_answer(struct imap_session *s, struct imap_cmd *c)
{
	struct search *q = c->state;
	struct buf *out = imap_out(s);
	bool esearch = q->options & SEARCH_RETURN;
	bool silent = imap_search_is_silent(q->options);

	imap_barrier(s, mailbox_lsn(view_mailbox(s->view)));
	if (!q->begun && !silent) {
		if (esearch)
			imap_search_begin_esearch(out, c, q->options, q->count, q->min, q->max);
		else
			buf_adds(out, "* SEARCH");
	}
	q->begun = true;
	for (; q->range < q->found.n; esearch ? add_range(out, q) : add_number(out, q)) {
		if (conn_full(&s->conn))
			return;
	}
	if (!silent) {
		imap_search_add_tail(c, out, esearch);
		buf_adds(out, "\r\n");
	}
	imap_reply(s, c, IMAP_OK, NULL,
		q->unread ? "SEARCH completed, some messages could not be read" : "SEARCH completed");
}

static void search_fail(struct imap_session *s, struct imap_cmd *c, int error)
{
	struct search *q = c->state;

	/* RFC 5182 2.1: a failed SAVE leaves an empty result. */
	q->count = 0;
	q->uids.n = 0;
	if (q->options & SEARCH_SAVE)
		save(s, q);
	imap_reply_errno(s, c, error);
}

static void search_slice(struct imap_session *s, struct imap_cmd *c)
{
	struct search *q = c->state;
	/* What another command takes of a message is dearer than to find it. */
	unsigned most = q->use.take ? IMAP_SLICE_MESSAGES : SEARCH_SLICE;
	uint32_t seq = 0;

	if (imap_view_gone(s, c))
		return;
	q->content.bytes = 0;
	for (unsigned n = 0; n < most && q->content.bytes < IMAP_SLICE_BYTES && (!n || !q->again); n++) {
		seq = q->again ? q->again : imap_pick_next(&q->pick, s->view);
		if (seq && try_message(s, c, seq)) {
			search_fail(s, c, errno);
			return;
		}
		if (seq)
			continue;
		if (q->options & SEARCH_SAVE)
			save(s, q);
		c->step = q->use.done ? q->use.done : search_answer;
		c->step(s, c);
		return;
	}
	q->cold = q->again && !q->content.bytes ? q->cold + 1 : 0;
	FEATURE_EACH (f) {
		if (f->imap_progress)
			f->imap_progress(s, c, seq, view_exists(s->view));
	}
	imap_wait_read(s);
}

static void search_step(struct imap_session *s, struct imap_cmd *c)
{
	const struct search *q = c->state;
	struct store *store = s->base.mail->store;

	store_read_nowait(store, q->cold < IMAP_READ_TRIES);
	search_slice(s, c);
	store_read_nowait(store, false);
}

static void reply_wrong(struct imap_session *s, struct imap_cmd *c, const struct search_parse *p)
{
	struct search none = {.options = p->options};

	/* RFC 5182 2.1: NO empties the saved result, BAD leaves it. */
	if (p->bad_charset && (p->options & SEARCH_SAVE))
		save(s, &none);
	if (p->bad_charset) /* RFC 9051 6.4.4 */
		imap_reply(s, c, IMAP_NO, "BADCHARSET (US-ASCII UTF-8)", "That charset is not known");
	else
		imap_bad(s, c, p->wrong);
}

void imap_search_for(struct imap_session *s, struct imap_cmd *c, int parsed, const struct search_parse *p,
	const struct search_use *use)
{
	struct search *q = parsed ? NULL : arena_alloc(c->arena, sizeof(*q));

	if (!q) {
		if (parsed)
			reply_wrong(s, c, p);
		else
			imap_reply_errno(s, c, ENOMEM);
		if (use->release)
			use->release(use->own);
		return;
	}
	q->use = *use;
	q->options = p->options;
	q->top = p->top;
	q->tail = p->tail;
	imap_enable(s, p->enables);
	q->content.store = s->base.mail->store;
	choose_walk(s, q);
	c->state = q;
	c->cleanup = search_cleanup;
	c->step = search_step;
	search_step(s, c);
}

void *imap_search_own(const struct imap_cmd *c)
{
	return ((const struct search *)c->state)->use.own;
}

void imap_search_add_tail(const struct imap_cmd *c, struct buf *out, bool esearch)
{
	const struct search *q = c->state;

	if (q->tail && q->count)
		q->tail->tail(out, esearch, answered_modseq(q));
}

void imap_search_run(struct imap_session *s, struct imap_cmd *c)
{
	struct search_parse p = {.s = s, .arena = c->arena};
	int parsed = search_parse(&p, &c->args);

	/* RFC 9051 6.4.4: rev2 answers ESEARCH always. */
	if (!p.options && (s->enabled & IMAP_ENABLED_REV2))
		p.options = SEARCH_RETURN | SEARCH_RETURN_ALL;
	imap_search_for(s, c, parsed, &p, &(struct search_use){0});
}
