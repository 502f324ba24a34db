/* SPDX-License-Identifier: 0BSD */
#ifndef FEATURES_STORE_FSCK_FSCK_H
#define FEATURES_STORE_FSCK_FSCK_H

/*
 * `satchel fsck`.  The log is the truth: it is read first, byte by byte (log.c); then the state that
 * a start would give (checkpoint and redo of the rest) is compared with the state that the log alone
 * gives (compare.c), every message is read, and every byte of the checkpoint's files (files.c).
 */

#include "core/store/scan.h"
#include "core/store/state.h"

enum fsck_kind {
	FSCK_IDENTITY, FSCK_HEADER, FSCK_SWAPPED, FSCK_BATCH, FSCK_CHAIN, FSCK_MISSING, FSCK_RECORD, FSCK_BODY,
	FSCK_TAIL, FSCK_LACKING, FSCK_CHECKPOINT, FSCK_INDEX, FSCK_MAP, FSCK_KEY, FSCK_MESSAGE, FSCK_LARGE,
	FSCK_ORPHAN, FSCK_NEWER, FSCK_KINDS
};

struct fsck_range {
	uint64_t segment, at, n;
};

struct fsck {
	const char *dir;
	bool explain, repair, terminal, silent;
	int dirfd, logfd;
	struct format_key key;
	struct buf out;      /* report; flushed by lines */

	/* what was found */
	unsigned found[FSCK_KINDS];
	unsigned damage;     /* sum of those that count */
	unsigned known;      /* damage whose bytes are in lost/ already */
	bool rebuild;        /* the checkpoint's files are not what the log says */
	bool refused;        /* of a newer version: hands off */
	bool gone;           /* records that no checkpoint holds cannot be read */
	bool gaps;           /* nor can some that one holds */
	struct {
		struct fsck_range *v;
		size_t n, cap;
	} ranges;            /* damaged bytes of the log */
	struct {
		struct fsck_bad {
			uint64_t id, segment, at;
		} *v;
		size_t n, cap;
	} bad;               /* copies of blobs that are damaged, by id */
	struct {
		struct fsck_name {
			uint64_t named, right;
		} *v;
		size_t n, cap;
	} swapped;           /* segments under the name of others */

	/* the log */
	struct {
		uint64_t *v;
		size_t n, cap;
	} segments;          /* by first LSN */
	bool complete;       /* whole, but for segments that compaction removed: it gives back all */
	struct {
		struct fsck_lack {
			uint64_t account, mailbox; /* mailbox 0: the account's own record */
			struct message msg;        /* uid 0: the mailbox's record; EXPUNGED: as the log has it */
		} *v;
		size_t n, cap;
	} lacks;             /* what the checkpoint's files hold and the log has not */
	struct buf lack_keys; /* u16 space, u32 length, key, each */
	unsigned char spaces[8192]; /* bits: key-value spaces that the log names */
	uint64_t bytes, total, batches, records, blobs, messages;
	uint64_t shown;      /* ms of the last progress line */
};

/* ---- report.c ---- */

/* One finding: "FILE: offset N: TEXT"; segment 0 = file is a name; offset 0 = none. */
void fsck_report(struct fsck *f, enum fsck_kind kind, const char *file, uint64_t offset, const char *text);
/* The same about a segment; damaged bytes [at, at+n) are noted for lost/ if n. */
void fsck_report_log(struct fsck *f, enum fsck_kind kind, uint64_t segment, uint64_t at, uint64_t n,
	const char *text);
/* On a terminal, at most five times a second. */
void fsck_progress(struct fsck *f, const char *what, uint64_t done, uint64_t total);
void fsck_summary(struct fsck *f);
/* SEGMENT-OFFSET, as recovery names what it cuts; size 40. */
void fsck_lost_name(char name[40], uint64_t segment, uint64_t at);

/* ---- log.c, compare.c, large.c ---- */

/* Which segments there are, by first LSN.  0 / -1. */
int fsck_list(struct fsck *f);
/* Reads the whole log.  0, or -1 + errno if it could not be read at all. */
int fsck_log(struct fsck *f);
/* Reads all files of large messages; state: as a start would see it.  0 / -1 + errno. */
int fsck_large(struct fsck *f, struct store *state);
/* Opens the spool twice and compares.  0 / -1 + errno. */
int fsck_compare(struct fsck *f);
/* The checkpoint's files of a store that is open, whether it needs them or not.  0 / -1 + errno. */
int fsck_files(struct fsck *f, struct store *s);
/* A mailbox's index file: what reading its messages does not reach. */
void fsck_index_file(struct fsck *f, const struct mailbox *m);

/* ---- heal.c ---- */

/* Notes what the log lacks of an account, a mailbox (m, or NULL), a message (msg, or NULL). */
void fsck_lack(struct fsck *f, const struct account *a, const struct mailbox *m, const struct message *msg);
void fsck_lack_key(struct fsck *f, uint16_t space, struct str key);
/* Writes all that was noted to the log again.  0 / -1: it has been said why. */
int fsck_heal(struct fsck *f, struct store *s);

/* ---- swapped.c ---- */

/* Notes segments whose header says another name.  0 / -1 + errno. */
int fsck_names(struct fsck *f);
/* Gives them their own names.  0 / -1 + errno. */
int fsck_rename(struct fsck *f);

#endif
