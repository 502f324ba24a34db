/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_IMAP_SEARCH_H
#define CORE_IMAP_SEARCH_H

/*
 * SEARCH (RFC 3501 6.4.4, RFC 9051 6.4.4) with RETURN (RFC 4731) and "$" (RFC 5182): what its files
 * share.  A command becomes a tree of keys; each message is tried against it, dear keys last.
 */

#include "core/imap/content.h"
#include "core/imap/extend.h"
#include "core/imap/message.h"

enum search_op {
	SEARCH_ALL,
	SEARCH_NONE,      /* a keyword that the mailbox does not know */
	SEARCH_FLAG,      /* number: bits of enum message_flag */
	SEARCH_KEYWORD,   /* number: bits of the keyword table */
	SEARCH_RECENT,
	SEARCH_NEW,
	SEARCH_SEQ,       /* set */
	SEARCH_UID,       /* set */
	SEARCH_LARGER,    /* number */
	SEARCH_SMALLER,
	SEARCH_BEFORE,    /* day, of INTERNALDATE */
	SEARCH_ON,
	SEARCH_SINCE,
	SEARCH_SENTBEFORE, /* day, of the Date field */
	SEARCH_SENTON,
	SEARCH_SENTSINCE,
	SEARCH_HEADER,    /* field, needle */
	SEARCH_BODY,      /* needle */
	SEARCH_TEXT,
	SEARCH_WORD,      /* word: a feature's; number */
	SEARCH_AND,       /* children, cheap ones first */
	SEARCH_OR,
};

enum search_cost { COST_INDEX, COST_SUMMARY, COST_HEADER, COST_BODY };

struct search_needle {
	struct str text;  /* folded (core/mime/charset.h) */
	bool ascii;
};

struct search_key {
	enum search_op op;
	bool negate;
	enum search_cost cost;
	uint64_t number;
	int64_t day;
	struct imap_set set;
	struct str field;
	struct search_needle needle;
	const struct imap_search_word *word;
	struct search_key *child, *next;
	/* Of BODY and TEXT in a long message, which takes more than one turn: */
	uint32_t known_uid;     /* tried already, 0 = none */
	bool known;
};

enum search_return {
	SEARCH_RETURN = 1, /* answered with ESEARCH */
	SEARCH_MIN = 2, SEARCH_MAX = 4, SEARCH_COUNT = 8, SEARCH_RETURN_ALL = 16, SEARCH_SAVE = 32,
};

/* Keys within keys; deeper ones are refused, as evaluation recurses. */
#define SEARCH_DEPTH_MAX 50
/* Strings looked for in headers, and in whole messages: each is a pass over every message, and other
 * sessions wait while one message is tried. */
#define SEARCH_HEADERS_MAX 500
#define SEARCH_BODIES_MAX 50

/* ---- search_parse.c ---- */

struct search_parse {
	struct imap_session *s;
	struct arena *arena;
	unsigned options;         /* enum search_return */
	struct search_key *top;   /* SEARCH_AND of all */
	const char *wrong;        /* for imap_bad() */
	bool bad_charset;         /* NO [BADCHARSET] instead */
	unsigned enables;         /* enum imap_enabled */
	const struct imap_search_word *tail; /* a key that ends the answer, or NULL */
	unsigned headers, bodies; /* strings so far */
};

/* The whole of SEARCH's arguments.  0 / -1 with wrong or bad_charset set. */
int search_parse(struct search_parse *p, struct cursor *c);
/* [SP RETURN SP "(" options ")"] (RFC 4731 3.1).  0 / -1 with wrong set. */
int search_parse_options(struct search_parse *p, struct cursor *c);
/* What follows the keys of SORT or the algorithm of THREAD: SP charset SP search keys (RFC 5256 3).  As
 * search_parse(). */
int search_parse_program(struct search_parse *p, struct cursor *c);

/* ---- search_match.c ---- */

/* Does message x->m, numbered seq, match?  1 yes, 0 no, -1 + errno: its bytes could not be read, or EAGAIN:
 * ask again, after others had their turn. */
int search_match(const struct view *v, struct imap_content *x, uint32_t seq, struct search_key *key);

/* ---- search_text.c ---- */

/* Is the needle in this text?  `charset` as in a Content-Type, may be empty; tmp is scratch. */
bool search_in_text(struct str text, struct str charset, const struct search_needle *needle, struct buf *tmp);
/* In the decoded value of a field of that name; needle "" matches if there is such a field. */
bool search_in_field(struct str header, struct str name, const struct search_needle *needle, struct buf *tmp);
/* In any field of a header block, decoded, names too. */
bool search_in_header(struct str header, const struct search_needle *needle, struct buf *tmp);
/* in the decoded text of a part and of all below it, and in the headers of those below. */
bool search_in_part(const struct mime_part *part, const struct search_needle *needle, struct buf *tmp);
/* ASCII case-insensitive; the needle is lower case. */
bool search_find_ascii(struct str text, struct str needle);

/* Can an ASCII needle be looked for in text of this charset as it is? */
bool search_reads_ascii(struct str charset);

/* ---- search_large.c ---- */

/* As search_in_part(), of a long message, a slice at a time.  1 / 0 / -1 + errno (EAGAIN: go on later). */
int search_in_long(struct imap_content *x, const struct search_key *key);

/* ---- search.c ---- */

void imap_search_run(struct imap_session *s, struct imap_cmd *c);

/* What another command does with the messages that a search finds (SORT, THREAD). */
struct search_use {
	/* One message that was found, x->m, in ascending order.  0 / -1 + errno: EAGAIN: its bytes are not there
	 * yet, it is asked again; ENOMEM, EMLINK (a limit) and the like end the command. */
	int (*take)(struct imap_session *s, struct imap_cmd *c, struct imap_content *x, uint32_t seq);
	/* After the last.  Must lead to the reply, perhaps by a c->step of its own. */
	void (*done)(struct imap_session *s, struct imap_cmd *c);
	/* When the command ends, however. */
	void (*release)(void *own);
	void *own;
};
/* Runs a search that search_parse_program() has taken apart, or answers what was wrong with it (parsed: its
 * result).  c->state belongs to the search from now on. */
void imap_search_for(struct imap_session *s, struct imap_cmd *c, int parsed, const struct search_parse *p,
	const struct search_use *use);
void *imap_search_own(const struct imap_cmd *c);
/* "* ESEARCH (TAG "t") UID MIN 1 MAX 9 COUNT 3 ALL " (RFC 9051 7.3.4), as far as options (enum search_return) ask
 * for it; the set of ALL and the line's end are the caller's. */
void imap_search_begin_esearch(struct buf *out, const struct imap_cmd *c, unsigned options, uint32_t count,
	uint32_t min, uint32_t max);
/* RFC 5182 2.1: SAVE alone is not answered. */
bool imap_search_is_silent(unsigned options);
/* What a key of a feature adds to the end of the answer (" (MODSEQ 5)"). */
void imap_search_add_tail(const struct imap_cmd *c, struct buf *out, bool esearch);

#endif
