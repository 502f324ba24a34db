/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_MIME_ADDRESS_H
#define CORE_MIME_ADDRESS_H

#include "core/lib/buf.h"

/* A list beyond this many addresses is cut: a header of commas must not cost gigabytes. */
#define ADDRESS_LIST_MAX 8192

/* Working memory, shared by the lists of one envelope; zeroed at first, freed at last. */
struct address_scratch {
	struct buf phrase; /* words as a display name */
	struct buf local;  /* the same words as a local part: no blanks around dots */
	struct buf domain, route;
	struct buf unused; /* a reading of words that is not wanted */
};

void address_scratch_free(struct address_scratch *s);

/*
 * Appends the addresses of a header value (RFC 5322 3.4 with the obsolete forms of 4.4, and what
 * mailers really send) in the form of an ENVELOPE, without the outer parentheses:
 *   (name adl mailbox host)...      groups as RFC 9051 7.5.2 wants them
 * A mailbox without a domain gets the empty host "", since NIL would mean a group.
 * Returns how many were appended.
 */
unsigned address_add_list(struct buf *out, struct str value, struct address_scratch *s);

#endif
