/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_MIME_CHARSET_H
#define CORE_MIME_CHARSET_H

#include "core/lib/buf.h"

/* Appends `in`, which is in `charset` (a MIME name, any case), as UTF-8.  Knows US-ASCII, UTF-8,
 * ISO-8859-1 and -15, Windows-1252 (more may follow as a table).  1 converted, 0 charset unknown
 * (bytes that are ASCII are appended, others become U+FFFD). */
int charset_to_utf8(struct buf *out, struct str charset, struct str in);
/* Appends the UTF-8 text folded for comparison (i;unicode-casemap where cheap, RFC 5051; ASCII,
 * Latin-1, Latin Extended-A, Greek, Cyrillic). Invalid bytes are copied. */
void charset_fold(struct buf *out, struct str utf8);

#endif
