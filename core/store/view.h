/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_STORE_VIEW_H
#define CORE_STORE_VIEW_H

/*
 * What one session sees of a selected mailbox: message sequence numbers that change only when the
 * session is told (RFC 9051 7.5.1).  The message list is the mailbox's own, shared by all its
 * sessions; a view holds only what it has not been told yet: expunged UIDs still numbered for it,
 * a place in the mailbox's change journal, and how far its EXISTS reaches.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/store/store.h"

struct view;

/* Opens a view with everything announced.  take_recent: this session claims the \Recent messages
 * (SELECT; not EXAMINE; RFC 3501 2.3.2).  NULL + ENOMEM, or an index that cannot be read. */
struct view *view_open(struct mailbox *m, bool take_recent);
void view_close(struct view **v);
/* What it has allocated; 0 for none. */
size_t view_bytes(const struct view *v);
struct mailbox *view_mailbox(const struct view *v);
/* False once the mailbox was deleted under us. */
bool view_alive(const struct view *v);

/* EXISTS as last announced. */
uint32_t view_exists(const struct view *v);
/* Highest UID this view numbers, 0 if empty ("*" in UID sets). */
uint32_t view_last_uid(const struct view *v);
/* UID of sequence number 1..exists; 0 if out of range. */
uint32_t view_uid(const struct view *v, uint32_t seq);
/* Sequence number of a UID; 0 if the view does not number it. */
uint32_t view_seq(const struct view *v, uint32_t uid);
/* First sequence number whose UID >= uid; exists + 1 if none. */
uint32_t view_seq_from(const struct view *v, uint32_t uid);
/* Message at a sequence number.  1; 0: numbered but expunged meanwhile. */
int view_message(const struct view *v, uint32_t seq, struct message *m_r);
/* The first sequence number >= seq whose message changed after modseq, 0 if none; passes over what did
 * not change without reading it. */
uint32_t view_newer(const struct view *v, uint32_t seq, uint64_t modseq);
bool view_is_recent(const struct view *v, uint32_t uid);
uint32_t view_recent(const struct view *v);
/* First unseen sequence number, 0 if none. */
uint32_t view_first_unseen(const struct view *v);

/* Is there anything to announce?  Cheap. */
bool view_pending(const struct view *v);
/* Called (on the loop) whenever something becomes pending; NULL switches off. */
void view_notify(struct view *v, void (*changed)(void *arg), void *arg);

/* UIDs of messages that are gone and were not announced yet, in order; borrowed. */
const uint32_t *view_expunged(const struct view *v, size_t *n_r);
/* Everything up to this modseq has been announced, expunges too. */
uint64_t view_settled(const struct view *v);

struct view_events {
	void (*expunge)(void *arg, uint32_t seq, uint32_t uid); /* numbers already shifted, in order */
	void (*exists)(void *arg, uint32_t exists, uint32_t recent);
	void (*flags)(void *arg, uint32_t seq, const struct message *m);
};
/*
 * Announces what happened since the last call: expunges first (if allowed: RFC 9051 7.5.1 forbids
 * them during FETCH, STORE and SEARCH), then EXISTS, then flag changes.  While expunges are held
 * back, EXISTS and flags still go out with the old numbering.  Returns the LSN that must be durable
 * before the output leaves.
 */
uint64_t view_sync(struct view *v, bool allow_expunge, const struct view_events *e, void *arg);
/* Did the flags of an announced message change without this session having been told? */
bool view_flags_untold(const struct view *v, const struct message *msg);
/* Forgets the pending flag change of a message this session changed itself (.SILENT, or because the
 * command's own FETCH response told it). */
void view_forget_flags(struct view *v, uint32_t uid);

#endif
