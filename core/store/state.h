/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_STORE_STATE_H
#define CORE_STORE_STATE_H

/* What the files of the store share: its objects in memory.  Not for anybody outside core/store. */

#include <pthread.h>

#include "core/lib/histogram.h"
#include "core/lib/vec.h"
#include "core/store/format.h"
#include "core/store/hash.h"
#include "core/store/kv.h"
#include "core/store/index.h"
#include "core/store/reserve.h"
#include "core/store/ring.h"
#include "core/store/store.h"

#define STORE_BUILD_DATE 1735689600 /* 2025-01-01: no clock of a running store is earlier */

/* Why compaction cannot carry a segment over: it stays then, and is not read again and again. */
enum segment_stuck {
	STUCK_NOT,
	STUCK_BLOB,  /* a message in it is damaged; when that is expunged it is tried again */
	STUCK_BATCH, /* records in it, or the index that says what they are worth */
};

struct segment {
	uint64_t first; /* LSN in its name */
	int fd;         /* for reading, -1 = not open */
	uint64_t size;
	uint64_t live;  /* bytes of its blobs still referenced */
	uint64_t blobs; /* entries of the blob map that point here */
	uint64_t kept;  /* bytes of records that compaction carried into it */
	uint64_t passed; /* compaction carried all that is of use out of it; LSN of its last record */
	uint32_t stuck;  /* enum segment_stuck */
};

enum blob_state {
	BLOB_CLEAN,  /* as on the disk; may be forgotten and looked up again */
	BLOB_DIRTY,  /* changed since the last checkpoint */
	BLOB_FROZEN, /* being written by one */
	BLOB_STATES
};

/* An entry of the blob map in memory; node.hash is the id. */
struct blob {
	struct hash_node node;
	struct ring ring;        /* of its state */
	uint64_t offset;         /* of the summary in the segment; of the bytes in the batch's side */
	struct segment *segment; /* NULL: not on disk yet, then one of: */
	struct body *body;
	struct batch *batch;
	uint32_t summary_len, summary_crc, body_len, body_crc;
	uint32_t refs;           /* index entries that name it; kept in checkpoints */
	uint32_t pins;           /* batch in flight, body in flight; not kept */
	uint16_t kind;
	uint8_t state;
	bool verified;           /* its bytes matched their CRC once */
	bool stored;             /* some run has an entry of it */
	bool moving;             /* a copy is on its way to the head of the log */
	bool gone;               /* no references left: kept until a checkpoint says so */
};

struct body {
	struct store *store;
	struct buf data, summary; /* data: all of it, or what was not handed to the file yet */
	struct buf header;        /* header block of one that is in a file */
	struct mime_summary parsed;
	uint32_t data_crc, summary_crc;
	bool finished;
	bool spill;        /* it will be large: to its file as soon as there is a chunk */
	unsigned refs;
	size_t counted;    /* bytes counted against the budget */
	struct blob *blob; /* once appended */
	uint64_t file;     /* id: it is in large/ID; 0: in data */
	struct large *large; /* that file while it is being written */
	uint64_t size;     /* of the file */
	void (*ready)(void *arg); /* see body_notify() */
	void *arg;
};

/* A run of bytes of a batch's body area, padded to 8. */
struct piece {
	const struct body *body; /* summary and data of it; NULL: bytes of side */
	size_t side_at, side_len;
};

struct batch {
	uint64_t first;
	uint32_t count;
	uint32_t flags;
	size_t record_at; /* where the record being written began */
	struct buf meta; /* room for the header, then records */
	struct buf side; /* prefixes */
	struct {
		struct piece *v;
		size_t n, cap;
	} pieces;
	struct {
		struct batch_blob {
			struct blob *blob;
			uint64_t at; /* offset in the body area */
		} *v;
		size_t n, cap;
	} blobs;
	struct {
		struct iovec *v;
		size_t n, cap;
	} iov;
	uint64_t bodies_len;
	uint64_t carried; /* bytes of records that compaction put in */
	struct batch *next; /* of the spare ones */
	/* the committer's answer */
	bool done; /* atomic: the rest of it may be read */
	int error;
	bool unsure; /* whether the disk has any of it, and will keep what it has */
	struct segment *segment;
	uint64_t bodies_at; /* offset of the body area in it */
	uint64_t sync_us;   /* what its fdatasync took */
};

struct journal_entry {
	uint32_t uid;
};

struct mailbox {
	struct hash_node by_id;
	struct account *account;
	char *name;
	size_t name_len;
	uint64_t id, lsn; /* lsn: last change */
	uint64_t highestmodseq;
	uint64_t index;               /* index_name_make(): its file at the last checkpoint, or 0 */
	bool index_bad;               /* damaged: messages cannot be read, nothing may be changed */
	uint32_t uidvalidity, uidnext, flags, special_use, recent_from;
	struct index *ix;             /* NULL: not read yet */
	char **keyword;
	unsigned keywords;
	size_t keywords_cap;
	uint32_t bytes;               /* counted with its account */
	struct view *views;
	struct journal_entry *journal; /* ring of journal_size, while there are views */
	uint64_t journal_start, journal_end; /* the places that it has */
	uint32_t journal_size;
};

struct account {
	struct hash_node by_name, by_id;
	struct store *store;
	char *name;
	size_t name_len;
	uint64_t id, modseq;
	uint64_t lsn; /* last change of a mailbox record, and so of the names */
	unsigned pins;
	bool dirty;   /* its key in the newest generation differs */
	bool frozen;  /* a checkpoint is writing it */
	bool idle, busy;  /* how its bytes are counted; account_cache.c */
	struct ring ring; /* of those that may be forgotten, or of the dirty ones */
	uint64_t bytes;   /* of memory, without its indexes */
	struct {
		struct mailbox **v; /* by name */
		size_t n, cap;
	} boxes;
};

/* The loop's handle of work to do before sleeping; outlives the store if still queued. */
struct commit_idle {
	struct loop_idle idle;
	struct store *store;
};

struct large; /* large.c */
struct large_pool;
struct cold; /* cold.c */
struct spare; /* segment.c */
struct checkpoint_job;
struct map_run; /* map.h */
struct compaction; /* compact.h */

struct store {
	struct loop *loop;
	char *dir;
	struct format_key key;
	int dirfd, logfd, largefd, lockfd;
	uint64_t epoch;
	uint64_t segment_bytes;

	/* numbers */
	uint64_t next_lsn, durable, marked;
	uint32_t uidvalidity_last;
	bool failed, closing, redoing;
	uint32_t keep_entries; /* struct store_options */
	uint64_t progress_due; /* when redo next tells how far it is */
	bool unclean; /* the last life did not end cleanly */
	bool left_over; /* a large message's file could not be removed: this one shall not either */
	bool readonly, rebuild; /* struct store_options */
	bool full; /* readonly because nothing could be written at start, not even from the reserve */
	bool sweep; /* files that nothing names may be in idx/: the next checkpoint looks */
	struct {
		bool there;
		uint64_t epoch, durable; /* of the life that left it; 0: it does not say */
	} mark; /* failure.c */
	void (*on_failure)(void *arg, int error);
	void *failure_arg;
	const struct store_watch *watch;
	void (*removing)(struct mailbox *from, const uint32_t *uids, uint32_t n);
	uint64_t lsn_floor, epoch_floor; /* rebuild: used up to here by the checkpoint passed over */
	bool loading; /* state comes from a checkpoint: its references are counted, its keys known */
	int error;

	/* commit */
	unsigned depth;
	/* following: given to the committer when that had done with committing, of which the loop has not
	 * heard yet. */
	struct batch *filling, *committing, *following, *spares;
	unsigned small_batches; /* in a row */
	struct commit_idle *idle;
	struct store_waiter waiters; /* ring, by LSN */
	struct loop_timer mark_timer;
	struct loop_fd done;      /* eventfd the committer rings */
	pthread_t committer;
	bool committer_runs;
	pthread_mutex_t lock;     /* guards the next four */
	pthread_cond_t wake, finished;
	struct batch *order;      /* for the committer, until it takes it */
	bool stop;

	/* the committer's own */
	struct segment *head;
	uint64_t head_off;
	uint32_t prev_crc;
	uint64_t commit_us; /* what writing and syncing a batch took lately */
	struct spare *spare;

	struct reserve *reserve; /* NULL: a tool that looks */

	/* tables */
	struct {
		struct segment **v; /* by first LSN */
		size_t n, cap;
	} segments;
	struct {
		uint64_t *v; /* first LSNs */
		size_t n, cap;
	} missing;       /* segments that the checkpoint names, and that are not there */
	unsigned segments_open;
	struct {
		struct {
			struct map_run *v; /* oldest first */
			size_t n, cap;
		} runs;
		struct ring ring[BLOB_STATES]; /* last used first */
		size_t n[BLOB_STATES];
	} map;
	struct index_shared index;
	struct {
		struct ring accounts, dirty; /* those that may be forgotten, last used first; changed ones */
		uint64_t idle, busy, max;    /* bytes of the former; of changed and frozen ones; bound */
		struct loop_idle trim;
	} cache;
	struct hash_table blobs, mailboxes, accounts, accounts_by_id;
	struct kv_table kv, *kv_frozen; /* since the last checkpoint; what the running one writes */
	struct kv_stack generations;
	struct {
		struct kv_horizon *v;
		size_t n, cap;
	} horizons;
	struct buf scratch;
	struct {
		struct message *v;
		size_t n, cap;
	} images;

	/* budgets */
	uint64_t body_budget, bodies, large_bytes;
	struct large_pool *large;
	struct cold *cold; /* NULL: reads wait */
	struct buf block; /* of a large message being read */
	struct body *pool;
	unsigned pooled;

	/* checkpoint */
	/* As measured at the last start that redid many: records in a second (0: never), and the time
	 * that does not grow with them. */
	uint32_t redo_rate, redo_rest_us;
	uint64_t checkpoint_lsn, checkpoint_files, checkpoint_interval, checkpoint_time, log_since;
	struct {
		char (*v)[48];
		size_t n, cap;
	} garbage; /* index files of mailboxes that are gone */
	struct loop_timer checkpoint_timer;
	uint64_t checkpoint_tried; /* number of the last attempt */
	struct checkpoint_job *checkpointing;
	struct store_waiter checkpoint_waiters; /* ring, by LSN */
	bool checkpoint_failed;
	struct loop_timer slow_timer; /* a batch that waits while checkpoints lag behind */
	struct compaction *compaction;

	/* figures */
	uint64_t account_count, mailbox_count; /* kept in checkpoints */
	uint64_t messages, batches, records, bytes_written;
	uint64_t cold_reads; /* of mail that had to be fetched first */
	uint64_t damaged, cut, moved_bytes;
	struct histogram batch_records, batch_bytes, sync_us;
	struct {
		uint64_t count, failures;
		uint64_t us, freeze_us, finish_us; /* the last one: in all, and when the loop had to wait */
		uint64_t dirty;             /* bytes of memory that it wrote out */
	} checkpoints;
};

/* ---- commit.c ---- */

/* Starts a record of the current operation; ends it.  Between the two write the payload to the
 * buffer returned.  0 = refused (errno EIO). */
struct buf *store_record_begin(struct store *s, uint16_t type, uint16_t flags, uint64_t *lsn_r);
void store_record_end(struct store *s);
/* 0, or -1 + errno when the store takes no changes. */
int store_writable(const struct store *s);
int commit_start(struct store *s);
/* Puts one into a ring that is sorted by LSN. */
void store_waiter_add(struct store_waiter *ring, struct store_waiter *w);
/* Monotonic microseconds. */
uint64_t store_clock_us(void);
/* Waits until everything is durable (or failed). */
void commit_flush(struct store *s);
void commit_stop(struct store *s);
/* All there will ever be.  0 / -1 ENOMEM; batches_free() in either case. */
int batches_start(struct store *s);
void batches_free(struct store *s);
/* The batch that was filling, in whose place there is an empty one. */
struct batch *batch_take(struct store *s);
/* Writes and syncs a batch: the committer's work, and recovery's for the first one. */
int commit_write(struct store *s, struct batch *b);
/* Takes a finished batch into the tables. */
void commit_finished(struct store *s, struct batch *b);
/* Adds a blob to the current batch: from a finished body, or bytes that are copied. */
struct blob *batch_add_body(struct store *s, struct body *b);
struct blob *batch_add_prefix(struct store *s, struct str prefix);
/* Adds a copy of a blob that stands in the log: bytes are its summary, padded to 8, and its body. */
int batch_move(struct store *s, struct blob *blob, struct str bytes);

/* ---- names.c ---- */

/* Logs the after-image (id 0 = a new mailbox) and applies it.  Do not touch the answer if the image
 * says GONE.  NULL + errno. */
struct mailbox *mailbox_commit(struct store *s, struct record_mailbox *r);
/* A new mailbox in the place of a subscription without one. */
struct mailbox *mailbox_make(struct account *a, struct str name, unsigned special_use, unsigned flags);

/* ---- failure.c: after a failed write or sync ---- */

/* Leaves the mark FAILED: the log is durable up to there and no further.  Any thread. */
void failure_leave(struct store *s, uint64_t durable, int error);
/* Reads the mark of an earlier life, before redo, and says so. */
void failure_look(struct store *s);
/* Is this batch one that the mark takes back? */
bool failure_undone(const struct store *s, const struct batch_header *h);
/* The disk has proved that it writes and syncs again: the mark goes.  0 / -1 + errno. */
int failure_over(struct store *s);
/* Does the disk itself hold [at, end) of the segment as the page cache shows it?  1 (or the file
 * system cannot say) / 0 / -1 + errno. */
int failure_on_disk(const struct segment *g, uint64_t at, uint64_t end);

/* ---- segment.c ---- */

#define SEGMENT_NAME_SIZE 21 /* 16 hex digits, ".seg", NUL */
void segment_name(char name[SEGMENT_NAME_SIZE], uint64_t first);
/* 1 and the LSN, or 0. */
int segment_name_read(const char *name, uint64_t *first_r);
/* Adds it to the table; owned by the store from then on. 0 / -1 ENOMEM. */
int segment_register(struct store *s, struct segment *g);
struct segment *segment_new(uint64_t first, int fd, uint64_t size);
struct segment *segment_find(const struct store *s, uint64_t first);
void segment_free_all(struct store *s);
/* Gives the committer a new segment of at least `need` bytes after its header, named by `first`,
 * in the directory for good.  Writes the header.  0 / -1 + errno. */
int segment_switch(struct store *s, uint64_t first, uint64_t need);
/* Would the disk have a small one now?  Tries. */
bool segment_possible(struct store *s);
/* Makes the next one in the background when the present one fills up. */
int segment_maker_start(struct store *s);
void segment_maker_poke(struct store *s);
/* Has that thread make the disk reserve whole first. */
void segment_maker_take(struct store *s);
void segment_maker_stop(struct store *s);
/* Opens it if need be; only so many stay open.  -1 + errno. */
int segment_fd(struct store *s, struct segment *g);
void segment_free(struct store *s, struct segment *g);
/* Closes those that are not written to. */
void segment_close_all(struct store *s);

/* ---- blob.c ---- */

void blob_init(struct store *s);
/* NULL: nobody refers to it.  Borrowed until the next look-up of many, or for as long as it is
 * pinned. */
struct blob *blob_find(struct store *s, uint64_t id);
/* New entry with no references; NULL = ENOMEM. */
struct blob *blob_add(struct store *s, uint64_t id, const struct record_blob *r);
/* It stands in the segment from now on (and no longer where it stood before). */
void blob_place(struct store *s, struct blob *b, struct segment *g, uint64_t offset);
/* Holds an entry in memory whoever else refers to it. */
void blob_pin(struct blob *b);
void blob_unpin(struct store *s, struct blob *b);
/* An index entry names it, or no longer does.  Exactly once for each, at run time and in redo alike:
 * checkpoints keep the number.  Id 0 is passed over. */
void blob_ref_id(struct store *s, uint64_t id);
void blob_unref_id(struct store *s, uint64_t id);
/* After redo: forgets those without references. */
void blob_sweep(struct store *s);
uint64_t blob_count(const struct store *s);
/* Gives the dirty ones to a checkpoint (until each() fails: -1); afterwards they are clean, or dirty
 * again if there is none (good: it is there). */
int blobs_freeze(struct store *s, int (*each)(void *arg, const struct blob *b), void *arg);
void blobs_thaw(struct store *s, bool good);
void blob_free_all(struct store *s);

/* ---- apply.c: what a record does to the tables, at run time and in redo ---- */

struct account *account_by_id(const struct store *s, uint64_t id);
/* The same, from the generations if need be.  1 / 0 none / -1 + errno. */
int account_get(struct store *s, uint64_t id, struct account **a_r);
int account_get_name(struct store *s, struct str name, struct account **a_r);
int mailbox_get(struct store *s, uint64_t id, struct mailbox **m_r);
struct account *account_add(struct store *s, const struct record_account *r);
struct mailbox *mailbox_by_id(const struct store *s, uint64_t id);
/* Takes the whole after-image; lsn is the record's. NULL + errno. */
struct mailbox *mailbox_apply(struct store *s, const struct record_mailbox *r, uint64_t lsn);
/* Applies message after-images, ascending by UID, to list, counts, references and views. */
int messages_apply(struct mailbox *m, const struct message *v, size_t n);
/* Redo of one record.  bodies_at: the batch's body area in g.  0; -1 + errno: EPROTO damaged,
 * ENOTSUP unknown and required. */
int record_apply(struct store *s, const struct record *r, struct segment *g, uint64_t bodies_at);
void mailbox_image(const struct mailbox *m, struct record_mailbox *r_r);
void mailbox_drop(struct mailbox *m);
void mailbox_free(struct mailbox *m);
/* Index in boxes of the first name >= name. */
size_t names_lower(const struct account *a, struct str name);
void tables_free(struct store *s);

/* ---- account_cache.c ---- */

void accounts_init(struct store *s, uint64_t bytes);
void accounts_free(struct store *s);
/* Forgets one that is not pinned, with its mailboxes. */
void account_free(struct account **a);
/* Puts it where it belongs. */
void account_place(struct account *a);
/* It differs from the newest generation. */
void account_dirty(struct account *a);
/* A checkpoint has taken it; is there, or is not. */
void account_frozen(struct account *a);
void account_thawed(struct account *a, bool good);
void account_used(struct account *a);
/* It holds so many bytes more. */
void account_weigh(struct account *a, int64_t more);
/* Counts an index anew and puts it where it belongs; takes it out. */
void index_place(struct index *ix);
void index_leave(struct index *ix);

/* ---- kv.c, account_table.c ---- */

int kv_apply(struct store *s, const struct record_kv *r, uint64_t lsn);
/* What the store itself keeps there; rm: removes. */
int kv_set(struct store *s, uint16_t space, struct str key, struct str value, bool rm, uint64_t lsn);
/* 1 found (value appended to out, if given), 0 not there, -1 + errno (EIO: a damaged generation,
 * which is reported). */
int kv_get(struct store *s, uint16_t space, struct str key, struct buf *out, uint64_t *lsn_r);
/* The account's key and value for the coming generation. */
int account_put(struct store *s, struct account *a, uint64_t lsn);
/* Takes such a value: the account and all its mailboxes. NULL + errno. */
struct account *account_take(struct store *s, struct str value);
/* Tells all of what is in memory and in generations. */
void kv_free_all(struct store *s);
uint64_t kv_count(const struct store *s);

/* ---- view.c ---- */

/* Journals; view_note_changed() then wakes, once for many. */
void view_note_flags(struct mailbox *m, uint32_t uid);
/* uids: ascending, just removed. */
void view_note_expunged(struct mailbox *m, const uint32_t *uids, size_t n);
void view_note_changed(struct mailbox *m);
void view_note_gone(struct mailbox *m);

/* ---- store.c, recover.c, checkpoint.c ---- */

void stat_line(struct buf *out, const char *key, uint64_t value);
/* Writes tmp, syncs it, renames it over name, syncs the directory.  0 / -1 + errno. */
int store_replace(int dirfd, const char *name, const char *tmp, struct str content);

int recover(struct store *s, struct buf *error);
int checkpoint_load(struct store *s, struct buf *error);
void checkpoint_start_timer(struct store *s);
void checkpoint_consider(struct store *s);
/* Lines for store_stat(). */
void checkpoint_stat(const struct store *s, struct buf *out);
/* More has changed than the running checkpoint can keep up with. */
bool checkpoint_crowded(const struct store *s);
void checkpoint_finished(struct store *s);
void checkpoint_stop(struct store *s);
/* Writes everything now and waits.  0 / -1 + errno. */
int checkpoint_now(struct store *s);

#endif
