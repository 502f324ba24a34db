/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_MIME_TRANSFER_H
#define CORE_MIME_TRANSFER_H

#include "core/lib/buf.h"

/* Decoders that take whatever comes (RFC 2045 6.7, 6.8): foreign bytes are passed over or kept.
 * At most max bytes are appended; 0 = no limit. */
void transfer_add_base64(struct buf *out, struct str in, size_t max);
/* underscore: "_" is a blank, as in encoded-words (RFC 2047 4.2). */
void transfer_add_quoted(struct buf *out, struct str in, size_t max, bool underscore);

#endif
