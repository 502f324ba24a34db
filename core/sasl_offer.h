/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_SASL_OFFER_H
#define CORE_SASL_OFFER_H

/* The gate's half of SASL, the same for both protocols: what a connection is offered, and the requests
 * to auth. */

#include "core/lib/prelogin.h"

enum sasl_offer {
	SASL_OFFER_UNKNOWN, /* there is no such mechanism in this build, or not on such a connection */
	SASL_OFFER_SECURE,  /* it would show the password: not without TLS */
	SASL_OFFER_YES,
};

/* By name, whatever its case. */
enum sasl_offer sasl_offer_find(const struct prelogin *p, struct str name);
/* Appends before and NAME for each mechanism that may be used here and now. */
void sasl_offer_add(const struct prelogin *p, const char *before, struct buf *out);

/* These put a request into p->auth and say that it is to be sent; the answer comes by
 * *_prelogin_auth(). */
void sasl_offer_login(struct prelogin *p, struct str user, struct str password);
/* initial.p NULL: there is no initial response. */
void sasl_offer_start(struct prelogin *p, struct str mechanism, struct str initial);
void sasl_offer_step(struct prelogin *p, struct str response);
/* Appends auth's reason for a reply: at most 200 bytes, none of them a control byte. */
void sasl_offer_add_reason(struct buf *out, struct str reason);
/* Appends what a client's base64 says; with `initial`, "=" is an empty response (RFC 4959 3, RFC 4954
 * 4).  0, or -1: it is not base64. */
int sasl_offer_decode(struct str text, bool initial, struct buf *out);

#endif
