/* SPDX-License-Identifier: 0BSD */
/*
 * What a record does to the tables in memory.  Operations write an after-image to the log and apply
 * it here; redo reads the same image and applies it here: there is one way for state to change.
 */
#include "core/store/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/lib/log.h"
#include "core/store/checkpoint.h"

/* ---- accounts ---- */

struct account *account_by_id(const struct store *s, uint64_t id)
{
	struct hash_node *n = hash_first(&s->accounts_by_id, id);

	return n ? hash_owner(n, struct account, by_id) : NULL;
}

static char *copy(struct str s)
{
	char *p = malloc(s.len + 1);

	if (p) {
		memcpy(p, s.p, s.len);
		p[s.len] = 0;
	}
	return p;
}

/* From a name to its account, for generations. */
static int remember_account(struct store *s, struct account *a)
{
	struct buf b = {0};
	int answer;

	account_dirty(a);
	buf_put64(&b, a->id);
	answer = b.failed ? -1 : kv_set(s, KV_SPACE_NAME, account_name(a), buf_str(&b), false, a->id);
	buf_free(&b);
	return answer;
}

struct account *account_add(struct store *s, const struct record_account *r)
{
	struct account *a;
	int answer = s->loading ? 0 : account_get(s, r->id, &a);

	if (answer)
		return answer > 0 ? a : NULL;
	a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	a->store = s;
	a->id = r->id;
	a->name = copy(r->name);
	a->name_len = r->name.len;
	if (!a->name)
		goto free_account;
	if (hash_add(&s->accounts, &a->by_name, hash_bytes(r->name, 0)))
		goto free_name;
	if (hash_add(&s->accounts_by_id, &a->by_id, a->id))
		goto remove_name;
	account_weigh(a, (int64_t)(sizeof(*a) + a->name_len));
	if (!s->loading && remember_account(s, a))
		goto remove_id;
	s->account_count += !s->loading;
	return a;
remove_id:
	hash_remove(&s->accounts_by_id, &a->by_id);
remove_name:
	hash_remove(&s->accounts, &a->by_name);
free_name:
	free(a->name);
free_account:
	free(a);
	return NULL;
}

/* ---- mailboxes ---- */

struct mailbox *mailbox_by_id(const struct store *s, uint64_t id)
{
	struct hash_node *n = hash_first(&s->mailboxes, id);

	return n ? hash_owner(n, struct mailbox, by_id) : NULL;
}

static void names_remove(struct mailbox *m)
{
	struct account *a = m->account;
	size_t i;

	for (i = 0; i < a->boxes.n && a->boxes.v[i] != m; i++)
		;
	if (i == a->boxes.n)
		return;
	a->boxes.n--;
	memmove(a->boxes.v + i, a->boxes.v + i + 1, (a->boxes.n - i) * sizeof(*a->boxes.v));
}

size_t names_lower(const struct account *a, struct str name)
{
	size_t lo = 0, hi = a->boxes.n, mid, n;
	const struct mailbox *m;
	int order;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		m = a->boxes.v[mid];
		n = m->name_len < name.len ? m->name_len : name.len;
		order = memcmp(m->name, name.p, n);
		if (order < 0 || (!order && m->name_len < name.len))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int names_insert(struct mailbox *m)
{
	struct account *a = m->account;
	size_t at = names_lower(a, (struct str){m->name, m->name_len});

	if (vec_grow(&a->boxes.v, &a->boxes.cap, a->boxes.n + 1, sizeof(*a->boxes.v)))
		return -1;
	memmove(a->boxes.v + at + 1, a->boxes.v + at, (a->boxes.n - at) * sizeof(*a->boxes.v));
	a->boxes.v[at] = m;
	a->boxes.n++;
	return 0;
}

void mailbox_free(struct mailbox *m)
{
	for (unsigned i = 0; i < m->keywords; i++)
		free(m->keyword[i]);
	free(m->keyword);
	free(m->name);
	index_free(m);
	free(m->journal);
	free(m);
}

static void tell_watch(struct account *a, int64_t messages, int64_t bytes)
{
	const struct store_watch *w = a->store->watch;

	if (w)
		w->counted(a, messages, bytes);
}

void mailbox_drop(struct mailbox *m)
{
	struct store *s = m->account->store;
	struct message msg;

	for (uint32_t uid = 0; index_next(m, uid, &msg) == 1; uid = msg.uid + 1) {
		blob_unref_id(s, msg.blob);
		blob_unref_id(s, msg.prefix);
	}
	s->messages -= index_count(m);
	tell_watch(m->account, -(int64_t)index_count(m), -(int64_t)index_bytes(m));
	if (m->ix && index_keep_not(m->ix, m->lsn))
		s->filling->meta.failed = true;
	s->mailbox_count--;
	account_weigh(m->account, -(int64_t)m->bytes);
	index_free(m);
	if (m->index && !vec_grow(&s->garbage.v, &s->garbage.cap, s->garbage.n + 1,
			sizeof(*s->garbage.v)))
		index_name(s->garbage.v[s->garbage.n++], m->id, index_name_number(m->index));
	m->index = 0;
	m->flags |= MAILBOX_GONE;
	names_remove(m);
	hash_remove(&s->mailboxes, &m->by_id);
	if (m->views)
		view_note_gone(m); /* the last view frees it */
	else
		mailbox_free(m);
}

static int set_name(struct mailbox *m, struct str name)
{
	char *fresh;

	if (m->name && str_eq(name, (struct str){m->name, m->name_len}))
		return 0;
	fresh = copy(name);
	if (!fresh)
		return -1;
	if (m->name)
		names_remove(m);
	free(m->name);
	m->name = fresh;
	m->name_len = name.len;
	return names_insert(m);
}

static int set_keywords(struct mailbox *m, const struct record_mailbox *r)
{
	/* The table only grows. */
	if (vec_grow(&m->keyword, &m->keywords_cap, r->keywords, sizeof(*m->keyword)))
		return -1;
	for (; m->keywords < r->keywords; m->keywords++) {
		m->keyword[m->keywords] = copy(r->keyword[m->keywords]);
		if (!m->keyword[m->keywords])
			return -1;
	}
	return 0;
}

static void weigh(struct mailbox *m)
{
	size_t n = sizeof(*m) + m->name_len + sizeof(m) + m->keywords_cap * 2 * sizeof(*m->keyword);

	account_weigh(m->account, (int64_t)n - m->bytes);
	m->bytes = (uint32_t)n;
}

/* From a mailbox to its account. */
static int remember_mailbox(struct store *s, const struct mailbox *m, bool gone, uint64_t lsn)
{
	struct buf key = {0}, value = {0};
	int answer;

	buf_put64(&key, m->id);
	buf_put64(&value, m->account->id);
	answer = key.failed || value.failed ? -1 :
		kv_set(s, KV_SPACE_BOX, buf_str(&key), buf_str(&value), gone, lsn);
	buf_free(&key);
	buf_free(&value);
	return answer;
}

struct mailbox *mailbox_apply(struct store *s, const struct record_mailbox *r, uint64_t lsn)
{
	struct mailbox *m;
	struct account *a;
	int answer;

	answer = account_get(s, r->account, &a);
	if (answer <= 0) {
		if (!answer)
			errno = EPROTO;
		return NULL;
	}
	m = mailbox_by_id(s, r->id);
	if (m && m->lsn >= lsn)
		return m;
	if (!m) {
		m = calloc(1, sizeof(*m));
		if (!m)
			return NULL;
		m->account = a;
		m->id = r->id;
		if (hash_add(&s->mailboxes, &m->by_id, m->id)) {
			free(m);
			return NULL;
		}
		if (!s->loading && remember_mailbox(s, m, false, lsn)) {
			hash_remove(&s->mailboxes, &m->by_id);
			free(m);
			return NULL;
		}
		s->mailbox_count += !s->loading;
	}
	if (set_name(m, r->name) || set_keywords(m, r))
		return NULL;
	weigh(m);
	m->uidvalidity = r->uidvalidity;
	m->flags = r->flags;
	m->special_use = r->special_use;
	m->recent_from = r->recent;
	if (m->uidnext < r->uidnext)
		m->uidnext = r->uidnext;
	if (m->highestmodseq < r->highestmodseq)
		m->highestmodseq = r->highestmodseq;
	if (a->modseq < r->highestmodseq)
		a->modseq = r->highestmodseq;
	if (s->uidvalidity_last < r->uidvalidity)
		s->uidvalidity_last = r->uidvalidity;
	m->lsn = lsn;
	if (a->lsn < lsn)
		a->lsn = lsn;
	if (!s->loading)
		account_dirty(a);
	if (r->flags & MAILBOX_GONE) {
		remember_mailbox(s, m, true, lsn);
		mailbox_drop(m);
	}
	return m;
}

void mailbox_image(const struct mailbox *m, struct record_mailbox *r_r)
{
	*r_r = (struct record_mailbox){
		.id = m->id,
		.account = m->account->id,
		.uidvalidity = m->uidvalidity,
		.uidnext = m->uidnext,
		.flags = m->flags,
		.special_use = m->special_use,
		.recent = m->recent_from,
		.highestmodseq = m->highestmodseq,
		.lsn = m->lsn,
		.index = m->index,
		.name = {m->name, m->name_len},
		.keywords = m->keywords,
	};
	for (unsigned i = 0; i < m->keywords; i++)
		r_r->keyword[i] = str_from(m->keyword[i]);
}

/* ---- messages ---- */

/* Takes the tombstones among v (ascending by UID) out. */
static int remove_all(struct mailbox *m, const struct message *v, size_t n, size_t dead)
{
	struct store *s = m->account->store;
	uint32_t *uids = malloc(dead * sizeof(*uids));
	size_t gone = 0;
	uint64_t bytes = 0;
	int answer = uids ? 0 : -1;

	for (size_t i = 0; i < n && !answer; i++) {
		if (!(v[i].flags & MESSAGE_EXPUNGED))
			continue;
		answer = index_remove(m, &v[i]);
		if (answer <= 0)
			continue;
		answer = 0;
		uids[gone++] = v[i].uid;
		bytes += v[i].size;
		blob_unref_id(s, v[i].blob);
		blob_unref_id(s, v[i].prefix);
	}
	s->messages -= gone;
	tell_watch(m->account, -(int64_t)gone, -(int64_t)bytes);
	if (gone)
		view_note_expunged(m, uids, gone);
	free(uids);
	return answer;
}

static int put(struct mailbox *m, const struct message *msg)
{
	struct store *s = m->account->store;
	int added = index_put(m, msg);

	if (added < 0)
		return -1;
	if (!added) {
		view_note_flags(m, msg->uid);
		return 0;
	}
	s->messages++;
	tell_watch(m->account, 1, msg->size);
	blob_ref_id(s, msg->blob);
	blob_ref_id(s, msg->prefix);
	return 0;
}

int messages_apply(struct mailbox *m, const struct message *v, size_t n)
{
	struct account *a = m->account;
	size_t dead = 0;

	/* Before uidnext moves: the directory is as old as that. */
	if (index_open(m))
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (v[i].flags & MESSAGE_EXPUNGED)
			dead++;
		else if (put(m, &v[i]))
			return -1;
		if (m->uidnext <= v[i].uid)
			m->uidnext = v[i].uid + 1;
		if (m->highestmodseq < v[i].modseq)
			m->highestmodseq = v[i].modseq;
		if (m->lsn < v[i].lsn)
			m->lsn = v[i].lsn;
	}
	if (a->modseq < m->highestmodseq)
		a->modseq = m->highestmodseq;
	account_dirty(a);
	if (dead && remove_all(m, v, n, dead))
		return -1;
	if (n > dead)
		view_note_changed(m);
	return 0;
}

/* ---- redo ---- */

static int redo_account(struct store *s, const struct record *r)
{
	struct record_account account;
	struct account *a = record_read_account(r->payload, &account) ? NULL : account_add(s, &account);

	if (!a)
		return -1;
	if (a->modseq < account.modseq) {
		a->modseq = account.modseq;
		a->dirty = true;
	}
	return 0;
}

/* The index is damaged: the mailbox is closed until a repair makes it anew from the log, and all others
 * go on.  What its messages refer to must stay until then: rather counted once too often. */
static int close_mailbox(struct mailbox *m)
{
	struct store *s = m->account->store;

	if (errno != EBADMSG && errno != ENOENT && errno != ENOTSUP && errno != EIO)
		return -1;
	index_free(m);
	m->index_bad = true;
	for (size_t i = 0; i < s->images.n; i++) {
		if (s->images.v[i].flags & MESSAGE_EXPUNGED)
			continue;
		blob_ref_id(s, s->images.v[i].blob);
		blob_ref_id(s, s->images.v[i].prefix);
	}
	return 0;
}

static int redo_messages(struct store *s, const struct record *r)
{
	struct message msg;
	struct mailbox *m;
	struct cursor c;
	uint64_t id;
	uint32_t count;
	int answer;

	if (record_read_messages(r->payload, &id, &count, &c))
		return -1;
	answer = mailbox_get(s, id, &m);
	if (answer < 0)
		return -1;
	if (!answer || (m->lsn >= r->lsn && !s->rebuild))
		return 0; /* deleted later, or in its index file already */
	s->images.n = 0;
	while (count--) {
		if (!message_decode(&c, &s->key, &msg) ||
			(s->images.n && s->images.v[s->images.n - 1].uid >= msg.uid)) {
			errno = EPROTO;
			return -1;
		}
		if (vec_push(&s->images, msg))
			return -1;
	}
	return messages_apply(m, s->images.v, s->images.n) ? close_mailbox(m) : 0;
}

static int place_new(struct store *s, uint64_t id, const struct record_blob *r, struct segment *g,
	uint64_t bodies_at)
{
	struct blob *b = blob_find(s, id);

	if (b && b->segment)
		return 0;
	/* A checkpoint may know it that was begun before this batch was written. */
	if (!b)
		b = blob_add(s, id, r);
	if (!b)
		return -1;
	blob_place(s, b, g, bodies_at + r->offset);
	return 0;
}

static int redo_blob(struct store *s, const struct record *r, struct segment *g, uint64_t bodies_at)
{
	struct record_blob blob;

	return record_read_blob(r->payload, &blob) ? -1 : place_new(s, r->lsn, &blob, g, bodies_at);
}

static int redo_large(struct store *s, const struct record *r, struct segment *g, uint64_t bodies_at)
{
	struct record_blob blob;
	uint64_t id;

	return record_read_move(r->payload, &id, &blob) ? -1 : place_new(s, id, &blob, g, bodies_at);
}

static int redo_move(struct store *s, const struct record *r, struct segment *g, uint64_t bodies_at)
{
	struct record_blob blob;
	struct blob *b;
	uint64_t id;

	if (record_read_move(r->payload, &id, &blob))
		return -1;
	b = blob_find(s, id);
	/* Its BLOB record may be in a segment that is gone, and what refers to it come later. */
	if (!b)
		b = blob_add(s, id, &blob);
	if (!b)
		return -1;
	blob_place(s, b, g, bodies_at + blob.offset);
	return 0;
}

/* A type of a later version or of a feature that is not compiled in. */
static int keep_foreign(struct store *s, const struct record *r)
{
	struct record_kv kv = {.space = KV_SPACE_FOREIGN, .value = r->payload};
	struct buf key = {0};
	int answer;

	if (r->flags & RECORD_REQUIRED) {
		errno = ENOTSUP;
		return -1;
	}
	buf_put64(&key, r->lsn);
	buf_put16(&key, r->type);
	buf_put16(&key, r->flags);
	kv.key = buf_str(&key);
	answer = key.failed ? -1 : kv_apply(s, &kv, r->lsn);
	buf_free(&key);
	return answer;
}

int record_apply(struct store *s, const struct record *r, struct segment *g, uint64_t bodies_at)
{
	struct record_mailbox box;
	struct record_kv kv;
	struct cursor c = cursor_from(r->payload);
	uint32_t last;

	switch (r->type) {
	case RECORD_ACCOUNT:
		return redo_account(s, r);
	case RECORD_MAILBOX:
		return record_read_mailbox(r->payload, &box) || !mailbox_apply(s, &box, r->lsn) ? -1 : 0;
	case RECORD_MESSAGES:
		return redo_messages(s, r);
	case RECORD_BLOB:
		return redo_blob(s, r, g, bodies_at);
	case RECORD_MOVE:
		return redo_move(s, r, g, bodies_at);
	case RECORD_KV:
		return record_read_kv(r->payload, &kv) || kv_apply(s, &kv, kv.lsn ? kv.lsn : r->lsn) ? -1 : 0;
	case RECORD_LARGE:
		return redo_large(s, r, g, bodies_at);
	case RECORD_MARK:
	case RECORD_OPEN:
		return 0;
	case RECORD_EPOCH:
		cursor_skip(&c, 16);
		last = cursor_u32(&c);
		if (s->uidvalidity_last < last)
			s->uidvalidity_last = last;
		return 0;
	default:
		return keep_foreign(s, r);
	}
}

/* ---- the end ---- */

void tables_free(struct store *s)
{
	accounts_free(s);
	kv_free_all(s);
	index_shared_free(s);
	blob_free_all(s);
}
