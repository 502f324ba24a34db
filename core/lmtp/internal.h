/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_LMTP_INTERNAL_H
#define CORE_LMTP_INTERNAL_H

/* What the files of an LMTP session in mail share. */

#include "core/conn.h"
#include "core/lib/arena.h"
#include "core/lmtp/command.h"
#include "core/lmtp/data.h"
#include "core/session.h"
#include "core/store/store.h"

struct lmtp_session;

enum lmtp_phase {
	LMTP_COMMANDS,
	LMTP_TEXT,       /* between 354 and the final dot */
	LMTP_STORING,    /* the message is complete, its file is not yet on the disk */
	LMTP_DELIVERING, /* recipient after recipient; no input is looked at meanwhile */
};

struct lmtp_rcpt { /* all in the transaction's arena */
	struct str address; /* as given, without <> */
	struct str user;    /* account */
	struct str detail;
	struct str words;   /* what accounts.cdb has of the user */
	bool exempt;        /* from limits of the account (IGNOREQUOTA) */
};

/* From MAIL to the replies after DATA. */
struct lmtp_transaction {
	bool open;             /* MAIL was accepted */
	bool begun;            /* and text has begun to come: no more recipients */
	bool utf8;             /* SMTPUTF8 was said (RFC 6531) */
	struct str sender;
	uint64_t declared;     /* SIZE=, 0 if none */
	struct { struct lmtp_rcpt *v; size_t n, cap; } rcpts;
	struct body *body;
	struct lmtp_data data;
	/* In LMTP_TEXT: takes what is in the connection's input, at least something unless it sets
	 * `stalled`, and leaves that phase at the end. */
	void (*take)(struct lmtp_session *s);
	const char *refusal;   /* the reply for every recipient, decided before the end of data */
	size_t delivered;      /* recipients answered so far */
};

struct lmtp_session {
	struct session base;   /* first */
	char mechanism[24];    /* of AUTH, else "" */
	struct conn conn;
	struct buf lhlo;
	enum lmtp_phase phase;
	struct arena arena;    /* of the transaction */
	struct lmtp_transaction tx;
	uint32_t serial;       /* transactions so far */
	uint8_t errors;
	bool skipping;         /* inside a line that is too long */
	bool stalled;          /* the message comes in faster than the disk takes it */
	const char *ending;    /* last word, said at the next command boundary */
	struct loop_idle work; /* goes on with a long delivery */
};

/* ---- transaction.c ---- */

void lmtp_mail(struct lmtp_session *s, struct cursor *args);
void lmtp_rcpt(struct lmtp_session *s, struct cursor *args);
void lmtp_data(struct lmtp_session *s, struct cursor *args);
void lmtp_transaction_reset(struct lmtp_session *s);
/* A message begins.  0, or an errno: there is no body then. */
int lmtp_text_begin(struct lmtp_session *s);
/* Takes text that stands at the front of the connection's input; what cannot be kept is dropped, and
 * tx.refusal says why.  Returns how much, 0 with `stalled` set: not now. */
size_t lmtp_text_take(struct lmtp_session *s, struct str in);
/* That was all of it: the phase becomes LMTP_STORING or LMTP_DELIVERING. */
void lmtp_text_end(struct lmtp_session *s);
/* The text is still swallowed to its end, but no longer kept: the reply for every recipient. */
void lmtp_text_refuse(struct lmtp_session *s, const char *reply);

/* ---- recipient.c ---- */

/* Finds the account of an address, and the detail.  1, 0 nobody's, -1 could not look. */
int lmtp_find_recipient(struct lmtp_session *s, const struct lmtp_path *path, struct lmtp_rcpt *r);

/* ---- deliver.c ---- */

/* The message is complete: once it is on the disk as far as it must be, the phase becomes
 * LMTP_DELIVERING.  What can be said of it for all recipients at once is said in tx.refusal. */
void lmtp_deliver_begin(struct lmtp_session *s);
/* Delivers to some more recipients and answers each.  True when all are answered. */
bool lmtp_deliver_some(struct lmtp_session *s);

/* ---- session.c ---- */

/* The body goes on (body_notify()). */
void lmtp_body_ready(void *session);

/* "code text" and the line end; counts as a client's mistake from 500 on. */
void lmtp_reply(struct lmtp_session *s, const char *text);
/* Nobody can tell any more where the next command begins: "421 code host why", and the end. */
void lmtp_end(struct lmtp_session *s, const char *code, const char *why);
/* The reply for an errno of the store. */
const char *lmtp_error_reply(int error);

#endif
