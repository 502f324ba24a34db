/* SPDX-License-Identifier: 0BSD */
/*
 * Large messages on their way to files of their own.  The loop hands over a chunk at a time; threads
 * write, parse, sum up and sync, so that neither a slow disk nor a long message is felt by others.
 */
#include "core/store/large.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/lib/crc32c.h"
#include "core/lib/log.h"
#include "core/store/io.h"

#define THREADS 2
#define SYNC_BYTES (8u << 20) /* written before the disk is made to keep up */

enum order { LARGE_WRITE, LARGE_FINISH, LARGE_DROP };

struct large {
	struct large *next;    /* in a queue of the pool */
	struct store *s;
	uint64_t id;
	/* the loop's */
	struct body *body;     /* NULL: gone */
	bool busy;             /* it is the pool's */
	bool finishing, named, unused;
	int error;
	/* the pool's while busy */
	enum order order;
	struct buf chunk;
	int fd;
	uint64_t size, unsynced;
	uint32_t crc, block_crc;
	struct buf blocks;     /* CRCs of whole blocks */
	struct arena arena;
	struct mime_reader *mime;
	struct buf summary, header;
};

struct queue {
	struct large *first, **end;
};

struct large_pool {
	pthread_t thread[THREADS];
	unsigned threads;
	pthread_mutex_t lock, naming;
	pthread_cond_t wake;
	struct queue todo, done; /* under lock */
	bool stop;
	bool removed;            /* some file was, since the start */
	bool broken;             /* a sync of the directory failed: under naming */
	struct {
		struct doomed {
			uint64_t id, lsn;
		} *v;
		size_t n, cap;
	} doomed;                /* the loop's */
};

static void queue_add(struct queue *q, struct large *l)
{
	l->next = NULL;
	*q->end = l;
	q->end = &l->next;
}

static struct large *queue_take(struct queue *q)
{
	struct large *l = q->first;

	if (!l)
		return NULL;
	q->first = l->next;
	if (!q->first)
		q->end = &q->first;
	return l;
}

/* ---- in the threads ---- */

static int open_file(struct large *l)
{
	char name[LARGE_NAME_SIZE];

	if (l->fd >= 0)
		return 0;
	large_name(name, l->id, ".tmp");
	l->fd = io_open(l->s->largefd, name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	l->mime = mime_reader_new(&l->arena);
	return l->fd < 0 || !l->mime ? -1 : 0;
}

/* The CRC of each block, however the chunks fall. */
static void sum_up(struct large *l, struct str chunk)
{
	struct cursor c = cursor_from(chunk);
	size_t n, room = LARGE_BLOCK - (size_t)(l->size % LARGE_BLOCK);
	struct str part;

	l->crc = crc32c(l->crc, chunk.p, chunk.len);
	for (; !cursor_done(&c); room = LARGE_BLOCK) {
		n = cursor_left(&c) < room ? cursor_left(&c) : room;
		part = cursor_take(&c, n);
		l->block_crc = crc32c(room == LARGE_BLOCK ? l->s->key.seed : l->block_crc, part.p, n);
		if (n == room)
			buf_put32(&l->blocks, l->block_crc);
	}
}

static int write_chunk(struct large *l)
{
	struct str chunk = buf_str(&l->chunk);

	if (open_file(l))
		return -1;
	if (!chunk.len)
		return 0;
	if (io_pwrite(l->fd, chunk.p, chunk.len, LARGE_HEADER_SIZE + l->size))
		return -1;
	sum_up(l, chunk);
	mime_reader_feed(l->mime, chunk);
	l->size += chunk.len;
	l->unsynced += chunk.len;
	buf_clear(&l->chunk);
	if (l->unsynced < SYNC_BYTES)
		return 0;
	l->unsynced = 0;
	return io_fdatasync(l->fd);
}

static int write_ends(struct large *l)
{
	struct large_header h = {.id = l->id, .size = l->size, .body_crc = l->crc};
	uint64_t pad = format_align(l->size, 8) - l->size;
	struct buf out = {0};
	int answer = -1;

	if (l->size % LARGE_BLOCK)
		buf_put32(&l->blocks, l->block_crc);
	while (pad--)
		buf_put8(&out, 0);
	buf_addstr(&out, buf_str(&l->blocks));
	errno = ENOMEM;
	if (out.failed || l->blocks.failed ||
		io_pwrite(l->fd, out.data + out.off, out.len, LARGE_HEADER_SIZE + l->size))
		goto free_out;
	h.blocks_crc = crc32c(l->s->key.seed, l->blocks.data + l->blocks.off, l->blocks.len);
	buf_clear(&out);
	large_header_write(&out, &l->s->key, &h);
	if (!out.failed && !io_pwrite(l->fd, out.data + out.off, out.len, 0))
		answer = 0;
free_out:
	buf_free(&out);
	return answer;
}

static int summarise(struct large *l)
{
	const struct mime_part *top = mime_reader_end(&l->mime);
	int answer = top && !mime_summary_add_tree(&l->summary, top) && !buf_addstr(&l->header, top->header) ? 0 : -1;

	arena_free(&l->arena);
	errno = ENOMEM;
	return answer;
}

/* A failed sync of the directory says nothing about the names in it, and a second try would lie. */
static int give_name(struct large *l)
{
	char from[LARGE_NAME_SIZE], to[LARGE_NAME_SIZE];
	struct large_pool *p = l->s->large;
	int answer = -1;

	large_name(from, l->id, ".tmp");
	large_name(to, l->id, "");
	pthread_mutex_lock(&p->naming);
	errno = EIO;
	if (!p->broken && !io_rename(l->s->largefd, from, to)) {
		l->named = true;
		answer = io_fsync(l->s->largefd);
		p->broken = answer != 0;
	}
	pthread_mutex_unlock(&p->naming);
	return answer;
}

static int finish_file(struct large *l)
{
	if (write_chunk(l) || summarise(l) || write_ends(l) || io_fdatasync(l->fd))
		return -1;
	close(l->fd);
	l->fd = -1;
	return give_name(l);
}

static void drop_file(struct large *l)
{
	char name[LARGE_NAME_SIZE];

	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	large_name(name, l->id, l->named ? "" : ".tmp");
	l->error = 0;
	if (l->unused && io_unlink(l->s->largefd, name) && errno != ENOENT) {
		l->error = errno;
		log_warning("cannot remove", "file", name, "error", strerror(errno), NULL);
	}
}

static void obey(struct large *l)
{
	errno = 0;
	if (l->order == LARGE_DROP)
		drop_file(l);
	else if (!l->error && (l->order == LARGE_WRITE ? write_chunk(l) : finish_file(l)))
		l->error = errno ? errno : EIO;
}

static void *worker(void *arg)
{
	struct store *s = arg;
	struct large_pool *p = s->large;
	uint64_t one = 1;
	struct large *l;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (!(l = queue_take(&p->todo)) && !p->stop)
			pthread_cond_wait(&p->wake, &p->lock);
		if (!l)
			break;
		pthread_mutex_unlock(&p->lock);
		obey(l);
		pthread_mutex_lock(&p->lock);
		queue_add(&p->done, l);
		if (write(s->done.fd, &one, sizeof(one)) < 0)
			log_error("eventfd", "error", strerror(errno), NULL);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* ---- on the loop ---- */

static void give(struct large *l, enum order order)
{
	struct large_pool *p = l->s->large;

	l->busy = true;
	l->order = order;
	pthread_mutex_lock(&p->lock);
	queue_add(&p->todo, l);
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

static void give_chunk(struct large *l, enum order order)
{
	struct body *b = l->body;
	struct buf empty = l->chunk;

	if (empty.cap > 3 * LARGE_CHUNK)
		buf_free(&empty);
	buf_clear(&empty);
	empty.max = b->data.max;
	l->chunk = b->data;
	b->data = empty;
	give(l, order);
}

int large_begin(struct body *b)
{
	struct store *s = b->store;
	struct large *l;

	if (store_writable(s))
		return -1;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -1;
	l->s = s;
	l->body = b;
	l->fd = -1;
	store_begin(s);
	store_record_begin(s, RECORD_OPEN, 0, &l->id);
	store_record_end(s);
	store_end(s);
	b->large = l;
	b->file = l->id;
	return 0;
}

bool large_full(const struct body *b)
{
	return b->large->busy && b->data.len >= LARGE_CHUNK;
}

static int failed(const struct large *l)
{
	errno = l->error;
	return -1;
}

int large_feed(struct body *b)
{
	struct large *l = b->large;

	if (!l->busy && l->error)
		return failed(l);
	if (!l->busy && b->data.len >= LARGE_CHUNK)
		give_chunk(l, LARGE_WRITE);
	return large_full(b);
}

int large_finish(struct body *b)
{
	struct large *l = b->large;

	if (!l->busy && l->error)
		return failed(l);
	l->finishing = true;
	if (!l->busy)
		give_chunk(l, LARGE_FINISH);
	return 1;
}

static void free_large(struct large *l)
{
	mime_reader_free(&l->mime);
	arena_free(&l->arena);
	buf_free(&l->chunk);
	buf_free(&l->blocks);
	buf_free(&l->summary);
	buf_free(&l->header);
	free(l);
}

void large_end(struct body *b, bool unused)
{
	struct large *l = b->large;

	b->large = NULL;
	l->body = NULL;
	l->unused = unused;
	if (l->busy)
		return; /* large_done() goes on with it */
	if (!unused)
		free_large(l);
	else
		give(l, LARGE_DROP);
}

/* The file is what it should be: the body knows all about it. */
static void take_result(struct large *l)
{
	struct body *b = l->body;

	if (mime_summary_read(buf_str(&l->summary), &b->parsed)) {
		l->error = ENOMEM;
		return;
	}
	buf_free(&b->summary);
	b->summary = l->summary;
	b->header = l->header;
	l->summary = l->header = (struct buf){0};
	b->summary_crc = crc32c(0, b->summary.data + b->summary.off, b->summary.len);
	b->data_crc = l->crc;
	b->size = l->size;
	buf_free(&l->chunk);
	b->finished = true;
}

static void one_done(struct large *l)
{
	struct body *b = l->body;

	l->busy = false;
	if (l->order == LARGE_DROP) {
		l->s->large->removed = true;
		l->s->left_over |= l->error != 0;
	}
	if (!b) {
		if (l->unused && l->order != LARGE_DROP)
			give(l, LARGE_DROP);
		else
			free_large(l);
		return;
	}
	if (!l->error && l->order == LARGE_FINISH)
		take_result(l);
	else if (!l->error && l->finishing)
		give_chunk(l, LARGE_FINISH);
	else if (!l->error && b->data.len >= LARGE_CHUNK)
		give_chunk(l, LARGE_WRITE);
	/* Last, as the body may go. */
	if (b->ready && (!l->busy || !l->finishing))
		b->ready(b->arg);
}

void large_done(struct store *s)
{
	struct large_pool *p = s->large;
	struct large *l;

	while (p) {
		pthread_mutex_lock(&p->lock);
		l = queue_take(&p->done);
		pthread_mutex_unlock(&p->lock);
		if (!l)
			break;
		one_done(l);
	}
}

/* ---- files that nobody needs ---- */

void large_doom(struct store *s, uint64_t id)
{
	struct large_pool *p = s->large;
	struct doomed d = {id, store_last_lsn(s)};

	/* Out of memory: the file stays until fsck --repair. */
	if (p && vec_push(&p->doomed, d))
		log_warning("cannot remove", "blob", log_num((int64_t)id), NULL);
}

static void remove_file(struct store *s, uint64_t id)
{
	struct large *l = calloc(1, sizeof(*l));

	if (!l)
		return;
	*l = (struct large){.s = s, .id = id, .fd = -1, .named = true, .unused = true};
	give(l, LARGE_DROP);
}

void large_remove_doomed(struct store *s)
{
	struct large_pool *p = s->large;
	size_t to = 0;

	for (size_t i = 0; p && i < p->doomed.n; i++) {
		if (p->doomed.v[i].lsn <= s->checkpoint_files)
			remove_file(s, p->doomed.v[i].id);
		else
			p->doomed.v[to++] = p->doomed.v[i];
	}
	if (p)
		p->doomed.n = to;
}

/* ---- start and stop ---- */

int large_start(struct store *s)
{
	struct large_pool *p = calloc(1, sizeof(*p));

	if (!p)
		return -1;
	p->todo.end = &p->todo.first;
	p->done.end = &p->done.first;
	pthread_mutex_init(&p->lock, NULL);
	pthread_mutex_init(&p->naming, NULL);
	pthread_cond_init(&p->wake, NULL);
	s->large = p;
	for (; p->threads < THREADS; p->threads++) {
		errno = pthread_create(&p->thread[p->threads], NULL, worker, s);
		if (errno)
			return -1;
	}
	return 0;
}

static bool is_idle(struct large_pool *p)
{
	bool idle;

	pthread_mutex_lock(&p->lock);
	idle = !p->todo.first && !p->done.first;
	pthread_mutex_unlock(&p->lock);
	return idle;
}

static void join_all(struct large_pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
	for (; p->threads; p->threads--)
		pthread_join(p->thread[p->threads - 1], NULL);
}

void large_stop(struct store *s)
{
	struct large_pool *p = s->large;

	if (!p)
		return;
	join_all(p);
	/* What was done may order more: without threads that is done here. */
	while (!is_idle(p)) {
		struct large *l;

		large_done(s);
		while ((l = queue_take(&p->todo))) {
			obey(l);
			queue_add(&p->done, l);
		}
	}
	s->left_over |= p->removed && io_fsync(s->largefd);
	pthread_mutex_destroy(&p->lock);
	pthread_mutex_destroy(&p->naming);
	pthread_cond_destroy(&p->wake);
	free(p->doomed.v);
	free(p);
	s->large = NULL;
}
