/* SPDX-License-Identifier: 0BSD */
#include "core/lib/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/lib/log.h"

/*
 * Timers live in two wheels, so that a session may restart its timeout at every input for the
 * price of a list insertion.  Near: 1024 slots of 4 ms, exact to a slot.  Far: 1024 slots of 1 s;
 * a second before they are due its timers move to the near wheel.  A timer further away than the
 * far wheel reaches stays in its slot for another turn of it.
 */
#define SLOTS    1024u
#define NEAR_MS  4u
#define FAR_MS   1000u
#define NEAR_TOP ((SLOTS - 2) * NEAR_MS)

#define EVENTS 64

struct wheel {
	struct loop_timer *slot[SLOTS];
	uint64_t used[SLOTS / 64]; /* a bit per slot that may hold timers */
	uint64_t tick;             /* the last one that was looked at */
};

struct loop {
	int epoll, wake;
	atomic_bool stop;
	uint64_t now;
	bool turning, woken;
	struct epoll_event events[EVENTS];
	int n_events, at_event;
	struct wheel near, far;
	struct loop_timer *expired;
	struct loop_idle *idle, **idle_tail;
	pthread_mutex_t lock; /* guards the jobs */
	struct loop_job *jobs, **jobs_tail;
};

static uint64_t clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

struct loop *loop_new(void)
{
	struct loop *l = calloc(1, sizeof(*l));
	struct epoll_event ev = {.events = EPOLLIN};
	int saved;

	if (!l)
		return NULL;
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0)
		goto free_loop;
	l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->wake < 0)
		goto close_epoll;
	ev.data.ptr = l; /* no descriptor of anybody's */
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->wake, &ev))
		goto close_wake;
	pthread_mutex_init(&l->lock, NULL);
	l->idle_tail = &l->idle;
	l->jobs_tail = &l->jobs;
	l->now = clock_ms();
	l->near.tick = l->now / NEAR_MS;
	l->far.tick = l->now / FAR_MS;
	return l;

close_wake:
	close(l->wake);
close_epoll:
	close(l->epoll);
free_loop:
	saved = errno;
	free(l);
	errno = saved;
	return NULL;
}

void loop_free(struct loop **l)
{
	if (!*l)
		return;
	close((*l)->epoll);
	close((*l)->wake);
	pthread_mutex_destroy(&(*l)->lock);
	free(*l);
	*l = NULL;
}

uint64_t loop_now(const struct loop *l)
{
	return l->turning ? l->now : clock_ms();
}

/* ---- descriptors ---- */

int loop_add(struct loop *l, struct loop_fd *f, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = f};

	f->events = events;
	return epoll_ctl(l->epoll, EPOLL_CTL_ADD, f->fd, &ev);
}

int loop_set(struct loop *l, struct loop_fd *f, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = f};

	if (f->events == events)
		return 0;
	f->events = events;
	return epoll_ctl(l->epoll, EPOLL_CTL_MOD, f->fd, &ev);
}

void loop_del(struct loop *l, struct loop_fd *f)
{
	if (f->fd < 0)
		return;
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, f->fd, NULL);
	for (int i = l->at_event; i < l->n_events; i++) {
		if (l->events[i].data.ptr == f)
			l->events[i].data.ptr = NULL;
	}
}

/* ---- timers ---- */

static void push(struct loop_timer **head, struct loop_timer *t)
{
	t->prev = NULL;
	t->next = *head;
	if (*head)
		(*head)->prev = t;
	*head = t;
}

static void unlink_timer(struct loop_timer *t)
{
	struct loop *l = t->loop;
	struct loop_timer **near = &l->near.slot[t->due / NEAR_MS % SLOTS];
	struct loop_timer **far = &l->far.slot[t->due / FAR_MS % SLOTS];

	if (t->next)
		t->next->prev = t->prev;
	if (t->prev)
		t->prev->next = t->next;
	else if (*near == t)
		*near = t->next;
	else if (*far == t)
		*far = t->next;
	else if (l->expired == t)
		l->expired = t->next;
}

static void place(struct loop *l, struct loop_timer *t)
{
	bool is_near = t->due <= l->near.tick * NEAR_MS + NEAR_TOP;
	struct wheel *w = is_near ? &l->near : &l->far;
	unsigned slot = t->due / (is_near ? NEAR_MS : FAR_MS) % SLOTS;

	push(&w->slot[slot], t);
	w->used[slot / 64] |= (uint64_t)1 << slot % 64;
}

void loop_timer_start(struct loop *l, struct loop_timer *t, uint64_t delay_ms)
{
	loop_timer_stop(t);
	t->loop = l;
	t->due = loop_now(l) + delay_ms;
	/* A slot behind the hand would be met only a whole turn later. */
	if (t->due < l->near.tick * NEAR_MS)
		t->due = l->near.tick * NEAR_MS;
	if (!t->due)
		t->due = 1;
	place(l, t);
}

void loop_timer_stop(struct loop_timer *t)
{
	if (!t->due)
		return;
	unlink_timer(t);
	t->due = 0;
}

/* How many ticks after w->tick the first slot in use is (1 .. SLOTS, where SLOTS means the slot of
 * the present tick), or 0 when all are empty. */
static unsigned next_used(struct wheel *w)
{
	for (unsigned i = 1; i <= SLOTS; i++) {
		unsigned slot = (unsigned)((w->tick + i) % SLOTS);
		uint64_t word = w->used[slot / 64] >> slot % 64;

		if (!word) {
			i += 63 - slot % 64;
			continue;
		}
		i += (unsigned)__builtin_ctzll(word);
		slot = (unsigned)((w->tick + i) % SLOTS);
		if (!w->slot[slot])
			w->used[slot / 64] &= ~((uint64_t)1 << slot % 64);
		else if (i <= SLOTS)
			return i;
	}
	return 0;
}

/* Takes what is due (or, from the far wheel, nearly due) out of the slots the hand passed. */
static void advance(struct loop *l, struct wheel *w, unsigned tick_ms, uint64_t horizon)
{
	uint64_t to = horizon / tick_ms, from = w->tick;

	if (to - from >= SLOTS)
		from = to - SLOTS + 1;
	w->tick = to;
	for (uint64_t tick = from; tick <= to; tick++) {
		struct loop_timer *t = w->slot[tick % SLOTS], *next;

		for (; t; t = next) {
			next = t->next;
			if (t->due / tick_ms > to || (w == &l->near && t->due > l->now))
				continue;
			unlink_timer(t);
			if (w == &l->near)
				push(&l->expired, t);
			else
				place(l, t);
		}
	}
}

static void fire_timers(struct loop *l)
{
	struct loop_timer *t;

	advance(l, &l->near, NEAR_MS, l->now);
	/* A far slot is emptied one second ahead, which the near wheel covers. */
	advance(l, &l->far, FAR_MS, l->now + FAR_MS);
	while ((t = l->expired) != NULL) {
		l->expired = t->next;
		if (t->next)
			t->next->prev = NULL;
		t->due = 0;
		t->fire(t);
	}
}

/* Milliseconds until the first slot in use is over, or -1. */
static int64_t timer_wait(struct loop *l)
{
	unsigned near = next_used(&l->near), far = next_used(&l->far);
	uint64_t at = UINT64_MAX;

	if (l->near.slot[l->near.tick % SLOTS])
		at = (l->near.tick + 1) * NEAR_MS;
	else if (near)
		at = (l->near.tick + near + 1) * NEAR_MS;
	if (far && (l->far.tick + far - 1) * FAR_MS < at)
		at = (l->far.tick + far - 1) * FAR_MS;
	if (at == UINT64_MAX)
		return -1;
	return at > l->now ? (int64_t)(at - l->now) : 0;
}

/* ---- work ---- */

void loop_idle_add(struct loop *l, struct loop_idle *i)
{
	if (i->queued)
		return;
	i->queued = true;
	i->next = NULL;
	*l->idle_tail = i;
	l->idle_tail = &i->next;
}

void loop_idle_del(struct loop *l, struct loop_idle *i)
{
	if (!i->queued)
		return;
	for (struct loop_idle **p = &l->idle; *p; p = &(*p)->next) {
		if (*p != i)
			continue;
		*p = i->next;
		if (l->idle_tail == &i->next)
			l->idle_tail = p;
		break;
	}
	i->queued = false;
}

/* Runs what was queued before this turn's end, and not what these callbacks queue again: a mark
 * in the list tells them apart, and loop_idle_del() keeps working on all of it. */
static void run_idle(struct loop *l)
{
	struct loop_idle mark = {.queued = false}, *i;

	if (!l->idle)
		return;
	loop_idle_add(l, &mark);
	while ((i = l->idle) != NULL) {
		l->idle = i->next;
		if (!l->idle)
			l->idle_tail = &l->idle;
		i->queued = false;
		if (i == &mark)
			return;
		i->run(i);
	}
}

static void wake(struct loop *l)
{
	uint64_t one = 1;
	ssize_t ignored = write(l->wake, &one, sizeof(one));

	(void)ignored; /* EAGAIN: it is awake already */
}

void loop_post(struct loop *l, struct loop_job *j)
{
	bool first;

	j->next = NULL;
	pthread_mutex_lock(&l->lock);
	first = l->jobs == NULL;
	*l->jobs_tail = j;
	l->jobs_tail = &j->next;
	pthread_mutex_unlock(&l->lock);
	if (first)
		wake(l);
}

static void run_jobs(struct loop *l)
{
	struct loop_job *j, *next;
	uint64_t count;
	ssize_t ignored;

	if (!l->woken)
		return;
	l->woken = false;
	ignored = read(l->wake, &count, sizeof(count));
	(void)ignored;
	pthread_mutex_lock(&l->lock);
	j = l->jobs;
	l->jobs = NULL;
	l->jobs_tail = &l->jobs;
	pthread_mutex_unlock(&l->lock);
	for (; j; j = next) {
		next = j->next;
		j->run(j);
	}
}

/* ---- the loop ---- */

void loop_stop(struct loop *l)
{
	atomic_store(&l->stop, true);
	wake(l);
}

int loop_turn(struct loop *l, int timeout_ms)
{
	int64_t wait;
	int n;

	l->now = clock_ms();
	wait = l->idle ? 0 : timer_wait(l);
	if (wait < 0 || (timeout_ms >= 0 && wait > timeout_ms))
		wait = timeout_ms;
	if (wait > 3600 * 1000)
		wait = 3600 * 1000;
	n = epoll_wait(l->epoll, l->events, EVENTS, (int)wait);
	if (n < 0 && errno != EINTR)
		return -1;
	l->now = clock_ms();
	l->turning = true;
	l->n_events = n < 0 ? 0 : n;
	for (l->at_event = 0; l->at_event < l->n_events;) {
		struct epoll_event *ev = &l->events[l->at_event++];
		struct loop_fd *f = ev->data.ptr;

		if (ev->data.ptr == l)
			l->woken = true;
		else if (f)
			f->ready(f, ev->events);
	}
	l->n_events = 0;
	run_jobs(l);
	fire_timers(l);
	log_flush(); /* before the answers that run_idle() sends */
	run_idle(l);
	log_flush();
	l->turning = false;
	return 0;
}

int loop_run(struct loop *l)
{
	int answer = 0;

	log_gather(true);
	while (!answer && !atomic_load(&l->stop))
		answer = loop_turn(l, -1);
	log_gather(false);
	if (!answer)
		atomic_store(&l->stop, false);
	return answer;
}
