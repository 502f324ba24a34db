/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_MIME_NSTRING_H
#define CORE_MIME_NSTRING_H

#include "core/mime/header.h"

/*
 * IMAP strings (RFC 9051 4.3): quoted where that is allowed, else a literal {n} (8-bit, CR, LF, or
 * longer than some clients read in a line).  NUL becomes "?", for no string may hold it.
 */
void mime_add_string(struct buf *out, struct str s);
/* NIL if s.p is NULL. */
void mime_add_nstring(struct buf *out, struct str s);
/* A header value as nstring: unfolded, outer blanks gone; NIL if value.p is NULL. */
void mime_add_field(struct buf *out, struct str value);

#endif
