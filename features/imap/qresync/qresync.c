/* SPDX-License-Identifier: 0BSD */
/* QRESYNC (RFC 7162 3.2) */
#include "features/imap/qresync/qresync.h"

#include <string.h>

struct qresync_slot {
	struct qresync_known *known; /* of the running SELECT or FETCH; in its arena */
	void (*then)(struct imap_session *s, struct imap_cmd *c); /* FETCH's own first step */
	bool vanished;               /* the FETCH being parsed has VANISHED */
};

const struct feature qresync_feature;

static struct qresync_slot *slot_of(struct session *s)
{
	return feature_slot(s, &qresync_feature);
}

/* RFC 7162 3.2.3: without ENABLE these words are wrong. */
static const char *not_enabled(const struct imap_session *s)
{
	return s->enabled & IMAP_ENABLED_QRESYNC ? NULL : "ENABLE QRESYNC comes first";
}

/* A new command: what the last one said is in memory that is gone. */
static void forget(struct session *s)
{
	*slot_of(s) = (struct qresync_slot){0};
}

/* ---- SELECT ... (QRESYNC (...)) ---- */

static const char *take_known(struct imap_session *s, struct imap_cmd *c)
{
	struct qresync_known *k = arena_alloc(c->arena, sizeof(*k));
	const char *wrong = not_enabled(s);

	if (wrong)
		return wrong;
	if (!k || imap_parse_sp(&c->args))
		return "QRESYNC: expected (UIDVALIDITY mod-sequence ...)";
	slot_of(&s->base)->known = k;
	return qresync_parse(&c->args, c->arena, k);
}

/* The changed messages among those that the client knows. */
struct changed {
	const struct qresync_known *known;
	uint32_t seq;
};

static bool is_known(const struct qresync_known *k, uint32_t uid)
{
	return k->all || imap_set_contains(&k->uids, uid);
}

static void changed_step(struct imap_session *s, struct imap_cmd *c)
{
	struct changed *x = c->state;
	struct message m;

	if (imap_view_gone(s, c))
		return;
	imap_barrier(s, mailbox_lsn(view_mailbox(s->view)));
	for (unsigned n = 0; n < IMAP_SLICE_MESSAGES; n++) {
		if (conn_full(&s->conn))
			return;
		x->seq = view_newer(s->view, x->seq + 1, x->known->modseq);
		if (!x->seq) {
			imap_select_reply(s, c);
			return;
		}
		if (view_message(s->view, x->seq, &m) == 1 && is_known(x->known, m.uid))
			imap_add_fetch_flags(s, imap_out(s), x->seq, &m, true, true);
	}
	imap_yield(s);
}

static enum hook_result selected(struct imap_session *s, struct imap_cmd *c)
{
	const struct qresync_known *k = slot_of(&s->base)->known;
	struct changed *x;

	/* RFC 7162 3.2.5: another UIDVALIDITY, and nothing of it counts. */
	if (!k || k->uidvalidity != mailbox_uidvalidity(view_mailbox(s->view)))
		return HOOK_PASS;
	x = arena_alloc(c->arena, sizeof(*x));
	if (!x)
		return HOOK_PASS;
	x->known = k;
	c->state = x;
	qresync_tell_vanished(s, c, k, changed_step);
	return HOOK_DONE;
}

/* ---- UID FETCH ... (CHANGEDSINCE n VANISHED) ---- */

static const char *take_vanished(struct imap_session *s, struct imap_cmd *c)
{
	if (!c->uid)
		return "VANISHED is for UID FETCH";
	slot_of(&s->base)->vanished = true;
	return not_enabled(s);
}

/* RFC 7162 3.2.6: before any FETCH answer. */
static void vanished_first(struct imap_session *s, struct imap_cmd *c)
{
	const struct qresync_slot *slot = slot_of(&s->base);

	qresync_tell_vanished(s, c, slot->known, slot->then);
}

/* The set of a UID FETCH, where "*" is the last UID ever given: it may be the one that vanished. */
static int copy_set(const struct imap_session *s, struct arena *a, const struct imap_pick *pick,
	struct imap_set *set_r)
{
	size_t n = pick->set.n;

	*set_r = (struct imap_set){.v = arena_array(a, n + 1, sizeof(*set_r->v)), .n = n};
	if (!set_r->v)
		return -1;
	if (n)
		memcpy(set_r->v, pick->set.v, n * sizeof(*set_r->v));
	if (n && pick->star && set_r->v[n - 1].to < mailbox_uidnext(view_mailbox(s->view)))
		set_r->v[n - 1].to = mailbox_uidnext(view_mailbox(s->view)) - 1;
	return 0;
}

static const char *fetch(struct imap_session *s, struct imap_cmd *c, const struct imap_pick *pick)
{
	struct qresync_slot *slot = slot_of(&s->base);
	struct qresync_known *k;

	if (!slot->vanished)
		return NULL;
	if (!c->next)
		return "VANISHED goes with CHANGEDSINCE";
	k = arena_alloc(c->arena, sizeof(*k));
	if (!k || copy_set(s, c->arena, pick, &k->uids))
		return "out of memory";
	k->modseq = c->modseq;
	slot->known = k;
	slot->then = c->step;
	c->step = vanished_first;
	return NULL;
}

/* ---- what is told unasked ---- */

static enum hook_result expunges(struct imap_session *s, bool allowed)
{
	struct buf *out = imap_out(s);
	const uint32_t *uids;
	size_t n;

	uids = view_expunged(s->view, &n);
	if (!(s->enabled & IMAP_ENABLED_QRESYNC) || !n)
		return HOOK_PASS;
	if (allowed) {
		qresync_add_vanished(out, uids, n);
		return HOOK_DONE;
	}
	/* RFC 7162 3.2: newer flags are about to be told while an older expunge is not. */
	buf_adds(out, "* OK [HIGHESTMODSEQ ");
	buf_addu(out, view_settled(s->view));
	buf_adds(out, "] Expunges are held back\r\n");
	return HOOK_DONE;
}

/* RFC 7162 3.2.7, 3.2.9 */
static void removed(struct imap_session *s, struct buf *code)
{
	if (!(s->enabled & IMAP_ENABLED_QRESYNC))
		return;
	buf_adds(code, "HIGHESTMODSEQ ");
	buf_addu(code, mailbox_highestmodseq(view_mailbox(s->view)));
}

/* ---- tables ---- */

static const struct imap_capability capabilities[] = {
	{"QRESYNC", IMAP_LOGGED_IN},
	{0},
};

static const struct imap_enable enables[] = {
	{"QRESYNC", IMAP_ENABLED_QRESYNC | IMAP_ENABLED_CONDSTORE},
	{0},
};

static const struct imap_modifier modifiers[] = {
	{"QRESYNC", IMAP_AT_SELECT, 0, NULL, take_known},
	{"VANISHED", IMAP_AT_FETCH, 0, NULL, take_vanished},
	{0},
};

const struct feature qresync_feature = {
	.name = "qresync",
	.imap_capabilities = capabilities,
	.imap_enables = enables,
	.imap_modifiers = modifiers,
	.session_size = sizeof(struct qresync_slot),
	.on_state = forget,
	.imap_selected = selected,
	.imap_fetch = fetch,
	.imap_expunges = expunges,
	.imap_removed = removed,
};
