/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_MIME_PART_H
#define CORE_MIME_PART_H

/* What the header of a part says about it, for the parser. */

#include "core/mime/mime.h"

/* Fills in what part->header says; the type was set to the default before.  0 / -1 out of memory. */
int part_read_header(struct arena *a, struct mime_part *part);
/* The boundary of a multipart, .len 0 if it has none. */
struct str part_boundary(const struct mime_part *part);
bool part_is_message(const struct mime_part *part);
/* base64 or quoted-printable. */
bool part_is_encoded(const struct mime_part *part);
void part_set_text(struct mime_part *part);
void part_set_octets(struct mime_part *part);
/* Gives text/plain a charset if it has none.  0 / -1 out of memory. */
int part_add_charset(struct arena *a, struct mime_part *part);

#endif
