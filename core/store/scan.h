/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_STORE_SCAN_H
#define CORE_STORE_SCAN_H

/*
 * Reading segments without trusting a byte of them: for redo, `satchel dump` and the fuzz target.
 * A source is a file or an image in memory.
 */

#include "core/store/format.h"

struct scan_source {
	int fd;           /* -1: mem */
	struct str mem;
	uint64_t size;
};

/* Replaces out's contents with n bytes at `at`.  0 / -1: EPROTO past the end, or the read's errno. */
int scan_read(const struct scan_source *src, uint64_t at, uint64_t n, struct buf *out);
/* 1 a valid header; 0 none; -1 + errno (ENOTSUP newer version). */
int scan_header(const struct scan_source *src, const struct format_key *k, uint64_t at,
	struct batch_header *h_r);
/* Header and metadata (into meta), both valid and inside the source: 1; else 0; -1 + errno. */
int scan_batch(const struct scan_source *src, const struct format_key *k, uint64_t at,
	struct batch_header *h_r, struct buf *meta);
/* Moves *at (aligned) to the next valid batch at or after it.  1 / 0 / -1. */
int scan_next(const struct scan_source *src, const struct format_key *k, uint64_t *at,
	struct batch_header *h_r);
/* The next record at or after *c whose number is from..to-1, whatever damaged bytes stand before it: a
 * damaged record costs itself, not its neighbours.  1 / 0. */
int scan_record(struct cursor *c, const struct format_key *k, uint64_t from, uint64_t to, struct record *r_r);
/* Does the segment's header say the name that it has?  1 yes, or it cannot be read / 0 no: *first_r is
 * the right one / -1 a newer version wrote it, or errno. */
int scan_segment_name(const struct scan_source *src, const struct format_key *k, uint64_t named, uint64_t *first_r);
/* Do summary and body of a blob match their CRCs?  1 / 0 / -1 + errno. */
int scan_blob(const struct scan_source *src, uint64_t bodies_at, const struct record_blob *b);
/* Where the last byte that is not zero ends; `at` if there is none after it. */
uint64_t scan_content_end(const struct scan_source *src, uint64_t at);
/* Copies a range to a new file of a directory and syncs it.  0 / -1. */
int scan_copy(const struct scan_source *src, uint64_t at, uint64_t n, int dirfd, const char *name);

#endif
