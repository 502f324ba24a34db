/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_LMTP_DATA_H
#define CORE_LMTP_DATA_H

/*
 * The text after DATA, as it arrives (RFC 5321 4.5.2).
 *
 * - Only CRLF "." CRLF ends it.  A dot beside a bare LF or CR is text, so nothing can be smuggled
 *   past us that another server saw as one message.
 * - A dot that begins a line after CRLF is taken away.
 * - A bare LF becomes CRLF: local programs send it, and the store holds lines as IMAP sends them.
 * - A bare CR stays.  NUL is noted: IMAP could not send it (RFC 9051 4.3), so the message is refused
 *   once it is complete.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/lib/buf.h"

enum lmtp_data_at { LMTP_DATA_START, LMTP_DATA_DOT, LMTP_DATA_DOT_CR, LMTP_DATA_TEXT, LMTP_DATA_CR };

/* A zeroed struct stands at the beginning. */
struct lmtp_data {
	enum lmtp_data_at at;
	bool raw;      /* dots mean nothing, and no end is looked for (BDAT, RFC 3030) */
	bool done;     /* the end was seen */
	bool nul;
	uint64_t size; /* bytes of text so far, whether kept or not */
};

/* Takes bytes of `in` up to the end of the data (or all) and appends their text to `out` (NULL:
 * drops it).  Returns how many bytes were taken; a failed append shows in out->failed. */
size_t lmtp_data_feed(struct lmtp_data *d, struct str in, struct buf *out);

#endif
