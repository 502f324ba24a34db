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

struct imap_content {
	struct store *store;
	struct message m;
	uint64_t bytes;         /* bytes of mail read so far; the user sets it back */
	struct buf scratch;     /* for the user: decoded text and the like */
	/* its own */
	struct mime_summary sum;
	struct mime_part *top;
	struct arena arena;
	struct buf summary, header, whole;
	bool has_summary, has_header, has_whole;
};

/* Turns to another message. */
void imap_content_set(struct imap_content *x, const struct message *m);
int imap_content_summary(struct imap_content *x);
/* Bytes of the header block with its empty line: the prefix and the body's own. */
int imap_content_header_size(struct imap_content *x, uint64_t *size_r);
int imap_content_header(struct imap_content *x, struct str *header_r);
int imap_content_whole(struct imap_content *x, struct str *whole_r);
/* The MIME tree of the whole message; NULL + errno. */
const struct mime_part *imap_content_mime(struct imap_content *x);
/* Gives back the memory of the whole message and its tree; they are read again when asked for. */
void imap_content_drop_whole(struct imap_content *x);
/* True for header fields whose every occurrence is in sum.fields. */
bool imap_content_is_common(struct str field);
void imap_content_free(struct imap_content *x);

#endif
