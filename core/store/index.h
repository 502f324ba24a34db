/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_STORE_INDEX_H
#define CORE_STORE_INDEX_H

/*
 * The messages of a mailbox: records of 128 bytes in its index file, read through the page cache,
 * and over them what changed since the last checkpoint.
 *
 * In memory is a directory: for each block of about 64 records their place and counts, half a byte
 * to one byte for a message, shared by all sessions; a Fenwick tree over the live counts finds
 * sequence numbers in O(log n).  It is read when the mailbox is first used.
 * Changes are kept with their block, in the layer `over`; a checkpoint freezes that layer and the
 * loop goes on with a new one (checkpoint_index.c).
 *
 * Loop only, except index_merge() of what is frozen.  "-1" is an errno: EIO or what read(2) said,
 * ENOMEM, or EBADMSG (a damaged file; logged with its name).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/store/format.h"
#include "core/store/ring.h"
#include "core/store/store.h"

#define INDEX_BLOCK 64 /* records */
#define INDEX_RUNS 6   /* of tombstones in a file */
#define INDEX_CACHE 8  /* blocks */
#define INDEX_FDS 8

struct store;
struct mailbox;

/* What a record in `over` stands over. */
enum index_was { INDEX_EXISTS = 1, INDEX_UNSEEN = 2, INDEX_DELETED = 4 };

struct index_entry {
	struct message msg; /* with MESSAGE_EXPUNGED: the record below it is gone */
	uint8_t was;
};

struct index_layer {
	uint32_t n, cap;
	struct index_entry v[]; /* by UID */
};

struct index_block {
	uint32_t first;  /* no UID of it is lower */
	uint32_t place;  /* of its records in the file, in units of 128 bytes */
	uint16_t stored; /* how many those are */
	uint16_t slots;  /* UIDs in file and layers: when it is full */
	uint16_t live, unseen, deleted;
	uint64_t bytes;
	uint64_t modseq; /* none of its messages has a higher one */
	struct index_layer *over, *frozen;
};

struct index_run {
	uint64_t at; /* byte in the file */
	uint32_t n;
};

struct index_tomb {
	uint64_t modseq;
	uint32_t uid;
};

struct index {
	struct index *next, **link; /* among those that differ from their file; link NULL: does not */
	struct mailbox *mailbox;
	bool frozen;        /* a checkpoint is writing it */
	bool idle, busy;    /* how its bytes are counted; account_cache.c */
	struct ring ring;   /* of those that may be forgotten */
	uint64_t bytes_held, layer_bytes; /* of memory: as counted; of that in layers */
	bool kept;          /* the newest generation holds changes over its file */
	uint32_t changed;   /* at least as many as there are entries in layers */
	bool rewrite;       /* the next checkpoint begins a new file */
	bool damaged;       /* a record was met that is: UIDs near it may be wrong */
	uint32_t top;       /* no UID is higher */
	uint32_t live, unseen, deleted;
	uint64_t bytes;
	uint32_t number, last_number; /* of its file; of the last one that was tried */
	uint64_t end;       /* of what is in the file, in units */
	struct {
		struct index_block *v;
		size_t n, cap;
	} blocks;
	uint32_t *tree;     /* [1..n]: live counts */
	size_t tree_cap;
	struct index_run run[INDEX_RUNS];
	unsigned runs;
	uint64_t floor;     /* modseq up to which tombstones were forgotten */
	struct {
		struct index_tomb *v; /* newer than those in the runs */
		size_t n, cap;
	} tombs;
	size_t tombs_frozen; /* the first so many of them are being written */
};

/* A block's live messages, merged. */
struct index_cached {
	const struct index *ix;
	size_t block, n, cap;
	uint64_t used;
	struct message *v;
};

struct index_fd {
	uint64_t mailbox, used;
	uint32_t number;
	int fd; /* valid if mailbox is not 0 */
};

/* Of a store. */
struct index_shared {
	struct index *dirty;
	struct index_cached cache[INDEX_CACHE];
	struct index_fd fds[INDEX_FDS];
	uint64_t clock;
	struct ring ring;    /* those that may be forgotten, last used first */
	uint64_t idle, busy; /* bytes of those; of changed and frozen ones */
	uint64_t loaded;
};

/* ---- for the rest of the store ---- */

/* Reads the directory if that has not been done.  0 / -1. */
int index_open(struct mailbox *m);
/* Forgets the directory of a mailbox that agrees with its file; false: it does not. */
bool index_unload(struct mailbox *m);
/* Forgets everything, unwritten changes too. */
void index_free(struct mailbox *m);
void index_shared_free(struct store *s);

/* All of these are 0 for a mailbox whose index cannot be read. */
uint32_t index_count(const struct mailbox *m);
uint32_t index_unseen(const struct mailbox *m);
uint32_t index_deleted(const struct mailbox *m);
uint64_t index_bytes(const struct mailbox *m);
uint64_t index_deleted_bytes(const struct mailbox *m);

/* Number of messages with a lower UID. */
uint32_t index_rank(const struct mailbox *m, uint32_t uid);
/* The message at a position from 0: 1 / 0 past the end / -1. */
int index_at(const struct mailbox *m, uint32_t position, struct message *m_r);
int index_get(const struct mailbox *m, uint32_t uid, struct message *m_r);
/* The first with UID >= uid: walks cost O(1) a step. */
int index_next(const struct mailbox *m, uint32_t uid, struct message *m_r);
/* The first with UID >= uid that changed after modseq; passes over whole blocks. */
int index_newer(const struct mailbox *m, uint32_t uid, uint64_t modseq, struct message *m_r);
int index_first_unseen(const struct mailbox *m, struct message *m_r);
/* Takes a message, new or changed: 1 new, 0 changed, -1. */
int index_put(struct mailbox *m, const struct message *msg);
/* Takes a message out and remembers it as expunged: 1, 0 not there, -1. */
int index_remove(struct mailbox *m, const struct message *tombstone);
/* Tombstones newer than modseq, oldest first.  0, or -1; *floor_r is the modseq up to which they
 * were forgotten: the answer is complete if modseq is not lower. */
int index_expunged(const struct mailbox *m, uint64_t modseq,
	void (*each)(void *arg, uint32_t uid, uint64_t modseq), void *arg, uint64_t *floor_r);

/* ---- for checkpoint_index.c ---- */

/* Puts changes under a key, to go with the LSN of a checkpoint: 1, 0 they are too many (and the key
 * goes), -1. */
int index_keep(struct index *ix, uint64_t lsn);
/* The key goes. 0 / -1. */
int index_keep_not(struct index *ix, uint64_t lsn);
void index_dirty(struct index *ix);
void index_clean(struct index *ix);
/* Rebuilds counts and tree from the blocks. */
int index_count_again(struct index *ix);
int index_layer_put(struct index *ix, struct index_layer **at, const struct index_entry *e);
/* ix NULL: it is gone, and what it held is not counted any more. */
void index_layer_free(struct index *ix, struct index_layer **at);
/* Puts an entry of an older directory over this one, counting as its `was` says. */
int index_entry_move(struct mailbox *m, const struct index_entry *e);
void index_forget_cache(struct index_shared *sh, const struct index *ix);
void index_forget_fd(struct index_shared *sh, uint64_t mailbox);
/* Reads the stored records of a block and puts layers over them (either may be NULL).  v_r has room
 * for all of them; a record that is damaged keeps its place (its message cannot be read).
 * Number of messages, or -1. */
int index_merge(int fd, const struct format_key *k, const struct index_block *b,
	const struct index_layer *lower, const struct index_layer *upper, struct message *v_r,
	unsigned *damaged_r);
/* Room that index_merge() needs, in messages. */
size_t index_merge_room(const struct index_block *b, const struct index_layer *lower,
	const struct index_layer *upper);

/* ---- the file (index_format.c) ---- */

#define INDEX_UNIT 128
#define INDEX_HEAD_SIZE 256
#define INDEX_ENTRY_SIZE 32
#define INDEX_TOMB_SIZE 16

struct index_head {
	uint64_t mailbox, lsn, floor, bytes, end;
	uint32_t live, unseen, deleted, blocks, crc, runs;
	struct index_run run[INDEX_RUNS];
};
/* The number kept with a mailbox: which file, and where in it the directory is. */
uint64_t index_name_make(uint32_t number, uint64_t unit);
uint32_t index_name_number(uint64_t name);
uint64_t index_name_unit(uint64_t name);
void index_file_head_write(struct buf *out, const struct format_key *k, uint64_t mailbox);
void index_head_write(struct buf *out, const struct format_key *k, const struct index_head *h);
/* 1 / 0 damaged / -1 newer. */
int index_head_read(struct cursor *c, const struct format_key *k, struct index_head *h_r);
void index_block_write(struct buf *out, const struct index_block *b);
void index_block_read(struct cursor *c, struct index_block *b_r);
void index_tomb_write(struct buf *out, const struct format_key *k, const struct index_tomb *t);
/* False: damaged. */
bool index_tomb_read(struct cursor *c, const struct format_key *k, struct index_tomb *t_r);
/* Bytes of a directory with so many blocks. */
uint64_t index_head_bytes(uint64_t blocks);

#endif
