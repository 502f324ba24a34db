/* SPDX-License-Identifier: 0BSD */
/* * VANISHED, and * VANISHED (EARLIER) (RFC 7162 3.2.10) */
#include "features/imap/qresync/qresync.h"

#include <errno.h>
#include <stdlib.h>

/* Ranges in a line, and messages looked at in one turn. */
#define LINE_RANGES 1024
#define WALK_SLICE 4096

struct vanished {
	const struct view *view;
	struct imap_set uids;   /* those asked for, above what is proved to be known */
	size_t range;           /* the one being walked */
	uint32_t from;          /* next UID of it to look at, 0 = not begun */
	struct imap_ranges line;
	struct { uint32_t *v; size_t n, cap; } dead; /* expunged since, by UID */
	size_t at;
	bool remembered, failed;
	void (*then)(struct imap_session *s, struct imap_cmd *c);
	/* the command's own */
	void *state;
	void (*cleanup)(struct imap_cmd *c);
};

void qresync_add_vanished(struct buf *out, const uint32_t *uids, size_t n)
{
	struct imap_range r;

	buf_adds(out, "* VANISHED ");
	for (size_t i = 0; i < n;) {
		r.from = r.to = uids[i++];
		while (i < n && uids[i] == r.to + 1)
			r.to = uids[i++];
		imap_add_ranges(out, &r, 1);
		buf_adds(out, i < n ? "," : "\r\n");
	}
}

static int add_range(struct vanished *w, uint32_t from, uint32_t to)
{
	struct imap_range *last = w->line.n ? &w->line.v[w->line.n - 1] : NULL;
	struct imap_range r = {from, to};

	if (last && last->to + 1 == from) {
		last->to = to;
		return 0;
	}
	return vec_push(&w->line, r);
}

static void flush_line(struct imap_session *s, struct vanished *w)
{
	struct buf *out = imap_out(s);

	if (!w->line.n)
		return;
	buf_adds(out, "* VANISHED (EARLIER) ");
	imap_add_ranges(out, w->line.v, w->line.n);
	buf_adds(out, "\r\n");
	w->line.n = 0;
}

/* ---- from the list of removals ---- */

/* What this session still numbers is told by a VANISHED of its own, later: EARLIER changes no number
 * (RFC 7162 3.2.10). */
static void take_dead(void *arg, uint32_t uid, uint64_t modseq)
{
	struct vanished *w = arg;

	(void)modseq;
	if (imap_set_contains(&w->uids, uid) && !view_seq(w->view, uid) && vec_push(&w->dead, uid))
		w->failed = true;
}

static int by_uid(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* 1: the list reaches back far enough; 0: it does not; -1 + errno. */
static int remember(struct imap_session *s, struct vanished *w, uint64_t modseq)
{
	uint64_t floor;

	if (mailbox_expunged(view_mailbox(s->view), modseq, take_dead, w, &floor))
		return -1;
	errno = ENOMEM;
	if (w->failed)
		return -1;
	if (w->dead.n)
		qsort(w->dead.v, w->dead.n, sizeof(*w->dead.v), by_uid);
	return modseq >= floor;
}

/* 1: all told, 0: more later, -1 no memory. */
static int tell_remembered(struct vanished *w)
{
	for (; w->at < w->dead.n; w->at++) {
		if (w->line.n >= LINE_RANGES)
			return 0;
		if (add_range(w, w->dead.v[w->at], w->dead.v[w->at]))
			return -1;
	}
	return 1;
}

/* ---- from what is not there (RFC 7162 3.2.6, last note) ---- */

/* The first UID from `from` on that is there, or that this session still numbers.  1, 0: none, -1 + errno. */
static int next_there(const struct view *v, uint32_t from, uint32_t *uid_r)
{
	uint32_t numbered = view_uid(v, view_seq_from(v, from));
	struct message m;
	int there = mailbox_next(view_mailbox(v), from, &m);

	if (there < 0)
		return -1;
	*uid_r = there && (!numbered || m.uid < numbered) ? m.uid : numbered;
	return there || numbered;
}

/* Looks at the next message of the range.  1: the range is done, 0: not yet, -1 + errno. */
static int step_range(struct vanished *w, const struct imap_range *r)
{
	uint32_t next;
	int there = next_there(w->view, w->from, &next);

	if (there < 0)
		return -1;
	if (!there || next > r->to)
		return add_range(w, w->from, r->to) ? -1 : 1;
	if (next > w->from && add_range(w, w->from, next - 1))
		return -1;
	w->from = next + 1;
	return next == r->to;
}

static int tell_absent(struct vanished *w)
{
	int done;

	for (unsigned n = 0; n < WALK_SLICE && w->line.n < LINE_RANGES; n++) {
		const struct imap_range *r = &w->uids.v[w->range]; /* there is room for one more */

		if (w->range == w->uids.n)
			return 1;
		if (!w->from)
			w->from = r->from;
		done = step_range(w, r);
		if (done < 0)
			return -1;
		if (done) {
			w->range++;
			w->from = 0;
		}
	}
	return 0;
}

/* ---- the steps ---- */

static void release(struct imap_cmd *c)
{
	struct vanished *w = c->state;

	free(w->line.v);
	free(w->dead.v);
	c->state = w->state;
	c->cleanup = w->cleanup;
}

static void cleanup(struct imap_cmd *c)
{
	release(c);
	if (c->cleanup)
		c->cleanup(c);
}

static void step(struct imap_session *s, struct imap_cmd *c)
{
	struct vanished *w = c->state;
	void (*then)(struct imap_session *s, struct imap_cmd *c) = w->then;
	int done;

	if (imap_view_gone(s, c))
		return;
	imap_barrier(s, mailbox_lsn(view_mailbox(s->view)));
	done = w->remembered ? tell_remembered(w) : tell_absent(w);
	if (done < 0) {
		imap_reply_errno(s, c, errno);
		return;
	}
	flush_line(s, w);
	if (!done) {
		imap_yield(s);
		return;
	}
	release(c);
	c->step = then;
	then(s, c);
}

/* k->uids from `above` on and up to the last UID ever given. */
static int clip(struct imap_session *s, struct arena *a, const struct qresync_known *k, struct imap_set *set_r)
{
	uint32_t above = qresync_match(s->view, k) + 1;
	uint32_t last = mailbox_uidnext(view_mailbox(s->view)) - 1;
	struct imap_range all = {1, last};
	const struct imap_range *v = k->all ? &all : k->uids.v;
	size_t n = k->all ? 1 : k->uids.n;

	*set_r = (struct imap_set){.v = arena_array(a, n + 1, sizeof(*set_r->v))};
	if (!set_r->v)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct imap_range r = v[i];

		r.from = r.from < above ? above : r.from;
		r.to = r.to > last ? last : r.to;
		if (r.from <= r.to)
			set_r->v[set_r->n++] = r;
	}
	return 0;
}

void qresync_tell_vanished(struct imap_session *s, struct imap_cmd *c, const struct qresync_known *k,
	void (*then)(struct imap_session *s, struct imap_cmd *c))
{
	struct vanished *w = arena_alloc(c->arena, sizeof(*w));
	int answer;

	if (!w || clip(s, c->arena, k, &w->uids)) {
		imap_reply_errno(s, c, ENOMEM);
		return;
	}
	w->view = s->view;
	w->then = then;
	w->state = c->state;
	w->cleanup = c->cleanup;
	c->state = w;
	c->cleanup = cleanup;
	answer = remember(s, w, k->modseq);
	if (answer < 0) {
		imap_reply_errno(s, c, errno);
		return;
	}
	w->remembered = answer;
	c->step = step;
	step(s, c);
}
