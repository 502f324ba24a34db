/* SPDX-License-Identifier: 0BSD */
/*
 * Compaction.  A segment that is mostly dead is read batch by batch; what is still of use in it goes
 * to the head of the log: blobs with MOVE records, and every record that nothing later in the log has
 * replaced, so that the whole state can be redone from the segments that are left.  Then nothing
 * needs the segment, and it goes when a checkpoint is past the last move.
 *
 * A crash at any step leaves two copies at worst: the map names one of them.
 */
#include "core/store/compact.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

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
	uint64_t head = format_align(b->summary_len, 8);
	struct str all;

	if (src.fd < 0 || scan_read(&src, b->offset, head + b->body_len, out))
		return -1;
	all = buf_str(out);
	errno = EPROTO;
	return crc32c(0, all.p, b->summary_len) == b->summary_crc &&
		crc32c(0, all.p + head, b->body_len) == b->body_crc ? 0 : -1;
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
	} else if (errno == EPROTO) {
		/* The segment stays for its sake: perhaps somebody can still make something of it. */
		log_error("damaged message", "blob", log_num((int64_t)id), "segment",
			log_num((int64_t)x->g->first), "part", "compaction", NULL);
		x->s->damaged++;
		answer = 0;
	}
	buf_free(&bytes);
	return answer;
}

/* Is this image the last word on its message?  A MODSEQ is given to one change only. */
static bool image_current(const struct compaction *x, const struct mailbox *m, const struct message *msg)
{
	struct message now;

	if (msg->flags & MESSAGE_EXPUNGED)
		return !oldest(x); /* older segments may hold the message: it must not come back */
	return mailbox_message(m, msg->uid, &now) == 1 && now.modseq == msg->modseq;
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
	int answer = 0;

	if (record_read_messages(payload, &id, &count, &c))
		return 0;
	if (mailbox_get(x->s, id, &m) < 0)
		return -1;
	while (m && count-- && !answer)
		if (message_decode(&c, &x->s->key, &msg) && image_current(x, m, &msg))
			answer = vec_push(&keep, msg);
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

	if (record_read_mailbox(payload, &r))
		return 0;
	if (mailbox_get(x->s, r.id, &m) < 0)
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

/* Applied as well: its LSN is how the last word is known. */
static int carry_value(struct compaction *x, uint16_t space, struct str key, struct str value)
{
	struct record_kv r = {.space = space, .key = key, .value = value};
	struct buf *b = carry_begin(x, RECORD_KV);

	record_add_kv(b, &r);
	carry_end(x, b);
	if (!kv_apply(x->s, &r, x->lsn))
		return 0;
	b->failed = true; /* memory and log differ: this batch must not be written */
	return -1;
}

static int carry_kv(struct compaction *x, const struct record *rec)
{
	struct record_kv r;
	struct buf value = {0};
	uint64_t lsn = 0;
	struct buf *b;
	int found, answer = 0;

	if (record_read_kv(rec->payload, &r))
		return 0;
	found = store_kv_get(x->s, r.space, r.key, &value, &lsn);
	if (found == 1 && lsn == rec->lsn && !r.removed) {
		answer = carry_value(x, r.space, r.key, buf_str(&value));
	} else if (!found && r.removed && !oldest(x)) {
		b = carry_begin(x, RECORD_KV);
		record_add_kv(b, &r);
		carry_end(x, b);
	}
	buf_free(&value);
	return found < 0 ? -1 : answer;
}

static int carry_account(struct compaction *x, struct str payload)
{
	struct record_account r;
	struct buf *b;

	if (record_read_account(payload, &r))
		return 0;
	b = carry_begin(x, RECORD_ACCOUNT);
	record_add_account(b, &r);
	carry_end(x, b);
	return 0;
}

/* Kept in the key-value space of foreign records: carried from there. */
static int carry_foreign(struct compaction *x, const struct record *rec)
{
	struct buf key = {0}, value = {0};
	int answer = 0;

	buf_put64(&key, rec->lsn);
	buf_put16(&key, rec->type);
	buf_put16(&key, rec->flags);
	if (!key.failed && store_kv_get(x->s, KV_SPACE_FOREIGN, buf_str(&key), &value, NULL) == 1)
		answer = carry_value(x, KV_SPACE_FOREIGN, buf_str(&key), buf_str(&value));
	buf_free(&key);
	buf_free(&value);
	return answer;
}

static int carry(struct compaction *x, const struct record *rec)
{
	uint64_t id;
	struct record_blob blob;

	switch (rec->type) {
	case RECORD_BLOB:
		return carry_blob(x, rec->lsn);
	case RECORD_MOVE:
		return record_read_move(rec->payload, &id, &blob) ? 0 : carry_blob(x, id);
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
		return 0;
	default:
		return carry_foreign(x, rec);
	}
}

/* ---- one segment ---- */

/* Everything after it in the file order is above the checkpoint, or another segment. */
static bool sealed(const struct store *s, size_t i)
{
	return i + 1 < s->segments.n && s->segments.v[i + 1]->first <= s->checkpoint_lsn + 1;
}

/* The one with the least to carry. */
static struct segment *choose(const struct store *s)
{
	struct segment *best = NULL, *g;
	uint64_t need, least = UINT64_MAX;

	for (size_t i = 0; i < s->segments.n; i++) {
		g = s->segments.v[i];
		need = g->live + g->kept;
		if (!sealed(s, i) || g->passed || need >= g->size / 2 || need >= least)
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

/* Takes the next batch into meta.  1 / 0 at the end / -1. */
static int next_batch(struct compaction *x)
{
	struct scan_source src = {.fd = segment_fd(x->s, x->g), .size = x->g->size};
	int found = src.fd < 0 ? -1 : scan_next(&src, &x->s->key, &x->at, &x->h);

	if (found != 1)
		return found;
	found = scan_batch(&src, &x->s->key, x->at, &x->h, &x->meta);
	x->at += found == 1 ? batch_size(&x->h) : BATCH_ALIGN;
	x->c = cursor_from(found == 1 ? buf_str(&x->meta) : STR_NULL);
	x->moved += x->h.meta_len;
	return found < 0 ? -1 : 1;
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
		more = record_next(&x->c, &s->key, &rec);
		if (more == 1)
			answer = carry(x, &rec) ? -1 : 1;
		else
			answer = next_batch(x);
	}
	if (!answer)
		x->g->passed = store_last_lsn(s);
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
		if (more < 0)
			log_error("compaction", "error", strerror(errno), NULL);
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

/* ---- segments that nothing needs ---- */

static bool needed(const struct store *s, size_t i)
{
	const struct segment *g = s->segments.v[i];

	/* Carried over, nobody refers to a byte of it, and all that is in a durable checkpoint. */
	return g->blobs || !g->passed || g->passed > s->checkpoint_files ||
		g->emptied > s->checkpoint_files || !sealed(s, i);
}

void segments_remove_unused(struct store *s)
{
	char name[SEGMENT_NAME_SIZE];
	struct segment *g;
	size_t to = 0, n = s->segments.n;

	for (size_t i = 0; i < n; i++) {
		g = s->segments.v[i];
		segment_name(name, g->first);
		if (needed(s, i) || io_unlink(s->logfd, name)) {
			s->segments.v[to++] = g;
			continue;
		}
		segment_free(s, g);
	}
	s->segments.n = to;
	/* A name that comes back after a crash is a segment below the checkpoint: nothing reads it,
	 * and it is passed over and removed again.  No sync is needed. */
	if (to < n)
		log_debug("segments removed", "left", log_num((int64_t)to), NULL);
}

int store_compact(struct store *s)
{
	if (!s->compaction) {
		errno = EROFS;
		return -1;
	}
	return checkpoint_now(s) || compact_now(s) || checkpoint_now(s) ? -1 : 0;
}
