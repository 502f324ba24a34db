/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_STORE_COMPACT_H
#define CORE_STORE_COMPACT_H

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

int compact_start(struct store *s);
void compact_stop(struct store *s);
/* Begins with the segment that has least to carry, if one is less than half alive. */
void compact_consider(struct store *s);
/* Carries all there is to carry, and waits.  0 / -1 + errno. */
int compact_now(struct store *s);

#endif
