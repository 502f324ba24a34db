/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_STORE_LARGE_H
#define CORE_STORE_LARGE_H

/*
 * Messages in files of their own: large/ID holds the bytes of one body, the log its record and its
 * summary.  A file is written as large/ID.tmp while the message comes in, by the threads of a small
 * pool, and gets its name once all of it is on the disk; only then the record may join a batch.  A file
 * that has its name never changes.
 */

#include "core/store/state.h"

#define LARGE_CHUNK (64u * 1024) /* bytes handed to the pool at once */
#define LARGE_NAME_SIZE 24       /* 16 hex digits, ".tmp", NUL */

void large_name(char name[LARGE_NAME_SIZE], uint64_t id, const char *suffix);
/* 1 and the id if it is the name of a finished file, else 0. */
int large_name_read(const char *name, uint64_t *id_r);

/* ---- large.c: being written; on the loop ---- */

/* A file for a body from now on.  0 / -1 + errno: EIO (no more of them before a restart). */
int large_begin(struct body *b);
/* Hands what is in the body's buffer to the pool if that is idle and there is enough of it.
 * 0 / 1 the buffer is full / -1 + errno: what went wrong with the file. */
int large_feed(struct body *b);
bool large_full(const struct body *b);
/* The body is complete.  1: the file is being synced; 0 / -1 + errno afterwards. */
int large_finish(struct body *b);
/* The body goes; its file too if `unused`. */
void large_end(struct body *b, bool unused);
/* Nobody refers to the blob since the newest record: its file goes when a checkpoint is past that. */
void large_doom(struct store *s, uint64_t id);
/* A checkpoint was finished. */
void large_remove_doomed(struct store *s);

int large_start(struct store *s);
/* Takes what the pool has done. */
void large_done(struct store *s);
/* Waits until all that was ordered is done. */
void large_stop(struct store *s);

/* ---- large_file.c: reading ---- */

/* Appends bytes [offset, offset + n) of a body of `size` bytes, blocks checked.  0; -1 + errno: EPROTO
 * (reported by file and offset). */
int large_read(struct store *s, uint64_t id, uint64_t size, uint64_t offset, uint64_t n, struct buf *out);
/* Reads all of a file.  1 good; 0 damaged or not of this spool, *offset_r says where; -1 + errno. */
int large_verify(int dirfd, const struct format_key *k, uint64_t id, uint64_t *size_r,
	uint64_t *offset_r);
/* After an unclean end: removes files that nothing refers to; keep: moves them to lost/ instead.
 * 0 / -1 + errno. */
int large_sweep(struct store *s, bool keep);

#endif
