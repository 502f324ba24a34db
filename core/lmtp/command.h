/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_LMTP_COMMAND_H
#define CORE_LMTP_COMMAND_H

/* The command grammar of LMTP (RFC 2033 4, RFC 5321 4.1), shared by the gate and mail. */

#include <stdbool.h>

#include "core/lib/buf.h"
#include "core/lib/cursor.h"

struct prelogin;

/* RFC 5321 4.5.3.1.3 asks for 256; return paths rewritten on their way need more. */
#define LMTP_PATH_MAX 1000
/* RFC 2821 4.5.3.1.4 and the extensions ask for about 1000 in all. */
#define LMTP_LINE_MAX CONFIG_PRELOGIN_LINE_MAX
/* Wrong commands on one connection before it is closed. */
#define LMTP_ERRORS_MAX 20

enum lmtp_verb {
	LMTP_LHLO, LMTP_MAIL, LMTP_RCPT, LMTP_DATA, LMTP_RSET, LMTP_NOOP, LMTP_QUIT, LMTP_VRFY,
	LMTP_HELP, LMTP_AUTH,
	LMTP_HELO, /* HELO and EHLO: this is not SMTP */
	LMTP_UNKNOWN,
};

struct lmtp_path {
	struct str address; /* between < and >, without a source route; empty for <> */
	struct str local;   /* as written: a quoted local part has its quotes still */
	struct str domain;  /* empty if there is none */
	bool utf8;          /* not in ASCII alone, and valid UTF-8 (RFC 6531 3.3) */
};

/* The word at the start of a line; c then stands behind it (at SP or at the end). */
enum lmtp_verb lmtp_parse_verb(struct cursor *c);
/* The one argument of LHLO: printable ASCII without space.  0 / -1. */
int lmtp_parse_lhlo(struct cursor *c, struct str *name_r);
/* " FROM:<path>" or " TO:<path>"; `word` is "FROM:" or "TO:".  Source routes are passed over
 * (RFC 5321 4.1.1.3).  0 / -1. */
int lmtp_parse_path(struct cursor *c, struct str word, struct lmtp_path *path_r);
/* The next " KEY" or " KEY=VALUE" (RFC 5321 4.1.2).  1 taken, 0 at the end, -1 malformed. */
int lmtp_parse_param(struct cursor *c, struct str *key_r, struct str *value_r);
/* Appends a local part without its quotes and backslashes. */
int lmtp_add_local(struct buf *out, struct str local);

/* The answer to LHLO; p: in the gate, else NULL. */
void lmtp_add_lhlo(struct buf *out, const char *hostname, struct prelogin *p);
/* Answers NOOP, VRFY, HELP, HELO and unknown commands, which are the same in every state.
 * 0 answered, 1 it was an error, -1 not one of these. */
int lmtp_answer_common(struct buf *out, enum lmtp_verb verb);
/* Appends text from a client for a reply or a header field: what is not a printable ASCII byte,
 * or could end a comment or an address, becomes '?'. */
void lmtp_add_clean(struct buf *out, struct str text);

#endif
