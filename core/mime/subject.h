/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_MIME_SUBJECT_H
#define CORE_MIME_SUBJECT_H

#include "core/lib/buf.h"

/*
 * Appends a Subject's value ready to be compared: encoded-words decoded, runs of blanks made one space
 * (RFC 5256 2.1, step 1), folded (core/mime/charset.h).
 */
void subject_fold(struct buf *out, struct str value);

/*
 * The base subject (RFC 5256 2.1, steps 2 to 7) of what subject_fold() made: a part of it, possibly
 * empty.  *reply_r (may be NULL): something was taken away that a reply or a forward adds.  Linear time.
 */
struct str subject_base(struct str folded, bool *reply_r);
/* Appends the base subject of a Subject's value, folded. */
void subject_add_base(struct buf *out, struct str value, bool *reply_r);

#endif
