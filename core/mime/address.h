/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_MIME_ADDRESS_H
#define CORE_MIME_ADDRESS_H

#include "core/lib/buf.h"

/* A list beyond this many addresses is cut: a header of commas must not cost gigabytes. */
#define ADDRESS_LIST_MAX 8192

/*
 * Appends the addresses of a header value (RFC 5322 3.4 with the obsolete forms of 4.4, and what
 * mailers really send) in the form of an ENVELOPE, without the outer parentheses:
 *   (name adl mailbox host)...      groups as RFC 9051 7.5.2 wants them
 * A mailbox without a domain gets the empty host "", since NIL would mean a group.
 * Returns how many were appended.
 */
unsigned address_add_list(struct buf *out, struct str value);

#endif
