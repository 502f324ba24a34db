/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_STORE_GENERATION_H
#define CORE_STORE_GENERATION_H

/*
 * A generation: an immutable file of keys and values in kv/, written once, named by a number that is
 * never used again.  It is a TinyCDB with a checksum for each page behind it, and its bytes are read
 * through the page cache page by page, each verified before it is believed: nothing is loaded whole,
 * and a damaged page costs the keys in it, never a wrong answer.
 *
 * Keys here are u16 space and the space's own key; values are u64 LSN (top bit: removed) and bytes.
 * Readers may be used from any thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/store/format.h"

#define GENERATION_PAGE 4096u
#define GENERATION_TAIL 64u
#define GENERATION_BYTES_MAX ((uint64_t)2 << 30) /* TinyCDB ends at 4 GB */
#define GENERATION_NAME_SIZE 26 /* 16 hex digits, "-" and 4 more for daily ones, ".cdb", NUL */

/* Stacks that never mix: the keys that stay, and those of each space that expires by the day, whose
 * stack bears the number of the space. */
#define GENERATION_KEPT 0

struct generation {
	int fd;
	uint64_t number;
	uint16_t class;
	uint64_t size;     /* of the TinyCDB */
	uint64_t entries;
	uint64_t last;     /* newest LSN in it */
	uint32_t *crc;     /* of each page */
	struct {
		uint32_t at, n;
	} table[256];      /* the TinyCDB's header */
};

void generation_name(char name[GENERATION_NAME_SIZE], uint64_t number, unsigned class);
/* Opens and verifies the tail, the page checksums and the header.  NULL: one line in error. */
struct generation *generation_open(int dirfd, uint64_t number, unsigned class,
	const struct format_key *k, struct buf *error);
/* Moves *at to the first byte of the next page at or after it that does not match its CRC, or cannot
 * be read.  1 (errno says which: EPROTO damaged) / 0: all that follows is good. */
int generation_next_damage(const struct generation *g, uint64_t *at);
void generation_free(struct generation **g);

struct generation_value {
	uint64_t lsn;
	bool removed;
};
/* 1 found (its bytes, if any are wanted, appended to out), 0 not there, -1 + errno: EPROTO damaged,
 * EIO. */
int generation_find(const struct generation *g, uint16_t space, struct str key,
	struct generation_value *v_r, struct buf *out);

/* Calls each() for all entries in the order of writing until it returns non-zero, and returns that;
 * -1 + errno EPROTO where a page is damaged. */
int generation_each(const struct generation *g, int (*each)(void *arg, uint16_t space, struct str key,
	const struct generation_value *v, struct str value), void *arg);

/* ---- writing ---- */

struct generation_writer;

/* NULL + errno. */
struct generation_writer *generation_create(int dirfd, uint64_t number, unsigned class);
int generation_add(struct generation_writer *w, uint16_t space, struct str key,
	const struct generation_value *v, struct str value);
/* Writes tables, checksums and tail, syncs the file (not its directory); takes the writer. */
int generation_finish(struct generation_writer **w, const struct format_key *k);
/* Gives up: the file stays behind for the next start to remove. */
void generation_abandon(struct generation_writer **w);

#endif
