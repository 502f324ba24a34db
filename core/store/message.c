/* SPDX-License-Identifier: 0BSD */
/* Changes to the messages of a mailbox: append, flags, expunge, copy and move. */
#include "core/store/state.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define FLAGS_ALL                                                                                  \
	(MESSAGE_SEEN | MESSAGE_ANSWERED | MESSAGE_FLAGGED | MESSAGE_DELETED | MESSAGE_DRAFT)

/* Logs the after-images in s->images and applies them.  All get the LSN of their record. */
static int images_commit(struct mailbox *m)
{
	struct store *s = m->account->store;
	struct message *v = s->images.v;
	size_t left, n;
	struct buf *b;
	uint64_t lsn;

	for (left = s->images.n; left; left -= n, v += n) {
		n = left < MESSAGES_PER_RECORD ? left : MESSAGES_PER_RECORD;
		b = store_record_begin(s, RECORD_MESSAGES, RECORD_REQUIRED, &lsn);
		record_add_messages(b, m->id, (uint32_t)n);
		for (size_t i = 0; i < n; i++) {
			v[i].lsn = lsn;
			message_encode(b, &v[i], &s->key);
		}
		store_record_end(s);
		if (messages_apply(m, v, n)) {
			b->failed = true; /* memory and log differ: this batch must not be written */
			return -1;
		}
	}
	return 0;
}

static int images_room(struct store *s, size_t n)
{
	s->images.n = 0;
	return vec_grow(&s->images.v, &s->images.cap, n ? n : 1, sizeof(*s->images.v));
}

/* May this mailbox be changed? */
static int changeable(struct mailbox *m)
{
	if (!(m->flags & (MAILBOX_GONE | MAILBOX_NONEXISTENT)))
		return store_writable(m->account->store) ? -1 : index_open(m);
	errno = ENOENT;
	return -1;
}

static int uids_left(const struct mailbox *m, uint32_t n)
{
	if (n < UINT32_MAX - 1 - m->uidnext)
		return 0;
	errno = EOVERFLOW;
	return -1;
}

static void set_lsn(uint64_t *lsn_r, uint64_t lsn)
{
	if (lsn_r)
		*lsn_r = lsn;
}

static int append_blobs(struct store *s, const struct message_new *new, struct message *msg)
{
	struct blob *body = batch_add_body(s, new->body), *prefix;

	if (!body)
		return -1;
	msg->blob = body->node.hash;
	if (!new->prefix.len)
		return 0;
	prefix = batch_add_prefix(s, new->prefix);
	if (!prefix)
		return -1;
	msg->prefix = prefix->node.hash;
	return 0;
}

int store_watch_check(struct mailbox *to, uint64_t messages, uint64_t bytes)
{
	const struct store_watch *w = to->account->store->watch;

	return w ? w->check(to, messages, bytes) : 0;
}

static int may_append(struct mailbox *m, const struct message_new *v, unsigned n)
{
	uint64_t messages = 0, bytes = 0;

	if (!m->account->store->watch)
		return 0;
	for (unsigned i = 0; i < n; i++) {
		if (v[i].exempt)
			continue;
		messages++;
		bytes += v[i].prefix.len + body_size(v[i].body);
	}
	errno = messages ? store_watch_check(m, messages, bytes) : 0;
	return errno ? -1 : 0;
}

/* The copies in s->images.  0 / -1 + errno. */
static int may_copy(struct mailbox *to)
{
	struct store *s = to->account->store;
	uint64_t bytes = 0;

	if (!s->watch)
		return 0;
	for (size_t i = 0; i < s->images.n; i++)
		bytes += s->images.v[i].size;
	errno = s->watch->check(to, s->images.n, bytes);
	return errno ? -1 : 0;
}

int mailbox_append(struct mailbox *m, const struct message_new *v, unsigned n, uint32_t *first_uid_r,
	uint64_t *lsn_r)
{
	struct store *s = m->account->store;
	uint32_t first = m->uidnext;
	uint64_t bytes = 0;
	int answer = -1;

	for (unsigned i = 0; i < n; i++)
		bytes += v[i].prefix.len + v[i].body->data.len; /* a large one is on the disk already */
	if (changeable(m) || uids_left(m, n) || space_left(s, bytes) || images_room(s, n) ||
		may_append(m, v, n))
		return -1;
	store_begin(s);
	for (unsigned i = 0; i < n; i++) {
		struct message *msg = &s->images.v[i];

		*msg = (struct message){
			.uid = first + i,
			.flags = v[i].flags & FLAGS_ALL,
			.keywords = v[i].keywords,
			.modseq = m->account->modseq + 1,
			.internaldate = v[i].internaldate,
			.savedate = time(NULL),
			.zone = v[i].zone,
			.size = (uint32_t)(v[i].prefix.len + body_size(v[i].body)),
			.prefix_size = (uint32_t)v[i].prefix.len,
		};
		if (append_blobs(s, &v[i], msg))
			goto end;
		s->images.n++;
	}
	answer = images_commit(m);
end:
	store_end(s);
	if (first_uid_r)
		*first_uid_r = first;
	set_lsn(lsn_r, m->lsn);
	return answer;
}

static struct message changed(const struct message *old, enum message_op op, uint32_t flags,
	uint64_t keywords)
{
	struct message msg = *old;

	if (op == MESSAGE_SET) {
		msg.flags = flags;
		msg.keywords = keywords;
	} else if (op == MESSAGE_ADD) {
		msg.flags |= flags;
		msg.keywords |= keywords;
	} else {
		msg.flags &= ~flags;
		msg.keywords &= ~keywords;
	}
	return msg;
}

int mailbox_flag(struct mailbox *m, const uint32_t *uids, uint32_t n, enum message_op op,
	uint32_t flags, uint64_t keywords, uint64_t *lsn_r)
{
	struct store *s = m->account->store;
	struct message old, new;
	int answer = 0, found;

	bool frees = op != MESSAGE_REMOVE && flags & MESSAGE_DELETED; /* or soon will */

	if (changeable(m) || (!frees && space_for_changes(s)) || images_room(s, n))
		return -1;
	for (uint32_t i = 0; i < n; i++) {
		found = index_get(m, uids[i], &old);
		if (found < 0)
			return -1;
		if (!found)
			continue;
		new = changed(&old, op, flags & FLAGS_ALL, keywords);
		if (new.flags == old.flags && new.keywords == old.keywords)
			continue;
		new.modseq = m->account->modseq + 1;
		s->images.v[s->images.n++] = new;
	}
	store_begin(s);
	if (s->images.n)
		answer = images_commit(m);
	store_end(s);
	set_lsn(lsn_r, m->lsn);
	return answer;
}

static int expunge(struct mailbox *m, const uint32_t *uids, uint32_t n)
{
	struct store *s = m->account->store;
	struct message *msg;
	int found;

	if (images_room(s, n))
		return -1;
	for (uint32_t i = 0; i < n; i++) {
		msg = &s->images.v[s->images.n];
		found = index_get(m, uids[i], msg);
		if (found < 0)
			return -1;
		if (!found)
			continue;
		s->images.n++;
		msg->flags |= MESSAGE_EXPUNGED;
		msg->modseq = m->account->modseq + 1;
	}
	return s->images.n ? images_commit(m) : 0;
}

int mailbox_expunge(struct mailbox *m, const uint32_t *uids, uint32_t n, uint64_t *lsn_r)
{
	struct store *s = m->account->store;
	int answer;

	if (changeable(m))
		return -1;
	store_begin(s);
	if (s->removing)
		s->removing(m, uids, n);
	answer = expunge(m, uids, n);
	store_end(s);
	set_lsn(lsn_r, m->lsn);
	return answer;
}

/* Keyword numbers of one mailbox as those of another; a full table loses the keyword. */
static uint64_t keywords_translate(const struct mailbox *from, struct mailbox *to, uint64_t keywords)
{
	uint64_t out = 0;
	int number;

	if (from == to)
		return keywords;
	for (unsigned i = 0; keywords >> i && i < from->keywords; i++) {
		if (!(keywords >> i & 1))
			continue;
		number = mailbox_keyword(to, mailbox_keyword_name(from, i), true);
		if (number >= 0)
			out |= (uint64_t)1 << number;
		if (i == 63)
			break;
	}
	return out;
}

/* Puts copies into `to`; done[] gets the source UIDs. */
static int copy(struct mailbox *from, const uint32_t *uids, uint32_t n, struct mailbox *to, bool move,
	uint32_t *done, uint32_t *done_n_r)
{
	struct store *s = to->account->store;
	struct message *msg, old;
	uint32_t count = 0;
	int found;

	for (uint32_t i = 0; i < n; i++) {
		found = index_get(from, uids[i], &old);
		if (found < 0)
			return -1;
		if (!found)
			continue;
		/* May log a record of its own, so before the images are begun. */
		uint64_t keywords = keywords_translate(from, to, old.keywords);

		done[count] = uids[i];
		msg = &s->images.v[count];
		*msg = old;
		msg->keywords = keywords;
		msg->uid = to->uidnext + count++;
		msg->savedate = time(NULL);
	}
	for (uint32_t i = 0; i < count; i++)
		s->images.v[i].modseq = to->account->modseq + 1;
	s->images.n = count;
	*done_n_r = count;
	/* Within an account a move adds nothing. */
	if (count && (!move || from->account != to->account) && may_copy(to))
		return -1;
	return count ? images_commit(to) : 0;
}

int mailbox_copy(struct mailbox *from, const uint32_t *uids, uint32_t n, struct mailbox *to, bool move,
	uint32_t *done_r, uint32_t *done_n_r, uint32_t *first_uid_r, uint64_t *lsn_r)
{
	struct store *s = to->account->store;
	uint32_t *done, count = 0;
	int answer;

	if (changeable(from) || changeable(to) || uids_left(to, n) || images_room(s, n) ||
		(!move && space_left(s, (uint64_t)n * MESSAGE_SIZE)))
		return -1;
	done = done_r ? done_r : malloc((n ? n : 1) * sizeof(*done));
	if (!done)
		return -1;
	if (first_uid_r)
		*first_uid_r = to->uidnext;
	store_begin(s);
	answer = copy(from, uids, n, to, move, done, &count);
	if (!answer && move)
		answer = expunge(from, done, count);
	store_end(s);
	if (done_n_r)
		*done_n_r = count;
	set_lsn(lsn_r, from->lsn > to->lsn ? from->lsn : to->lsn);
	if (!done_r)
		free(done);
	return answer;
}

int mailbox_message(const struct mailbox *m, uint32_t uid, struct message *m_r)
{
	return index_get(m, uid, m_r) == 1;
}

int mailbox_next(const struct mailbox *m, uint32_t uid, struct message *m_r)
{
	return index_next(m, uid, m_r);
}

int mailbox_expunged(const struct mailbox *m, uint64_t modseq,
	void (*each)(void *arg, uint32_t uid, uint64_t modseq), void *arg, uint64_t *floor_r)
{
	return index_expunged(m, modseq, each, arg, floor_r);
}
