/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_LIB_TEXT_H
#define CORE_LIB_TEXT_H

/* Encodings shared by mail formats and protocols. */

#include <stdbool.h>

#include "core/lib/buf.h"

/* Appends standard base64 (RFC 4648 4), padded. */
int text_base64_encode(struct buf *out, struct str in);
/* Appends the decoded bytes.  strict: any foreign byte or bad padding is an error (-1 EINVAL);
 * otherwise foreign bytes are passed over (RFC 2045 6.8). */
int text_base64_decode(struct buf *out, struct str in, bool strict);
/* True if s is valid UTF-8 without surrogates (RFC 3629). */
bool text_is_utf8(struct str s);
/* Modified UTF-7 <-> UTF-8 mailbox names (RFC 3501 5.1.3).  0, or -1 EINVAL when malformed or not
 * in the one canonical form. */
int text_from_mutf7(struct buf *out, struct str in);
int text_to_mutf7(struct buf *out, struct str utf8);
/* Constant time compare of equal lengths; false at once if lengths differ. */
bool text_equal_secret(struct str a, struct str b);

#endif
