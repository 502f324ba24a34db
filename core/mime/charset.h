/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_MIME_CHARSET_H
#define CORE_MIME_CHARSET_H

#include "core/lib/buf.h"

/* Appends `in`, which is in `charset` (a MIME name, any case; empty: US-ASCII), as UTF-8.  Knows
 * US-ASCII, UTF-8, ISO-8859-1, -2, -5, -7, -9, -15, Windows-1250 to -1254 and -1257, KOI8-R and -U.
 * 8-bit bytes in text that should be US-ASCII are taken as UTF-8 if all of it is valid, else as
 * Windows-1252; what is not assigned becomes U+FFFD.
 * 1 converted, 0 charset unknown (ASCII is appended, other bytes become U+FFFD). */
int charset_to_utf8(struct buf *out, struct str charset, struct str in);
/* Appends the UTF-8 text folded for comparison (i;unicode-casemap where cheap, RFC 5051; ASCII,
 * Latin-1, Latin Extended-A, Greek, Cyrillic). Invalid bytes are copied. */
void charset_fold(struct buf *out, struct str utf8);
/* Appends folded text so that comparing bytes gives the order of i;unicode-casemap (RFC 5051): letters are
 * capitals, marks stand behind them, as far as charset_fold() knows letters.  Invalid bytes are copied. */
void charset_collate(struct buf *out, struct str folded);

#endif
