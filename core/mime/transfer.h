/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_MIME_TRANSFER_H
#define CORE_MIME_TRANSFER_H

#include <stdbool.h>

#include "core/lib/buf.h"

/* Decoders that take whatever comes (RFC 2045 6.7, 6.8): foreign bytes are passed over or kept.
 * At most max bytes are appended; 0 = no limit. */
void transfer_add_base64(struct buf *out, struct str in, size_t max);
/* underscore: "_" is a blank, as in encoded-words (RFC 2047 4.2). */
void transfer_add_quoted(struct buf *out, struct str in, size_t max, bool underscore);

/* Decodes a body that comes in pieces. */
struct transfer {
	enum { TRANSFER_AS_IS, TRANSFER_BASE64, TRANSFER_QUOTED } kind;
	uint32_t bits;   /* base64: not yet a byte */
	unsigned have;
	bool ended;
	struct buf held; /* quoted-printable: a line that is not complete */
};
/* encoding: as in Content-Transfer-Encoding; unknown ones are passed on as they are. */
void transfer_begin(struct transfer *t, struct str encoding);
/* Appends what the next piece decodes to; last: no more comes. */
void transfer_feed(struct transfer *t, struct str piece, bool last, struct buf *out);
void transfer_free(struct transfer *t);

#endif
