/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_MIME_MIME_H
#define CORE_MIME_MIME_H

/*
 * The MIME structure of a message (RFC 2045, 2046), as a tree of byte ranges over the message, and
 * what IMAP makes of it.  The parser survives any input: depth is bounded by CONFIG_MIME_DEPTH_MAX,
 * parts by CONFIG_MIME_PARTS_MAX; what lies beyond is text of its parent part.  Linear time.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/lib/arena.h"
#include "core/lib/buf.h"
#include "core/mime/nstring.h"

/* Raised whenever a change makes summaries differ; stored beside each message. */
#define MIME_PARSER_VERSION 1

struct mime_param {
	struct str name, value; /* value without quotes (RFC 2231 pieces joined and left encoded as sent) */
	struct mime_param *next;
};

struct mime_part {
	struct str header;            /* its header block with the empty line */
	struct str body;              /* what follows; for message/rfc822 the inner message; .p NULL if the
	                                 message was read in pieces */
	uint64_t at;                  /* where the header begins in the message, */
	uint64_t body_at, body_len;   /* and where the body stands */
	struct str type, subtype;     /* as written; defaults text, plain (RFC 2045 5.2; RFC 2046 5.1.5) */
	struct mime_param *params;    /* text/plain always has a charset (RFC 2046 4.1.2) */
	struct str encoding;          /* Content-Transfer-Encoding, empty if none */
	struct str disposition;       /* Content-Disposition (RFC 2183), empty if none */
	struct mime_param *disposition_params;
	/* Raw values of Content-ID, -Description, -MD5, -Language, -Location; .p NULL if absent. */
	struct str id, description, md5, language, location;
	uint32_t lines;               /* LF count of body (a last line without LF counts) */
	bool multipart;               /* has parts by boundary, at least one */
	bool rfc822;                  /* message/rfc822 or message/global; first_child is the inner message */
	struct mime_part *first_child, *next, *parent;
};

/*
 * What cannot be shown as it claims to be changes its type: a multipart without a boundary or
 * without any part becomes text/plain; a multipart or message below the deepest level, and a
 * message that is base64 or quoted-printable (RFC 2045 6.4), application/octet-stream.
 */
/* Parses a whole message; the tree lives in `a` and points into `message`.  NULL: out of memory. */
struct mime_part *mime_parse(struct arena *a, struct str message);

/*
 * The same for a message that comes in pieces.  Headers are copied to `a`, 256 KiB of them in all: what
 * is longer is cut (its place is still told right).  A boundary of more than 16 KiB is not recognised.
 */
struct mime_reader;
/* NULL: out of memory. */
struct mime_reader *mime_reader_new(struct arena *a);
/* The next bytes; they may be forgotten afterwards. */
void mime_reader_feed(struct mime_reader *r, struct str piece);
/* The tree; frees the reader.  NULL: out of memory, at any time since it was made. */
struct mime_part *mime_reader_end(struct mime_reader **r);
/* Gives up.  NULL is allowed. */
void mime_reader_free(struct mime_reader **r);

/*
 * Finds the part of an IMAP section number (RFC 9051 6.4.5: BODY[1.2.3]); n = 0 gives the message.
 * A message that is not multipart has itself as part 1.  NULL: there is no such part.
 * *message_r is true where HEADER and TEXT apply (the top, or the inner message of message/rfc822;
 * the part returned is then the inner message itself, while MIME asks for the outer part: *mime_r).
 */
const struct mime_part *mime_find(const struct mime_part *top, const uint32_t *numbers, unsigned n,
	const struct mime_part **mime_r, bool *message_r);

/* IMAP forms (RFC 9051 7.5.2), strings quoted, or as non-synchronizing-free literals {n} where they
 * must be (8-bit, CR, LF, NUL, too long); NUL bytes are replaced, as literals may not hold them. */
void mime_add_envelope(struct buf *out, struct str header);
void mime_add_bodystructure(struct buf *out, const struct mime_part *top, bool extended);

/* Appends the body, which is in memory, decoded from its transfer encoding (base64, quoted-printable; others as is).
 * 1 decoded, 0 encoding unknown (appended as is), at most max bytes are appended (0 = no limit). */
int mime_decode_body(struct buf *out, const struct mime_part *part, size_t max);
/* Is it one that can be decoded?  Empty means 7bit. */
bool mime_encoding_known(struct str encoding);
/* Value of a parameter (charset, name, ...), empty if none. */
struct str mime_param_value(const struct mime_part *part, struct str name);

/*
 * The summary kept beside each stored message body, so that listings and redo never parse MIME.
 * Little endian: u32 MIME_PARSER_VERSION, u32 header_len (bytes of the header block), u32 lines,
 * u32 flags, then four u32-length strings: ENVELOPE, BODY, BODYSTRUCTURE (IMAP text), and the raw
 * common header fields (From To Cc Bcc Subject Date Message-ID In-Reply-To References Reply-To
 * Sender, as in the message, joined).
 */
#define MIME_HEADER_8BIT 1u /* of flags: the header of the message has 8-bit bytes */

struct mime_summary {
	uint32_t version, header_len, lines, flags;
	struct str envelope, body, bodystructure, fields;
};
/* True for the fields whose raw lines a summary holds. */
bool mime_is_common_field(struct str name);
/* Appends the summary of a message body.  0, or -1 out of memory. */
int mime_summary_add(struct buf *out, struct str message);
/* The same of its tree. */
int mime_summary_add_tree(struct buf *out, const struct mime_part *top);
/* 0; -1 EPROTO when damaged; s_r points into `in`. */
int mime_summary_read(struct str in, struct mime_summary *s_r);

#endif
