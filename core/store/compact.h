/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_STORE_COMPACT_H
#define CORE_STORE_COMPACT_H

#include "core/store/checkpoint.h"
#include "core/store/state.h"

/* The segment being carried over, and how far. */
struct compaction {
	struct store *s;
	struct segment *g;   /* NULL: none */
	uint64_t at;         /* of the next batch */
	struct batch_header h;
	struct buf meta;
	struct cursor c;     /* in meta */
	size_t record_at;
	uint64_t lsn;        /* of the record being carried */
	uint64_t moved;      /* bytes of this slice */
	uint64_t barrier;    /* LSN of the last slice */
	struct loop_timer timer;
};

/* Is a segment being carried over? */
bool compact_runs(const struct store *s);
int compact_start(struct store *s);
void compact_stop(struct store *s);
/* Begins with the segment that has least to carry, if one is less than half alive. */
void compact_consider(struct store *s);
/* Carries all there is to carry, and waits.  0 / -1 + errno. */
int compact_now(struct store *s);

/* Segments that nothing needs once a checkpoint stands.  On the loop, before its list of segments: notes
 * them.  0 / -1 ENOMEM. */
int segments_unused(struct checkpoint_job *job);
/* In its thread, when it stands: removes them. */
void segments_remove(struct checkpoint_job *job);
/* On the loop: forgets those that were removed. */
void segments_forget(struct checkpoint_job *job);

#endif
