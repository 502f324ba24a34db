/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_CONN_H
#define CORE_CONN_H

/*
 * A client connection of a session in the mail role: bounded input, and output that leaves in order
 * and never before the store has made durable what it tells (the output barrier).
 *
 * Idle connections own no buffers: memory comes when bytes do and goes when they have left.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/lib/buf.h"
#include "core/lib/loop.h"
#include "core/store/store.h"

/* Output above which commands stop producing; they go on when it has drained below half. */
#define CONN_OUT_HIGH (64 * 1024)

struct conn_hold { /* bytes of out up to `upto` (counted from the start of all output) wait for lsn */
	uint64_t upto, lsn;
};

struct conn {
	struct loop_fd io;
	struct loop *loop;
	struct store *store;
	struct buf in;           /* unread client bytes */
	size_t in_max;           /* reading stops while in.len >= in_max */
	struct buf out;          /* bytes not yet written; append freely, then conn_send() */
	uint64_t sent;           /* total bytes that have left */
	uint64_t received;       /* total bytes that have come, with those that the gate had read */
	struct { struct conn_hold *v; size_t n, cap; } holds;
	struct store_waiter waiter;
	struct loop_idle flush;
	struct loop_timer timer; /* inactivity; restarted by every input */
	uint64_t timeout_ms;
	bool eof, closing, paused;
	/* conn.c's own */
	bool watched, blocked, hup, dead, linger, wake, was_full, waiting;
	int error;               /* of the store, until lost() was called */
	uint64_t released;       /* output before this count no longer waits */
	struct str dropped;      /* valid during lost(): the bytes that will never be sent */
	/* New bytes are in `in` (or eof: the peer sends no more, but may still read; the owner ends
	 * with conn_close()).  What is not consumed stays. */
	void (*input)(struct conn *c);
	/* Output has drained below CONN_OUT_HIGH / 2 after it was above, or all of it left.  May be
	 * NULL. */
	void (*drained)(struct conn *c);
	/* The connection ended: peer gone, write error, closing and all flushed.  The descriptor is
	 * closed already; the owner frees itself here.  Called once, never from within conn_* calls
	 * made by the owner (always from the loop). */
	void (*closed)(struct conn *c);
	/* No input for timeout_ms (never while paused). */
	void (*timeout)(struct conn *c);
	/* The store failed: what waits behind a barrier will never be true and is dropped from `out`
	 * (c->dropped shows it); the owner says so instead, and goes on with conn_close(). */
	void (*lost)(struct conn *c, int error);
};

/* fd is owned from now on; the callbacks, in_max and timeout_ms are set by the caller before.
 * `unread` (bytes the gate had read already) is put in front; input() is called from the loop soon
 * if there are any.  0 / -1 + errno (fd closed). */
int conn_start(struct conn *c, struct loop *l, struct store *s, int fd, struct str unread);
/* Everything in out since the last barrier waits until lsn is durable (0 or durable already: nothing
 * happens).  What is appended later leaves after it, as output is never reordered. */
void conn_barrier(struct conn *c, uint64_t lsn);
/* Output was appended: write it at the end of this turn. */
void conn_send(struct conn *c);
/* True while a command should stop producing output. */
bool conn_full(const struct conn *c);
/* Stops and resumes reading (a command is running and its successor must wait).  After a resume
 * input() is called from the loop if bytes are left over in `in`, or at eof. */
void conn_pause(struct conn *c, bool on);
/* Flush (behind barriers; a peer that does not read has ten seconds), then close; input is ignored
 * from now on. */
void conn_close(struct conn *c);
/* Close at once; closed() is still called, from the loop. */
void conn_abort(struct conn *c);
/* What it has allocated at this moment. */
size_t conn_bytes(const struct conn *c);
/* Frees buffers; call in closed(). */
void conn_free(struct conn *c);

#endif
