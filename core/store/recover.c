/* SPDX-License-Identifier: 0BSD */
/*
 * Redo at start.  The chain of batches decides what is true: a bad batch with a valid successor is
 * damage (isolated, reported), one without is the tail of a crash (cut whole, its bytes kept in
 * lost/).  Metadata alone is read; bodies are verified for the last batch, the only one whose sync
 * nothing proves.
 */
#include "core/store/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/lib/crc32c.h"
#include "core/lib/log.h"
#include "core/store/io.h"
#include "core/store/scan.h"

#define SALVAGE_MAX ((uint64_t)64 << 20) /* bytes of one batch looked at when its header is damaged */
#define PROGRESS_US 1000000
#define MEASURED    5000 /* fewer records than this tell more of the files that are opened than of redo */

struct redo {
	struct store *s;
	struct buf *error;
	uint64_t expect;        /* LSN of the next batch, 0 = whatever comes */
	uint32_t prev;          /* CRC of the last good header */
	bool chained;           /* prev is known */
	bool clean;             /* the last batch was a clean end */
	struct segment *last_segment; /* of the last good batch, */
	uint64_t last_at, last_end; /* and where it stands */
	struct batch_header last;
	uint64_t records, epoch;
	uint64_t last_us;       /* when a batch was taken last */
	int pass;               /* of a rebuild */
	bool removed;           /* stopped: compaction removed segments, so there was a checkpoint */
};

static int refuse(struct redo *r, const struct segment *g, uint64_t at, const char *why)
{
	char name[SEGMENT_NAME_SIZE];

	segment_name(name, g->first);
	buf_addv(r->error, "log/", name, ": ", NULL);
	if (at) {
		buf_adds(r->error, "offset ");
		buf_addu(r->error, at);
		buf_adds(r->error, ": ");
	}
	buf_adds(r->error, why);
	return -1;
}

static const char *where(const struct segment *g)
{
	char name[SEGMENT_NAME_SIZE];

	segment_name(name, g->first);
	return log_str(str_from(name));
}

static struct scan_source source(struct segment *g)
{
	return (struct scan_source){.fd = g->fd, .size = g->size};
}

/* ---- which segments there are ---- */

static int by_first(const void *a, const void *b)
{
	uint64_t x = (*(struct segment *const *)a)->first, y = (*(struct segment *const *)b)->first;

	return x < y ? -1 : x > y;
}

static int add_segment(struct store *s, const char *name, uint64_t first)
{
	int fd = openat(s->logfd, name, (s->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	struct segment *g;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return -1;
	g = segment_new(first, fd, (uint64_t)st.st_size);
	if (g && !vec_push(&s->segments, g))
		return 0;
	free(g);
	close(fd);
	return -1;
}

static int list_segments(struct store *s)
{
	int fd = openat(s->logfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), answer = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	uint64_t first;

	if (!d)
		return -1;
	while (!answer && (e = readdir(d))) {
		if (segment_name_read(e->d_name, &first))
			answer = add_segment(s, e->d_name, first);
		else if (!s->readonly && strstr(e->d_name, ".tmp"))
			io_unlink(s->logfd, e->d_name); /* a segment that was never used */
	}
	closedir(d);
	if (s->segments.n)
		qsort(s->segments.v, s->segments.n, sizeof(*s->segments.v), by_first);
	return answer;
}

/* Two files that were exchanged would make each other's records look lost. */
static int check_names(struct redo *r)
{
	struct store *s = r->s;
	char name[SEGMENT_NAME_SIZE];
	struct scan_source src;
	struct buf why = {0};
	uint64_t first;
	int answer = 0, right;

	for (size_t i = 0; !answer && i < s->segments.n; i++) {
		src = source(s->segments.v[i]);
		right = scan_segment_name(&src, &s->key, s->segments.v[i]->first, &first);
		if (right == 1)
			continue;
		segment_name(name, first);
		if (right)
			buf_adds(&why, "written by a newer version of this program; not touched");
		else
			buf_addv(&why, "holds the segment ", name, ": give it its own name, or satchel fsck --repair",
				NULL);
		buf_addc(&why, 0);
		answer = refuse(r, s->segments.v[i], 0, why.failed ? "not its own name" : why.data + why.off);
	}
	buf_free(&why);
	return answer;
}

/* ---- one batch ---- */

static int apply_failed(struct redo *r, struct segment *g, uint64_t at, const struct record *rec)
{
	if (errno == ENOTSUP) {
		buf_adds(r->error, "record type ");
		buf_addu(r->error, rec->type);
		buf_adds(r->error, " is required and unknown to this program; open the spool with the "
			"version that wrote it. ");
		return refuse(r, g, at, "not touched");
	}
	if (errno == EPROTO) {
		log_error("damaged record", "segment", where(g), "lsn", log_num((int64_t)rec->lsn), NULL);
		r->s->damaged++;
		return 0;
	}
	return refuse(r, g, at, strerror(errno));
}

/* Records [from, to) of this place cannot be read. */
static void lost(struct redo *r, const struct segment *g, uint64_t at, uint64_t from, uint64_t to)
{
	r->s->damaged++;
	log_error("log damaged", "segment", where(g), "offset", log_num((int64_t)at), "lost-from",
		log_num((int64_t)from), "to", log_num((int64_t)to - 1), "remedy",
		"restore what they named from a backup; satchel fsck --explain says more", NULL);
}

/* Compaction moves records to the head of the log, so that an account may come after its mailboxes, and
 * a mailbox or a blob after the messages that name it: a rebuild takes them one kind after the other. */
static bool in_pass(const struct redo *r, uint16_t type)
{
	int pass = type == RECORD_ACCOUNT ? 0 :
		type == RECORD_MAILBOX || type == RECORD_BLOB || type == RECORD_MOVE ||
		type == RECORD_LARGE ? 1 : 2;

	return !r->s->rebuild || pass == r->pass;
}

/* Applies the records of a metadata block, numbers first..end-1: those that can be read. */
static int apply_meta(struct redo *r, struct segment *g, uint64_t at, uint64_t first, uint64_t end,
	uint64_t bodies_at, struct str meta)
{
	struct cursor c = cursor_from(meta);
	struct record rec;

	while (scan_record(&c, &r->s->key, first, end, &rec)) {
		if (rec.lsn > first)
			lost(r, g, at, first, rec.lsn);
		first = rec.lsn + 1;
		if (rec.lsn <= r->s->checkpoint_lsn || !in_pass(r, rec.type))
			continue;
		r->records++;
		if (record_apply(r->s, &rec, g, bodies_at) && apply_failed(r, g, at, &rec))
			return -1;
	}
	if (first < end)
		lost(r, g, at, first, end);
	return 0;
}

/* The segment that holds the checkpoint's LSN: compaction leaves it, and what it holds is durable, so
 * that a log of which nothing is good is another's. */
static size_t first_to_redo(const struct store *s)
{
	size_t i = 0;

	while (i + 1 < s->segments.n && s->segments.v[i + 1]->first <= s->checkpoint_lsn)
		i++;
	return i;
}

/* Every second, how far it is; a start that takes less says nothing. */
static void progress(struct redo *r, const struct segment *g, uint64_t at)
{
	struct store *s = r->s;
	uint64_t now = store_clock_us(), todo = 0, done = at;

	r->last_us = now;
	if (now < s->progress_due)
		return;
	s->progress_due = now + PROGRESS_US;
	for (size_t i = first_to_redo(s); i < s->segments.n; i++) {
		todo += s->segments.v[i]->size;
		if (s->segments.v[i]->first < g->first)
			done += s->segments.v[i]->size;
	}
	log_info("recovering", "records", log_num((int64_t)r->records), "log-megabytes",
		log_num((int64_t)(done >> 20)), "of", log_num((int64_t)(todo >> 20)), NULL);
}

static int take_batch(struct redo *r, struct segment *g, uint64_t at, const struct batch_header *h,
	struct str meta)
{
	if (apply_meta(r, g, at, h->first, h->first + h->count, at + batch_bodies_at(h), meta))
		return -1;
	progress(r, g, at);
	r->last = *h;
	r->last_segment = g;
	r->last_at = at;
	r->last_end = at + batch_size(h);
	r->expect = h->first + h->count;
	r->prev = h->crc;
	r->chained = true;
	r->clean = h->flags & BATCH_CLEAN_END;
	if (r->epoch < h->epoch)
		r->epoch = h->epoch;
	return 0;
}

/* ---- damage ---- */

/* Finds the next valid batch at or after (i, at) that continues this spool's history. */
static int find_successor(struct redo *r, size_t *i, uint64_t *at, struct batch_header *h_r)
{
	struct store *s = r->s;
	struct scan_source src;

	for (; *i < s->segments.n; ++*i, *at = SEGMENT_HEADER_SIZE) {
		src = source(s->segments.v[*i]);
		for (; scan_next(&src, &s->key, at, h_r) == 1; *at += BATCH_ALIGN)
			if (h_r->first >= r->expect && h_r->epoch >= r->epoch && !failure_undone(s, h_r))
				return 1;
	}
	return 0;
}

/* ---- the walk ---- */

/* Reads batches of segment i from *at until one is not good or the segment ends.
 * 1: stopped at *at; -1 refused. */
static int walk_segment(struct redo *r, size_t i, uint64_t *at)
{
	struct segment *g = r->s->segments.v[i];
	struct scan_source src = source(g);
	struct batch_header h;
	struct buf meta = {0};
	int answer = 1, found;

	for (;; *at += batch_size(&h)) {
		found = scan_batch(&src, &r->s->key, *at, &h, &meta);
		if (found < 0) {
			answer = refuse(r, g, *at, errno == ENOTSUP ?
				"written by a newer version of this program" : strerror(errno));
			break;
		}
		if (!found || (r->expect && h.first != r->expect) || (r->chained && h.prev != r->prev) ||
			h.epoch < r->epoch || failure_undone(r->s, &h))
			break;
		if (take_batch(r, g, *at, &h, buf_str(&meta))) {
			answer = -1;
			break;
		}
	}
	buf_free(&meta);
	return answer;
}

/* Does the batch at `at` continue the chain exactly? */
static bool continues(const struct redo *r, const struct batch_header *h)
{
	return (!r->expect || h->first == r->expect) && (!r->chained || h->prev == r->prev);
}

/* Records stand behind a batch's header, whatever that is like: how many bytes of them follow each
 * other by number up to `end`.  0: not all that far. */
static size_t records_end(const struct redo *r, struct str bytes, uint64_t end)
{
	struct cursor c = cursor_from(bytes);
	uint64_t expect = r->expect;
	struct record rec;

	while (expect && expect < end && record_next(&c, &r->s->key, &rec) == 1 && rec.lsn == expect)
		expect++;
	return expect && expect == end ? bytes.len - cursor_left(&c) : 0;
}

/* A batch that is not good stands at `at`; the next good one begins with `end`, at `limit` in this
 * segment or later.  What can be read of it is taken. */
static int salvage(struct redo *r, struct segment *g, uint64_t at, uint64_t limit, uint64_t end)
{
	uint64_t from = at + BATCH_HEADER_SIZE, n = limit > from ? limit - from : 0, bodies;
	struct scan_source src = source(g);
	struct batch_header h;
	struct buf meta = {0};
	int answer = 0;
	size_t len;

	if (scan_header(&src, &r->s->key, at, &h) == 1 && continues(r, &h)) {
		n = h.meta_len;
		if (!scan_read(&src, from, n, &meta))
			answer = apply_meta(r, g, at, h.first, h.first + h.count, at + batch_bodies_at(&h),
				buf_str(&meta));
		else
			lost(r, g, at, r->expect, end);
	} else if (n && n <= SALVAGE_MAX && !scan_read(&src, from, n, &meta) &&
		(len = records_end(r, buf_str(&meta), end))) {
		/* The header alone is damaged. */
		bodies = at + format_align(BATCH_HEADER_SIZE + len, 8);
		r->s->damaged++;
		log_error("log damaged", "segment", where(g), "offset", log_num((int64_t)at), "lost", "nothing", NULL);
		answer = apply_meta(r, g, at, r->expect, end, bodies, (struct str){meta.data + meta.off, len});
	} else {
		lost(r, g, at, r->expect, end);
	}
	buf_free(&meta);
	return answer;
}

/* From before the checkpoint compaction has removed some: one ends cleanly, and the next begins later
 * than it should.  Those segments are read by a rebuild, and where the checkpoint is lost. */
static bool removed_between(const struct redo *r, const struct batch_header *h, size_t i, uint64_t at,
	size_t next, uint64_t next_at)
{
	struct scan_source src = source(r->s->segments.v[i]);

	return (r->s->rebuild || !r->s->checkpoint_lsn) && next == i + 1 && next_at == SEGMENT_HEADER_SIZE &&
		h->first == r->s->segments.v[next]->first && scan_content_end(&src, at) == at;
}

/* What compaction carried may come later than what refers to it: this redo is none to go on with. */
static int stop_at_removed(struct redo *r)
{
	r->removed = true;
	buf_adds(r->error, "checkpoint: missing; `satchel fsck --repair` makes it anew from the log");
	return -1;
}

static int walk(struct redo *r, size_t from)
{
	struct store *s = r->s;
	uint64_t at = SEGMENT_HEADER_SIZE, next_at, limit;
	struct batch_header h;
	size_t i = from, next;

	while (i < s->segments.n) {
		if (walk_segment(r, i, &at) < 0)
			return -1;
		next = i;
		next_at = at;
		if (!find_successor(r, &next, &next_at, &h))
			break;
		if (!continues(r, &h) && removed_between(r, &h, i, at, next, next_at)) {
			if (!s->rebuild)
				return stop_at_removed(r);
		} else if (!continues(r, &h)) {
			limit = next == i ? next_at : s->segments.v[i]->size;
			if (salvage(r, s->segments.v[i], at, limit, h.first))
				return -1;
		}
		if (!continues(r, &h)) {
			r->expect = h.first;
			r->chained = false;
		}
		i = next;
		at = next_at;
	}
	return 0;
}

/* ---- the tail ---- */

/* Is the last batch on the disk, with bodies that match what its records say? */
static int is_whole(struct redo *r)
{
	struct scan_source src = source(r->last_segment);
	struct record_blob blob;
	struct record rec;
	struct buf meta = {0};
	struct cursor c;
	uint64_t id;
	int good = 1;

	if (!r->clean && r->last.first + r->last.count - 1 > r->s->checkpoint_lsn)
		good = failure_on_disk(r->last_segment, r->last_at, r->last_end);
	if (good == 1 && scan_read(&src, r->last_at + BATCH_HEADER_SIZE, r->last.meta_len, &meta))
		good = -1;
	c = cursor_from(buf_str(&meta));
	while (good == 1 && record_next(&c, &r->s->key, &rec) == 1)
		if ((rec.type == RECORD_BLOB && !record_read_blob(rec.payload, &blob)) ||
			((rec.type == RECORD_MOVE || rec.type == RECORD_LARGE) &&
				!record_read_move(rec.payload, &id, &blob)))
			good = scan_blob(&src, r->last_at + batch_bodies_at(&r->last), &blob);
	buf_free(&meta);
	return good;
}

/* Copies what stands from `at` on to lost/, so that nothing is thrown away unseen. */
static int keep_lost(struct redo *r, struct segment *g, uint64_t at)
{
	struct scan_source src = source(g);
	char name[SEGMENT_NAME_SIZE];
	struct buf path = {0};
	uint64_t end;
	int dir, answer;

	end = scan_content_end(&src, at);
	if (end <= at)
		return 0;
	segment_name(name, g->first);
	buf_addv(&path, name, "-", NULL);
	buf_addhex(&path, at, 8);
	buf_addc(&path, 0);
	do
		answer = path.failed || (io_mkdir(r->s->dirfd, "lost", 0700) && errno != EEXIST) ? -1 : 0;
	while (answer && reserve_give(r->s, 0));
	if (answer) {
		buf_free(&path);
		return -1;
	}
	dir = openat(r->s->dirfd, "lost", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	do
		answer = dir < 0 ? -1 : scan_copy(&src, at, end - at, dir, path.data + path.off);
	while (answer && reserve_give(r->s, end - at));
	if (!answer)
		answer = io_fsync(dir) || io_fsync(r->s->dirfd) ? -1 : 0;
	if (dir >= 0)
		close(dir);
	log_warning("log tail cut", "segment", where(g), "offset", log_num((int64_t)at), "bytes",
		log_num((int64_t)(end - at)), "kept-in", "lost/", NULL);
	r->s->cut++;
	buf_free(&path);
	return answer;
}

static int cut_at(struct redo *r, struct segment *g, uint64_t at)
{
	if (at >= g->size)
		return 0;
	if (!r->s->readonly && (keep_lost(r, g, at) || io_ftruncate(g->fd, at)))
		return refuse(r, g, at, strerror(errno));
	g->size = at;
	return 0;
}

/* Cuts what follows the last good batch; segments after it held nothing good at all. */
static int cut_tail(struct redo *r, size_t from)
{
	struct store *s = r->s;
	char name[SEGMENT_NAME_SIZE];
	struct segment *g;
	size_t keep = from;

	while (keep < s->segments.n && s->segments.v[keep]->first < r->expect)
		keep++;
	while (s->segments.n > keep) {
		g = s->segments.v[s->segments.n - 1];
		segment_name(name, g->first);
		if (!s->readonly && (keep_lost(r, g, SEGMENT_HEADER_SIZE) || io_unlink(s->logfd, name)))
			return refuse(r, g, 0, strerror(errno));
		close(g->fd);
		free(g);
		s->segments.n--;
	}
	return r->last_segment ? cut_at(r, r->last_segment, r->last_end) : 0;
}

/* What the page cache gave us may not be on the disk yet: nobody is answered before it is. */
static int sync_all(struct redo *r, size_t from)
{
	struct store *s = r->s;

	if (s->readonly && !s->full)
		return 0;
	for (size_t i = from; i < s->segments.n; i++)
		if (io_fsync(s->segments.v[i]->fd))
			return refuse(r, s->segments.v[i], 0, strerror(errno));
	/* The spool's own as well: a start whose sync of it failed may have made the names in it. */
	if (!io_fsync(s->logfd) && !io_fsync(s->dirfd))
		return 0;
	buf_addv(r->error, "log: ", strerror(errno), NULL);
	return -1;
}

/* ---- all of it ---- */

static int redo(struct redo *r, size_t from)
{
	struct store *s = r->s;
	uint64_t damaged = s->damaged;

	if (s->segments.n && s->segments.v[from]->first > 1 && !s->checkpoint_lsn && !s->rebuild)
		return stop_at_removed(r);
	if (s->segments.n && s->segments.v[from]->first > s->checkpoint_lsn + 1 && !s->rebuild)
		return refuse(r, s->segments.v[from], 0,
			"the log before this file is missing; put it back, or restore a backup");
	r->expect = s->segments.n ? s->segments.v[from]->first : s->checkpoint_lsn + 1;
	r->chained = false;
	if (walk(r, from))
		return -1;
	if (!s->rebuild || r->pass == 2)
		return 0;
	s->damaged = damaged; /* what is damaged is met again */
	*r = (struct redo){.s = s, .error = r->error, .epoch = s->epoch, .pass = r->pass + 1};
	return redo(r, from);
}

/* The last batch may have reached the disk in part: then it was never acknowledged. */
static int drop_last(struct redo *r, size_t from)
{
	struct store *s = r->s;
	uint64_t at = r->last_at;
	struct segment *g = r->last_segment;

	if (r->last.first + r->last.count - 1 <= s->checkpoint_lsn)
		return 0;
	if (cut_at(r, g, at))
		return -1;
	/* The tables hold its records: begin again without it. */
	tables_free(s);
	s->messages = 0;
	if (checkpoint_load(s, r->error))
		return -1;
	*r = (struct redo){.s = s, .error = r->error, .epoch = s->epoch};
	return redo(r, from);
}

static int write_epoch(struct store *s)
{
	uint64_t lsn;
	struct buf *b;
	int answer;

	b = store_record_begin(s, RECORD_EPOCH, RECORD_REQUIRED, &lsn);
	record_add_epoch(b, s->epoch, (uint64_t)time(NULL), s->uidvalidity_last);
	store_record_end(s);
	s->committing = batch_take(s);
	answer = commit_write(s, s->committing);
	if (!answer)
		commit_finished(s, s->committing);
	return answer;
}

/* Begins without the checkpoint: *instead_r is true.  0 / -1. */
static int load_nothing(struct store *s, struct buf *error, bool *instead_r)
{
	log_error("checkpoint unreadable", "file", log_str(buf_str(error)), "remedy",
		"all of the log is redone instead, which takes longer", NULL);
	tables_free(s);
	s->messages = 0;
	s->rebuild = *instead_r = true;
	return checkpoint_load(s, error);
}

/* The files of a checkpoint repeat what the log says: if one cannot be read, a server makes do without.
 * 0 / -1. */
static int load(struct store *s, struct buf *error, bool *instead_r)
{
	*instead_r = false;
	if (!checkpoint_load(s, error))
		return 0;
	if (s->readonly || (errno != EPROTO && errno != EBADMSG && errno != ENOENT))
		return -1;
	return load_nothing(s, error, instead_r);
}

/* The same when redo shows that there was one.  0 / -1. */
static int redo_instead(struct redo *r, bool *instead_r)
{
	struct store *s = r->s;

	if (!r->removed || s->readonly || load_nothing(s, r->error, instead_r))
		return -1;
	*r = (struct redo){.s = s, .error = r->error, .epoch = s->epoch};
	return redo(r, 0);
}

/* What was redone instead of the checkpoint is right if the log is whole; the next checkpoint comes soon. */
static int end_instead(struct store *s, struct buf *error)
{
	if (s->damaged) {
		buf_adds(error, "; and the log is damaged too: see what satchel fsck --explain says, then --repair");
		return -1;
	}
	buf_clear(error);
	s->rebuild = false;
	s->log_since = UINT64_MAX / 2;
	s->damaged++;
	return 0;
}

/* What grows with the records, and what does not: looking for more behind the last one, mostly. */
static void measure(struct store *s, const struct redo *r, uint64_t began)
{
	uint64_t took = r->last_us > began ? r->last_us - began : 1;
	uint64_t rate = r->records * 1000000 / took, rest = store_clock_us() - began - took;

	if (s->rebuild || r->records < MEASURED)
		return;
	s->redo_rate = rate < UINT32_MAX ? (uint32_t)rate : UINT32_MAX;
	s->redo_rest_us = rest < UINT32_MAX ? (uint32_t)rest : UINT32_MAX;
}

int recover(struct store *s, struct buf *error)
{
	struct redo r = {.s = s, .error = error};
	uint64_t began;
	size_t from;
	bool instead;
	int good;

	if (list_segments(s)) {
		buf_addv(error, "log: ", strerror(errno), NULL);
		return -1;
	}
	if (check_names(&r))
		return -1;
	s->redoing = true;
	s->progress_due = store_clock_us() + PROGRESS_US;
	if (load(s, error, &instead))
		return -1;
	r.epoch = s->epoch;
	from = first_to_redo(s);
	began = store_clock_us();
	if (redo(&r, from) && redo_instead(&r, &instead))
		return -1;
	good = r.last_segment ? is_whole(&r) : 1;
	if (good < 0)
		return refuse(&r, r.last_segment, r.last_at, strerror(errno));
	if (!good && drop_last(&r, from))
		return -1;
	/* Not one good batch: another spool's files, or its identity is lost.  Nothing is cut then. */
	if (s->segments.n && !r.last_segment && (s->checkpoint_lsn || s->lsn_floor ||
			(s->rebuild && !s->readonly) || s->segments.v[0]->first > 1))
		return refuse(&r, s->segments.v[from], 0,
			"no batch of this spool in the log; put back the log and `spool` that belong together");
	if (r.expect <= s->checkpoint_lsn) {
		log_error("log ends before the checkpoint", "lsn", log_num((int64_t)r.expect), NULL);
		s->damaged++;
		r.expect = s->checkpoint_lsn + 1;
	}
	if (r.expect <= s->lsn_floor)
		r.expect = s->lsn_floor + 1;
	if (instead && end_instead(s, error))
		return -1;
	if (cut_tail(&r, from) || sync_all(&r, from))
		return -1;
	segment_close_all(s);
	blob_sweep(s);
	if (!instead)
		measure(s, &r, began);
	s->redoing = false;
	s->unclean = !r.clean || r.records > 1; /* besides the end mark */
	s->sweep = instead || s->rebuild || s->unclean;
	if (r.records && !r.clean)
		log_info("recovered", "records", log_num((int64_t)r.records), "lsn",
			log_num((int64_t)r.expect - 1), NULL);
	if (r.epoch < s->epoch_floor)
		r.epoch = s->epoch_floor;
	s->prev_crc = r.prev;
	s->next_lsn = r.expect;
	s->durable = r.expect - 1;
	s->epoch = r.epoch + 1;
	if (s->readonly) /* or a batch that is only passed over would get a successor */
		return 0;
	if (!write_epoch(s))
		return 0;
	buf_addv(error, "log: cannot write: ", strerror(errno), NULL);
	return -1;
}
