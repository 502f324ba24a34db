/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_LIB_LOOP_H
#define CORE_LIB_LOOP_H

/*
 * One event loop per thread over epoll: descriptors, timers, jobs posted from other threads, and
 * work to do before sleeping.  Callbacks run on the loop's thread and must never wait.
 *
 * The owner embeds struct loop_fd / struct loop_timer in its own object; nothing is allocated.
 */

#include <stdbool.h>
#include <stdint.h>

struct loop;

struct loop_fd {
	int fd; /* -1: not registered */
	uint32_t events;
	/* events: EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR as epoll reports them (level-triggered). */
	void (*ready)(struct loop_fd *f, uint32_t events);
};

struct loop_timer {
	uint64_t due; /* monotonic milliseconds; 0 = not running */
	void (*fire)(struct loop_timer *t);
	struct loop_timer *prev, *next; /* the loop's */
	struct loop *loop;
};

/* A job another thread posts; runs once on the loop's thread.  Owned by the poster until it runs. */
struct loop_job {
	void (*run)(struct loop_job *j);
	struct loop_job *next;
};

/* Work to do once per turn, after the ready callbacks and before sleeping (commit a batch, flush
 * outputs).  Queued at most once; the callback may queue itself again for the next turn (the loop
 * then does not sleep). */
struct loop_idle {
	void (*run)(struct loop_idle *i);
	bool queued;
	struct loop_idle *next;
};

struct loop *loop_new(void); /* NULL + errno */
void loop_free(struct loop **l);
/* Runs until loop_stop().  0, or -1 + errno when epoll fails. */
int loop_run(struct loop *l);
/* Ends loop_run() after the present turn; from any thread. */
void loop_stop(struct loop *l);
/* One turn, waiting at most timeout_ms (-1 = as long as it takes): for tests and tools. */
int loop_turn(struct loop *l, int timeout_ms);

/* Monotonic milliseconds, read once per turn (outside a turn: read now). */
uint64_t loop_now(const struct loop *l);

/* Registers f->fd (already set, non-blocking) for EPOLLIN/EPOLLOUT bits; events 0 = only errors.
 * Takes no ownership of the descriptor.  0 / -1 + errno. */
int loop_add(struct loop *l, struct loop_fd *f, uint32_t events);
int loop_set(struct loop *l, struct loop_fd *f, uint32_t events);
/* Safe inside any callback: events already fetched for f this turn are dropped. */
void loop_del(struct loop *l, struct loop_fd *f);

/* (Re)starts; never early, at most a few milliseconds late; order of equal times is free.
 * A zeroed timer with `fire` set may be started and stopped.  O(1), so a session may restart its
 * timeout at every input. */
void loop_timer_start(struct loop *l, struct loop_timer *t, uint64_t delay_ms);
void loop_timer_stop(struct loop_timer *t);

void loop_idle_add(struct loop *l, struct loop_idle *i);
/* Takes it back, also inside another idle callback; before its owner is freed. */
void loop_idle_del(struct loop *l, struct loop_idle *i);

/* From any thread. */
void loop_post(struct loop *l, struct loop_job *j);

#endif
