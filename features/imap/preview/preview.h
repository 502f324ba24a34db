/* SPDX-License-Identifier: 0BSD */
#ifndef FEATURES_IMAP_PREVIEW_PREVIEW_H
#define FEATURES_IMAP_PREVIEW_PREVIEW_H

#include "core/mime/mime.h"

/* RFC 8970 3.1: characters of a preview. */
#define PREVIEW_CHARS 200

/* Appends the preview of a message, perhaps cut off: UTF-8 without controls, runs of blanks as one space;
 * nothing where it has no text. */
void preview_add(struct buf *out, const struct mime_part *top);
/* Appends the text of HTML, which is UTF-8: without tags, comments, styles and scripts, character
 * references resolved.  Linear time. */
void preview_add_html(struct buf *out, struct str html);

#endif
