/* SPDX-License-Identifier: 0BSD */
/* The threads that hash, the queue towards them and the queue back. */
#include "core/auth/exchange.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

/* Each connection before login has one exchange at most. */
#define QUEUE_MAX CONFIG_PRELOGIN_CONNECTIONS
/* musl's 128 KB would do; libsasl2 has buffers of some KB on the stack. */
#define STACK_BYTES (256 * 1024)

static void push(struct auth_queue *q, struct auth_exchange *x)
{
	x->next = NULL;
	if (q->tail)
		q->tail->next = x;
	else
		q->head = x;
	q->tail = x;
	q->n++;
}

static struct auth_exchange *pop(struct auth_queue *q)
{
	struct auth_exchange *x = q->head;

	if (!x)
		return NULL;
	q->head = x->next;
	if (!q->head)
		q->tail = NULL;
	q->n--;
	return x;
}

static void take_out(struct auth_queue *q, struct auth_exchange *x)
{
	struct auth_exchange *before = NULL;

	for (struct auth_exchange *y = q->head; y != x; y = y->next)
		before = y;
	if (before)
		before->next = x->next;
	else
		q->head = x->next;
	if (q->tail == x)
		q->tail = before;
	q->n--;
}

/* Takes the next exchange, or waits for one; NULL when it is time to stop. */
static struct auth_exchange *next_exchange(struct auth *a)
{
	struct auth_exchange *x;

	pthread_mutex_lock(&a->lock);
	while (!a->pending.head && !a->stopping)
		pthread_cond_wait(&a->wake, &a->lock);
	x = a->stopping ? NULL : pop(&a->pending);
	if (x)
		x->waiting = false;
	pthread_mutex_unlock(&a->lock);
	return x;
}

/* A descriptor wakes the loop rather than loop_post(), which cannot be taken back. */
void auth_workers_hand_back(struct auth_exchange *x)
{
	struct auth *a = x->auth;
	const uint64_t one = 1;
	ssize_t ignored = 0;
	bool first;

	pthread_mutex_lock(&a->lock);
	first = !a->done.head;
	push(&a->done, x);
	pthread_mutex_unlock(&a->lock);
	if (first)
		ignored = write(a->ready.fd, &one, sizeof(one));
	(void)ignored;
}

static void *work(void *arg)
{
	struct auth *a = arg;
	struct auth_exchange *x;

	while ((x = next_exchange(a))) {
		auth_sasl_run(x);
		auth_workers_hand_back(x);
	}
	return NULL;
}

int auth_workers_start(struct auth *a)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int rc = 0;

	/* Signals are the loop's business. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	while (!rc && a->thread_count < CONFIG_AUTH_WORKERS) {
		rc = pthread_create(&a->threads[a->thread_count], &attr, work, a);
		if (!rc)
			a->thread_count++;
	}
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = rc;
	return a->thread_count ? 0 : -1;
}

void auth_workers_stop(struct auth *a)
{
	pthread_mutex_lock(&a->lock);
	a->stopping = true;
	pthread_cond_broadcast(&a->wake);
	pthread_mutex_unlock(&a->lock);
	while (a->thread_count)
		pthread_join(a->threads[--a->thread_count], NULL);
}

bool auth_workers_add(struct auth_exchange *x)
{
	struct auth *a = x->auth;
	bool room;

	pthread_mutex_lock(&a->lock);
	room = a->pending.n < QUEUE_MAX;
	if (room) {
		x->waiting = true;
		push(&a->pending, x);
		pthread_cond_signal(&a->wake);
	}
	pthread_mutex_unlock(&a->lock);
	return room;
}

bool auth_workers_cancel(struct auth_exchange *x)
{
	bool waiting;

	pthread_mutex_lock(&x->auth->lock);
	waiting = x->waiting;
	if (waiting)
		take_out(&x->auth->pending, x);
	x->waiting = false;
	pthread_mutex_unlock(&x->auth->lock);
	return waiting;
}

struct auth_exchange *auth_workers_done(struct auth *a)
{
	struct auth_exchange *x;

	pthread_mutex_lock(&a->lock);
	x = pop(&a->done);
	pthread_mutex_unlock(&a->lock);
	return x;
}
