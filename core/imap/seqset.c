/* SPDX-License-Identifier: 0BSD */
#include "core/imap/message.h"

#include <string.h>

static bool beyond(uint32_t number, uint32_t exists)
{
	return number == IMAP_STAR ? exists == 0 : number > exists;
}

/* RFC 3501 9, seq-number: a number greater than EXISTS is answered with BAD, also "*" in an empty
 * mailbox. */
static bool any_beyond(const struct imap_set *set, uint32_t exists)
{
	for (size_t i = 0; i < set->n; i++) {
		if (beyond(set->v[i].from, exists) || beyond(set->v[i].to, exists))
			return true;
	}
	return false;
}

static bool names_star(const struct imap_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		if (set->v[i].from == IMAP_STAR || set->v[i].to == IMAP_STAR)
			return true;
	}
	return false;
}

static int use_saved(struct imap_pick *p, struct imap_session *s, struct arena *a)
{
	p->uid = true;
	p->set = (struct imap_set){0};
	if (!s->saved_count)
		return 0;
	p->set.v = arena_array(a, s->saved_count, sizeof(*p->set.v));
	if (!p->set.v)
		return -1;
	p->set.n = s->saved_count;
	memcpy(p->set.v, s->saved, p->set.n * sizeof(*p->set.v));
	return 0;
}

int imap_pick_start(struct imap_pick *p, struct imap_session *s, struct arena *a,
	const struct imap_set *set, bool uid)
{
	uint32_t exists = view_exists(s->view);

	*p = (struct imap_pick){.set = *set, .uid = uid, .star = names_star(set)};
	if (set->saved)
		return use_saved(p, s, a);
	/* A deleted mailbox has no numbers any more; the client is told of that, not of its numbers. */
	if (!uid && view_alive(s->view) && any_beyond(set, exists))
		return -1;
	imap_set_normalise(&p->set, uid ? view_last_uid(s->view) : exists);
	return 0;
}

int imap_pick_parse(struct imap_pick *p, struct imap_session *s, struct imap_cmd *c)
{
	struct imap_set set = {0};

	if (imap_view_gone(s, c))
		return -1;
	if (imap_parse_sp(&c->args) || imap_parse_set(&c->args, c->arena, &set)) {
		imap_bad(s, c, c->uid ? "expected a set of UIDs" : "expected a set of message numbers");
		return -1;
	}
	if (imap_pick_start(p, s, c->arena, &set, c->uid)) {
		imap_bad(s, c, "there is no message of that number");
		return -1;
	}
	return 0;
}

static void begin_range(struct imap_pick *p, const struct view *v)
{
	struct imap_range r = p->set.v[p->range];

	if (!p->uid) {
		p->seq = r.from;
		p->last = r.to;
		return;
	}
	p->seq = view_seq_from(v, r.from);
	p->last = r.to;
}

uint32_t imap_pick_next(struct imap_pick *p, const struct view *v)
{
	uint32_t exists = view_exists(v);

	for (; p->range < p->set.n; p->range++, p->seq = 0) {
		if (!p->seq)
			begin_range(p, v);
		if (p->next && p->seq && p->seq <= exists)
			p->seq = p->next(v, p->seq, p->modseq);
		if (!p->seq || p->seq > exists)
			continue;
		if ((p->uid ? view_uid(v, p->seq) : p->seq) <= p->last)
			return p->seq++;
	}
	return 0;
}

int imap_ranges_add(struct imap_ranges *r, uint32_t number)
{
	struct imap_range one = {number, number};

	if (r->n && r->v[r->n - 1].to + 1 == number) {
		r->v[r->n - 1].to = number;
		return 0;
	}
	return vec_push(r, one);
}

void imap_add_ranges(struct buf *out, const struct imap_range *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_addc(out, ',');
		buf_addu(out, v[i].from);
		if (v[i].to == v[i].from)
			continue;
		buf_addc(out, ':');
		buf_addu(out, v[i].to);
	}
}
