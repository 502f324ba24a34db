/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_STORE_FORMAT_H
#define CORE_STORE_FORMAT_H

/*
 * The bytes on disk: segment headers, batch headers, records.  docs/format.md describes every byte;
 * this is the only code that knows offsets.  All numbers are little endian.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/lib/buf.h"
#include "core/lib/cursor.h"
#include "core/store/store.h"

#define FORMAT_VERSION 1
#define SALT_SIZE 16
#define SPOOL_SIZE 64          /* the file `spool` */
#define SEGMENT_HEADER_SIZE 512
#define BATCH_ALIGN 512
#define BATCH_HEADER_SIZE 128
#define BATCH_META_MAX (1u << 30)
#define BATCH_BODIES_MAX ((uint64_t)1 << 40)
#define RECORD_OVERHEAD 20     /* u32 length, u16 type, u16 flags, u64 LSN ... u32 CRC */
#define LARGE_HEADER_SIZE 512  /* of a message in a file of its own */
#define LARGE_BLOCK 65536      /* bytes of it that share a CRC */
#define MESSAGE_SIZE 128       /* an index record */
#define MESSAGES_PER_RECORD 4096
#define KV_KEY_MAX 1000
#define KV_VALUE_MAX 65535
#define MAILBOX_NAME_MAX 1000
#define ACCOUNT_NAME_MAX 255
#define KEYWORD_MAX 128        /* bytes of one keyword */

/* Identity of a spool: what the CRCs of its log are seeded with. */
struct format_key {
	unsigned char salt[SALT_SIZE];
	uint32_t seed; /* CRC32C of the salt */
};
void format_key_set(struct format_key *k, const unsigned char salt[SALT_SIZE]);

/* ---- the file `spool` and segment headers ---- */

void spool_write(struct buf *out, const struct format_key *k, uint64_t created);
/* 1 read; 0 not one of ours or damaged; -1 a newer version (*version_r says which). */
int spool_read(struct str in, struct format_key *k_r, uint16_t *version_r);
void segment_header_write(struct buf *out, const struct format_key *k, uint64_t epoch,
	uint64_t first, uint64_t size);
/* 1 / 0 as above; epoch and first are what the header says. */
int segment_header_read(struct str in, const struct format_key *k, uint64_t *epoch_r, uint64_t *first_r);

/* The head of large/ID; behind it the body, zeros to a multiple of 8, and a CRC for each block. */
struct large_header {
	uint64_t id, size;
	uint32_t body_crc, blocks_crc; /* of the body (not seeded), of the list of CRCs */
};
void large_header_write(struct buf *out, const struct format_key *k, const struct large_header *h);
/* 1 read; 0 damaged or of another spool; -1 a newer version. */
int large_header_read(struct str in, const struct format_key *k, struct large_header *h_r);

/* ---- batches ---- */

enum batch_flag { BATCH_CLEAN_END = 1 };

struct batch_header {
	uint16_t version;
	uint32_t flags;
	uint64_t epoch;
	uint64_t first;     /* LSN of the first record */
	uint32_t count;     /* records */
	uint32_t meta_len, meta_crc;
	uint64_t bodies_len;
	uint32_t prev;      /* CRC of the previous batch's header */
	uint64_t time;      /* Unix seconds, for people */
	uint32_t crc;       /* its own */
};

/* Fills the 128 bytes at p (and h->crc). */
void batch_header_write(char *p, const struct format_key *k, struct batch_header *h);
/* 1 valid; 0 not a header of this spool; -1 of a newer version. */
int batch_header_read(struct str in, const struct format_key *k, struct batch_header *h_r);
/* Bytes from the header's start to the body area, and to the next batch. */
uint64_t batch_bodies_at(const struct batch_header *h);
uint64_t batch_size(const struct batch_header *h);

/* ---- records ---- */

enum record_type {
	RECORD_ACCOUNT = 1,
	RECORD_MAILBOX = 2,
	RECORD_MESSAGES = 3,
	RECORD_BLOB = 4,
	RECORD_KV = 5,
	RECORD_MARK = 6,
	RECORD_EPOCH = 7,
	RECORD_MOVE = 8, /* compaction: a blob's new place */
	RECORD_SEAL = 9, /* hash of a sealed segment; likewise */
	RECORD_OPEN = 10, /* a large message is coming in: this LSN is its id */
	RECORD_LARGE = 11, /* it is in its file */
	RECORD_FEATURE = 1024, /* types from here on belong to features */
};
enum record_flag { RECORD_REQUIRED = 1 }; /* who does not know the type must not open the spool */

struct record {
	uint16_t type, flags;
	uint64_t lsn;
	struct str payload;
};

/* Starts a record at the end of b; returns its position for record_end(). */
size_t record_begin(struct buf *b, uint16_t type, uint16_t flags, uint64_t lsn);
void record_end(struct buf *b, size_t at, const struct format_key *k);
/* Takes the next record of a metadata block.  1; 0 at the end; -1 damaged. */
int record_next(struct cursor *c, const struct format_key *k, struct record *r_r);

struct record_account {
	uint64_t id;
	uint64_t modseq; /* no lower than this */
	struct str name;
};
void record_add_account(struct buf *b, const struct record_account *a);
int record_read_account(struct str payload, struct record_account *a_r);

enum mailbox_state {
	MAILBOX_SUBSCRIBED = 1, MAILBOX_NONEXISTENT = 2, MAILBOX_GONE = 4 /* deleted */,
	MAILBOX_FURNISHED = 8 /* of INBOX: account_furnish() was here */
};
struct record_mailbox {
	uint64_t id, account;
	uint32_t uidvalidity, uidnext;
	uint32_t flags, special_use;
	uint32_t recent;        /* UIDs from here on were not yet claimed as \Recent */
	uint64_t highestmodseq;
	uint64_t lsn;           /* last record that changed the mailbox */
	uint64_t index;         /* checkpoint only: LSN in the name of its index file, 0 = none */
	struct str name;
	unsigned keywords;
	struct str keyword[64];
};
void record_add_mailbox(struct buf *b, const struct record_mailbox *m);
int record_read_mailbox(struct str payload, struct record_mailbox *m_r);

enum blob_kind { BLOB_BODY = 0, BLOB_PREFIX = 1, BLOB_LARGE = 2 /* a body in large/ID */ };
struct record_blob {
	uint16_t kind;
	uint32_t summary_len, summary_crc;
	uint64_t body_len;
	uint32_t body_crc;
	uint64_t offset; /* of the summary in the body area; the body follows, 8-aligned */
};
/* Bytes of its body that stand in the log. */
static inline uint64_t record_blob_bytes(const struct record_blob *r)
{
	return r->kind == BLOB_LARGE ? 0 : r->body_len;
}
void record_add_blob(struct buf *b, const struct record_blob *r);
int record_read_blob(struct str payload, struct record_blob *r_r);

/* MOVE: a copy of blob `id` stands in this batch's body area, r as in its BLOB record.  LARGE: the
 * summary of blob `id` stands there, and its body in a file. */
void record_add_move(struct buf *b, uint64_t id, const struct record_blob *r);
int record_read_move(struct str payload, uint64_t *id_r, struct record_blob *r_r);

struct record_kv {
	uint16_t space;
	bool removed;
	struct str key, value;
	uint64_t lsn; /* of the record that compaction carried over; 0: this is the first */
};
void record_add_kv(struct buf *b, const struct record_kv *r);
int record_read_kv(struct str payload, struct record_kv *r_r);

void record_add_epoch(struct buf *b, uint64_t epoch, uint64_t time, uint32_t uidvalidity_last);

/* MESSAGES: mailbox id, count, then images. */
void record_add_messages(struct buf *b, uint64_t mailbox, uint32_t count);
/* Reads the head; c_r then stands at the images. */
int record_read_messages(struct str payload, uint64_t *mailbox_r, uint32_t *count_r, struct cursor *c_r);
/* The 128-byte index record, in the log and in index files alike. */
int message_encode(struct buf *b, const struct message *m, const struct format_key *k);
/* Takes one; 1, or 0 damaged (taken all the same). */
int message_decode(struct cursor *c, const struct format_key *k, struct message *m_r);

static inline uint64_t format_align(uint64_t n, uint64_t to)
{
	return (n + to - 1) & ~(to - 1);
}

#endif
