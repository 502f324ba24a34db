/* SPDX-License-Identifier: 0BSD */
/*
 * Checkpoints: the loop encodes what changed into memory, a thread writes it, and when the log is
 * durable as far as that state goes, the file `checkpoint` is replaced.  Then segments without live
 * bytes below it go.
 */
#include "core/store/checkpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/lib/log.h"
#include "core/store/io.h"

/* ---- encoding, on the loop ---- */

static int encode_mailbox(void *arg, struct hash_node *n)
{
	struct mailbox *m = hash_owner(n, struct mailbox, by_id);
	struct checkpoint_job *job = arg;
	struct checkpoint_file f = {.mailbox = m->id, .replaced = m->index};
	struct index_head h = {m->id, m->lsn, m->history_floor, m->list.n, m->history.n};

	if (!m->dirty)
		return 0;
	if (buf_reserve(&f.bytes, INDEX_HEADER_SIZE + (m->list.n + m->history.n) * MESSAGE_SIZE))
		index_head_write(&f.bytes, &job->s->key, &h);
	for (size_t i = 0; i < m->list.n; i++)
		message_encode(&f.bytes, &m->list.v[i], &job->s->key);
	for (size_t i = 0; i < m->history.n; i++)
		message_encode(&f.bytes, &m->history.v[i], &job->s->key);
	if (f.bytes.failed || vec_push(&job->files, f)) {
		buf_free(&f.bytes);
		return -1;
	}
	m->dirty = false;
	m->index = job->head.files;
	return 0;
}

static int encode_blob(void *arg, struct hash_node *n)
{
	struct checkpoint_job *job = arg;
	const struct blob *b = hash_owner(n, struct blob, node);
	struct map_entry e = {
		.id = n->hash,
		.offset = b->offset,
		.blob = {b->kind, b->summary_len, b->summary_crc, b->body_len, b->body_crc, 0},
	};

	/* What is not on the disk yet has a record above the checkpoint. */
	if (!b->segment)
		return 0;
	e.segment = b->segment->first;
	map_entry_write(&job->map, &job->s->key, &e);
	return job->map.failed;
}

/* The head is written with the count when the entries are there. */
static int encode_map(struct checkpoint_job *job)
{
	struct store *s = job->s;
	struct buf head = {0};
	uint64_t count;

	if (!buf_reserve(&job->map, MAP_HEADER_SIZE + s->blobs.n * MAP_ENTRY_SIZE))
		return -1;
	map_head_write(&job->map, &s->key, job->head.files, 0);
	if (hash_each(&s->blobs, encode_blob, job))
		return -1;
	count = (job->map.len - MAP_HEADER_SIZE) / MAP_ENTRY_SIZE;
	map_head_write(&head, &s->key, job->head.files, count);
	if (!head.failed)
		memcpy(job->map.data + job->map.off, head.data + head.off, MAP_HEADER_SIZE);
	buf_free(&head);
	return 0;
}

static void table_add(struct checkpoint_job *job, const struct buf *key, const struct buf *value)
{
	buf_putstr(&job->table, buf_str(key));
	buf_putstr(&job->table, buf_str(value));
	if (key->failed || value->failed)
		job->table.failed = true;
}

static void encode_boxes(struct checkpoint_job *job, const struct account *a, struct buf *value)
{
	struct record_mailbox r;
	struct buf one = {0};

	for (size_t i = 0; i < a->boxes.n; i++) {
		mailbox_image(a->boxes.v[i], &r);
		record_add_mailbox(&one, &r);
		buf_putstr(value, buf_str(&one));
		if (one.failed)
			job->table.failed = true;
		buf_clear(&one);
	}
	buf_free(&one);
}

static int encode_account(void *arg, struct hash_node *n)
{
	const struct account *a = hash_owner(n, struct account, by_id);
	struct record_account r = {a->id, account_name(a)};
	struct checkpoint_job *job = arg;
	struct buf key = {0}, value = {0};

	buf_put8(&key, TABLE_ACCOUNT);
	buf_put64(&key, a->id);
	buf_put64(&value, a->modseq);
	record_add_account(&value, &r);
	table_add(job, &key, &value);
	buf_clear(&key);
	buf_clear(&value);
	buf_put8(&key, TABLE_MAILBOXES);
	buf_put64(&key, a->id);
	encode_boxes(job, a, &value);
	table_add(job, &key, &value);
	buf_free(&key);
	buf_free(&value);
	return job->table.failed;
}

static int encode_kv(void *arg, struct hash_node *n)
{
	const struct kv *kv = hash_owner(n, struct kv, node);
	struct buf *t = &((struct checkpoint_job *)arg)->table;

	buf_put32(t, 3u + kv->key_len);
	buf_put8(t, TABLE_KV);
	buf_put16(t, kv->space);
	buf_add(t, kv->bytes, kv->key_len);
	buf_put32(t, 8 + kv->value_len);
	buf_put64(t, kv->lsn);
	buf_add(t, kv->bytes + kv->key_len, kv->value_len);
	return t->failed;
}

/* ---- the thread ---- */

static void *work(void *arg)
{
	struct checkpoint_job *job = arg;
	uint64_t one = 1;
	int error = checkpoint_write_files(job);

	pthread_mutex_lock(&job->lock);
	while (!error && !job->go && !job->cancel)
		pthread_cond_wait(&job->wake, &job->lock);
	if (!error && !job->go)
		error = ECANCELED;
	pthread_mutex_unlock(&job->lock);
	if (!error)
		error = checkpoint_write_head(job);
	if (!error)
		checkpoint_remove_old(job);
	pthread_mutex_lock(&job->lock);
	job->error = error;
	job->done = true;
	pthread_mutex_unlock(&job->lock);
	if (write(job->s->done.fd, &one, sizeof(one)) < 0)
		log_error("eventfd", "error", strerror(errno), NULL);
	return NULL;
}

void checkpoint_job_free(struct checkpoint_job **at)
{
	struct checkpoint_job *job = *at;

	*at = NULL;
	if (!job)
		return;
	for (size_t i = 0; i < job->files.n; i++)
		buf_free(&job->files.v[i].bytes);
	free(job->files.v);
	free(job->garbage.v);
	buf_free(&job->map);
	buf_free(&job->table);
	pthread_mutex_destroy(&job->lock);
	pthread_cond_destroy(&job->wake);
	free(job);
}

/* Mailboxes whose index file did not come to be are dirty again. */
static int dirty_again(void *arg, struct hash_node *n)
{
	struct mailbox *m = hash_owner(n, struct mailbox, by_id);
	const struct checkpoint_job *job = arg;

	if (m->index == job->head.files)
		m->dirty = true;
	return 0;
}

static struct checkpoint_job *encode(struct store *s)
{
	struct checkpoint_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->s = s;
	job->old = s->checkpoint_files;
	job->head = (struct checkpoint_head){
		.lsn = s->durable,
		/* Must be durable before `checkpoint` may name them. */
		.files = store_last_lsn(s),
		.epoch = s->epoch,
		.time = (uint64_t)time(NULL),
		.uidvalidity_last = s->uidvalidity_last,
	};
	pthread_mutex_init(&job->lock, NULL);
	pthread_cond_init(&job->wake, NULL);
	job->garbage.v = s->garbage.v;
	job->garbage.n = s->garbage.n;
	job->garbage.cap = s->garbage.cap;
	memset(&s->garbage, 0, sizeof(s->garbage));
	if (!hash_each(&s->mailboxes, encode_mailbox, job) && !encode_map(job) &&
		!hash_each(&s->accounts_by_id, encode_account, job) &&
		!hash_each(&s->kvs, encode_kv, job))
		return job;
	hash_each(&s->mailboxes, dirty_again, job);
	checkpoint_job_free(&job);
	errno = ENOMEM;
	return NULL;
}

static int start(struct store *s)
{
	struct checkpoint_job *job;

	if (s->failed) {
		errno = EIO;
		return -1;
	}
	job = encode(s);
	if (!job)
		return -1;
	s->log_since = 0;
	errno = pthread_create(&job->thread, NULL, work, job);
	if (!errno) {
		s->checkpointing = job;
		return 0;
	}
	hash_each(&s->mailboxes, dirty_again, job);
	checkpoint_job_free(&job);
	return -1;
}

/* ---- segments that nothing needs ---- */

static void compact(struct store *s)
{
	char name[SEGMENT_NAME_SIZE];
	struct segment *g;
	size_t to = 0;
	bool gone = false;

	for (size_t i = 0; i < s->segments.n; i++) {
		g = s->segments.v[i];
		/* The last one may be the committer's. */
		if (g->blobs || i + 1 == s->segments.n ||
			s->segments.v[i + 1]->first > s->checkpoint_lsn + 1) {
			s->segments.v[to++] = g;
			continue;
		}
		segment_name(name, g->first);
		if (io_unlink(s->logfd, name)) {
			s->segments.v[to++] = g;
			continue;
		}
		gone = true;
		segment_free(s, g);
	}
	s->segments.n = to;
	/* A name that comes back after a crash is a segment below the checkpoint: nothing reads it,
	 * and the next checkpoint removes it.  No sync is needed. */
	if (gone)
		log_debug("segments removed", "left", log_num((int64_t)to), NULL);
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
	if (error) {
		hash_each(&s->mailboxes, dirty_again, job);
		log_error("checkpoint failed", "error", strerror(error), NULL);
	} else {
		s->checkpoint_lsn = job->head.lsn;
		s->checkpoint_files = job->head.files;
		s->checkpoint_time = job->head.time;
		compact(s);
	}
	checkpoint_job_free(&job);
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

void checkpoint_consider(struct store *s)
{
	if (s->checkpointing)
		let_go(s);
	else if (!s->closing && !s->redoing && s->log_since > (uint64_t)CONFIG_CHECKPOINT_LOG_MB << 20 &&
		start(s))
		s->log_since = 0; /* told by start(); again after as much log */
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
	checkpoint_job_free(&s->checkpointing);
}

int store_checkpoint(struct store *s)
{
	return checkpoint_now(s);
}
