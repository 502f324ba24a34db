/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_STORE_MAP_H
#define CORE_STORE_MAP_H

/*
 * The blob map on disk: runs.  A run is an immutable file of entries sorted by blob id, written by a
 * checkpoint; a newer run's entry hides an older one's.  Each checkpoint writes one run of what
 * changed, merged with the runs before it that are not much larger, so that there are few runs
 * (O(log entries)) and an entry is written O(log entries) times in all.
 *
 * Of a run only the id of every 64th entry is kept in memory (1/512 of the file); a look-up is one
 * read of 4 KiB from the page cache in each run whose ids span the one sought.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/store/checkpoint.h"

#define MAP_FENCE 64 /* entries between two ids in memory: 4 KiB */
#define MAP_RUNS_MAX 24

void map_run_name(char name[CHECKPOINT_NAME_MAX], uint64_t number);
/* Opens run `number`, checks header and fences.  0; -1 + errno: EPROTO damaged, ENOTSUP newer. */
int map_run_open(int dirfd, const struct format_key *k, uint64_t number, struct map_run *r_r);
void map_run_close(struct map_run *r);
/* 1 found, 0 not in it, -1 + errno: cannot read, EPROTO damaged. */
int map_run_find(const struct map_run *r, const struct format_key *k, uint64_t id,
	struct map_entry *e_r);

/* Reads entries one after the other: from a run, or from an array. */
struct map_source {
	const struct map_run *run; /* NULL: the array */
	const struct map_entry *v;
	uint64_t at, count;
	struct buf bytes;
	struct cursor c;
	struct map_entry now;      /* valid after map_source_next() returned 1 */
	uint64_t damaged;
};
/* 1; 0 at the end; -1 + errno.  Damaged entries are passed over and counted. */
int map_source_next(struct map_source *src, const struct format_key *k);

/* Merges n sources, the newest first, into a new synced file.  last: nothing older lies below, so
 * entries of blobs that are gone are left out.  *r_r is then open.  0 / -1 + errno. */
int map_merge(int dirfd, const struct format_key *k, uint64_t number, struct map_source *src, size_t n,
	bool last, struct map_run *r_r);

#endif
