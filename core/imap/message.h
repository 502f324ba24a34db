/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_IMAP_MESSAGE_H
#define CORE_IMAP_MESSAGE_H

/*
 * The commands on messages of the selected mailbox (FETCH, SEARCH, STORE, COPY, EXPUNGE and their
 * UID forms), and what they share with features such as MOVE.
 *
 * Numbering does not change while such a command runs: updates of the view go out with the reply.
 */

#include "core/imap/imap.h"
#include "core/imap/parse.h"
#include "core/lib/vec.h"

/* Messages looked at, and bytes of mail read, before a long command lets other sessions run. */
#define IMAP_SLICE_MESSAGES 256
#define IMAP_SLICE_BYTES (1024 * 1024)

/* ---- seqset.c: walking a sequence set ---- */

struct imap_pick {
	struct imap_set set; /* normalised; numbers or UIDs, see uid */
	bool uid;
	size_t range;        /* the one being walked */
	uint32_t seq, last;  /* next sequence number of it, and its last; 0: range not begun */
	bool star;           /* the set ends with "*" */
	/* A modifier's: the first number from seq on that is meant, 0 = none; or NULL. */
	uint32_t (*next)(const struct view *v, uint32_t seq, uint64_t modseq);
	uint64_t modseq;
};

/* Begins a walk of `set`, which is normalised here.  "$" (RFC 5182) becomes the saved UIDs.
 * 0, or -1: a sequence number beyond EXISTS (RFC 3501 9: BAD), or no memory. */
int imap_pick_start(struct imap_pick *p, struct imap_session *s, struct arena *a,
	const struct imap_set *set, bool uid);
/* SP sequence-set from c->args, as UIDs in the UID form.  0, or -1: answered (BAD, or NO where the
 * mailbox was deleted). */
int imap_pick_parse(struct imap_pick *p, struct imap_session *s, struct imap_cmd *c);
/* Next sequence number in ascending order, each once; 0 at the end. */
uint32_t imap_pick_next(struct imap_pick *p, const struct view *v);

/* A list of numbers as ranges.  `v` is allocated; free() it. */
struct imap_ranges { struct imap_range *v; size_t n, cap; };
/* Adds a number greater than all before.  0 / -1. */
int imap_ranges_add(struct imap_ranges *r, uint32_t number);
/* "1:3,5" */
void imap_add_ranges(struct buf *out, const struct imap_range *v, size_t n);

/* ---- store_flags.c ---- */

/* Was the mailbox deleted under a command that runs in slices?  Then it is answered. */
bool imap_view_gone(struct imap_session *s, struct imap_cmd *c);
/* "* FLAGS (...)" if the mailbox has keywords that this session was not told of (RFC 9051 7.3.5):
 * before flags are said. */
void imap_tell_keywords(struct imap_session *s);
/* Is \Recent among the message's flags?  Not in IMAP4rev2 (RFC 9051 A). */
bool imap_shows_recent(const struct imap_session *s, uint32_t uid);
/* "* seq FETCH (UID uid FLAGS (...))" and what features add (MODSEQ); uid only if asked or if the
 * client knows mod-sequences (RFC 7162 3.2.4). */
void imap_add_fetch_flags(struct imap_session *s, struct buf *out, uint32_t seq,
	const struct message *m, bool uid, bool flags);
/* " MODSEQ (5)": what features add to an answer that was not asked for. */
void imap_add_told(struct imap_session *s, struct buf *out, const struct message *m);

/* ---- expunge.c ---- */

/* Removes the \Deleted messages of the selected mailbox, only those in `only` (UIDs) unless NULL, in
 * slices; then calls done once with 0 or an errno, which must lead to the reply.  Its output is
 * behind the barrier already.  Uses c->step, c->state and c->cleanup. */
void imap_expunge_deleted(struct imap_session *s, struct imap_cmd *c, const struct imap_pick *only,
	void (*done)(struct imap_session *s, struct imap_cmd *c, int error));

/* The response code of the tagged OK once messages of the selected mailbox are gone (RFC 7162
 * HIGHESTMODSEQ), in code with a NUL; NULL = none. */
const char *imap_removed_code(struct imap_session *s, struct buf *code);

/* ---- copy.c ---- */

/* COPY, and MOVE (RFC 6851) with move set: parses the arguments, works, answers. */
void imap_copy_messages(struct imap_session *s, struct imap_cmd *c, bool move);

#endif
