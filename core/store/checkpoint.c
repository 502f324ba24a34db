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

#define PARTS CHECKPOINT_PARTS
static const struct checkpoint_part *const *const parts = checkpoint_parts;

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
		if (parts[i]->write(job))
			return errno;
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
	int error = write_parts(job);

	pthread_mutex_lock(&job->lock);
	while (!error && !job->go && !job->cancel)
		pthread_cond_wait(&job->wake, &job->lock);
	if (!error && !job->go)
		error = ECANCELED;
	pthread_mutex_unlock(&job->lock);
	if (!error)
		error = write_head(job);
	for (size_t i = 0; !error && i < PARTS; i++)
		parts[i]->clean(job);
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
	job->head = (struct checkpoint_head){
		.lsn = s->durable,
		/* Must be durable before `checkpoint` may name them. */
		.files = store_last_lsn(s),
		.epoch = s->epoch,
		.time = (uint64_t)time(NULL),
		.uidvalidity_last = s->uidvalidity_last,
		.messages = s->messages,
	};
	pthread_mutex_init(&job->lock, NULL);
	pthread_cond_init(&job->wake, NULL);
	/* Backwards: the table says which index files there are. */
	for (size_t i = PARTS; i--;) {
		if (!parts[i]->freeze(job))
			continue;
		job_free(&job, false);
		errno = ENOMEM;
		return NULL;
	}
	return job;
}

static int start(struct store *s)
{
	struct checkpoint_job *job;

	if (s->failed) {
		errno = EIO;
		return -1;
	}
	job = freeze(s);
	if (!job)
		return -1;
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

/* Takes the answer of a finished job. */
static int finish(struct store *s)
{
	struct checkpoint_job *job = s->checkpointing;
	int error;

	pthread_join(job->thread, NULL);
	s->checkpointing = NULL;
	error = job->error;
	s->checkpoint_failed = error != 0;
	if (error) {
		log_error("checkpoint failed", "error", strerror(error), NULL);
	} else {
		s->checkpoint_lsn = job->head.lsn;
		s->checkpoint_files = job->head.files;
		s->checkpoint_time = job->head.time;
	}
	job_free(&job, !error);
	if (!error) {
		segments_remove_unused(s);
		compact_consider(s);
	}
	errno = error;
	return error ? -1 : 0;
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

/* Memory of what is not in the files of a finished checkpoint, roughly. */
static uint64_t dirty_bytes(const struct store *s)
{
	return s->kv.arena.used + (s->kv_frozen ? s->kv_frozen->arena.used : 0) +
		(s->map.n[BLOB_DIRTY] + s->map.n[BLOB_FROZEN]) * sizeof(struct blob) + s->index.bytes;
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
	commit_flush(s);
	if (s->checkpointing) {
		let_go(s);
		finish(s);
	}
	if (s->failed) {
		errno = EIO;
		return -1;
	}
	if (s->checkpoint_files == store_last_lsn(s))
		return 0;
	if (start(s))
		return -1;
	commit_flush(s);
	let_go(s);
	return finish(s);
}

void checkpoint_stop(struct store *s)
{
	struct checkpoint_job *job = s->checkpointing;

	loop_timer_stop(&s->checkpoint_timer);
	if (!job)
		return;
	pthread_mutex_lock(&job->lock);
	job->cancel = true;
	pthread_cond_signal(&job->wake);
	pthread_mutex_unlock(&job->lock);
	pthread_join(job->thread, NULL);
	job_free(&s->checkpointing, false);
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
