/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_MIME_HEADER_H
#define CORE_MIME_HEADER_H

/*
 * Header fields of a message or part (RFC 5322 2.2), found without copying.  Survives any input:
 * lines without a colon, NUL, 8-bit, missing end.  Line ends are CRLF in the store; bare LF is
 * accepted as a line end too.
 */

#include <stdbool.h>

#include "core/lib/buf.h"
#include "core/lib/cursor.h"

struct header_field {
	struct str name;  /* without the colon and blanks in front of it; empty: not a field line */
	struct str value; /* after the colon, with folds and without the last line end */
	struct str raw;   /* the whole field with all its lines and line ends */
};

/* Length of the header block of a message or part, with the empty line that ends it. */
size_t header_block_length(struct str message);
/* Takes the next field from c (which stands at a line start of a header block).  1 taken,
 * 0 at the empty line (taken too) or at the end. */
int header_next(struct cursor *c, struct header_field *f_r);
/* First field of that name (ASCII case-insensitive).  1 / 0. */
int header_find(struct str block, struct str name, struct header_field *f_r);
/* Appends the value with folds removed (line ends dropped, RFC 5322 2.2.3), outer blanks trimmed. */
void header_unfold(struct buf *out, struct str value);
/* Appends the value as UTF-8: unfolded, RFC 2047 encoded-words decoded, raw 8-bit bytes taken as
 * UTF-8 if valid, else as ISO-8859-1. */
void header_decode(struct buf *out, struct str value);

#endif
