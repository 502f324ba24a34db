/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_IMAP_CONTENT_H
#define CORE_IMAP_CONTENT_H

/*
 * What one message holds, read when first asked for and no more of it than asked for.  One is reused
 * for all messages of a FETCH or SEARCH, so that nothing is allocated per message.
 *
 * Readers return 0, or -1 with errno (EPROTO: this message is damaged; EIO; ENOMEM).  What they
 * return is borrowed until the next imap_content_set().
 */

#include "core/lib/arena.h"
#include "core/store/store.h"

#define CONTENT_PIECE (64 * 1024)

struct imap_content {
	struct store *store;
	struct message m;
	uint64_t bytes;         /* bytes of mail read so far; the user sets it back */
	struct buf scratch;     /* for the user: decoded text and the like */
	struct search_scan *scan; /* of search_large.c */
	/* its own */
	struct mime_summary sum;
	struct mime_part *top;
	struct arena arena;
	struct buf summary, header, whole;
	bool has_summary, has_header, has_whole;
	struct mime_reader *reader; /* of a long message that is being read for its tree */
	uint64_t read;
};

/* Turns to another message. */
void imap_content_set(struct imap_content *x, const struct message *m);
int imap_content_summary(struct imap_content *x);
/* When it was sent (RFC 5256 2.2): its Date, in UTC, or INTERNALDATE where that makes no sense or has_summary is
 * not set. */
int64_t imap_content_sent(const struct imap_content *x);
/* Bytes of the header block with its empty line: the prefix and the body's own. */
int imap_content_header_size(struct imap_content *x, uint64_t *size_r);
int imap_content_header(struct imap_content *x, struct str *header_r);
int imap_content_whole(struct imap_content *x, struct str *whole_r);
/* A long message is never in memory as a whole: its tree has no bytes of bodies, only their places. */
bool imap_content_long(const struct imap_content *x);
/* The MIME tree of the whole message; NULL + errno: EAGAIN when so much of a long one was read that others
 * should have their turn. */
const struct mime_part *imap_content_mime(struct imap_content *x);
/* Replaces the contents of `out` with a piece of a part's body, at most CONTENT_PIECE bytes from `at` on,
 * and moves *at.  0 / -1 + errno. */
int imap_content_piece(struct imap_content *x, const struct mime_part *part, uint64_t *at, struct buf *out);
/* Gives back the memory of the whole message and its tree; they are read again when asked for. */
void imap_content_drop_whole(struct imap_content *x);
/* True for header fields whose every occurrence is in sum.fields. */
bool imap_content_is_common(struct str field);
/* search_large.c: what a SEARCH keeps between two slices of a long message. */
void search_scan_free(struct search_scan **scan);
void imap_content_free(struct imap_content *x);

#endif
