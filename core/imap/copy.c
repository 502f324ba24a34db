/* SPDX-License-Identifier: 0BSD */
#include "core/imap/message.h"

#include <errno.h>
#include <stdlib.h>

struct copy {
	struct imap_pick pick;
	struct { uint32_t *v; size_t n, cap; } uids;
	uint32_t *done, n_done, first;
};

static int collect(struct imap_session *s, struct copy *cp, bool *expunged_r)
{
	struct message m;
	uint32_t seq;

	*expunged_r = false;
	while ((seq = imap_pick_next(&cp->pick, s->view)) != 0) {
		if (view_message(s->view, seq, &m) != 1)
			*expunged_r = true;
		else if (vec_push(&cp->uids, m.uid))
			return -1;
	}
	if (!cp->uids.n)
		return 0;
	cp->done = calloc(cp->uids.n, sizeof(*cp->done));
	return cp->done ? 0 : -1;
}

/* COPYUID uidvalidity source-set destination-set (RFC 4315 3), NUL at the end.  0 / -1 + errno. */
static int add_copyuid(struct buf *out, const struct mailbox *to, const struct copy *cp)
{
	struct imap_ranges from = {0};
	struct imap_range fresh = {cp->first, cp->first + cp->n_done - 1};
	int rc = 0;

	for (uint32_t i = 0; i < cp->n_done && !rc; i++)
		rc = imap_ranges_add(&from, cp->done[i]);
	buf_adds(out, "COPYUID ");
	buf_addu(out, mailbox_uidvalidity(to));
	buf_addc(out, ' ');
	imap_add_ranges(out, from.v, from.n);
	buf_addc(out, ' ');
	imap_add_ranges(out, &fresh, 1);
	free(from.v);
	return rc || out->failed ? -1 : 0;
}

/* RFC 6851 4.3: before the EXPUNGEs */
static void tell_moved(struct imap_session *s, const struct buf *code)
{
	struct buf line = {0};

	buf_addv(&line, "OK [", buf_str(code).p, "] Moved", NULL);
	buf_addc(&line, 0);
	imap_untagged(s, line.failed || code->failed ? "OK Moved" : buf_str(&line).p);
	buf_free(&line);
}

static void reply_copied(struct imap_session *s, struct imap_cmd *c, const struct mailbox *to,
	const struct copy *cp, bool move)
{
	struct buf code = {0};
	const char *text = move ? "MOVE completed" : "COPY completed";

	/* The messages are there; a COPYUID that finds no memory is left out. */
	if (!cp->n_done || add_copyuid(&code, to, cp)) {
		imap_reply(s, c, IMAP_OK, NULL, text);
		goto free_code;
	}
	buf_addc(&code, 0);
	if (move) {
		tell_moved(s, &code);
		buf_clear(&code);
		imap_reply(s, c, IMAP_OK, imap_removed_code(s, &code), text);
	} else {
		imap_reply(s, c, IMAP_OK, code.failed ? NULL : buf_str(&code).p, text);
	}
free_code:
	buf_free(&code);
}

static void copy_to(struct imap_session *s, struct imap_cmd *c, struct copy *cp, struct mailbox *to, bool move)
{
	bool expunged;
	uint64_t lsn = 0;

	if (collect(s, cp, &expunged)) {
		imap_reply_errno(s, c, ENOMEM);
		return;
	}
	/* RFC 2180 4.4: all of the numbered messages or none. */
	if (expunged && !c->uid) {
		imap_reply(s, c, IMAP_NO, "EXPUNGEISSUED", "Some of the messages are gone");
		return;
	}
	if (cp->uids.n && mailbox_copy(view_mailbox(s->view), cp->uids.v, (uint32_t)cp->uids.n, to, move,
			cp->done, &cp->n_done, &cp->first, &lsn)) {
		imap_reply_errno(s, c, errno);
		return;
	}
	imap_barrier(s, lsn);
	reply_copied(s, c, to, cp, move);
}

void imap_copy_messages(struct imap_session *s, struct imap_cmd *c, bool move)
{
	struct copy cp = {0};
	struct mailbox *to;
	struct str name;

	if (imap_pick_parse(&cp.pick, s, c))
		return;
	if (imap_parse_sp(&c->args) || imap_parse_mailbox(&c->args, c->arena, &name) ||
			imap_parse_end(&c->args)) {
		imap_bad(s, c, "expected a mailbox name after the set");
		return;
	}
	if (move && s->readonly) {
		imap_reply(s, c, IMAP_NO, "READ-ONLY", "The mailbox was opened with EXAMINE");
		return;
	}
	to = mailbox_find(s->account, name);
	if (!to) { /* RFC 9051 6.4.7 */
		imap_reply(s, c, IMAP_NO, "TRYCREATE", "There is no such mailbox");
		return;
	}
	copy_to(s, c, &cp, to, move);
	free(cp.uids.v);
	free(cp.done);
}
