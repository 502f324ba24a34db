/* SPDX-License-Identifier: 0BSD */
#include "core/store/cold.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/lib/log.h"

#define THREADS   2
#define CHUNK     (64u * 1024)
#define FETCH_MAX (1024u * 1024) /* at once: a slice of work */

struct cold_job {
	struct cold_job *next;
	struct store_reading *reading; /* NULL: nobody waits any more; the loop's */
	int fd;                        /* its own */
	uint64_t at, end;
};

struct queue {
	struct cold_job *first, **last;
};

struct cold {
	struct store *s;
	bool nowait;
	struct cold_job missing;       /* what the last EAGAIN was about; fd -1: nothing */
	pthread_t thread[THREADS];
	unsigned threads;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct queue todo, done;       /* under lock */
	bool stop;
};

static void queue_add(struct queue *q, struct cold_job *j)
{
	j->next = NULL;
	*q->last = j;
	q->last = &j->next;
}

static struct cold_job *queue_take(struct queue *q)
{
	struct cold_job *j = q->first;

	if (!j)
		return NULL;
	q->first = j->next;
	if (!q->first)
		q->last = &q->first;
	return j;
}

static void job_free(struct cold_job *j)
{
	close(j->fd);
	free(j);
}

/* ---- the threads ---- */

/* Into the page cache; what goes wrong is told to whoever reads it then. */
static void fetch(const struct cold_job *j, char *to)
{
	uint64_t at = j->at;
	ssize_t n = 1;

	while (n > 0 && at < j->end) {
		n = pread(j->fd, to, j->end - at < CHUNK ? (size_t)(j->end - at) : CHUNK, (off_t)at);
		at += n > 0 ? (uint64_t)n : 0;
		n = n < 0 && errno == EINTR ? 1 : n;
	}
}

static void *reader(void *arg)
{
	struct cold *c = arg;
	char *chunk = malloc(CHUNK); /* without it the jobs are given back as they are */
	struct cold_job *j;
	uint64_t one = 1;

	pthread_mutex_lock(&c->lock);
	while (!c->stop) {
		j = queue_take(&c->todo);
		if (!j) {
			pthread_cond_wait(&c->wake, &c->lock);
			continue;
		}
		pthread_mutex_unlock(&c->lock);
		if (chunk)
			fetch(j, chunk);
		pthread_mutex_lock(&c->lock);
		queue_add(&c->done, j);
		if (write(c->s->done.fd, &one, sizeof(one)) < 0)
			log_error("eventfd", NULL);
	}
	pthread_mutex_unlock(&c->lock);
	free(chunk);
	return NULL;
}

int cold_start(struct store *s)
{
	struct cold *c = calloc(1, sizeof(*c));

	if (!c)
		return -1;
	c->s = s;
	c->missing.fd = -1;
	c->todo.last = &c->todo.first;
	c->done.last = &c->done.first;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->wake, NULL);
	s->cold = c;
	for (; c->threads < THREADS; c->threads++) {
		errno = pthread_create(&c->thread[c->threads], NULL, reader, c);
		if (errno)
			return -1;
	}
	return 0;
}

void cold_stop(struct store *s)
{
	struct cold *c = s->cold;
	struct cold_job *j;

	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_broadcast(&c->wake);
	pthread_mutex_unlock(&c->lock);
	while (c->threads)
		pthread_join(c->thread[--c->threads], NULL);
	while ((j = queue_take(&c->todo)) || (j = queue_take(&c->done))) {
		if (j->reading)
			j->reading->job = NULL;
		job_free(j);
	}
	if (c->missing.fd >= 0)
		close(c->missing.fd);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->wake);
	free(c);
	s->cold = NULL;
}

/* ---- the loop ---- */

static int missing(struct cold *c, int fd, uint64_t at, uint64_t end)
{
	if (c->missing.fd >= 0)
		close(c->missing.fd);
	c->missing.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	c->missing.at = at;
	c->missing.end = end - at < FETCH_MAX ? end : at + FETCH_MAX;
	c->s->cold_reads++;
	errno = EAGAIN;
	return -1;
}

int cold_read(struct store *s, int fd, char *p, size_t n, uint64_t at, uint64_t end)
{
	int flags = s->cold && s->cold->nowait ? RWF_NOWAIT : 0;
	struct iovec iov;
	ssize_t done;

	while (n) {
		iov = (struct iovec){p, n};
		done = flags ? preadv2(fd, &iov, 1, (off_t)at, flags) : pread(fd, p, n, (off_t)at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0 && flags && errno == EAGAIN)
			return missing(s->cold, fd, at, end);
		if (done <= 0 && flags) {
			flags = 0; /* not every file system can tell */
			continue;
		}
		if (done <= 0) {
			if (!done)
				errno = EPROTO;
			return -1;
		}
		p += done;
		at += (uint64_t)done;
		n -= (size_t)done;
	}
	return 0;
}

void store_read_nowait(struct store *s, bool nowait)
{
	if (s->cold)
		s->cold->nowait = nowait;
}

int store_read_wait(struct store *s, struct store_reading *r)
{
	struct cold *c = s->cold;
	struct cold_job *j;

	if (!c || c->missing.fd < 0) {
		errno = ENOENT;
		return -1;
	}
	j = malloc(sizeof(*j));
	if (!j)
		return -1;
	*j = c->missing;
	j->reading = r;
	c->missing.fd = -1;
	r->job = j;
	pthread_mutex_lock(&c->lock);
	queue_add(&c->todo, j);
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	return 0;
}

void store_read_cancel(struct store_reading *r)
{
	if (r->job)
		r->job->reading = NULL;
	r->job = NULL;
}

void cold_done(struct store *s)
{
	struct cold *c = s->cold;
	struct store_reading *r;
	struct cold_job *j;

	while (c) {
		pthread_mutex_lock(&c->lock);
		j = queue_take(&c->done);
		pthread_mutex_unlock(&c->lock);
		if (!j)
			return;
		r = j->reading;
		job_free(j);
		if (r) {
			r->job = NULL;
			r->done(r);
		}
	}
}
