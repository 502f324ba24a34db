/* SPDX-License-Identifier: 0BSD */
#ifndef FEATURES_IMAP_QRESYNC_H
#define FEATURES_IMAP_QRESYNC_H

/* What the files of qresync share. */

#include "core/hooks.h"
#include "core/imap/extend.h"
#include "core/imap/message.h"

/* What a client says that it knows (RFC 7162 3.2.5); in the command's arena. */
struct qresync_known {
	uint32_t uidvalidity;
	uint64_t modseq;
	struct imap_set uids;      /* normalised */
	bool all;                  /* instead: all UIDs that were ever given */
	struct imap_set seq_match, uid_match; /* as many in each; ascending */
};

/* ---- match.c ---- */

/* How many numbers a set of ascending ranges holds. */
uint64_t qresync_set_count(const struct imap_set *set);
/* "(" uidvalidity modseq [uids] [(numbers uids)] ")" of SELECT.  NULL, or what is wrong. */
const char *qresync_parse(struct cursor *c, struct arena *a, struct qresync_known *k_r);
/* UID up to which the pairs prove that nothing is unknown to the client; 0 = none matches. */
uint32_t qresync_match(const struct view *v, const struct qresync_known *k);

/* ---- vanished.c ---- */

/* Tells what vanished of k->uids since k->modseq, in steps, and then calls then(). */
void qresync_tell_vanished(struct imap_session *s, struct imap_cmd *c, const struct qresync_known *k,
	void (*then)(struct imap_session *s, struct imap_cmd *c));
/* "* VANISHED 1:2,4" for UIDs in ascending order. */
void qresync_add_vanished(struct buf *out, const uint32_t *uids, size_t n);

#endif
