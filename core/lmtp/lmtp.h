/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_LMTP_LMTP_H
#define CORE_LMTP_LMTP_H

/* LMTP (RFC 2033): the part before MAIL runs in the gate, everything after it in mail. */

#include "core/lib/prelogin.h"
#include "core/session.h"

/* Appends the greeting. */
void lmtp_prelogin_greet(struct prelogin *p);
/* Consumes complete commands from p->in until it wants something (p->want).  At the first MAIL the
 * command stays in p->in and p->want is PRELOGIN_HANDOFF with p->lhlo set. */
void lmtp_prelogin_input(struct prelogin *p);
/* auth's answer to what prelogin.auth asked. */
void lmtp_prelogin_auth(struct prelogin *p, enum prelogin_auth status, struct str data);
/* The gate's last words: busy (421 4.3.2), idle too long (421 4.4.2). */
void lmtp_prelogin_bye(struct prelogin *p, const char *why);

/* Who logged in with AUTH, and how; account NULL: nobody. */
struct lmtp_login {
	const char *account, *mechanism;
};

/* Starts a session on a handed-over descriptor (owned from now on).  A login is confirmed to the client
 * and copied.  0 / -1 + errno. */
int lmtp_session_start(struct mail *m, int fd, struct str lhlo, const struct lmtp_login *login,
	struct str peer, bool tls, struct str unread);

#endif
