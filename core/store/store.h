/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_STORE_STORE_H
#define CORE_STORE_STORE_H

/*
 * The mail store: one append-only log per spool, tables in memory that the log rebuilds, and
 * checkpoints that bound the redo.  docs/format.md describes the files.
 *
 * Threads: every function here is called on the thread of the loop given to store_open(), unless
 * it says otherwise; only the committer thread writes and syncs the log.  Nothing here waits.
 *
 * Changes take effect in memory at once and get an LSN.  They are durable when store_durable() has
 * reached that LSN; whoever tells a client about state first waits (store_wait) for the LSN of that
 * state.  A batch is only closed between operations, so all records of one operation, and all that
 * features add within it, are durable together or not at all.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/lib/arena.h"
#include "core/lib/buf.h"
#include "core/lib/loop.h"
#include "core/mime/mime.h"

struct store;
struct account;
struct mailbox;
struct body;

struct store_options {
	const char *dir;               /* the spool; created if absent */
	uint64_t checkpoint_interval;  /* seconds */
	uint64_t body_budget;          /* bytes of message bodies in flight */
	uint64_t large_bytes;          /* larger bodies get files of their own; 0 = CONFIG_LARGE_MESSAGE_KB */
	uint64_t segment_bytes;        /* of a log segment; 0 = CONFIG_LOG_SEGMENT_MB */
	uint64_t reserve_bytes;        /* disk space that new mail leaves alone; 0 = CONFIG_DISK_RESERVE_MB */
	uint32_t keep_entries;         /* changed messages of a mailbox that need no index file; 0 = 24 */
	uint64_t cache_bytes;          /* of accounts and indexes nobody uses; 0 = CONFIG_STORE_CACHE_KB */
	bool after_failure;            /* the role was started again because the store had failed: what is
	                                  durable is shown, and nothing is written */
	/* A write or sync failed: store_failed() from now on (EIO; ENOSPC: nothing is wrong but the
	 * space).  Memory is ahead of the disk then and never will be right again: end the sessions,
	 * close the store and open it anew.  Also called (ENOSPC) for a store that could only be opened to
	 * look, because the disk was full, when there is room again.  From the loop; may be NULL. */
	void (*failed)(void *arg, int error);
	void *failed_arg;
	bool readonly;                 /* for tools that look: no file is changed, nothing may be written */
	bool rebuild;                  /* passes the checkpoint over and redoes the whole log; a checkpoint
	                                  afterwards replaces all index and key-value files */
};

/* Opens or creates a spool: lock, recovery (progress through log_info when it takes over a second),
 * new epoch.  Everything redone is synced before it returns.  NULL: error_r holds one line for the
 * admin (names file, offset, remedy).  If the disk is so full that nothing can be written, not even from the
 * reserve, what is durable is shown, and store_failed() is true from the beginning. */
struct store *store_open(struct loop *l, const struct store_options *o, struct buf *error_r);
/* Commits everything, writes a checkpoint and the end mark, frees.  Waits for the disk. */
void store_close(struct store **s);

/* ---- durability ---- */

uint64_t store_durable(const struct store *s);
/* LSN of the newest record, durable or not. */
uint64_t store_last_lsn(const struct store *s);
/* True once a write or sync failed: nothing is accepted any more, reads go on (design: 451, BYE). */
bool store_failed(const struct store *s);

struct store_waiter {
	uint64_t lsn;
	/* Durable (error 0), or never will be (an errno: EIO, ENOSPC). Runs on the loop. */
	void (*done)(struct store_waiter *w, int error);
	struct store_waiter *prev, *next;
};
/* Calls w->done once, now if it is durable already.  w belongs to the caller. */
void store_wait(struct store *s, struct store_waiter *w, uint64_t lsn);
void store_wait_cancel(struct store_waiter *w);

/* Folds all changes into the checkpoint files now.  0 / -1 + errno. */
int store_checkpoint(struct store *s);
/* Starts folding them beside the traffic, if that is not under way. 0 / -1 + errno. */
int store_checkpoint_begin(struct store *s);
/* The same, and calls w->done once a checkpoint holds all that was there at this call (error 0) or
 * failed (an errno): now, if nothing has changed since the last one.  Those who wait share the
 * checkpoint under way if it is recent enough, or else the one after it.  w belongs to the caller;
 * store_wait_cancel() takes it back. */
void store_checkpoint_wait(struct store *s, struct store_waiter *w);
/* Carries what is of use in mostly dead segments to the head of the log, and gives their space back;
 * waits.  It happens by itself, slowly, after checkpoints.  0 / -1 + errno. */
int store_compact(struct store *s);
/* Can this many message bytes be taken?  0; ENOSPC (disk reserve), ENOMEM (budget), EIO (failed). */
int store_admits(const struct store *s, uint64_t bytes);
/* "key value" lines for `satchel stat` and metrics: accounts, mailboxes and messages, the log and
 * what of it is live, sizes of batches, times of syncs, the last checkpoint, what a start would redo.
 * satchel(8) names them. */
void store_stat(const struct store *s, struct buf *out);

/* ---- message bodies in flight ---- */

/* A body being received; counts against the budget.  NULL + errno. */
struct body *body_new(struct store *s);
/* Tells how large it will probably be (0 = no idea): makes room. */
void body_expect(struct body *b, uint64_t bytes);
/* Where received bytes go: a growing buffer, bounded by CONFIG_MESSAGE_MAX_MB.  What is large, or finds
 * the budget used up, goes from there to a file of its own. */
struct buf *body_buf(struct body *b);
/* Bytes were added.  0 more may come; 1 wait: the disk is slower than the client; -1 + errno: ENOSPC, EIO,
 * ENOMEM, and nothing can become of it. */
int body_added(struct body *b);
/* Is it as after body_added() said 1? */
bool body_full(const struct body *b);
/* No more bytes: computes the summary and checksums (once).  0 done; 1 not yet, its file is being synced
 * (ask again); -1 + errno. */
int body_finish(struct body *b);
/* Calls ready(arg) on the loop when body_added() or body_finish() may have a new answer. */
void body_notify(struct body *b, void (*ready)(void *arg), void *arg);
/* These after body_finish() said 0. */
uint64_t body_size(const struct body *b);
const struct mime_summary *body_summary(const struct body *b);
/* The header block with its empty line (of one in a file at most 256 KiB), borrowed. */
struct str body_header(const struct body *b);
/* All of it, borrowed; .p NULL: it is in a file. */
struct str body_bytes(const struct body *b);
/* Drops the caller's reference; the store keeps its own until the bytes are on disk. */
void body_free(struct body **b);

/* ---- accounts ---- */

/* Borrowed, with its mailboxes, for this turn of the loop, or for as long as it is pinned: accounts
 * that nobody uses are forgotten between turns and read again when they are asked for.
 * 1 found, 0 none and not created, -1 + errno. */
int account_open(struct store *s, struct str name, bool create, struct account **a_r);
/* Whoever holds an account or a mailbox over turns pins it before; views do it themselves. */
void account_pin(struct account *a);
void account_unpin(struct account *a);
/* Forgets now what the loop would between turns; for tools that go through all accounts. */
void store_forget(struct store *s);
struct str account_name(const struct account *a);
uint64_t account_id(const struct account *a);
struct store *account_store(const struct account *a);
/* Last record that changed the set of its mailboxes, their names or subscriptions: the barrier of
 * whatever tells that a name is there or is not. */
uint64_t account_lsn(const struct account *a);
/* The counter of CONDSTORE (RFC 7162), one per account. */
uint64_t account_modseq(const struct account *a);

/* ---- mailboxes: names are UTF-8, '/' between levels, "INBOX" in any case is INBOX ---- */

enum mailbox_use { /* RFC 6154; a set of bits */
	MAILBOX_ARCHIVE = 1, MAILBOX_DRAFTS = 2, MAILBOX_FLAGGED = 4, MAILBOX_JUNK = 8,
	MAILBOX_SENT = 16, MAILBOX_TRASH = 32,
};

/* All names of an account sorted by bytes, INBOX included; subscribed names that do not exist are
 * listed with mailbox_exists() false. */
uint32_t account_mailbox_count(const struct account *a);
struct mailbox *account_mailbox(const struct account *a, uint32_t i);
/* NULL: no such name (or only a subscription). */
struct mailbox *mailbox_find(const struct account *a, struct str name);

bool mailbox_exists(const struct mailbox *m);
bool mailbox_subscribed(const struct mailbox *m);
unsigned mailbox_special_use(const struct mailbox *m);
struct account *mailbox_account(const struct mailbox *m);
struct str mailbox_name(const struct mailbox *m);
uint64_t mailbox_id(const struct mailbox *m);      /* also MAILBOXID (RFC 8474) */
uint32_t mailbox_uidvalidity(const struct mailbox *m);
uint32_t mailbox_uidnext(const struct mailbox *m);
uint64_t mailbox_highestmodseq(const struct mailbox *m);
uint64_t mailbox_lsn(const struct mailbox *m);     /* last record that changed it: the barrier */
uint32_t mailbox_messages(const struct mailbox *m);
uint32_t mailbox_unseen(const struct mailbox *m);
uint32_t mailbox_deleted(const struct mailbox *m);
uint64_t mailbox_bytes(const struct mailbox *m);   /* STATUS SIZE (RFC 8438) */
uint32_t mailbox_recent(const struct mailbox *m);
/* Bytes of its messages that are marked deleted; passes over whole blocks without any. */
uint64_t mailbox_deleted_bytes(const struct mailbox *m);

/* 0, or -1 with errno: EEXIST, ENOENT, EINVAL (name), EBUSY (INBOX), ENOTEMPTY, ENOSPC, EIO,
 * EMLINK (more than CONFIG_MAILBOXES_MAX).  Missing parents are created by mailbox_create and the
 * target's by mailbox_rename.  RENAME of INBOX moves its messages (RFC 9051 6.3.6).  Children go
 * along in the same batch.  mailbox_delete of a name with children: ENOTEMPTY.
 * lsn_r (may be NULL) gets the barrier. */
int mailbox_create(struct account *a, struct str name, unsigned special_use, uint64_t *lsn_r);
int mailbox_delete(struct account *a, struct str name, uint64_t *lsn_r);
/* The mailboxes that a new account begins with, subscribed, in one step: once in its life, and not if it has
 * others than INBOX.  0 with *lsn_r: made; 0 with *lsn_r 0: nothing was to be done; -1 + errno as above. */
struct mailbox_wanted { struct str name; unsigned use; };
int account_furnish(struct account *a, const struct mailbox_wanted *v, size_t n, uint64_t *lsn_r);
int mailbox_rename(struct account *a, struct str from, struct str to, uint64_t *lsn_r);
int mailbox_subscribe(struct account *a, struct str name, bool on, uint64_t *lsn_r);

/* Number of the keyword in the mailbox's table (0..63), never reused; -1: ENOENT (not there and not
 * to be made), EMLINK (table full). */
int mailbox_keyword(struct mailbox *m, struct str name, bool create);
/* Name of keyword i, .p NULL if there is none. */
struct str mailbox_keyword_name(const struct mailbox *m, unsigned i);

/* ---- messages ---- */

enum message_flag {
	MESSAGE_SEEN = 1, MESSAGE_ANSWERED = 2, MESSAGE_FLAGGED = 4, MESSAGE_DELETED = 8,
	MESSAGE_DRAFT = 16,
	MESSAGE_EXPUNGED = 1u << 31, /* a tombstone; never seen through a view */
};

/* What the index says of a message (the decoded form of the 128-byte record). */
struct message {
	uint32_t uid;
	uint32_t flags;       /* enum message_flag */
	uint64_t keywords;    /* bits of the mailbox's keyword table */
	uint64_t modseq;
	int64_t internaldate; /* seconds since 1970 UTC */
	int64_t savedate;
	int16_t zone;         /* minutes east of UTC, as given to APPEND */
	uint32_t size;        /* RFC822.SIZE: prefix and body */
	uint32_t prefix_size;
	uint64_t blob;        /* id of the body: also EMAILID */
	uint64_t prefix;      /* id of the per-recipient prefix, 0 = none */
	uint64_t lsn;         /* record that last changed it */
};

struct message_new {
	struct body *body;    /* finished */
	struct str prefix;    /* header fields to stand in front (Return-Path, Delivered-To, Received),
	                         complete lines with CRLF; may be empty */
	uint32_t flags;
	uint64_t keywords;
	int64_t internaldate;
	int16_t zone;
	bool exempt;          /* store_watch.check() is not asked */
};

/* Appends n messages in one batch, UIDs in order.  first_uid_r gets the first UID.  The same body
 * given again (other mailbox, other account) is stored once.  0 / -1: ENOSPC EIO EOVERFLOW (UIDs
 * used up) or what store_watch.check() said. */
int mailbox_append(struct mailbox *m, const struct message_new *v, unsigned n, uint32_t *first_uid_r,
	uint64_t *lsn_r);

/* What a feature that limits accounts is told and asked, on the loop. */
struct store_watch {
	/* mailbox_append() or mailbox_copy() is about to put messages of so many bytes here: 0, or the errno
	 * that it fails with. */
	int (*check)(struct mailbox *to, uint64_t messages, uint64_t bytes);
	/* Messages came into the account or left it (below 0).  What redo does is not told. */
	void (*counted)(struct account *a, int64_t messages, int64_t bytes);
};
/* Called within the operation of mailbox_expunge() or mailbox_delete() (uids NULL: all of them), before
 * anything goes, for a feature that copies what goes; not for a move.  One at most; NULL: nobody. */
void store_keep(struct store *s, void (*removing)(struct mailbox *from, const uint32_t *uids, uint32_t n));
/* One at most; w NULL: nobody. */
void store_watch(struct store *s, const struct store_watch *w);
/* Would the watch allow it?  0 / an errno. */
int store_watch_check(struct mailbox *to, uint64_t messages, uint64_t bytes);

enum message_op { MESSAGE_SET, MESSAGE_ADD, MESSAGE_REMOVE };
/* Changes flags and keywords of the n given UIDs (ascending; those that do not exist are passed
 * over; unchanged messages keep their modseq). 0 / -1. */
int mailbox_flag(struct mailbox *m, const uint32_t *uids, uint32_t n, enum message_op op,
	uint32_t flags, uint64_t keywords, uint64_t *lsn_r);
/* Removes the given UIDs (ascending; those absent are passed over). */
int mailbox_expunge(struct mailbox *m, const uint32_t *uids, uint32_t n, uint64_t *lsn_r);
/* Copies (move: and expunges from `from`, in the same batch) the given UIDs, ascending.  Flags,
 * keywords and dates go along.  done_r (may be NULL; room for n) gets the source UIDs really copied,
 * *done_n_r how many; the new UIDs are consecutive from *first_uid_r. */
int mailbox_copy(struct mailbox *from, const uint32_t *uids, uint32_t n, struct mailbox *to, bool move,
	uint32_t *done_r, uint32_t *done_n_r, uint32_t *first_uid_r, uint64_t *lsn_r);

/* 1 found, 0 not there (or expunged). */
int mailbox_message(const struct mailbox *m, uint32_t uid, struct message *m_r);

/* Calls each() for the messages expunged after modseq, oldest first.  *floor_r: the modseq up to which
 * they were forgotten (CONFIG_EXPUNGE_HISTORY): the answer is complete if modseq is not lower.
 * 0 / -1 + errno. */
int mailbox_expunged(const struct mailbox *m, uint64_t modseq,
	void (*each)(void *arg, uint32_t uid, uint64_t modseq), void *arg, uint64_t *floor_r);
/* The first message with UID >= uid.  1 / 0 none / -1 + errno. */
int mailbox_next(const struct mailbox *m, uint32_t uid, struct message *m_r);

/* Appends bytes [offset, offset+length) of the message (prefix, then body), clamped to its size.
 * 0; -1: EPROTO damaged (this message only), EIO, EAGAIN (see store_read_nowait()). */
int message_read(struct store *s, const struct message *m, uint64_t offset, uint64_t length,
	struct buf *out);
/* The summary of its body (the prefix is not part of it); s_r points into `out`. 0 / -1 as above. */
int message_summary(struct store *s, const struct message *m, struct buf *out,
	struct mime_summary *s_r);

/* ---- reading without waiting for the disk ---- */

/* While on, message_read() and message_summary() answer EAGAIN, with nothing appended, where they would
 * wait for the disk.  For one slice of a command's work; off again before anybody else reads. */
void store_read_nowait(struct store *s, bool nowait);
struct store_reading {
	/* On the loop: what was missing is there now, unless memory is short. */
	void (*done)(struct store_reading *r);
	struct cold_job *job; /* NULL: nothing is under way; zero at first */
};
/* After an EAGAIN: has a thread fetch what was missing, then calls r->done once.  0; -1: ENOENT (nothing
 * was missing), ENOMEM; then the caller tries again and waits. */
int store_read_wait(struct store *s, struct store_reading *r);
void store_read_cancel(struct store_reading *r);

/* ---- key-value, for features (dedup ids, quotas, annotations) ---- */

/* Spaces are numbered by the features (hooks.h); keys and values are bytes, key at most 1000,
 * value at most 65535 bytes. */
/* 1 found (value appended to out, lsn_r gets the barrier), 0 not there, -1 + errno. */
int store_kv_get(struct store *s, uint16_t space, struct str key, struct buf *out, uint64_t *lsn_r);
/* value.p NULL removes.  Within an operation (a delivery) it is part of the same batch. */
int store_kv_put(struct store *s, uint16_t space, struct str key, struct str value, uint64_t *lsn_r);
/* Calls each(key, value) for every entry of the space, in no order, until it returns non-zero: reads
 * files and stalls the loop, so it is for tests, tools and short spaces.  Entries may be removed by
 * store_kv_put() only after the walk.  Returns what each returned. */
int store_kv_each(struct store *s, uint16_t space, int (*each)(void *arg, struct str key, struct str value),
	void *arg);
/* Spaces with this bit expire by the day: they have generations of their own, which go whole. */
#define STORE_KV_DAILY 0x8000
/* All entries of the space written by records before LSN `before` are gone from now on; nothing is
 * read or written for that.  `day`: LSN where the present day began.  To be told anew after each
 * start. 0 / -1 ENOMEM. */
int store_kv_expire(struct store *s, uint16_t space, uint64_t before, uint64_t day);
/* Marks where an operation begins: earlier records may be cut into a batch of their own here.  All
 * functions above do it themselves; call it before several of them that belong together, and
 * store_end() after: no batch is closed between.  They nest. */
void store_begin(struct store *s);
void store_end(struct store *s);

#endif
