/* SPDX-License-Identifier: 0BSD */
#include "core/imap/expunge.h"

#include <errno.h>
#include <stdlib.h>

/* Numbers looked at in one turn: only the index is read. */
#define EXPUNGE_SLICE 4096

struct expunge {
	struct imap_pick pick;
	struct imap_range everything;
	struct { uint32_t *v; size_t n, cap; } uids;
	void (*done)(struct imap_session *s, struct imap_cmd *c, int error);
};

static void expunge_cleanup(struct imap_cmd *c)
{
	struct expunge *e = c->state;

	free(e->uids.v);
	e->uids.v = NULL;
}

static int remove_found(struct imap_session *s, struct expunge *e)
{
	uint64_t lsn = 0;

	if (!e->uids.n)
		return 0;
	if (mailbox_expunge(view_mailbox(s->view), e->uids.v, (uint32_t)e->uids.n, &lsn))
		return errno;
	imap_barrier(s, lsn);
	return 0;
}

static void expunge_step(struct imap_session *s, struct imap_cmd *c)
{
	struct expunge *e = c->state;
	struct message m;
	uint32_t seq;

	if (imap_view_gone(s, c))
		return;
	for (unsigned n = 0; n < EXPUNGE_SLICE; n++) {
		/* No need to look further than the last deleted one. */
		seq = e->uids.n < mailbox_deleted(view_mailbox(s->view))
			? imap_pick_next(&e->pick, s->view) : 0;
		if (!seq) {
			e->done(s, c, remove_found(s, e));
			return;
		}
		if (view_message(s->view, seq, &m) != 1 || !(m.flags & MESSAGE_DELETED))
			continue;
		if (vec_push(&e->uids, m.uid)) {
			e->done(s, c, ENOMEM);
			return;
		}
	}
	imap_yield(s);
}

void imap_expunge_deleted(struct imap_session *s, struct imap_cmd *c, const struct imap_pick *only,
	void (*done)(struct imap_session *s, struct imap_cmd *c, int error))
{
	struct expunge *e = arena_alloc(c->arena, sizeof(*e));

	if (!e) {
		done(s, c, ENOMEM);
		return;
	}
	e->done = done;
	e->everything = (struct imap_range){1, view_exists(s->view)};
	e->pick.set = (struct imap_set){.v = &e->everything, .n = view_exists(s->view) ? 1 : 0};
	if (only)
		e->pick = *only;
	c->state = e;
	c->cleanup = expunge_cleanup;
	c->step = expunge_step;
	expunge_step(s, c);
}

const char *imap_removed_code(struct imap_session *s, struct buf *code)
{
	FEATURE_EACH (f) {
		if (f->imap_removed && !code->len)
			f->imap_removed(s, code);
	}
	if (!code->len || buf_addc(code, 0))
		return NULL;
	return buf_str(code).p;
}

static void expunge_done(struct imap_session *s, struct imap_cmd *c, int error)
{
	const struct expunge *e = c->state;
	struct buf code = {0};

	if (error)
		imap_reply_errno(s, c, error);
	else
		imap_reply(s, c, IMAP_OK, e->uids.n ? imap_removed_code(s, &code) : NULL,
			"EXPUNGE completed");
	buf_free(&code);
}

void imap_expunge_run(struct imap_session *s, struct imap_cmd *c)
{
	struct imap_pick only;

	if (c->uid && imap_pick_parse(&only, s, c))
		return;
	if (imap_parse_end(&c->args)) {
		imap_bad(s, c, "something follows the command");
		return;
	}
	if (s->readonly) {
		imap_reply(s, c, IMAP_NO, "READ-ONLY", "The mailbox was opened with EXAMINE");
		return;
	}
	imap_expunge_deleted(s, c, c->uid ? &only : NULL, expunge_done);
}
