/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_STORE_CHECKPOINT_H
#define CORE_STORE_CHECKPOINT_H

/*
 * A checkpoint is a set of immutable files, each written once under a name of its own, and the file
 * `checkpoint`, which names them and is replaced atomically.  So a crash at any moment leaves either
 * the old set or the new one; what is not named is removed.
 */

#include "core/store/state.h"

#define CHECKPOINT_SIZE 512
#define MAP_HEADER_SIZE 64
#define MAP_ENTRY_SIZE 64
#define CHECKPOINT_NAME_MAX 48

/* The contents of the file `checkpoint`. */
struct checkpoint_head {
	uint64_t lsn;           /* everything up to here is in the files; redo begins after it */
	uint64_t files;         /* newest LSN they hold: the number in their names, never used twice */
	uint64_t epoch;
	uint64_t time;
	uint32_t uidvalidity_last;
	uint64_t map_size;
	uint32_t map_crc;
	uint64_t messages;      /* in all mailboxes */
	uint64_t accounts, mailboxes;
	uint32_t redo_rate, redo_rest_us; /* as in struct store */
	/* Generations of key-value, newest first. */
	uint32_t generations;
	struct {
		uint64_t number;
		uint16_t class;
	} generation[GENERATIONS_MAX];
};
void checkpoint_head_write(struct buf *out, const struct format_key *k, const struct checkpoint_head *h);
/* 1 / 0 damaged / -1 newer version. */
int checkpoint_head_read(struct str in, const struct format_key *k, struct checkpoint_head *h_r);

/* How all these files begin: magic, version, record size, salt; 32 bytes.  Returns where. */
size_t checkpoint_begin(struct buf *out, const char *magic, uint16_t record, const struct format_key *k);
/* Zeros up to the CRC in the last 4 of `size` bytes. */
void checkpoint_end(struct buf *out, size_t at, size_t size, const struct format_key *k);
/* Takes such a header; c_r then stands after the salt.  1 / 0 damaged / -1 newer. */
int checkpoint_take(struct cursor *c, size_t size, const char *magic, const struct format_key *k,
	struct cursor *c_r);

/* The blob map (map.h): runs of sorted entries, and a list of the runs and of the segments. */
#define MAP_RUN_MAGIC "SATBLOBS"
#define MAP_LIST_MAGIC "SATBLIST"
enum map_flag { MAP_GONE = 1 }; /* nobody refers to it: hides entries of older runs */
struct map_entry {
	uint64_t id;
	uint64_t segment, offset; /* segment 0: its record comes after the checkpoint's LSN */
	struct record_blob blob;
	uint32_t refs;
	uint16_t flags;
};
struct map_segment {
	uint64_t first, live, blobs, kept;
	uint32_t stuck;
};
/* count: entries of a run, runs of a list; segments: of a list (NULL: not asked). */
void map_head_write(struct buf *out, const struct format_key *k, const char *magic, uint64_t number,
	uint64_t count, uint64_t segments);
int map_head_read(struct cursor *c, const struct format_key *k, const char *magic, uint64_t *number_r,
	uint64_t *count_r, uint64_t *segments_r);
/* Entries of either are 64 bytes.  Reading: 1, or 0 damaged. */
void map_entry_write(struct buf *out, const struct format_key *k, const struct map_entry *e);
int map_entry_read(struct cursor *c, const struct format_key *k, struct map_entry *e_r);
void map_run_write(struct buf *out, const struct format_key *k, uint64_t number, uint64_t count);
int map_run_read(struct cursor *c, const struct format_key *k, uint64_t *number_r, uint64_t *count_r);
void map_segment_write(struct buf *out, const struct format_key *k, const struct map_segment *m);
int map_segment_read(struct cursor *c, const struct format_key *k, struct map_segment *m_r);

/* "0123456789abcdef-0123456789abcdef" in idx/; ".run" and ".list" in map/. */
void index_name(char name[CHECKPOINT_NAME_MAX], uint64_t mailbox, uint32_t number);
void table_name(char name[CHECKPOINT_NAME_MAX], uint64_t lsn, const char *suffix);

/* A run that is open (map.h). */
struct map_run {
	uint64_t number;      /* of the checkpoint that wrote it: its name */
	uint64_t count, first, last; /* entries; lowest and highest id */
	uint64_t *fence;      /* first id of each piece of MAP_FENCE entries */
	size_t fences;
	int fd;
};

/* ---- the parts ---- */

struct checkpoint_index {
	struct index_part *v; /* index files to write */
	size_t n, cap;
	struct {
		char (*v)[CHECKPOINT_NAME_MAX];
		size_t n, cap;
	} garbage;         /* in idx/ */
};

struct checkpoint_map {
	struct {
		struct map_entry *v;
		size_t n, cap;
	} entries;
	struct {
		struct map_segment *v;
		size_t n, cap;
	} segments;
	const struct map_run *runs; /* of the store, oldest first; read by the thread */
	size_t runs_n;
	size_t merged;              /* how many of the newest went into the new one */
	struct map_run made;        /* fd -1: none */
};

struct checkpoint_kv {
	struct kv_table *frozen;   /* also s->kv_frozen */
	struct {
		struct account **v;
		size_t n, cap;
	} accounts;                /* those in it */
	struct kv_horizon *horizon; /* as it was */
	size_t horizons;
	struct kv_stack old, new;  /* the new one holds old generations and made ones */
};

struct checkpoint_job {
	struct store *s;
	struct checkpoint_head head;
	uint64_t old;      /* number of the table files that go */
	struct {
		struct segment **v;
		size_t n, cap;
		size_t gone; /* so many of them, from the front, were removed */
	} unused;          /* segments that nothing needs once this checkpoint stands */
	struct checkpoint_index index;
	struct checkpoint_map map;
	struct checkpoint_kv kv;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool sweep;            /* idx/ may hold files that nothing names */
	bool go, cancel, done; /* under the lock */
	int error;
	uint64_t began, freeze_us, dirty; /* for store_stat() */
};

/*
 * What a checkpoint consists of.  The loop freezes all parts in one go; the thread then writes them
 * while the loop goes on changing, and only looks at what was frozen into the job.
 */
struct checkpoint_part {
	/* Loop: takes what changed since the last checkpoint into the job.  0 / -1 + errno. */
	int (*freeze)(struct checkpoint_job *job);
	/* Thread: new files, synced with their directory; what `checkpoint` says of them goes into
	 * job->head.  0 / -1 + errno. */
	int (*write)(struct checkpoint_job *job);
	/* Thread: `checkpoint` names the new files; the replaced ones go. */
	void (*clean)(struct checkpoint_job *job);
	/* Thread: `checkpoint` never named the new files: they go, or a full disk would stay full of them. */
	void (*undo)(struct checkpoint_job *job);
	/* Loop: the checkpoint is there (good), or what was frozen has changed still.  Also called
	 * after a freeze that failed.  Frees what freeze took. */
	void (*finish)(struct checkpoint_job *job, bool good);
	/* At start: takes the files that h names into the tables.  0, or -1 with a line in error. */
	int (*load)(struct store *s, const struct checkpoint_head *h, struct buf *error);
	/* At start, after all are loaded: does this file of that directory belong to h?  NULL: not asked. */
	bool (*names)(const struct store *s, const struct checkpoint_head *h, const char *dir,
		const char *file);
};
extern const struct checkpoint_part checkpoint_index, checkpoint_map, checkpoint_kv;

/* In the order of loading: accounts and mailboxes, then what their messages refer to. */
#define CHECKPOINT_PARTS 3
extern const struct checkpoint_part *const checkpoint_parts[CHECKPOINT_PARTS];

/* Thread: removes the files of idx/ that the generations of the job do not name. */
void checkpoint_sweep(const struct checkpoint_job *job, int dir);
/* Writes the error line of a file at start; -1. */
int checkpoint_refuse(struct buf *error, const char *dir, const char *name, const char *why);
/* The same by errno: EPROTO or EBADMSG (damaged) and ENOENT leave it so, for then the log can give back
 * what the file said; ENOTSUP is a newer version. */
int checkpoint_unreadable(struct buf *error, const char *dir, const char *name);
/* Opens a directory of the spool / reads a file in one.  -1 + errno. */
int checkpoint_open_dir(const struct store *s, const char *dir);
int checkpoint_read(const struct store *s, const char *dir, const char *name, struct buf *out);
/* Creates, writes and syncs a file.  0 / -1 + errno. */
int checkpoint_write_file(int dirfd, const char *name, const struct buf *b);

#endif
