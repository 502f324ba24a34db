/* SPDX-License-Identifier: 0BSD */
/*
 * Views number the messages of a mailbox for a session: the live messages up to the announced UID,
 * and between them those expunged meanwhile, kept as a sorted vector until the session is told.
 * Flag changes are not kept per view: a view remembers its place in the mailbox's journal, and when
 * the ring has run over it looks for messages with a newer modseq instead.
 */
#include "core/store/view.h"

#include <stdlib.h>
#include <string.h>

#include "core/lib/log.h"
#include "core/store/state.h"

#define JOURNAL_FIRST 16
#define JOURNAL_MAX   1024

struct forgotten {
	uint32_t uid;
	uint64_t modseq;
};

struct range {
	uint32_t first, last;
};

struct view {
	struct mailbox *m;
	struct view *next;
	uint32_t last_uid;      /* announced up to here */
	bool take_recent, notified;
	uint64_t journal;       /* place in the mailbox's journal */
	uint64_t modseq;        /* of the mailbox when the place was taken */
	uint64_t settled;       /* and when nothing was held back last */
	struct {
		uint32_t *v;
		size_t n, cap;
	} dead;                 /* expunged but still numbered */
	struct {
		struct forgotten *v;
		size_t n, cap;
	} forgotten;
	struct {
		struct range *v;
		size_t n, cap;
	} recent;
	void (*changed)(void *arg);
	void *arg;
};

/* Number of dead UIDs < uid. */
static size_t dead_lower(const struct view *v, uint32_t uid)
{
	size_t lo = 0, hi = v->dead.n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (v->dead.v[mid] < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static size_t live_announced(const struct view *v)
{
	return index_rank(v->m, v->last_uid + 1);
}

static void claim_recent(struct view *v)
{
	struct mailbox *m = v->m;
	struct range r = {m->recent_from, m->uidnext - 1};

	if (!v->take_recent || m->recent_from >= m->uidnext)
		return;
	if (v->recent.n && v->recent.v[v->recent.n - 1].last + 1 == r.first)
		v->recent.v[v->recent.n - 1].last = r.last;
	else if (vec_push(&v->recent, r))
		return;
	/* Kept by the checkpoint only: after a crash some messages are recent once more, which costs
	 * nothing, while a log record for each SELECT would cost a sync. */
	m->recent_from = m->uidnext;
	account_dirty(m->account);
}

struct view *view_open(struct mailbox *m, bool take_recent)
{
	struct view *v = index_open(m) ? NULL : calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->m = m;
	v->take_recent = take_recent;
	v->last_uid = m->uidnext - 1;
	v->journal = m->journal_end;
	v->modseq = v->settled = m->highestmodseq;
	v->next = m->views;
	m->views = v;
	account_pin(m->account);
	index_place(m->ix);
	claim_recent(v);
	return v;
}

size_t view_bytes(const struct view *v)
{
	if (!v)
		return 0;
	return sizeof(*v) + v->dead.cap * sizeof(*v->dead.v) + v->forgotten.cap * sizeof(*v->forgotten.v) +
		v->recent.cap * sizeof(*v->recent.v);
}

void view_close(struct view **at)
{
	struct view *v = *at, **p;
	struct account *a;
	struct mailbox *m;

	*at = NULL;
	if (!v)
		return;
	m = v->m;
	a = m->account;
	for (p = &m->views; *p != v; p = &(*p)->next)
		;
	*p = v->next;
	if (!m->views) {
		free(m->journal);
		m->journal = NULL;
		m->journal_size = 0;
		m->journal_start = m->journal_end;
		if (m->flags & MAILBOX_GONE)
			mailbox_free(m);
		else if (m->ix)
			index_place(m->ix);
	}
	account_unpin(a);
	free(v->dead.v);
	free(v->forgotten.v);
	free(v->recent.v);
	free(v);
}

struct mailbox *view_mailbox(const struct view *v)
{
	return v->m;
}

bool view_alive(const struct view *v)
{
	return !(v->m->flags & MAILBOX_GONE);
}

uint32_t view_exists(const struct view *v)
{
	return (uint32_t)(live_announced(v) + v->dead.n);
}

uint32_t view_uid(const struct view *v, uint32_t seq)
{
	size_t lo = 0, hi = v->dead.n, mid, live = live_announced(v);
	struct message msg;

	if (!seq || seq > live + v->dead.n)
		return 0;
	/* How many dead ones have a number below seq?  The k-th stands after its live elders. */
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (mid + index_rank(v->m, v->dead.v[mid]) + 1 <= seq)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo && lo - 1 + index_rank(v->m, v->dead.v[lo - 1]) + 1 == seq)
		return v->dead.v[lo - 1];
	return index_at(v->m, (uint32_t)(seq - 1 - lo), &msg) == 1 ? msg.uid : 0;
}

uint32_t view_seq_from(const struct view *v, uint32_t uid)
{
	if (uid > v->last_uid)
		return view_exists(v) + 1;
	return (uint32_t)(index_rank(v->m, uid) + dead_lower(v, uid) + 1);
}

uint32_t view_seq(const struct view *v, uint32_t uid)
{
	uint32_t seq = uid ? view_seq_from(v, uid) : 0;

	return seq && view_uid(v, seq) == uid ? seq : 0;
}

uint32_t view_last_uid(const struct view *v)
{
	return view_uid(v, view_exists(v));
}

int view_message(const struct view *v, uint32_t seq, struct message *m_r)
{
	uint32_t uid = view_uid(v, seq);

	return uid ? mailbox_message(v->m, uid, m_r) : 0;
}

uint32_t view_newer(const struct view *v, uint32_t seq, uint64_t modseq)
{
	uint32_t uid = view_uid(v, seq);
	struct message msg;

	if (!uid || index_newer(v->m, uid, modseq, &msg) != 1 || msg.uid > v->last_uid)
		return 0;
	return view_seq(v, msg.uid);
}

bool view_is_recent(const struct view *v, uint32_t uid)
{
	for (size_t i = v->recent.n; i-- > 0;)
		if (uid >= v->recent.v[i].first)
			return uid <= v->recent.v[i].last;
	return false;
}

uint32_t view_recent(const struct view *v)
{
	uint32_t n = 0;

	for (size_t i = 0; i < v->recent.n; i++)
		n += view_seq_from(v, v->recent.v[i].last + 1) - view_seq_from(v, v->recent.v[i].first);
	return n;
}

uint32_t view_first_unseen(const struct view *v)
{
	struct message msg;

	if (index_first_unseen(v->m, &msg) != 1 || msg.uid > v->last_uid)
		return 0;
	return view_seq(v, msg.uid);
}

const uint32_t *view_expunged(const struct view *v, size_t *n_r)
{
	*n_r = v->dead.n;
	return v->dead.v;
}

uint64_t view_settled(const struct view *v)
{
	return v->settled;
}

/* ---- changes ---- */

bool view_pending(const struct view *v)
{
	return v->dead.n || v->journal != v->m->journal_end || v->last_uid + 1 < v->m->uidnext ||
		!view_alive(v);
}

void view_notify(struct view *v, void (*changed)(void *arg), void *arg)
{
	v->changed = changed;
	v->arg = arg;
	v->notified = false;
}

static void notify(struct view *v)
{
	if (!v->changed || v->notified)
		return;
	v->notified = true;
	v->changed(v->arg);
}

static void notify_all(struct mailbox *m)
{
	struct view *v, *next;

	for (v = m->views; v; v = next) {
		next = v->next;
		notify(v);
	}
}

/* Without memory the oldest places are lost, as in a ring of full size. */
static void grow_journal(struct mailbox *m)
{
	uint32_t size = m->journal_size ? m->journal_size * 2 : JOURNAL_FIRST;
	struct journal_entry *ring = calloc(size, sizeof(*ring));

	if (!ring)
		return;
	for (uint64_t at = m->journal_start; at != m->journal_end; at++)
		ring[at % size] = m->journal[at % m->journal_size];
	free(m->journal);
	m->journal = ring;
	m->journal_size = size;
}

/* Most mailboxes are looked at by nobody who lags behind: their rings stay small. */
static void make_room(struct mailbox *m)
{
	uint64_t oldest = m->journal_end;

	for (const struct view *v = m->views; v; v = v->next)
		if (v->journal < oldest)
			oldest = v->journal;
	if (oldest > m->journal_start)
		m->journal_start = oldest;
	if (m->journal_end - m->journal_start >= m->journal_size)
		grow_journal(m);
}

void view_note_flags(struct mailbox *m, uint32_t uid)
{
	if (!m->views)
		return;
	if (m->journal_end - m->journal_start >= m->journal_size && m->journal_size < JOURNAL_MAX)
		make_room(m);
	if (m->journal_size)
		m->journal[m->journal_end % m->journal_size].uid = uid;
	m->journal_end++;
	if (m->journal_end - m->journal_start > m->journal_size)
		m->journal_start = m->journal_end - m->journal_size;
}

/* Merges the announced ones among uids into the dead of a view. */
static void bury(struct view *v, const uint32_t *uids, size_t n)
{
	size_t to, old = v->dead.n;

	while (n && uids[n - 1] > v->last_uid)
		n--;
	if (!n)
		return;
	if (vec_grow(&v->dead.v, &v->dead.cap, old + n, sizeof(*v->dead.v)))
		bug("out of memory while numbering messages"); /* numbers would be wrong from here on */
	v->dead.n += n;
	for (to = v->dead.n; n;)
		if (old && v->dead.v[old - 1] > uids[n - 1])
			v->dead.v[--to] = v->dead.v[--old];
		else
			v->dead.v[--to] = uids[--n];
}

void view_note_expunged(struct mailbox *m, const uint32_t *uids, size_t n)
{
	for (struct view *v = m->views; v; v = v->next)
		bury(v, uids, n);
	notify_all(m);
}

void view_note_changed(struct mailbox *m)
{
	notify_all(m);
}

void view_note_gone(struct mailbox *m)
{
	/* Nothing is left to read; the sessions hear of it through view_alive(). */
	notify_all(m);
}

static void announce_expunged(struct view *v, const struct view_events *e, void *arg)
{
	uint32_t uid, seq;

	/* From the last down, so that no number shifts before its turn. */
	while (v->dead.n) {
		uid = v->dead.v[v->dead.n - 1];
		seq = view_seq(v, uid);
		v->dead.n--;
		if (e->expunge)
			e->expunge(arg, seq, uid);
	}
	if (v->dead.cap > 1024) {
		free(v->dead.v);
		v->dead.v = NULL;
		v->dead.cap = 0;
	}
}

static void announce_new(struct view *v, const struct view_events *e, void *arg)
{
	uint32_t before = view_exists(v);

	v->last_uid = v->m->uidnext - 1;
	claim_recent(v);
	if (e->exists && view_exists(v) != before)
		e->exists(arg, view_exists(v), view_recent(v));
}

static uint64_t forgotten_modseq(const struct view *v, uint32_t uid)
{
	size_t lo = 0, hi = v->forgotten.n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (v->forgotten.v[mid].uid < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < v->forgotten.n && v->forgotten.v[lo].uid == uid ? v->forgotten.v[lo].modseq : 0;
}

bool view_flags_untold(const struct view *v, const struct message *msg)
{
	return msg->uid <= v->last_uid && msg->modseq > v->modseq && msg->modseq > forgotten_modseq(v, msg->uid);
}

static void announce_flags_of(struct view *v, const struct message *msg, uint32_t limit,
	const struct view_events *e, void *arg)
{
	if (msg->uid <= limit && view_flags_untold(v, msg) && e->flags)
		e->flags(arg, view_seq(v, msg->uid), msg);
}

static int by_uid(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void announce_flags(struct view *v, uint32_t limit, const struct view_events *e, void *arg)
{
	struct mailbox *m = v->m;
	uint32_t uids[JOURNAL_MAX];
	struct message msg;
	size_t n = 0;

	if (v->journal < m->journal_start) {
		for (uint32_t uid = 0; index_newer(m, uid, v->modseq, &msg) == 1; uid = msg.uid + 1) {
			if (msg.uid > limit)
				break;
			announce_flags_of(v, &msg, limit, e, arg);
		}
		return;
	}
	for (uint64_t at = v->journal; at != m->journal_end; at++)
		uids[n++] = m->journal[at % m->journal_size].uid;
	qsort(uids, n, sizeof(*uids), by_uid);
	for (size_t i = 0; i < n; i++)
		if ((!i || uids[i] != uids[i - 1]) && mailbox_message(m, uids[i], &msg) == 1)
			announce_flags_of(v, &msg, limit, e, arg);
}

uint64_t view_sync(struct view *v, bool allow_expunge, const struct view_events *e, void *arg)
{
	struct mailbox *m = v->m;
	uint32_t limit = v->last_uid; /* news come with the flags they have */

	v->notified = false;
	if (allow_expunge)
		announce_expunged(v, e, arg);
	if (!view_alive(v))
		return m->lsn;
	announce_new(v, e, arg);
	if (v->journal != m->journal_end)
		announce_flags(v, limit, e, arg);
	v->journal = m->journal_end;
	v->modseq = m->highestmodseq;
	if (!v->dead.n)
		v->settled = m->highestmodseq;
	v->forgotten.n = 0;
	return m->lsn;
}

void view_forget_flags(struct view *v, uint32_t uid)
{
	struct forgotten f = {.uid = uid};
	struct message msg;
	size_t at;

	if (v->journal == v->m->journal_end || mailbox_message(v->m, uid, &msg) != 1)
		return;
	f.modseq = msg.modseq;
	for (at = v->forgotten.n; at && v->forgotten.v[at - 1].uid >= uid; at--)
		;
	if (at < v->forgotten.n && v->forgotten.v[at].uid == uid) {
		v->forgotten.v[at].modseq = msg.modseq;
		return;
	}
	if (vec_push(&v->forgotten, f))
		return; /* told once more than needed */
	memmove(v->forgotten.v + at + 1, v->forgotten.v + at,
		(v->forgotten.n - 1 - at) * sizeof(*v->forgotten.v));
	v->forgotten.v[at] = f;
}
