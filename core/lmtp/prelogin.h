/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_LMTP_PRELOGIN_H
#define CORE_LMTP_PRELOGIN_H

/* What prelogin.c and prelogin_auth.c share: LMTP before it is handed to mail. */

#include "core/lib/cursor.h"
#include "core/lib/prelogin.h"

/* Bits of prelogin.state: LHLO was said; in a line that is too long; the next line is one of a SASL
 * exchange; auth's answer is due. */
enum { LMTP_GREETED = 1, LMTP_SKIPPING = 2, LMTP_RESPONSE = 4, LMTP_WAITING = 8 };

/* Answers with an error (NULL: that was done) and counts it; too many end the connection. */
void lmtp_prelogin_wrong(struct prelogin *p, const char *reply);
/* "AUTH", args stand behind it. */
void lmtp_auth_command(struct prelogin *p, struct cursor *args);
/* A line of the exchange; whole: it was not cut for its length. */
void lmtp_auth_line(struct prelogin *p, struct str line, bool whole);
/* Appends the line of LHLO's answer, if there is something to offer. */
void lmtp_auth_lhlo(const struct prelogin *p, struct buf *out);

#endif
