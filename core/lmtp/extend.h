/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_LMTP_EXTEND_H
#define CORE_LMTP_EXTEND_H

/* What features add to LMTP in mail: tables of struct feature, each ended by an entry without name. */

#include "core/lmtp/internal.h"

/* A command that core does not know. */
struct lmtp_command {
	const char *name;
	/* args stands behind the name.  Answers, or goes on in tx.take (internal.h). */
	void (*run)(struct lmtp_session *s, struct cursor *args);
};

enum { LMTP_AT_MAIL = 1, LMTP_AT_RCPT = 2 };

/* A parameter of MAIL or RCPT (RFC 5321 4.1.2). */
struct lmtp_param {
	const char *name;
	unsigned at;
	/* value.p NULL: it came without one.  r is the recipient, NULL at MAIL.  NULL, or the reply that
	 * refuses the command. */
	const char *(*take)(struct lmtp_session *s, struct lmtp_rcpt *r, struct str value);
};

#endif
