/* SPDX-License-Identifier: 0BSD */
#include "core/conn.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/lib/vec.h"

/* One read takes at most this much; one buffer of this size serves all connections in turn. */
#define CHUNK     (64 * 1024)
#define SPARES    4
#define CLOSE_MS  10000
#define LINGER_MS 2000

#define OWNER(ptr, member) ((struct conn *)((char *)(ptr) - offsetof(struct conn, member)))

/*
 * Buffers that go from connection to connection on one thread.  A connection has one only while it
 * holds bytes; larger than what is left over is never kept (settle_input), so many half lines do
 * not pin many chunks, and the allocator (musl: mmap and munmap at this size) is left in peace.
 */
static __thread struct {
	struct { char *p; size_t cap; } v[SPARES];
	unsigned n;
} spares;

static void spare_take(struct buf *b)
{
	if (b->data || b->max || !spares.n)
		return;
	spares.n--;
	b->data = spares.v[spares.n].p;
	b->cap = spares.v[spares.n].cap;
	b->off = 0;
}

/* Gives an empty buffer's memory to the spares or back to the system. */
static void spare_give(struct buf *b)
{
	if (b->len || !b->data)
		return;
	if (b->cap < CHUNK || b->cap > 4 * CHUNK || spares.n == SPARES) {
		buf_trim(b);
		return;
	}
	spares.v[spares.n].p = b->data;
	spares.v[spares.n++].cap = b->cap;
	b->data = NULL;
	b->off = b->cap = 0;
}

/* ---- state ---- */

static bool wants_input(const struct conn *c)
{
	return !c->eof && !c->dead && !c->closing && !c->paused && c->in.len < c->in_max;
}

/* Tells epoll and the timer what the present state needs; costs a system call only on a change. */
static void watch(struct conn *c)
{
	uint32_t events = (wants_input(c) || c->linger ? EPOLLIN : 0) | (c->blocked ? EPOLLOUT : 0);
	bool timed = c->closing || !c->paused || c->blocked;

	if (c->dead)
		return;
	if (!events && c->hup) {
		/* A hang-up is reported whether asked for or not: the loop would spin. */
		if (c->watched)
			loop_del(c->loop, &c->io);
		c->watched = false;
	} else if (!c->watched) {
		c->watched = loop_add(c->loop, &c->io, events) == 0;
		if (!c->watched)
			conn_abort(c);
	} else if (loop_set(c->loop, &c->io, events)) {
		conn_abort(c);
	}
	if (timed && !c->timer.due && c->timeout_ms)
		loop_timer_start(c->loop, &c->timer, c->timeout_ms);
	else if (!timed)
		loop_timer_stop(&c->timer);
}

/* The last thing: nothing of c is touched after closed(). */
static void finish(struct conn *c)
{
	c->dead = true;
	loop_idle_del(c->loop, &c->flush);
	loop_timer_stop(&c->timer);
	if (c->waiting)
		store_wait_cancel(&c->waiter);
	c->waiting = false;
	if (c->watched)
		loop_del(c->loop, &c->io);
	c->watched = false;
	close(c->io.fd);
	c->io.fd = -1;
	c->closed(c);
}

/* ---- input ---- */

/* An idle connection owns nothing, one with a half line just that much. */
static void settle_input(struct conn *c)
{
	struct buf rest = {.max = c->in.max};

	if (!c->in.len) {
		spare_give(&c->in);
		return;
	}
	if (c->in.cap < CHUNK || c->in.len > c->in.cap / 4)
		return;
	if (buf_addstr(&rest, buf_str(&c->in)))
		return;
	buf_clear(&c->in);
	spare_give(&c->in);
	c->in = rest;
}

static void call_input(struct conn *c)
{
	c->wake = false;
	spare_take(&c->out);
	c->input(c);
	if (!c->out.len)
		spare_give(&c->out);
	settle_input(c);
}

/* Room for a read, in a spare chunk where what is held fits into it. */
static char *input_room(struct conn *c, size_t n)
{
	struct buf chunk = {0};

	if (c->in.cap - c->in.len >= n || c->in.len > CHUNK / 4)
		return buf_reserve(&c->in, n);
	spare_take(&chunk);
	if (!buf_reserve(&chunk, c->in.len + n < CHUNK ? CHUNK : c->in.len + n))
		return NULL;
	buf_addstr(&chunk, buf_str(&c->in));
	buf_clear(&c->in);
	spare_give(&c->in);
	chunk.max = c->in.max;
	c->in = chunk;
	return buf_reserve(&c->in, n);
}

static void read_input(struct conn *c)
{
	size_t n = c->in_max - c->in.len;
	char *to;
	ssize_t got;

	if (n > CHUNK / 2)
		n = CHUNK / 2;
	to = input_room(c, n);
	if (!to) {
		conn_abort(c);
		return;
	}
	got = recv(c->io.fd, to, n, MSG_DONTWAIT);
	if (got < 0) {
		settle_input(c);
		if (errno != EAGAIN && errno != EINTR)
			conn_abort(c);
		return;
	}
	buf_commit(&c->in, (size_t)got);
	c->received += (uint64_t)got;
	c->eof = got == 0;
	if (c->timeout_ms)
		loop_timer_start(c->loop, &c->timer, c->timeout_ms);
	call_input(c);
}

/* Unread input would make close() send a reset, which can take our last words from the peer. */
static void discard_input(struct conn *c)
{
	char waste[4096];
	ssize_t got = recv(c->io.fd, waste, sizeof(waste), MSG_DONTWAIT);

	if (got > 0 && !c->linger) {
		c->linger = true;
		shutdown(c->io.fd, SHUT_WR);
		loop_timer_start(c->loop, &c->timer, LINGER_MS);
	} else if (got == 0 || (got < 0 && (!c->linger || errno != EAGAIN))) {
		c->dead = true;
	}
}

static void on_ready(struct loop_fd *f, uint32_t events)
{
	struct conn *c = OWNER(f, io);

	if (events & EPOLLERR) {
		conn_abort(c);
		return;
	}
	if (events & EPOLLHUP)
		c->hup = true;
	if (events & EPOLLOUT) {
		c->blocked = false;
		loop_idle_add(c->loop, &c->flush);
	}
	if (events & (EPOLLIN | EPOLLHUP)) {
		if (c->linger)
			discard_input(c);
		else if (wants_input(c))
			read_input(c);
	}
	if (c->dead)
		conn_abort(c);
	watch(c);
}

/* ---- output ---- */

static void on_durable(struct store_waiter *w, int error)
{
	struct conn *c = OWNER(w, waiter);

	c->waiting = false;
	c->error = error;
	loop_idle_add(c->loop, &c->flush);
}

/* Lets go what has become durable; returns how many bytes of out may leave. */
static size_t release(struct conn *c)
{
	uint64_t durable = store_durable(c->store);
	size_t k = 0;

	while (k < c->holds.n && c->holds.v[k].lsn <= durable)
		c->released = c->holds.v[k++].upto;
	c->holds.n -= k;
	if (k && c->holds.n)
		memmove(c->holds.v, c->holds.v + k, c->holds.n * sizeof(*c->holds.v));
	if (!c->holds.n)
		return c->out.len;
	if (!c->waiting) {
		c->waiting = true;
		store_wait(c->store, &c->waiter, c->holds.v[0].lsn);
	}
	return c->released > c->sent ? (size_t)(c->released - c->sent) : 0;
}

static void drop_held(struct conn *c)
{
	struct buf held = {0};
	size_t keep;
	int error = c->error;

	keep = release(c);
	c->error = 0;
	if (!c->holds.n)
		return; /* all of it came true before the failure */
	c->holds.n = 0;
	if (c->waiting)
		store_wait_cancel(&c->waiter);
	c->waiting = false;
	buf_add(&held, buf_str(&c->out).p + keep, c->out.len - keep);
	c->out.len = keep;
	c->dropped = buf_str(&held);
	if (c->lost)
		c->lost(c, error);
	else
		conn_abort(c);
	c->dropped = STR_NULL;
	buf_free(&held);
}

static void write_output(struct conn *c)
{
	size_t n = release(c);
	ssize_t done;

	if (!n || c->blocked)
		return;
	do
		done = send(c->io.fd, buf_str(&c->out).p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (done < 0 && errno == EINTR);
	if (done < 0 && errno != EAGAIN) {
		c->dead = true;
		return;
	}
	if (done > 0) {
		buf_consume(&c->out, (size_t)done);
		c->sent += (uint64_t)done;
		/* A peer that reads slowly but reads is not idle. */
		if (c->timer.due && !c->closing)
			loop_timer_start(c->loop, &c->timer, c->timeout_ms);
	}
	c->blocked = done < 0 || (size_t)done < n;
}

static void settle_output(struct conn *c, bool wrote)
{
	bool drained = (c->was_full && c->out.len < CONN_OUT_HIGH / 2) || (wrote && !c->out.len);

	if (!c->out.len)
		spare_give(&c->out);
	if (conn_full(c))
		c->was_full = true;
	if (!drained)
		return;
	c->was_full = false;
	if (!c->drained || c->closing)
		return;
	spare_take(&c->out);
	c->drained(c);
	if (!c->out.len)
		spare_give(&c->out);
	settle_input(c);
}

static void on_flush(struct loop_idle *i)
{
	struct conn *c = OWNER(i, flush);
	uint64_t before = c->sent;

	if (!c->dead && c->error)
		drop_held(c);
	if (!c->dead && !c->out.failed && !c->linger)
		write_output(c);
	if (c->dead || c->out.failed) {
		finish(c);
		return;
	}
	if (c->closing && !c->out.len && !c->linger)
		discard_input(c);
	if (c->dead) {
		finish(c);
		return;
	}
	settle_output(c, c->sent != before);
	if (c->wake && !c->dead && !c->closing && !c->paused && (c->in.len || c->eof))
		call_input(c);
	watch(c);
}

static void on_timer(struct loop_timer *t)
{
	struct conn *c = OWNER(t, timer);

	/* The disk is slow, not the peer: it shall have its answer, and the store always ends a wait. */
	if (c->closing && c->waiting && !c->blocked) {
		loop_timer_start(c->loop, t, CLOSE_MS);
		return;
	}
	/* Paused: the timer runs only because the peer does not read what we say. */
	if (c->closing || c->paused || !c->timeout) {
		finish(c);
		return;
	}
	c->timeout(c);
	watch(c);
}

/* ---- for the owner ---- */

int conn_start(struct conn *c, struct loop *l, struct store *s, int fd, struct str unread)
{
	c->loop = l;
	c->store = s;
	c->io.fd = fd;
	c->io.ready = on_ready;
	c->flush.run = on_flush;
	c->timer.fire = on_timer;
	c->waiter.done = on_durable;
	if (unread.len && buf_addstr(&c->in, unread))
		goto close_fd;
	c->received = unread.len;
	if (loop_add(l, &c->io, c->in.len < c->in_max ? EPOLLIN : 0))
		goto free_in;
	c->watched = true;
	if (c->timeout_ms)
		loop_timer_start(l, &c->timer, c->timeout_ms);
	if (unread.len) {
		c->wake = true;
		loop_idle_add(l, &c->flush);
	}
	return 0;

free_in:
	buf_free(&c->in);
close_fd:
	close(fd);
	c->io.fd = -1;
	return -1;
}

void conn_barrier(struct conn *c, uint64_t lsn)
{
	uint64_t upto = c->sent + c->out.len;
	struct conn_hold h = {upto, lsn}, *last = c->holds.n ? &c->holds.v[c->holds.n - 1] : NULL;

	if (lsn <= store_durable(c->store) || (last && last->lsn >= lsn))
		return; /* nothing to wait for, or in order behind what waits longer */
	if (last && last->upto == upto)
		last->lsn = lsn;
	else if (vec_push(&c->holds, h))
		conn_abort(c);
}

void conn_send(struct conn *c)
{
	loop_idle_add(c->loop, &c->flush);
}

bool conn_full(const struct conn *c)
{
	return c->out.len > CONN_OUT_HIGH;
}

void conn_pause(struct conn *c, bool on)
{
	if (c->paused == on)
		return;
	c->paused = on;
	if (!on)
		c->wake = true;
	loop_idle_add(c->loop, &c->flush);
}

void conn_close(struct conn *c)
{
	if (c->closing)
		return;
	c->closing = true;
	loop_timer_start(c->loop, &c->timer, CLOSE_MS);
	loop_idle_add(c->loop, &c->flush);
}

void conn_abort(struct conn *c)
{
	c->dead = true;
	loop_idle_add(c->loop, &c->flush);
}

size_t conn_bytes(const struct conn *c)
{
	return c->in.cap + c->out.cap + c->holds.cap * sizeof(*c->holds.v);
}

void conn_free(struct conn *c)
{
	buf_clear(&c->in);
	spare_give(&c->in);
	buf_clear(&c->out);
	spare_give(&c->out);
	free(c->holds.v);
	c->holds.v = NULL;
	c->holds.n = c->holds.cap = 0;
}
