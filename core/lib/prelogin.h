/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_LIB_PRELOGIN_H
#define CORE_LIB_PRELOGIN_H

/*
 * A connection before login, as the gate holds it: bytes in, bytes out, and what the protocol code
 * wants next.  The protocols' prelogin.c are pure functions over this; the gate owns descriptor,
 * TLS, timers, limits and the channel to auth.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/lib/buf.h"

enum prelogin_want {
	PRELOGIN_READ,    /* needs more client bytes */
	PRELOGIN_AUTH,    /* `auth` holds a request for auth; feed the answer with *_prelogin_auth() */
	PRELOGIN_HANDOFF, /* pass the descriptor to mail with tag, lhlo and the unread bytes in `in` */
	PRELOGIN_ENCRYPT, /* flush `out`, then begin to encrypt; the protocol starts over */
	PRELOGIN_PEER,    /* a front end told in `tag` from which address its client comes, "" = it cannot:
	                     greet that client */
	PRELOGIN_CLOSE,   /* flush `out`, then close */
};

enum prelogin_auth { /* what auth said */
	PRELOGIN_AUTH_CONTINUE,    /* data: the challenge, not yet base64 */
	PRELOGIN_AUTH_OK,
	PRELOGIN_AUTH_FAILED,      /* wrong name or password: one answer for both */
	PRELOGIN_AUTH_UNAVAILABLE, /* could not or would not look now: temporary; data: reason or "" */
	PRELOGIN_AUTH_REFUSED,     /* data: reason; mechanism unknown, cancelled, malformed */
	PRELOGIN_AUTH_DENIED,      /* data: reason; proved who it is, and may not do what it wants */
};
#define PRELOGIN_AUTH_LAST PRELOGIN_AUTH_DENIED

struct prelogin {
	/* set by the gate */
	struct buf in, out;
	const char *hostname;
	const char *peer;     /* as session.peer */
	bool secure;          /* TLS, or a loopback/unix peer, or `plaintext: yes`: passwords may pass */
	bool certificate;     /* the client showed a certificate that names somebody */
	bool binding;         /* a SASL exchange can be bound to the TLS connection */
	bool may_encrypt;     /* PRELOGIN_ENCRYPT can be had */
	bool must_encrypt;    /* and nothing else before it */
	bool may_login;       /* LMTP: AUTH is offered */
	bool must_login;      /* LMTP: no MAIL without it */
	/* set by the protocol */
	enum prelogin_want want;
	struct buf auth;      /* payload of SRV_AUTH_START or SRV_AUTH_STEP without the connection id */
	bool auth_first;      /* START, else STEP */
	bool auth_abort;      /* the client cancelled with "*": send SRV_AUTH_ABORT first */
	struct buf tag;       /* IMAP: tag of the command that logged in; see PRELOGIN_PEER */
	struct buf lhlo;      /* LMTP: name given with LHLO */
	uint8_t state;        /* the protocol's own */
	uint8_t errors;       /* bad commands so far */
};

#endif
