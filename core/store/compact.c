/* SPDX-License-Identifier: 0BSD */
/*
 * Compaction.  A segment that is mostly dead is read batch by batch; what is still of use in it goes
 * to the head of the log: blobs with MOVE records, and every record that nothing later in the log has
 * replaced, so that the whole state can be redone from the segments that are left.  Then nothing
 * needs the segment, and it goes when a checkpoint is past the last move.
 *
 * A crash at any step leaves two copies at worst: the map names one of them.  What cannot be read is
 * not dropped: its segment stays, damaged as it is.
 */
#include "core/store/compact.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/lib/crc32c.h"
#include "core/lib/log.h"
#include "core/store/io.h"
#include "core/store/scan.h"

#define TICK_MS 20
#define AHEAD (1024 * 1024) /* asked from the disk before it is needed, so that no read waits long */
#define SLICE_MIN (64 * 1024)

/* ---- what is carried ---- */

static bool oldest(const struct compaction *x)
{
	return x->s->segments.v[0] == x->g;
}

static struct buf *carry_begin(struct compaction *x, uint16_t type)
{
	struct buf *b = store_record_begin(x->s, type, RECORD_REQUIRED, &x->lsn);

	x->record_at = b->len;
	return b;
}

static void carry_end(struct compaction *x, const struct buf *b)
{
	uint64_t n = b->len - x->record_at + RECORD_OVERHEAD;

	store_record_end(x->s);
	x->s->filling->carried += n;
	x->moved += n;
}

/* Summary, padding, body: as they stand in the segment, if their CRCs agree. */
static int read_blob(struct compaction *x, const struct blob *b, struct buf *out)
{
	struct scan_source src = {.fd = segment_fd(x->s, x->g), .size = x->g->size};
	uint64_t head = format_align(b->summary_len, 8), n = b->kind == BLOB_LARGE ? 0 : b->body_len;
	struct str all;

	if (src.fd < 0 || scan_read(&src, b->offset, head + n, out))
		return -1;
	all = buf_str(out);
	errno = EPROTO;
	return crc32c(0, all.p, b->summary_len) == b->summary_crc &&
		(b->kind == BLOB_LARGE || crc32c(0, all.p + head, n) == b->body_crc) ? 0 : -1;
}

static int carry_blob(struct compaction *x, uint64_t id)
{
	struct blob *b = blob_find(x->s, id);
	struct buf bytes = {0};
	int answer;

	/* On its way already (twice in one batch), or it stands elsewhere. */
	if (!b || b->segment != x->g || b->moving)
		return 0;
	answer = read_blob(x, b, &bytes);
	if (!answer) {
		answer = batch_move(x->s, b, buf_str(&bytes));
		x->moved += bytes.len;
		x->s->moved_bytes += bytes.len;
	} else if (errno == EPROTO || errno == EIO) {
		/* The segment stays for its sake: perhaps somebody can still make something of it. */
		log_error("damaged message", "blob", log_num((int64_t)id), "segment",
			log_num((int64_t)x->g->first), "part", "compaction", NULL);
		x->s->damaged++;
		x->g->stuck = STUCK_BLOB;
		answer = 0;
	}
	buf_free(&bytes);
	return answer;
}

/* Is this image the last word on its message?  A MODSEQ is given to one change only.
 * 1 / 0 / -1 + errno: where the index is damaged the log is all that knows. */
static int image_current(const struct compaction *x, const struct mailbox *m, const struct message *msg)
{
	struct message now;
	int found;

	if (msg->flags & MESSAGE_EXPUNGED)
		return !oldest(x); /* older segments may hold the message: it must not come back */
	found = index_get(m, msg->uid, &now);
	if (found >= 0 && m->ix->damaged) {
		errno = EBADMSG;
		return -1;
	}
	return found == 1 ? now.modseq == msg->modseq : found;
}

static int carry_messages(struct compaction *x, struct str payload)
{
	struct {
		struct message *v;
		size_t n, cap;
	} keep = {0};
	struct message msg;
	struct mailbox *m = NULL;
	struct cursor c;
	uint32_t count;
	uint64_t id;
	struct buf *b;
	int answer = 0, current;

	if (record_read_messages(payload, &id, &count, &c))
		return -1;
	if (mailbox_get(x->s, id, &m) < 0)
		return -1;
	while (m && count-- && !answer) {
		errno = EPROTO;
		current = message_decode(&c, &x->s->key, &msg) ? image_current(x, m, &msg) : -1;
		answer = current > 0 ? vec_push(&keep, msg) : current;
	}
	if (keep.n && !answer) {
		b = carry_begin(x, RECORD_MESSAGES);
		record_add_messages(b, id, (uint32_t)keep.n);
		for (size_t i = 0; i < keep.n; i++)
			message_encode(b, &keep.v[i], &x->s->key);
		carry_end(x, b);
	}
	free(keep.v);
	return answer;
}

static bool same_mailbox(const struct record_mailbox *a, const struct record_mailbox *b)
{
	return str_eq(a->name, b->name) && a->uidvalidity == b->uidvalidity && a->flags == b->flags &&
		a->special_use == b->special_use && a->recent == b->recent && a->keywords == b->keywords;
}

static int carry_mailbox(struct compaction *x, struct str payload)
{
	struct record_mailbox r, now;
	struct mailbox *m = NULL;
	struct buf *b;

	if (record_read_mailbox(payload, &r) || mailbox_get(x->s, r.id, &m) < 0)
		return -1;
	if (m) {
		mailbox_image(m, &now);
		if (!same_mailbox(&now, &r))
			return 0;
	} else if (!(r.flags & MAILBOX_GONE) || oldest(x)) {
		return 0;
	}
	b = carry_begin(x, RECORD_MAILBOX);
	record_add_mailbox(b, m ? &now : &r);
	carry_end(x, b);
	return 0;
}

/* It keeps the LSN of the first record: that is how the last word is known, and when its day was. */
static void carry_value(struct compaction *x, const struct record_kv *r)
{
	struct buf *b = carry_begin(x, RECORD_KV);

	record_add_kv(b, r);
	carry_end(x, b);
}

static int carry_kv(struct compaction *x, const struct record *rec)
{
	struct record_kv r;
	uint64_t lsn = 0;
	int found;

	if (record_read_kv(rec->payload, &r))
		return -1;
	if (!r.lsn)
		r.lsn = rec->lsn;
	found = store_kv_get(x->s, r.space, r.key, NULL, &lsn);
	if ((found == 1 && lsn == r.lsn && !r.removed) || (!found && r.removed && !oldest(x)))
		carry_value(x, &r);
	return found < 0 ? -1 : 0;
}

static int carry_account(struct compaction *x, struct str payload)
{
	struct record_account r;
	struct account *a = NULL;
	struct buf *b;

	if (record_read_account(payload, &r) || account_get(x->s, r.id, &a) < 0)
		return -1;
	/* Of mailboxes that are gone nothing else may be left. */
	if (a && r.modseq < a->modseq)
		r.modseq = a->modseq;
	b = carry_begin(x, RECORD_ACCOUNT);
	record_add_account(b, &r);
	carry_end(x, b);
	return 0;
}

/* Kept in the key-value space of foreign records: carried from there. */
static int carry_foreign(struct compaction *x, const struct record *rec)
{
	struct buf key = {0}, value = {0};
	struct record_kv r = {.space = KV_SPACE_FOREIGN};
	int found = -1;

	buf_put64(&key, rec->lsn);
	buf_put16(&key, rec->type);
	buf_put16(&key, rec->flags);
	if (!key.failed)
		found = store_kv_get(x->s, KV_SPACE_FOREIGN, buf_str(&key), &value, &r.lsn);
	r.key = buf_str(&key);
	r.value = buf_str(&value);
	if (found == 1)
		carry_value(x, &r);
	buf_free(&key);
	buf_free(&value);
	return found < 0 ? -1 : 0;
}

/* What EPOCH records of the segment and mailboxes that are gone said, once for all of them. */
static void carry_numbers(struct compaction *x)
{
	struct buf *b = carry_begin(x, RECORD_EPOCH);

	record_add_epoch(b, x->s->epoch, (uint64_t)time(NULL), x->s->uidvalidity_last);
	carry_end(x, b);
}

static int carry(struct compaction *x, const struct record *rec)
{
	uint64_t id;
	struct record_blob blob;

	switch (rec->type) {
	case RECORD_BLOB:
		return carry_blob(x, rec->lsn);
	case RECORD_MOVE:
	case RECORD_LARGE:
		return record_read_move(rec->payload, &id, &blob) ? -1 : carry_blob(x, id);
	case RECORD_MESSAGES:
		return carry_messages(x, rec->payload);
	case RECORD_MAILBOX:
		return carry_mailbox(x, rec->payload);
	case RECORD_ACCOUNT:
		return carry_account(x, rec->payload);
	case RECORD_KV:
		return carry_kv(x, rec);
	case RECORD_MARK:
	case RECORD_EPOCH:
	case RECORD_SEAL:
	case RECORD_OPEN:
		return 0;
	default:
		return carry_foreign(x, rec);
	}
}

/* ---- one segment ---- */

/* The checkpoint's LSN, where redo begins, is in a later one. */
static bool sealed(const struct store *s, size_t i)
{
	return i + 1 < s->segments.n && s->segments.v[i + 1]->first <= s->checkpoint_lsn;
}

static bool given_up(const struct segment *g)
{
	return g->stuck == STUCK_BATCH || (g->stuck && g->blobs);
}

/* The one with the least to carry.  None that the disk has no room for: half a move frees nothing. */
static struct segment *choose(struct store *s)
{
	struct segment *best = NULL, *g;
	uint64_t need, least = reserve_room(s), size, kept = reserve_kept(s);
	bool tight = reserve_refuses(s);

	least = least > kept ? least - kept : 0;
	for (size_t i = 0; i < s->segments.n; i++) {
		g = s->segments.v[i];
		need = g->live + g->kept;
		/* When mail is refused an eighth that can be had is worth it. */
		size = tight ? g->size / 8 * 7 : g->size / 2;
		if (!sealed(s, i) || g->passed || given_up(g) || need >= size || need >= least)
			continue;
		least = need;
		best = g;
	}
	return best;
}

static void release(struct compaction *x)
{
	x->g = NULL;
	buf_free(&x->meta);
}

static void read_ahead(struct compaction *x)
{
	int fd = segment_fd(x->s, x->g);

	if (fd >= 0)
		posix_fadvise(fd, (off_t)x->at, AHEAD, POSIX_FADV_WILLNEED);
}

/* Takes the next batch into meta.  1 / 0 at the end / -1 + errno: EPROTO if there are bytes between
 * batches, or behind them, that are none. */
static int next_batch(struct compaction *x)
{
	struct scan_source src = {.fd = segment_fd(x->s, x->g), .size = x->g->size};
	int found = src.fd < 0 ? -1 : scan_batch(&src, &x->s->key, x->at, &x->h, &x->meta);

	if (!found && scan_content_end(&src, x->at) == x->at)
		return 0;
	if (found != 1) {
		errno = found ? errno : EPROTO;
		return -1;
	}
	x->at += batch_size(&x->h);
	x->c = cursor_from(buf_str(&x->meta));
	x->moved += x->h.meta_len;
	return 1;
}

/* What must not be dropped cannot be read: 0, the segment is done with; -1: something else is wrong. */
static int give_up(struct compaction *x)
{
	char name[SEGMENT_NAME_SIZE];
	bool damage = errno == EPROTO || errno == EBADMSG || errno == EIO;

	segment_name(name, x->g->first);
	if (damage)
		x->g->stuck = STUCK_BATCH;
	log_error("compaction", "segment", log_str(str_from(name)), "offset", log_num((int64_t)x->at),
		"error", strerror(errno), "remedy", damage ? "it stays; satchel fsck --repair" : "tried again",
		NULL);
	return damage ? 0 : -1;
}

/* Carries until `bytes` were moved or the segment is done.  1 more to do / 0 done / -1 + errno. */
static int slice(struct compaction *x, uint64_t bytes)
{
	struct store *s = x->s;
	struct record rec;
	int more = 1, answer = 1;

	x->moved = 0;
	if (store_writable(s))
		return -1;
	store_begin(s);
	while (answer == 1 && x->moved < bytes) {
		errno = EPROTO;
		more = record_next(&x->c, &s->key, &rec);
		if (more > 0)
			answer = carry(x, &rec) ? -1 : 1;
		else
			answer = more ? -1 : next_batch(x);
	}
	if (!answer) {
		carry_numbers(x);
		x->g->passed = store_last_lsn(s);
	} else if (answer < 0) {
		answer = give_up(x);
	}
	store_end(s);
	return answer;
}

static int begin(struct compaction *x, struct store *s)
{
	if (!x->g) {
		x->s = s;
		x->g = choose(s);
		x->at = SEGMENT_HEADER_SIZE;
		x->c = cursor_from(STR_NULL);
	}
	return x->g ? 1 : 0;
}

/* ---- running ---- */

static void tick(struct loop_timer *t)
{
	struct compaction *x = hash_owner(t, struct compaction, timer);
	uint64_t bytes = ((uint64_t)CONFIG_COMPACT_MB_PER_SECOND << 20) * TICK_MS / 1000;
	int more = 1;

	if (x->s->failed || x->s->closing)
		return;
	/* One slice in flight: deliveries are not to queue behind many. */
	if (x->s->durable >= x->barrier) {
		more = slice(x, bytes < SLICE_MIN ? SLICE_MIN : bytes);
		x->barrier = store_last_lsn(x->s);
		if (more == 1)
			read_ahead(x);
		else
			release(x);
		if (!more && !begin(x, x->s))
			return;
	}
	if (more >= 0)
		loop_timer_start(x->s->loop, t, TICK_MS);
}

void compact_consider(struct store *s)
{
	struct compaction *x = s->compaction;

	if (!x || s->failed || s->closing || x->g || !begin(x, s))
		return;
	read_ahead(x);
	x->timer.fire = tick;
	loop_timer_start(s->loop, &x->timer, TICK_MS);
}

int compact_now(struct store *s)
{
	struct compaction *x = s->compaction;
	int more = 1;

	loop_timer_stop(&x->timer);
	while (more >= 0 && begin(x, s)) {
		more = slice(x, AHEAD);
		commit_flush(s);
		if (more != 1)
			release(x);
	}
	return more < 0 || s->failed ? -1 : 0;
}

bool compact_runs(const struct store *s)
{
	return s->compaction && s->compaction->g;
}

int compact_start(struct store *s)
{
	s->compaction = calloc(1, sizeof(*s->compaction));
	return s->compaction ? 0 : -1;
}

void compact_stop(struct store *s)
{
	if (!s->compaction)
		return;
	loop_timer_stop(&s->compaction->timer);
	release(s->compaction);
	free(s->compaction);
	s->compaction = NULL;
}

int store_compact(struct store *s)
{
	if (!s->compaction) {
		errno = EROFS;
		return -1;
	}
	return checkpoint_now(s) || compact_now(s) || checkpoint_now(s) ? -1 : 0;
}
