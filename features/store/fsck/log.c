/* SPDX-License-Identifier: 0BSD */
/* Every byte of the log: headers, batches, chain, records, bodies. */
#include "features/store/fsck/fsck.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/file.h"
#include "core/store/checkpoint.h"

struct walk {
	struct fsck *f;
	uint64_t segment;
	size_t number;            /* of the segment in f->segments */
	struct scan_source src;
	uint64_t expect, epoch;   /* expect: LSN of the next batch, 0 = whatever comes */
	uint32_t prev;            /* CRC of the last header */
	bool chained;
	uint64_t checkpoint;      /* LSN that the checkpoint goes to; 0: it cannot be read */
	struct fsck_range open;   /* bytes that are damage if a good batch follows, else the tail */
	struct batch_header last;
	uint64_t last_at;
	uint64_t hollow;          /* a segment since that batch that holds none; 0: there is none */
	struct {
		struct bad_blob {
			uint64_t id, segment, at, n;
		} *v;
		size_t n, cap;
	} bad;                    /* blobs of the last batch that do not match */
	struct buf text;
};

static const char *words(struct walk *w, const char *before, uint64_t n, const char *between, uint64_t m,
	const char *after)
{
	buf_clear(&w->text);
	buf_adds(&w->text, before);
	buf_addu(&w->text, n);
	buf_adds(&w->text, between);
	buf_addu(&w->text, m);
	buf_adds(&w->text, after);
	buf_addc(&w->text, 0);
	return w->text.failed ? before : w->text.data + w->text.off;
}

/* ---- one batch ---- */

static void bad_record(struct walk *w, uint64_t at, uint64_t lsn, unsigned type, const char *what)
{
	fsck_report_log(w->f, FSCK_RECORD, w->segment, at, 0, words(w, "record ", lsn, " of type ", type, what));
}

/* A blob where it was first written, or where compaction moved it. */
static bool blob_good(struct walk *w, uint64_t at, const struct batch_header *h, const struct record *r)
{
	uint64_t bodies = at + batch_bodies_at(h), id = r->lsn;
	struct record_blob b;
	struct bad_blob bad;

	if (r->type == RECORD_BLOB ? record_read_blob(r->payload, &b) : record_read_move(r->payload, &id, &b))
		return false;
	w->f->blobs++;
	if (scan_blob(&w->src, bodies, &b) == 1)
		return true;
	bad = (struct bad_blob){id, w->segment, bodies + b.offset,
		format_align(b.summary_len, 8) + record_blob_bytes(&b)};
	if (vec_push(&w->bad, bad))
		w->text.failed = true;
	return true;
}

static bool messages_good(struct walk *w, const struct record *r)
{
	struct message m;
	struct cursor c;
	uint64_t box;
	uint32_t count;

	if (record_read_messages(r->payload, &box, &count, &c))
		return false;
	while (count--)
		if (!message_decode(&c, &w->f->key, &m))
			return false;
	return true;
}

static void look_at_record(struct walk *w, uint64_t at, const struct batch_header *h, const struct record *r)
{
	struct record_account account;
	struct record_mailbox box;
	struct record_kv kv;
	bool good = true;

	w->f->records++;
	if (r->type == RECORD_ACCOUNT)
		good = !record_read_account(r->payload, &account);
	else if (r->type == RECORD_MAILBOX)
		good = !record_read_mailbox(r->payload, &box);
	else if (r->type == RECORD_MESSAGES)
		good = messages_good(w, r);
	else if (r->type == RECORD_KV && (good = !record_read_kv(r->payload, &kv)))
		w->f->spaces[kv.space / 8] |= (unsigned char)(1 << kv.space % 8);
	else if (r->type == RECORD_BLOB || r->type == RECORD_MOVE || r->type == RECORD_LARGE)
		good = blob_good(w, at, h, r);
	else if (r->type == RECORD_MARK || r->type == RECORD_EPOCH)
		good = r->payload.len >= (r->type == RECORD_MARK ? 16 : 24);
	if (!good)
		bad_record(w, at, r->lsn, r->type, ": not readable");
}

static void look_at_records(struct walk *w, uint64_t at, const struct batch_header *h, struct str meta)
{
	struct cursor c = cursor_from(meta);
	uint64_t lsn = h->first;
	struct record r;
	int more;

	while ((more = record_next(&c, &w->f->key, &r)) == 1) {
		if (r.lsn != lsn++)
			bad_record(w, at, r.lsn, r.type, ": its number is not the next");
		look_at_record(w, at, h, &r);
	}
	if (more < 0 || lsn != h->first + h->count)
		bad_record(w, at, lsn, 0, ": the batch does not hold the records that its header counts");
}

/* ---- between batches ---- */

/* Bodies of the batch before this one: whatever follows proves that they were synced. */
static void settle_bodies(struct walk *w, bool tail)
{
	struct bad_blob *b;

	for (size_t i = 0; i < w->bad.n; i++) {
		b = &w->bad.v[i];
		fsck_report_log(w->f, tail ? FSCK_TAIL : FSCK_BODY, b->segment, b->at, b->n,
			words(w, "blob ", b->id, ", ", b->n, " bytes do not match their checksum"));
		if (!tail && vec_push(&w->f->bad, ((struct fsck_bad){b->id, b->segment, b->at})))
			w->text.failed = true;
	}
	w->bad.n = 0;
}

static void settle_range(struct walk *w, uint64_t from, uint64_t to)
{
	struct fsck_range *o = &w->open;

	if (o->n && from && to)
		fsck_report_log(w->f, FSCK_BATCH, o->segment, o->at, o->n,
			words(w, "damaged; records ", from, " to ", to - 1, " are lost or read in part"));
	else if (o->n)
		fsck_report_log(w->f, FSCK_TAIL, o->segment, o->at, o->n,
			words(w, "", o->n, " bytes after record ", w->expect ? w->expect - 1 : 0,
				" are no whole batch"));
	o->n = 0;
}

/* A segment that begins later than the last one ended: compaction removes segments, but none that
 * redo from the checkpoint needs.  Without that nobody knows which. */
static void look_at_gap(struct walk *w, uint64_t at, const struct batch_header *h)
{
	uint64_t from = w->expect ? w->expect : 1;

	if (at == SEGMENT_HEADER_SIZE && !w->hollow && (!w->checkpoint || h->first <= w->checkpoint + 1))
		return;
	w->f->complete = false;
	w->f->gaps = true;
	w->f->gone |= h->first > w->checkpoint + 1;
	fsck_report_log(w->f, FSCK_MISSING, w->segment, at, 0,
		words(w, "records ", from, " to ", h->first - 1, " before this place are missing"));
}

static void take_batch(struct walk *w, uint64_t at, const struct batch_header *h, struct str meta)
{
	bool damaged = w->open.n;

	if (damaged) {
		w->f->gaps = true;
		w->f->gone |= h->first > w->checkpoint + 1;
		settle_range(w, w->expect ? w->expect : 1, h->first);
		w->f->complete = false;
	} else if (h->first != (w->expect ? w->expect : 1)) {
		look_at_gap(w, at, h);
	} else if (w->chained && h->prev != w->prev) {
		fsck_report_log(w->f, FSCK_CHAIN, w->segment, at, 0,
			"does not continue the batch before it");
	}
	w->bad.n = 0;
	w->hollow = 0;
	w->expect = h->first + h->count;
	w->prev = h->crc;
	w->chained = true;
	w->epoch = h->epoch;
	w->last = *h;
	w->last_at = at;
	w->f->batches++;
	look_at_records(w, at, h, meta);
}

/* Moves *at to the next batch that can belong here: not one of a copied log inside a damaged body. */
static int next_batch(struct walk *w, uint64_t *at, struct batch_header *h)
{
	int found;

	for (; (found = scan_next(&w->src, &w->f->key, at, h)) == 1; *at += BATCH_ALIGN)
		if (h->first >= w->expect && h->epoch >= w->epoch)
			return 1;
	return found;
}

static int walk_batches(struct walk *w)
{
	uint64_t at = SEGMENT_HEADER_SIZE, next, end;
	struct batch_header h;
	struct buf meta = {0};
	int answer = 0;

	while (!answer) {
		next = at;
		answer = next_batch(w, &next, &h);
		end = answer == 1 ? next : scan_content_end(&w->src, at);
		if (end > at && w->src.size > at) {
			settle_range(w, 0, 0);
			w->open = (struct fsck_range){w->segment, at, end - at};
		}
		if (answer != 1)
			break;
		settle_bodies(w, false);
		answer = scan_batch(&w->src, &w->f->key, next, &h, &meta) == 1 ? 0 : -1;
		if (!answer)
			take_batch(w, next, &h, buf_str(&meta));
		at = next + batch_size(&h);
		fsck_progress(w->f, "log", w->f->bytes + at, w->f->total);
	}
	buf_free(&meta);
	return answer;
}

/* ---- segments ---- */

static void look_at_header(struct walk *w)
{
	uint64_t epoch, first;
	struct buf b = {0};
	int good = 0;

	if (!scan_read(&w->src, 0, SEGMENT_HEADER_SIZE, &b))
		good = segment_header_read(buf_str(&b), &w->f->key, &epoch, &first);
	buf_free(&b);
	if (good < 0)
		fsck_report_log(w->f, FSCK_NEWER, w->segment, 0, 0, "written by a newer version");
	else if (!good)
		fsck_report_log(w->f, FSCK_HEADER, w->segment, 0, 0, "the header is damaged");
}

static int walk_segment(struct walk *w, uint64_t first)
{
	char name[SEGMENT_NAME_SIZE];
	struct stat st;
	uint64_t batches;
	int answer = -1;

	segment_name(name, first);
	w->src.fd = openat(w->f->logfd, name, O_RDONLY | O_CLOEXEC);
	if (w->src.fd < 0)
		return -1;
	if (!fstat(w->src.fd, &st)) {
		w->src.size = (uint64_t)st.st_size;
		w->segment = first;
		look_at_header(w);
		batches = w->f->batches;
		answer = walk_batches(w);
		if (w->f->batches == batches)
			w->hollow = first;
		w->f->bytes += w->src.size;
	}
	close(w->src.fd);
	if (answer && errno == ENOTSUP) {
		fsck_report_log(w->f, FSCK_NEWER, first, 0, 0, "holds a batch of a newer version");
		answer = 0;
	}
	return answer;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int fsck_list(struct fsck *f)
{
	int fd = openat(f->logfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), answer = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	struct stat st;
	uint64_t first;

	if (!dir)
		return -1;
	while (!answer && (e = readdir(dir))) {
		if (!segment_name_read(e->d_name, &first) || fstatat(fd, e->d_name, &st, 0))
			continue;
		f->total += (uint64_t)st.st_size;
		answer = vec_push(&f->segments, first);
	}
	closedir(dir);
	if (f->segments.n)
		qsort(f->segments.v, f->segments.n, sizeof(*f->segments.v), by_number);
	return answer;
}

static uint64_t checkpoint_lsn(const struct fsck *f)
{
	struct checkpoint_head h = {0};
	struct buf b = {0};

	if (file_read(f->dirfd, "checkpoint", 4096, &b) || checkpoint_head_read(buf_str(&b), &f->key, &h) != 1)
		h.lsn = 0;
	buf_free(&b);
	return h.lsn;
}

int fsck_log(struct fsck *f)
{
	struct walk w = {.f = f};
	int answer = fsck_list(f);

	w.checkpoint = checkpoint_lsn(f);
	f->complete = true;
	for (; !answer && w.number < f->segments.n; w.number++)
		answer = walk_segment(&w, f->segments.v[w.number]);
	if (w.expect && w.expect <= w.checkpoint)
		fsck_report_log(f, FSCK_MISSING, w.segment, w.last_at, 0,
			words(&w, "the log ends with record ", w.expect - 1, ", and the checkpoint holds ",
				w.checkpoint, ""));
	settle_bodies(&w, !(w.last.flags & BATCH_CLEAN_END) && w.expect > w.checkpoint);
	settle_range(&w, 0, 0);
	if (f->bad.n)
		qsort(f->bad.v, f->bad.n, sizeof(*f->bad.v), by_number); /* the id comes first */
	if (w.text.failed)
		answer = -1;
	free(w.bad.v);
	buf_free(&w.text);
	return answer;
}
