/* SPDX-License-Identifier: 0BSD */
/*
 * Checkpoints: the loop freezes what changed, a thread writes it, and when the log is durable as far
 * as that state goes, the file `checkpoint` is replaced.  The parts are in checkpoint_*.c.
 */
#include "core/store/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/lib/log.h"
#include "core/store/compact.h"
#include "core/store/io.h"
#include "core/store/large.h"

#define PARTS CHECKPOINT_PARTS
static const struct checkpoint_part *const *const parts = checkpoint_parts;
#define HEAD_ROOM (64 * 1024) /* for what is small or in all of them */
#define REDO_RATE 500000 /* records that a start redoes in a second, until this machine has shown its own */

/* ---- the thread ---- */

int checkpoint_write_file(int dirfd, const char *name, const struct buf *b)
{
	int fd = io_open(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600), answer;

	if (fd < 0)
		return -1;
	answer = io_pwrite(fd, b->data + b->off, b->len, 0) || io_fsync(fd) ? -1 : 0;
	close(fd);
	return answer;
}

static int write_parts(struct checkpoint_job *job)
{
	for (size_t i = 0; i < PARTS; i++)
		if (parts[i]->write(job)) /* TinyCDB writes by itself, past core/store/io.h */
			return errno == EDQUOT ? ENOSPC : errno;
	return 0;
}

static int write_head(struct checkpoint_job *job)
{
	struct buf b = {0};
	int answer;

	checkpoint_head_write(&b, &job->s->key, &job->head);
	errno = ENOMEM;
	answer = b.failed || store_replace(job->s->dirfd, "checkpoint", "checkpoint.tmp", buf_str(&b)) ?
		errno : 0;
	buf_free(&b);
	return answer;
}

static void *work(void *arg)
{
	struct checkpoint_job *job = arg;
	uint64_t one = 1;
	int error;

	/* What a generation or an index lacks cannot be had in the middle of it. */
	reserve_prepare(job->s, 2 * job->dirty + HEAD_ROOM);
	error = write_parts(job);
	pthread_mutex_lock(&job->lock);
	while (!error && !job->go && !job->cancel)
		pthread_cond_wait(&job->wake, &job->lock);
	if (!error && !job->go)
		error = ECANCELED;
	pthread_mutex_unlock(&job->lock);
	for (size_t i = 0; error && i < PARTS; i++)
		parts[i]->undo(job);
	if (!error)
		error = write_head(job);
	for (size_t i = 0; !error && i < PARTS; i++)
		parts[i]->clean(job);
	if (!error)
		segments_remove(job);
	pthread_mutex_lock(&job->lock);
	job->error = error;
	job->done = true;
	pthread_mutex_unlock(&job->lock);
	if (write(job->s->done.fd, &one, sizeof(one)) < 0)
		log_error("eventfd", "error", strerror(errno), NULL);
	return NULL;
}

/* ---- on the loop ---- */

static void job_free(struct checkpoint_job **at, bool good)
{
	struct checkpoint_job *job = *at;

	*at = NULL;
	for (size_t i = 0; i < PARTS; i++)
		parts[i]->finish(job, good);
	segments_forget(job);
	pthread_mutex_destroy(&job->lock);
	pthread_cond_destroy(&job->wake);
	free(job);
}

/* A number is never used twice, not even by an attempt that failed: `checkpoint` may have been
 * replaced although the sync of its directory failed, and name those files. */
static void new_number(struct store *s)
{
	struct buf *b;
	uint64_t lsn;

	if (store_last_lsn(s) == s->checkpoint_tried) {
		store_begin(s);
		b = store_record_begin(s, RECORD_MARK, 0, &lsn);
		buf_put64(b, s->durable);
		buf_put64(b, 0);
		store_record_end(s);
		store_end(s);
	}
	s->checkpoint_tried = store_last_lsn(s);
}

static struct checkpoint_job *freeze(struct store *s)
{
	struct checkpoint_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	new_number(s);
	job->s = s;
	job->old = s->checkpoint_files;
	job->sweep = s->sweep;
	job->head = (struct checkpoint_head){
		.lsn = s->durable,
		/* Must be durable before `checkpoint` may name them. */
		.files = store_last_lsn(s),
		.epoch = s->epoch,
		.time = (uint64_t)time(NULL),
		.uidvalidity_last = s->uidvalidity_last,
		.messages = s->messages,
		.accounts = s->account_count,
		.mailboxes = s->mailbox_count,
		.redo_rate = s->redo_rate,
		.redo_rest_us = s->redo_rest_us,
	};
	pthread_mutex_init(&job->lock, NULL);
	pthread_cond_init(&job->wake, NULL);
	if (segments_unused(job))
		goto free_job;
	/* Backwards: the table says which index files there are. */
	for (size_t i = PARTS; i--;)
		if (parts[i]->freeze(job))
			goto free_job;
	return job;
free_job:
	job_free(&job, false);
	errno = ENOMEM;
	return NULL;
}

/* Memory of what is not in the files of a finished checkpoint, roughly. */
static uint64_t dirty_bytes(const struct store *s)
{
	return s->kv.arena.used + (s->kv_frozen ? s->kv_frozen->arena.used : 0) +
		(s->map.n[BLOB_DIRTY] + s->map.n[BLOB_FROZEN]) * sizeof(struct blob) + s->index.busy +
		s->cache.busy;
}

static void let_go(struct store *s)
{
	struct checkpoint_job *job = s->checkpointing;

	pthread_mutex_lock(&job->lock);
	if (s->failed)
		job->cancel = true;
	else if (s->durable >= job->head.files)
		job->go = true;
	pthread_cond_signal(&job->wake);
	pthread_mutex_unlock(&job->lock);
}

static int start(struct store *s)
{
	struct checkpoint_job *job;
	uint64_t began = store_clock_us(), dirty = dirty_bytes(s);

	if (store_writable(s))
		return -1;
	job = freeze(s);
	if (!job)
		return -1;
	job->began = began;
	job->freeze_us = store_clock_us() - began;
	job->dirty = dirty;
	s->log_since = 0;
	errno = pthread_create(&job->thread, NULL, work, job);
	if (!errno) {
		s->checkpointing = job;
		return 0;
	}
	job_free(&job, false);
	return -1;
}

/* ---- running ---- */

/* Those whose state it holds are done; the others wait for the next. */
static void answer(struct store *s, uint64_t lsn, int error)
{
	struct store_waiter *ring = &s->checkpoint_waiters, *w;

	while ((w = ring->next) != ring && w->lsn <= lsn) {
		store_wait_cancel(w);
		w->done(w, error);
	}
}

static void start_for_waiters(struct store *s)
{
	if (s->checkpoint_waiters.next == &s->checkpoint_waiters || s->checkpointing)
		return;
	if (s->closing || start(s))
		answer(s, UINT64_MAX, s->closing ? ECANCELED : errno);
	else
		let_go(s);
}

static void note(struct store *s, const struct checkpoint_job *job)
{
	s->checkpoints.count++;
	s->checkpoints.us = store_clock_us() - job->began;
	s->checkpoints.freeze_us = job->freeze_us;
	s->checkpoints.dirty = job->dirty;
}

/* An attempt for which the disk was too full is made again with more of the reserve. */
static bool again(struct store *s, int error)
{
	errno = error;
	if (!reserve_give_checkpoint(s) || start(s))
		return false;
	let_go(s);
	return true;
}

/* Takes the answer of a finished job.  0, -1 + errno, or 1: another has begun in its place. */
static int finish(struct store *s)
{
	struct checkpoint_job *job = s->checkpointing;
	uint64_t began, files = job->head.files;
	int error;

	pthread_join(job->thread, NULL);
	began = store_clock_us();
	s->checkpointing = NULL;
	error = job->error;
	s->checkpoint_failed = error != 0;
	if (error) {
		log_error("checkpoint failed", "error", strerror(error), NULL);
		s->checkpoints.failures++;
	} else {
		s->checkpoint_lsn = job->head.lsn;
		s->checkpoint_files = job->head.files;
		s->checkpoint_time = job->head.time;
		s->sweep = false;
		note(s, job);
	}
	job_free(&job, !error);
	if (error == ENOSPC && again(s, error))
		return 1;
	if (!error) {
		s->checkpoints.finish_us = store_clock_us() - began;
		segment_maker_take(s);
		large_remove_doomed(s);
		compact_consider(s);
	}
	answer(s, files, error);
	start_for_waiters(s);
	errno = error;
	return error ? -1 : 0;
}

void checkpoint_finished(struct store *s)
{
	bool done;

	if (!s->checkpointing)
		return;
	let_go(s);
	pthread_mutex_lock(&s->checkpointing->lock);
	done = s->checkpointing->done;
	pthread_mutex_unlock(&s->checkpointing->lock);
	if (done)
		finish(s);
}

bool checkpoint_crowded(const struct store *s)
{
	return s->checkpointing && dirty_bytes(s) > (uint64_t)CONFIG_CHECKPOINT_DIRTY_KB * 1024 * 2;
}

/* After a failure it is tried again when as much log has been written since as would do alone. */
static bool is_due(const struct store *s)
{
	if (s->log_since > (uint64_t)CONFIG_CHECKPOINT_LOG_MB << 20)
		return true;
	return !s->checkpoint_failed && dirty_bytes(s) > (uint64_t)CONFIG_CHECKPOINT_DIRTY_KB * 1024;
}

void checkpoint_consider(struct store *s)
{
	if (s->checkpointing)
		let_go(s);
	else if (!s->closing && !s->redoing && is_due(s) && start(s)) {
		s->log_since = 0;
		s->checkpoint_failed = true;
	}
}

static void timer_fire(struct loop_timer *t)
{
	struct store *s = hash_owner(t, struct store, checkpoint_timer);

	if (!s->checkpointing && !s->failed && s->checkpoint_files != store_last_lsn(s) && start(s))
		log_error("checkpoint failed", "error", strerror(errno), NULL);
	if (s->checkpointing)
		let_go(s);
	loop_timer_start(s->loop, t, s->checkpoint_interval * 1000);
}

void checkpoint_start_timer(struct store *s)
{
	s->checkpoint_timer.fire = timer_fire;
	if (s->checkpoint_interval)
		loop_timer_start(s->loop, &s->checkpoint_timer, s->checkpoint_interval * 1000);
}

int checkpoint_now(struct store *s)
{
	int answer;

	commit_flush(s);
	/* The end of one may begin the next, for those who wait. */
	while (s->checkpointing) {
		let_go(s);
		finish(s);
		commit_flush(s);
	}
	if (store_writable(s))
		return -1;
	if (s->checkpoint_files == store_last_lsn(s))
		return 0;
	if (start(s))
		return -1;
	do {
		commit_flush(s);
		if (!s->checkpointing) { /* the store failed, and took the answer */
			errno = EIO;
			return -1;
		}
		let_go(s);
		answer = finish(s);
	} while (answer > 0);
	return answer;
}

void checkpoint_stop(struct store *s)
{
	struct checkpoint_job *job = s->checkpointing;

	loop_timer_stop(&s->checkpoint_timer);
	answer(s, UINT64_MAX, ECANCELED);
	if (!job)
		return;
	pthread_mutex_lock(&job->lock);
	job->cancel = true;
	pthread_cond_signal(&job->wake);
	pthread_mutex_unlock(&job->lock);
	pthread_join(job->thread, NULL);
	job_free(&s->checkpointing, false);
}

void checkpoint_stat(const struct store *s, struct buf *out)
{
	uint64_t now = (uint64_t)time(NULL), records = store_last_lsn(s) - s->checkpoint_lsn;
	uint64_t rate = s->redo_rate ? s->redo_rate : REDO_RATE;

	stat_line(out, "checkpoint_lsn", s->checkpoint_lsn);
	stat_line(out, "checkpoint_time", s->checkpoint_time);
	stat_line(out, "checkpoint_age_seconds",
		s->checkpoint_time && now > s->checkpoint_time ? now - s->checkpoint_time : 0);
	stat_line(out, "checkpoint_running", s->checkpointing != NULL);
	stat_line(out, "checkpoints", s->checkpoints.count);
	stat_line(out, "checkpoints_failed", s->checkpoints.failures);
	stat_line(out, "checkpoint_ms", s->checkpoints.us / 1000);
	stat_line(out, "checkpoint_freeze_us", s->checkpoints.freeze_us);
	stat_line(out, "checkpoint_finish_us", s->checkpoints.finish_us);
	stat_line(out, "checkpoint_dirty_bytes", s->checkpoints.dirty);
	stat_line(out, "dirty_bytes", dirty_bytes(s));
	stat_line(out, "redo_records", records);
	stat_line(out, "redo_log_bytes", s->log_since);
	stat_line(out, "redo_rate", rate);
	stat_line(out, "redo_rate_measured", s->redo_rate != 0);
	stat_line(out, "redo_ms", s->redo_rest_us / 1000 + records * 1000 / rate);
}

int store_checkpoint(struct store *s)
{
	return checkpoint_now(s);
}

int store_checkpoint_begin(struct store *s)
{
	if (s->checkpointing || s->checkpoint_files == store_last_lsn(s))
		return 0;
	if (start(s))
		return -1;
	let_go(s);
	return 0;
}

void store_checkpoint_wait(struct store *s, struct store_waiter *w)
{
	w->lsn = store_last_lsn(s);
	w->prev = w->next = NULL;
	if (w->lsn <= s->checkpoint_files) {
		w->done(w, 0);
		return;
	}
	store_waiter_add(&s->checkpoint_waiters, w);
	start_for_waiters(s);
}
