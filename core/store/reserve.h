/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_STORE_RESERVE_H
#define CORE_STORE_RESERVE_H

/*
 * What keeps a full disk from being the end: `reserve`, a file of the spool that holds nothing but
 * blocks.  New mail is refused while the free blocks and these together are fewer than it should have
 * and a little more.  Whatever makes room (EXPUNGE, checkpoints, compaction) goes on, and where the
 * disk has no block left for it the file is cut, slice by slice, so that nobody else gets all of it.
 * It is made whole again when there is room.  Nobody reads it, so it is never synced.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/lib/buf.h"
#include "core/lib/loop.h"

struct store;

struct reserve {
	struct store *owner;
	pthread_mutex_t lock; /* guards the file and changes of held */
	int fd;
	uint64_t want, floor;
	uint64_t held;        /* bytes of it that are there: atomic */
	bool starved;         /* no block was left, whatever the disk's figures say (quotas), and the file is
	                         not whole since: atomic */
	bool unable;          /* this file system cannot: atomic */
	/* the loop's */
	bool refusing;
	bool starving;        /* starved, when it last looked: operations of one turn get one answer */
	uint64_t space, checked; /* free bytes; when that was, 0 = never */
	uint64_t reclaimed;
	struct loop_timer timer;
	/* figures: atomic */
	uint64_t given;
};


/* Looks at the file, or makes an empty one; bytes: how large it should be, at most an eighth of the
 * disk.  A spool without one works, less well.  0 / -1 ENOMEM. */
int reserve_open(struct store *s, uint64_t bytes);
void reserve_close(struct store *s);
/* After a write of the log that failed, and that may be done again (never after a sync): if errno says
 * that the disk is full, gives back at least so many bytes for it.  true: try again.  Any thread. */
bool reserve_give(struct store *s, uint64_t bytes);
/* The same for a checkpoint, which leaves a quarter to the log. */
bool reserve_give_checkpoint(struct store *s);
/* Before a checkpoint is written: gives back what is missing for so many bytes, but for that quarter. */
void reserve_prepare(struct store *s, uint64_t bytes);
/* Takes what the disk has to make the file whole; may wait for it.  0 it is as it should be, or there
 * is nothing to be had / -1 + errno.  Any thread. */
int reserve_take(struct store *s);
/* Would a file of so many bytes leave room for mail?  Any thread. */
bool reserve_allows(const struct store *s, uint64_t bytes);

/* ---- on the loop ---- */

/* The disk has much less free than a moment ago. */
void reserve_spent(struct store *s);
/* Bytes that may be written by what makes room. */
uint64_t reserve_room(struct store *s);
/* Of those, what compaction must leave to checkpoints and the log. */
uint64_t reserve_kept(const struct store *s);
/* Is new mail refused whatever its size? */
bool reserve_refuses(struct store *s);
/* Is there disk space for so many bytes of new mail?  0, or -1 ENOSPC. */
int space_left(struct store *s, uint64_t bytes);
/* The same for changes that neither bring mail nor make room (flags): they may use half of it. */
int space_for_changes(struct store *s);
/* Looks whether mail is refused now, says it in the log, and goes on looking while it is. */
void reserve_look(struct store *s);
void reserve_stat(struct store *s, struct buf *out);
/* For tools: a line on the disk of a spool that no server has open, and what to do if it is full. */
void reserve_describe(int dirfd, struct buf *out);

#endif
