/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_IMAP_FETCH_H
#define CORE_IMAP_FETCH_H

/* FETCH (RFC 3501 6.4.5, RFC 9051 6.4.5): what its files share. */

#include "core/imap/content.h"
#include "core/imap/extend.h"
#include "core/imap/message.h"

enum fetch_section_text {
	SECTION_ALL,        /* BODY[], BODY[1] */
	SECTION_HEADER,
	SECTION_FIELDS,
	SECTION_FIELDS_NOT,
	SECTION_TEXT,
	SECTION_MIME,
};

struct fetch_section {
	uint32_t *part;     /* numbers of BODY[1.2.3] */
	unsigned depth;
	enum fetch_section_text text;
	struct str *fields; /* of HEADER.FIELDS */
	unsigned n_fields;
	bool common;        /* all fields stand in the summary */
};

enum fetch_what {
	FETCH_UID, FETCH_FLAGS, FETCH_INTERNALDATE, FETCH_SIZE, FETCH_ENVELOPE, FETCH_BODY,
	FETCH_BODYSTRUCTURE, /* those before are asked for once, the rest as often as one likes */
	FETCH_SECTION, FETCH_BINARY, FETCH_BINARY_SIZE,
	FETCH_WORD, /* a feature's */
};

struct fetch_item {
	enum fetch_what what;
	bool partial;
	uint32_t start, length; /* of <start.length> */
	struct fetch_section section;
	struct str label;       /* "BODY[1.MIME]<0>" as the answer says it */
	const struct imap_fetch_word *word;
};

struct fetch_items {
	struct fetch_item *v;
	size_t n, cap;
	unsigned once;  /* bits of enum fetch_what */
	unsigned enables; /* enum imap_enabled */
	bool sets_seen; /* RFC 9051 6.4.5: BODY[...] without PEEK sets \Seen */
};

/* A body goes out in pieces of this size, so that a large one costs no memory of its size. */
#define FETCH_PIECE (4 * CONN_OUT_HIGH)

/* More sections in one FETCH are refused: each may cost a reading of the message. */
#define FETCH_ITEMS_MAX 1000

/* ---- fetch_parse.c ---- */

/* The items that follow the sequence set, with the SP in front; uid adds UID.  NULL, or what was wrong with it (for
 * imap_bad). */
const char *fetch_parse_items(struct cursor *c, struct arena *a, bool uid, struct fetch_items *items_r);
/* Adds a feature's item if it is not among them.  NULL, or what went wrong. */
const char *fetch_add_word(struct fetch_items *items, struct arena *a, const struct imap_fetch_word *word);

/* ---- fetch_section.c ---- */

/* After the "[": to the "]".  NULL, or what was wrong.  label gets the text between the brackets in the
 * form of the answer. */
const char *fetch_parse_section(struct cursor *c, struct arena *a, struct fetch_section *section_r,
	struct buf *label);
/* Is the section a run of the stored bytes?  Else it is a selection of header fields. */
bool fetch_is_range(const struct fetch_section *section);
/* Its place in the message.  1; 0: there is no such part; -1 + errno. */
int fetch_section_range(struct imap_content *x, const struct fetch_section *section,
	uint64_t *offset_r, uint64_t *length_r);
/* The bytes of one that is no range, borrowed from x.  1; 0: there is no such part; -1 + errno. */
int fetch_section_bytes(struct imap_content *x, const struct fetch_section *section, struct str *bytes_r);
/* Decoded (RFC 3516).  Also ENOTSUP: its transfer encoding is not known. */
int fetch_binary_bytes(struct imap_content *x, const struct fetch_section *section, struct str *bytes_r);

/* ---- fetch_item.c ---- */

/* Bytes of a literal that are still to be sent. */
struct fetch_literal {
	const char *memory;     /* they stand here (in x), or NULL: in the store */
	uint64_t offset, left;  /* from there, or in the message */
};

/* Appends a FETCH_SECTION or FETCH_BINARY item up to its bytes, of which *l_r tells the place.  0, with
 * nothing left if there is no such part; -1 + errno. */
int fetch_open_literal(struct buf *out, struct imap_content *x, const struct fetch_item *item,
	struct fetch_literal *l_r);
/* Appends any other item.  0 / -1 + errno. */
int fetch_add_item(struct imap_session *s, struct buf *out, struct imap_content *x,
	const struct fetch_item *item);
/* Cuts [*offset, *offset + *length) to the item's partial. */
void fetch_cut_partial(const struct fetch_item *item, uint64_t *offset, uint64_t *length);

/* ---- fetch.c ---- */

void imap_fetch_run(struct imap_session *s, struct imap_cmd *c);

#endif
