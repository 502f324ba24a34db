/* SPDX-License-Identifier: 0BSD */
/*
 * Batches: the loop fills one while the committer thread writes and syncs the one before it.
 * One fdatasync per batch; no byte of the next is written before it returned.
 */
#include "core/store/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "core/lib/crc32c.h"
#include "core/lib/log.h"
#include "core/store/cold.h"
#include "core/store/io.h"
#include "core/store/large.h"

#define SLOW_RECORDS 2            /* a millisecond, while checkpoints lag behind */
#define SLOW_MIN_MS 20
#define SLOW_MAX_MS 10000
#define MARK_DELAY_MS 1000        /* quiet time before a durable-up-to mark */
#define KEEP_BYTES (1024 * 1024) /* batch buffers larger than this are given back */

/*
 * Handing a batch to the committer and hearing from it costs two wake-ups, on a fast disk as much as
 * the sync itself. While the store has one thing to do at a time and the disk is fast, the loop
 * writes the batch itself: nobody else waits. With several clients the thread is faster, because
 * the next batch fills meanwhile. One slow sync, or a batch of several operations, goes back to it.
 */
#define QUICK_US      400
#define QUICK_BYTES   (64 * 1024)
#define QUICK_RECORDS 8 /* a delivery has four or five */
#define QUICK_RUN     8 /* so many small batches in a row */

static const char zeros[IO_BLOCK];

/* ---- batches ---- */

static void batch_reset(struct batch *b)
{
	for (size_t i = 0; i < b->pieces.n; i++)
		if (b->pieces.v[i].body) {
			struct body *body = (struct body *)(uintptr_t)b->pieces.v[i].body;

			body_free(&body);
		}
	b->pieces.n = b->blobs.n = 0;
	b->first = b->count = b->flags = 0;
	b->bodies_len = b->carried = 0;
	b->error = 0;
	b->unsure = b->done = false;
	if (b->meta.cap > KEEP_BYTES)
		buf_free(&b->meta);
	if (b->side.cap > KEEP_BYTES)
		buf_free(&b->side);
	buf_clear(&b->meta);
	buf_clear(&b->side);
	if (buf_reserve(&b->meta, BATCH_HEADER_SIZE))
		buf_commit(&b->meta, BATCH_HEADER_SIZE);
}

static void batch_free(struct batch **b)
{
	if (!*b)
		return;
	batch_reset(*b);
	buf_free(&(*b)->meta);
	buf_free(&(*b)->side);
	free((*b)->pieces.v);
	free((*b)->blobs.v);
	free((*b)->iov.v);
	free(*b);
	*b = NULL;
}

static void give_spare(struct store *s, struct batch *b)
{
	batch_reset(b);
	b->next = s->spares;
	s->spares = b;
}

/* There is one: of three, the committer has at most two. */
static struct batch *take_spare(struct store *s)
{
	struct batch *b = s->spares;

	s->spares = b->next;
	return b;
}

int batches_start(struct store *s)
{
	struct batch *b;

	for (int i = 0; i < 3; i++) {
		b = calloc(1, sizeof(*b));
		if (!b)
			return -1;
		give_spare(s, b);
	}
	s->filling = take_spare(s);
	return 0;
}

void batches_free(struct store *s)
{
	struct batch *b;

	batch_free(&s->filling);
	batch_free(&s->committing);
	batch_free(&s->following);
	while (s->spares) {
		b = take_spare(s);
		batch_free(&b);
	}
}

struct batch *batch_take(struct store *s)
{
	struct batch *b = s->filling;

	s->filling = take_spare(s);
	return b;
}

int store_writable(const struct store *s)
{
	if (!s->failed)
		return 0;
	errno = s->error == ENOSPC ? ENOSPC : EIO;
	return -1;
}

struct buf *store_record_begin(struct store *s, uint16_t type, uint16_t flags, uint64_t *lsn_r)
{
	struct batch *b = s->filling;
	uint64_t lsn = s->next_lsn++;

	if (!b->count++)
		b->first = lsn;
	b->record_at = record_begin(&b->meta, type, flags, lsn);
	*lsn_r = lsn;
	return &b->meta;
}

void store_record_end(struct store *s)
{
	record_end(&s->filling->meta, s->filling->record_at, &s->key);
	s->records++;
}

/* large: its id, else 0 */
static struct blob *batch_add(struct store *s, const struct record_blob *r, struct piece piece, uint64_t large)
{
	struct batch *b = s->filling;
	struct blob *blob;
	uint64_t id;

	if (vec_grow(&b->pieces.v, &b->pieces.cap, b->pieces.n + 1, sizeof(*b->pieces.v)) ||
		vec_grow(&b->blobs.v, &b->blobs.cap, b->blobs.n + 1, sizeof(*b->blobs.v)))
		return NULL;
	blob = blob_add(s, large ? large : s->next_lsn, r);
	if (!blob)
		return NULL;
	if (large)
		record_add_move(store_record_begin(s, RECORD_LARGE, RECORD_REQUIRED, &id), large, r);
	else
		record_add_blob(store_record_begin(s, RECORD_BLOB, RECORD_REQUIRED, &id), r);
	store_record_end(s);
	blob_pin(blob);
	b->pieces.v[b->pieces.n++] = piece;
	b->blobs.v[b->blobs.n++] = (struct batch_blob){blob, r->offset};
	b->bodies_len = format_align(r->offset + format_align(r->summary_len, 8) + record_blob_bytes(r), 8);
	return blob;
}

struct blob *batch_add_body(struct store *s, struct body *body)
{
	struct record_blob r = {
		.kind = body->file ? BLOB_LARGE : BLOB_BODY,
		.summary_len = (uint32_t)body->summary.len,
		.summary_crc = body->summary_crc,
		.body_len = body_size(body),
		.body_crc = body->data_crc,
		.offset = s->filling->bodies_len,
	};

	if (body->blob)
		return body->blob;
	body->blob = batch_add(s, &r, (struct piece){.body = body}, body->file);
	if (body->blob) {
		blob_pin(body->blob);
		body->blob->body = body;
		body->refs++;
	}
	return body->blob;
}

struct blob *batch_add_prefix(struct store *s, struct str prefix)
{
	struct batch *b = s->filling;
	struct record_blob r = {
		.kind = BLOB_PREFIX,
		.body_len = prefix.len,
		.body_crc = crc32c(0, prefix.p, prefix.len),
		.offset = b->bodies_len,
	};
	size_t at = b->side.len;
	struct blob *blob;

	if (buf_addstr(&b->side, prefix))
		return NULL;
	blob = batch_add(s, &r, (struct piece){.side_at = at, .side_len = prefix.len}, 0);
	if (blob) {
		blob->batch = b;
		blob->offset = at;
	}
	return blob;
}

int batch_move(struct store *s, struct blob *blob, struct str bytes)
{
	struct batch *b = s->filling;
	struct record_blob r = {
		.kind = blob->kind,
		.summary_len = blob->summary_len,
		.summary_crc = blob->summary_crc,
		.body_len = blob->body_len,
		.body_crc = blob->body_crc,
		.offset = b->bodies_len,
	};
	size_t at = b->side.len;
	uint64_t lsn;

	if (vec_grow(&b->pieces.v, &b->pieces.cap, b->pieces.n + 1, sizeof(*b->pieces.v)) ||
		vec_grow(&b->blobs.v, &b->blobs.cap, b->blobs.n + 1, sizeof(*b->blobs.v)) ||
		buf_addstr(&b->side, bytes))
		return -1;
	record_add_move(store_record_begin(s, RECORD_MOVE, RECORD_REQUIRED, &lsn), blob->node.hash, &r);
	store_record_end(s);
	blob_pin(blob);
	blob->moving = true;
	b->pieces.v[b->pieces.n++] = (struct piece){.side_at = at, .side_len = bytes.len};
	b->blobs.v[b->blobs.n++] = (struct batch_blob){blob, r.offset};
	b->bodies_len = format_align(r.offset + bytes.len, 8);
	return 0;
}

/* ---- the committer's side ---- */

static void iov_add(struct batch *b, const void *p, size_t n)
{
	b->iov.v[b->iov.n++] = (struct iovec){(void *)(uintptr_t)p, n};
}

static void iov_pad(struct batch *b, uint64_t n, uint64_t to)
{
	iov_add(b, zeros, (size_t)(format_align(n, to) - n));
}

/* Header, records and bodies straight from their buffers. */
static int gather(struct batch *b)
{
	const struct piece *p;

	if (b->meta.failed || b->side.failed ||
		vec_grow(&b->iov.v, &b->iov.cap, b->pieces.n * 4 + 4, sizeof(*b->iov.v))) {
		errno = ENOMEM;
		return -1;
	}
	b->iov.n = 0;
	iov_add(b, b->meta.data + b->meta.off, b->meta.len);
	iov_pad(b, b->meta.len, 8);
	for (size_t i = 0; i < b->pieces.n; i++) {
		p = &b->pieces.v[i];
		if (p->body) {
			iov_add(b, p->body->summary.data + p->body->summary.off, p->body->summary.len);
			iov_pad(b, p->body->summary.len, 8);
			iov_add(b, p->body->data.data + p->body->data.off, p->body->data.len);
			iov_pad(b, p->body->data.len, 8);
		} else {
			iov_add(b, b->side.data + b->side.off + p->side_at, p->side_len);
			iov_pad(b, p->side_len, 8);
		}
	}
	iov_pad(b, format_align(b->meta.len, 8) + b->bodies_len, BATCH_ALIGN);
	return 0;
}

uint64_t store_clock_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int put(struct store *s, struct batch *b, const struct batch_header *h)
{
	uint64_t end = s->head_off + batch_size(h);

	/* To the end of the block: behind the head there are zeros anyway, and the block need not be read
	 * for the half of it. */
	if (format_align(end, IO_BLOCK) <= s->head->size)
		iov_pad(b, end, IO_BLOCK);
	return io_pwritev(s->head->fd, b->iov.v, (unsigned)b->iov.n, s->head_off);
}

int commit_write(struct store *s, struct batch *b)
{
	struct batch_header h = {
		.flags = b->flags,
		.epoch = s->epoch,
		.first = b->first,
		.count = b->count,
		.meta_len = (uint32_t)(b->meta.len - BATCH_HEADER_SIZE),
		.bodies_len = b->bodies_len,
		.prev = s->prev_crc,
		.time = (uint64_t)time(NULL),
	};
	char *head = b->meta.data + b->meta.off;
	uint64_t began = store_clock_us();

	if (gather(b))
		return -1;
	if (!s->head || s->head_off + batch_size(&h) > s->head->size)
		if (segment_switch(s, b->first, batch_size(&h)))
			return -1;
	h.meta_crc = crc32c(s->key.seed, head + BATCH_HEADER_SIZE, h.meta_len);
	batch_header_write(head, &s->key, &h);
	/* The blocks are there already, but where file systems write each byte anew that does not help:
	 * the same bytes may go to the same place again, as long as no sync has spoken of them. */
	while (put(s, b, &h))
		if (!reserve_give(s, batch_size(&h)) || gather(b))
			return -1;
	b->unsure = true;
	b->sync_us = store_clock_us();
	if (io_fdatasync(s->head->fd))
		return -1;
	b->sync_us = store_clock_us() - b->sync_us;
	b->unsure = false;
	b->segment = s->head;
	b->bodies_at = s->head_off + batch_bodies_at(&h);
	s->head_off += batch_size(&h);
	s->prev_crc = h.crc;
	s->commit_us = (s->commit_us * 7 + (store_clock_us() - began)) / 8;
	segment_maker_poke(s);
	return 0;
}

/* For want of space or memory nothing was begun that the disk could have got wrong. */
static bool is_harmless(const struct batch *b)
{
	return (b->error == ENOSPC || b->error == ENOMEM) && !b->unsure;
}

static void write_batch(struct store *s, struct batch *b)
{
	b->error = commit_write(s, b) ? errno : 0;
	if (b->error && b->error != ENOMEM)
		failure_leave(s, b->first - 1, b->error);
}

static void *committer(void *arg)
{
	struct store *s = arg;
	struct batch *b;
	uint64_t one = 1;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		while (!s->stop && !s->order)
			pthread_cond_wait(&s->wake, &s->lock);
		if (s->stop)
			break;
		b = s->order;
		s->order = NULL;
		pthread_mutex_unlock(&s->lock);
		write_batch(s, b);
		pthread_mutex_lock(&s->lock);
		__atomic_store_n(&b->done, true, __ATOMIC_RELEASE);
		pthread_cond_signal(&s->finished);
		/* Unlocked, or whoever is woken would only come to wait for the lock. */
		pthread_mutex_unlock(&s->lock);
		if (write(s->done.fd, &one, sizeof(one)) < 0)
			log_error("eventfd", "error", strerror(errno), NULL);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* ---- the loop's side ---- */

static bool is_done(const struct batch *b)
{
	return __atomic_load_n(&b->done, __ATOMIC_ACQUIRE);
}

/* Behind a batch that failed nothing is written. */
static bool committer_is_free(const struct store *s)
{
	return !s->committing || (!s->following && is_done(s->committing) && !s->committing->error);
}

static void submit(struct store *s)
{
	struct batch *b = batch_take(s);

	*(s->committing ? &s->following : &s->committing) = b;
	pthread_mutex_lock(&s->lock);
	s->order = b;
	pthread_mutex_unlock(&s->lock);
	pthread_cond_signal(&s->wake);
}

/* The committer sleeps, so what is its own may be used here: it was handed back under the lock. */
static void commit_here(struct store *s)
{
	struct batch *b = batch_take(s);

	s->committing = b;
	write_batch(s, b);
	commit_finished(s, b);
}

static bool is_quick(const struct store *s)
{
	uint64_t bytes = s->filling->meta.len + s->filling->bodies_len + 2 * BATCH_ALIGN;

	return !s->committing && s->commit_us && s->commit_us <= QUICK_US && bytes <= QUICK_BYTES &&
		s->small_batches >= QUICK_RUN && s->filling->count <= QUICK_RECORDS && s->head &&
		s->head_off + bytes <= s->head->size;
}

static bool may_submit(const struct store *s)
{
	return !s->depth && !s->failed && s->filling->count && committer_is_free(s);
}

/* How long a batch waits: by what it adds to what is in memory. */
static uint64_t slow_ms(const struct store *s)
{
	uint64_t ms = s->filling->count / SLOW_RECORDS;

	return ms < SLOW_MIN_MS ? SLOW_MIN_MS : ms > SLOW_MAX_MS ? SLOW_MAX_MS : ms;
}

static void queue_submit(struct store *s)
{
	if (!may_submit(s) || s->idle->idle.queued || s->slow_timer.due)
		return;
	if (checkpoint_crowded(s))
		loop_timer_start(s->loop, &s->slow_timer, slow_ms(s));
	else
		loop_idle_add(s->loop, &s->idle->idle);
}

static void slow_fire(struct loop_timer *t)
{
	struct store *s = hash_owner(t, struct store, slow_timer);

	if (may_submit(s) && !s->idle->idle.queued)
		loop_idle_add(s->loop, &s->idle->idle);
}

static void idle_run(struct loop_idle *i)
{
	struct commit_idle *idle = (struct commit_idle *)(void *)i;

	if (!idle->store)
		free(idle);
	else if (may_submit(idle->store) && is_quick(idle->store))
		commit_here(idle->store);
	else if (may_submit(idle->store))
		submit(idle->store);
}

void store_begin(struct store *s)
{
	s->depth++;
}

/* A committer that was at work so far has more to do at once, in the middle of a turn of the loop:
 * disk and processor work side by side.  One that slept can wait for all that this turn brings. */
void store_end(struct store *s)
{
	if (--s->depth)
		return;
	if (s->committing && may_submit(s) && !s->slow_timer.due && !checkpoint_crowded(s))
		submit(s);
	else
		queue_submit(s);
}

static void run_waiters(struct store *s)
{
	struct store_waiter *w;

	while ((w = s->waiters.next) != &s->waiters && (s->failed || w->lsn <= s->durable)) {
		store_wait_cancel(w);
		w->done(w, w->lsn <= s->durable ? 0 : s->error);
	}
}

/* Memory is ahead of the disk from here on.  It is not taken back change by change: that would be
 * code that only runs on the worst day.  Who waits is told, and the spool is opened anew, which is the
 * way of every start. */
static void fail(struct store *s, int error, bool harmless)
{
	s->failed = true;
	s->error = harmless ? error : EIO;
	log_error("store failed", "error", strerror(error), "durable", log_num((int64_t)s->durable),
		"remedy", harmless ? "what waited is undone; make room" :
			"read-only now; look at the disk, then restart", NULL);
	run_waiters(s);
	checkpoint_finished(s); /* it waits for a batch that never comes */
	if (s->on_failure)
		s->on_failure(s->failure_arg, s->error);
}

void commit_finished(struct store *s, struct batch *b)
{
	if (b->error) {
		fail(s, b->error, is_harmless(b)); /* the batch stays: its bodies can still be read from memory */
		return;
	}
	if (segment_find(s, b->segment->first) != b->segment) {
		if (segment_register(s, b->segment)) {
			fail(s, ENOMEM, true);
			return;
		}
		reserve_spent(s);
	}
	for (size_t i = 0; i < b->blobs.n; i++) {
		blob_place(s, b->blobs.v[i].blob, b->segment, b->bodies_at + b->blobs.v[i].at);
		blob_unpin(s, b->blobs.v[i].blob);
	}
	b->segment->kept += b->carried;
	s->durable = b->first + b->count - 1;
	s->small_batches = b->count <= QUICK_RECORDS ? s->small_batches + 1 : 0;
	s->batches++;
	histogram_add(&s->batch_records, b->count);
	histogram_add(&s->batch_bytes, b->meta.len + b->bodies_len);
	histogram_add(&s->sync_us, b->sync_us);
	s->log_since += b->meta.len + b->bodies_len;
	s->committing = s->following;
	s->following = NULL;
	give_spare(s, b);
	run_waiters(s);
	if (s->filling->count)
		queue_submit(s);
	else if (s->marked < s->durable && !s->closing)
		loop_timer_start(s->loop, &s->mark_timer, MARK_DELAY_MS);
	checkpoint_consider(s);
}

static void done_ready(struct loop_fd *f, uint32_t events)
{
	struct store *s = hash_owner(f, struct store, done);
	uint64_t count;

	(void)events;
	if (read(f->fd, &count, sizeof(count)) < 0)
		return;
	while (!s->failed && s->committing && is_done(s->committing))
		commit_finished(s, s->committing);
	checkpoint_finished(s);
	large_done(s);
	cold_done(s);
	reserve_look(s);
}

/* A quiet store says how far it is durable, so that a bad batch below can only be damage. */
static void mark_fire(struct loop_timer *t)
{
	struct store *s = hash_owner(t, struct store, mark_timer);
	struct buf *b;
	uint64_t lsn;

	if (s->failed || s->filling->count || s->committing)
		return;
	store_begin(s);
	b = store_record_begin(s, RECORD_MARK, 0, &lsn);
	buf_put64(b, s->durable);
	buf_put64(b, 0);
	store_record_end(s);
	s->marked = lsn;
	store_end(s);
}

int commit_start(struct store *s)
{
	s->idle = calloc(1, sizeof(*s->idle));
	if (!s->idle)
		return -1;
	s->idle->store = s;
	s->idle->idle.run = idle_run;
	s->mark_timer.fire = mark_fire;
	s->slow_timer.fire = slow_fire;
	s->done.ready = done_ready;
	s->done.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->done.fd < 0 || loop_add(s->loop, &s->done, EPOLLIN))
		return -1;
	errno = pthread_create(&s->committer, NULL, committer, s);
	if (errno)
		return -1;
	s->committer_runs = true;
	return 0;
}

void commit_flush(struct store *s)
{
	while (!s->failed && (s->committing || s->filling->count)) {
		if (!s->committing)
			submit(s);
		pthread_mutex_lock(&s->lock);
		while (!is_done(s->committing))
			pthread_cond_wait(&s->finished, &s->lock);
		pthread_mutex_unlock(&s->lock);
		commit_finished(s, s->committing);
	}
}

void commit_stop(struct store *s)
{
	if (s->committer_runs) {
		pthread_mutex_lock(&s->lock);
		s->stop = true;
		pthread_cond_signal(&s->wake);
		pthread_mutex_unlock(&s->lock);
		pthread_join(s->committer, NULL);
		s->committer_runs = false;
	}
	loop_timer_stop(&s->mark_timer);
	loop_timer_stop(&s->slow_timer);
	if (s->done.fd >= 0) {
		loop_del(s->loop, &s->done);
		close(s->done.fd);
		s->done.fd = -1;
	}
	if (s->idle && s->idle->idle.queued)
		s->idle->store = NULL; /* the loop still has it; it frees itself */
	else
		free(s->idle);
	s->idle = NULL;
}

/* ---- durability, as the outside sees it ---- */

uint64_t store_durable(const struct store *s)
{
	return s->durable;
}

uint64_t store_last_lsn(const struct store *s)
{
	return s->next_lsn - 1;
}

bool store_failed(const struct store *s)
{
	return s->failed;
}

void store_waiter_add(struct store_waiter *ring, struct store_waiter *w)
{
	struct store_waiter *at = ring->prev;

	while (at != ring && at->lsn > w->lsn)
		at = at->prev;
	w->prev = at;
	w->next = at->next;
	at->next->prev = w;
	at->next = w;
}

void store_wait(struct store *s, struct store_waiter *w, uint64_t lsn)
{
	w->lsn = lsn;
	w->prev = w->next = NULL;
	if (lsn <= s->durable || s->failed)
		w->done(w, lsn <= s->durable ? 0 : s->error);
	else
		store_waiter_add(&s->waiters, w);
}

void store_wait_cancel(struct store_waiter *w)
{
	if (!w->next)
		return;
	w->prev->next = w->next;
	w->next->prev = w->prev;
	w->prev = w->next = NULL;
}
