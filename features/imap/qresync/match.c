/* SPDX-License-Identifier: 0BSD */
/* What the client knows, and how far it agrees with the mailbox. */
#include "features/imap/qresync/qresync.h"

uint64_t qresync_set_count(const struct imap_set *set)
{
	uint64_t n = 0;

	for (size_t i = 0; i < set->n; i++)
		n += (uint64_t)set->v[i].to - set->v[i].from + 1;
	return n;
}

/* Numbers in ascending order and without "*" (RFC 7162 7: known-uids, known-sequence-set). */
static int parse_ascending(struct cursor *c, struct arena *a, struct imap_set *set_r)
{
	uint32_t last = 0;

	if (imap_parse_set(c, a, set_r) || set_r->saved)
		return -1;
	for (size_t i = 0; i < set_r->n; i++) {
		const struct imap_range *r = &set_r->v[i];

		if (r->from == IMAP_STAR || r->to == IMAP_STAR || r->from <= last || r->to < r->from)
			return -1;
		last = r->to;
	}
	return 0;
}

static int parse_uids(struct cursor *c, struct arena *a, struct imap_set *set_r)
{
	if (imap_parse_set(c, a, set_r) || set_r->saved)
		return -1;
	for (size_t i = 0; i < set_r->n; i++) {
		if (set_r->v[i].from == IMAP_STAR || set_r->v[i].to == IMAP_STAR)
			return -1;
	}
	imap_set_normalise(set_r, 0);
	return 0;
}

static const char *parse_pairs(struct cursor *c, struct arena *a, struct qresync_known *k)
{
	if (!cursor_accept(c, '(') || parse_ascending(c, a, &k->seq_match) || imap_parse_sp(c) ||
		parse_ascending(c, a, &k->uid_match) || !cursor_accept(c, ')'))
		return "QRESYNC: expected (numbers UIDs), each ascending";
	return qresync_set_count(&k->seq_match) == qresync_set_count(&k->uid_match) ? NULL :
		"QRESYNC: there are not as many numbers as UIDs";
}

const char *qresync_parse(struct cursor *c, struct arena *a, struct qresync_known *k_r)
{
	const char *wrong = NULL;

	*k_r = (struct qresync_known){.all = true};
	if (!cursor_accept(c, '(') || imap_parse_nz_number(c, &k_r->uidvalidity) || imap_parse_sp(c) ||
		imap_parse_number(c, INT64_MAX, &k_r->modseq) || !k_r->modseq)
		return "QRESYNC: expected (UIDVALIDITY mod-sequence ...)";
	if (cursor_accept(c, ' ')) {
		k_r->all = cursor_peek(c) == '(';
		if (!k_r->all && parse_uids(c, a, &k_r->uids))
			return "QRESYNC: expected known UIDs, without *";
		if (k_r->all || cursor_accept(c, ' '))
			wrong = parse_pairs(c, a, k_r);
	}
	if (wrong)
		return wrong;
	return cursor_accept(c, ')') ? NULL : "QRESYNC: expected )";
}

/* The number at a place from 0 in the set. */
static uint32_t nth(const struct imap_set *set, uint64_t place)
{
	uint64_t n;

	for (size_t i = 0; i < set->n; i++) {
		n = (uint64_t)set->v[i].to - set->v[i].from + 1;
		if (place < n)
			return set->v[i].from + (uint32_t)place;
		place -= n;
	}
	return 0;
}

/*
 * RFC 7162 3.2.5.2.  A message that still has its number has as many before it as the client knows, so
 * none of those is gone: all pairs before one that matches match too, and bisection finds the last.
 */
uint32_t qresync_match(const struct view *v, const struct qresync_known *k)
{
	uint64_t lo = 0, hi = qresync_set_count(&k->seq_match), mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (view_uid(v, nth(&k->seq_match, mid)) == nth(&k->uid_match, mid))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo ? nth(&k->uid_match, lo - 1) : 0;
}
