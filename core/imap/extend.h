/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_IMAP_EXTEND_H
#define CORE_IMAP_EXTEND_H

/*
 * Words that features add to commands of core (RFC 4466): each table hangs in struct feature and ends
 * with an entry whose name is NULL.  Names are upper case.
 */

#include "core/imap/imap.h"

struct imap_content;
struct search_key;
struct search_parse;

/* ENABLE NAME (RFC 5161). */
struct imap_enable {
	const char *name;
	unsigned bits; /* enum imap_enabled */
};

/* A parameter of SELECT or CREATE, or a modifier of FETCH or STORE: "(NAME value OTHER)". */
enum imap_place { IMAP_AT_SELECT = 1, IMAP_AT_FETCH = 2, IMAP_AT_STORE = 4, IMAP_AT_CREATE = 8 };
struct imap_modifier {
	const char *name;
	unsigned places;     /* enum imap_place */
	unsigned enables;    /* enum imap_enabled: what a well-formed command with it turns on */
	const char *implies; /* FETCH: a data item that is answered too, or NULL */
	/* Takes what follows the name in c->args, if anything; leaves what it says in c or in a slot of
	 * the session.  NULL, or what was wrong with it (for imap_bad()). */
	const char *(*take)(struct imap_session *s, struct imap_cmd *c);
};

/* An item of STATUS. */
struct imap_status_item {
	const char *name;
	unsigned enables;
	void (*add)(struct buf *out, const struct mailbox *m); /* appends the value */
};

/* A data item of FETCH. */
struct imap_fetch_word {
	const char *name;
	unsigned enables;
	/* Appends "NAME value", which the index alone can tell; or else `read`, with bytes of the message: 0,
	 * or -1 + errno as the readers of content.h, with what it appended taken back by the caller. */
	void (*add)(struct buf *out, const struct message *m);
	int (*read)(struct buf *out, struct imap_content *x);
	/* Takes what follows the name, if anything; may be NULL.  NULL, or what was wrong. */
	const char *(*take)(struct cursor *c);
};

/* A key of SEARCH that the index alone can tell. */
struct imap_search_word {
	const char *name;
	unsigned enables;
	/* Takes what follows the name, into k->number. NULL, or what was wrong. */
	const char *(*take)(struct search_parse *p, struct cursor *c, struct search_key *k);
	bool (*match)(const struct search_key *k, const struct message *m);
	/* Ends the answer of a search that used it and found something; modseq: the highest of the messages
	 * that are answered (RFC 4731 3.2).  NULL: nothing to say. */
	void (*tail)(struct buf *out, bool esearch, uint64_t modseq);
};

/* ---- modifiers.c ---- */

/* SP "(" modifier *(SP modifier) ")".  implied_r (may be NULL) gets what FETCH is to answer too.
 * NULL, or what was wrong with it. */
const char *imap_parse_modifiers(struct imap_session *s, struct imap_cmd *c, enum imap_place place,
	const struct imap_fetch_word **implied_r);
const struct imap_fetch_word *imap_fetch_word_find(struct str name);
/* Turns on what a command has earned (enum imap_enabled) and tells the features of it. */
void imap_enable(struct imap_session *s, unsigned bits);

#endif
