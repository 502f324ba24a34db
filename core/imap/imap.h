/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_IMAP_IMAP_H
#define CORE_IMAP_IMAP_H

/*
 * IMAP4rev1 (RFC 3501) and IMAP4rev2 (RFC 9051) sessions in the mail role.
 *
 * A command is collected whole (its literals inline) in the connection's input, parsed with the
 * functions of parse.h from c->args, and run.  Commands of one session run one after the other.
 * run() must lead to exactly one imap_reply(), at once or later: a long command sets c->step and
 * returns; step() is called again when the output has drained, or in the next turn of the loop
 * after imap_yield().
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/conn.h"
#include "core/hooks.h"
#include "core/lib/arena.h"
#include "core/lib/cursor.h"
#include "core/lib/prelogin.h"
#include "core/session.h"
#include "core/store/view.h"

enum imap_state { IMAP_NOT_AUTHENTICATED = 1, IMAP_AUTHENTICATED = 2, IMAP_SELECTED = 4, IMAP_LOGOUT = 8,
	IMAP_MAY_ENCRYPT = 16 /* before login, where encryption can be had: a bit for capabilities */ };
#define IMAP_LOGGED_IN (IMAP_AUTHENTICATED | IMAP_SELECTED)
#define IMAP_ANY (IMAP_NOT_AUTHENTICATED | IMAP_LOGGED_IN)

enum imap_command_flag {
	IMAP_UID = 1,         /* exists as "UID NAME" too (c->uid says which) */
	IMAP_UID_ONLY = 2,    /* exists only as "UID NAME" (none in the base protocols; UID EXPUNGE is IMAP_UID) */
	IMAP_NO_EXPUNGE = 4,  /* the non-UID form must not be followed by untagged EXPUNGE (RFC 9051 7.5.1) */
	IMAP_GATE = 8,        /* handled before login by the gate too (core/imap/prelogin.c) */
};

struct imap_command {
	const char *name; /* upper case */
	unsigned states;  /* where it is allowed */
	unsigned flags;
	void (*run)(struct imap_session *s, struct imap_cmd *c);
};

struct imap_cmd {
	struct str tag, name;
	const struct imap_command *command;
	bool uid;
	unsigned enables;     /* enum imap_enabled: what its words turn on, once it proves well-formed */
	struct cursor args;   /* after the name; stands at SP or at the end */
	struct arena *arena;  /* reset after the command; may be kept across steps */
	void (*step)(struct imap_session *s, struct imap_cmd *c);
	void *state;          /* the command's own, in the arena */
	void (*cleanup)(struct imap_cmd *c); /* always called once when the command ends, also by a hang-up */
	/* Set by modifiers (extend.h), for FETCH: first sequence number >= seq that is meant, 0 = none;
	 * for STORE: is the message left as it is?  And the response code of the tagged reply, or NULL. */
	uint64_t modseq;
	uint32_t (*next)(const struct view *v, uint32_t seq, uint64_t modseq);
	bool (*leaves)(struct imap_session *s, struct imap_cmd *c, uint32_t seq, const struct message *m);
	const char *(*code)(struct imap_session *s, struct imap_cmd *c);
	unsigned use;         /* of CREATE: bits of enum mailbox_use, if `has_use` */
	bool has_use;
	const char *refusal;  /* response code: the command is well-formed, and refused */
};

enum imap_status { IMAP_OK, IMAP_NO, IMAP_BAD };

/* ENABLEd (RFC 5161); sticky for the session. */
enum imap_enabled {
	IMAP_ENABLED_REV2 = 1,
	IMAP_ENABLED_UTF8 = 2,
	IMAP_ENABLED_CONDSTORE = 4,
	IMAP_ENABLED_QRESYNC = 8,
};

struct imap_session {
	struct session base;        /* first */
	struct conn conn;
	struct account *account;
	struct view *view;          /* selected, or NULL */
	bool readonly;              /* EXAMINE */
	unsigned enabled;
	struct imap_cmd *running;   /* NULL: between commands */
	struct arena arena;
	struct loop_idle wake;
	struct store_reading reading; /* a running command waits for mail to be read */
	uint64_t barrier;           /* LSN that the output of this turn must wait for */
	struct imap_range *saved;   /* SEARCHRES "$" (RFC 5182): UIDs in order, allocated */
	size_t saved_count;         /* ranges; imap_unselect() frees them */
	uint8_t errors;             /* BAD in a row; too many end the session */
	bool ending;
	/* A running command that reads its own lines (IDLE): called with each complete line. */
	void (*line)(struct imap_session *s, struct imap_cmd *c, struct str line);
	/* The command collector's own (core/imap/input.c). */
	struct imap_input *input;
	struct body *append_body;   /* APPEND's literal streams here */
};

/* ---- prelogin.c, in the gate ---- */

void imap_prelogin_greet(struct prelogin *p);
void imap_prelogin_input(struct prelogin *p);
/* auth's answer to the request in p->auth. */
void imap_prelogin_auth(struct prelogin *p, enum prelogin_auth status, struct str data);
void imap_prelogin_bye(struct prelogin *p, const char *why);

/* ---- session.c ---- */

/* Starts a logged-in session on a handed-over descriptor (owned from now on): answers the login
 * command `tag` with OK [CAPABILITY ...].  0 / -1 + errno. */
int imap_session_start(struct mail *m, int fd, struct str tag, struct str account,
	const char *mechanism, struct str peer, bool tls, struct str unread);

/* ---- reply.c: what commands say ---- */

struct buf *imap_out(struct imap_session *s);
/* Output of this turn tells state that must be durable up to lsn first. */
void imap_barrier(struct imap_session *s, uint64_t lsn);
/* Ends the running command: pending updates of the view (EXPUNGE held back where the command must
 * not show it), then "tag OK [code] text".  code may be NULL; it may be e.g. "TRYCREATE" or
 * "APPENDUID 1 2". */
void imap_reply(struct imap_session *s, struct imap_cmd *c, enum imap_status status, const char *code,
	const char *text);
/* "tag STATUS [code] text" CRLF and nothing else; an empty tag is written "*".  Also in the gate. */
void imap_tagged(struct buf *out, struct str tag, const char *status, const char *code, const char *text);
/* The same for a failed store call: errno to NO [code] text (ENOENT NONEXISTENT, EEXIST
 * ALREADYEXISTS, EINVAL CANNOT, EMLINK LIMIT, ENOSPC OVERQUOTA/..., EIO SERVERBUG, ...). */
void imap_reply_errno(struct imap_session *s, struct imap_cmd *c, int error);
/* BAD: "what" names the argument that was wrong: "FETCH: expected a section after BODY[". */
void imap_bad(struct imap_session *s, struct imap_cmd *c, const char *what);
/* Untagged line: "* " text CRLF. */
void imap_untagged(struct imap_session *s, const char *text);
/* "+ text" CRLF. */
void imap_plus(struct imap_session *s, const char *text);
/* A string as atom-safe quoted string or literal; NIL if p is NULL. */
void imap_add_string(struct buf *out, struct str v);
/* A mailbox name: UTF-8 in quoted form when the session has UTF8/rev2 enabled, else modified UTF-7. */
void imap_add_mailbox(const struct imap_session *s, struct buf *out, struct str name);
/* (\Seen $Forwarded ...) with parentheses. */
void imap_add_flags(struct buf *out, const struct mailbox *m, uint32_t flags, uint64_t keywords, bool recent);
/* Announces pending changes of the view. */
void imap_sync(struct imap_session *s, bool allow_expunge);
/* Calls the running command's step() again in the next turn. */
void imap_yield(struct imap_session *s);
/* After EAGAIN of a reader (store_read_nowait()): calls step() again when the bytes are there. */
void imap_wait_read(struct imap_session *s);
/* So often in a row a command comes again for bytes that are not there, before it waits for them. */
#define IMAP_READ_TRIES 3
/* CAPABILITY words of core and features for a state, separated by spaces.  p: the connection before
 * login, NULL after it. */
void imap_add_capabilities(struct buf *out, enum imap_state state, const struct prelogin *p);
/* "* BYE text", then close. */
void imap_bye(struct imap_session *s, const char *code, const char *text);
/* Ends a SELECT that a feature went on with (hooks.h, imap_selected). */
void imap_select_reply(struct imap_session *s, struct imap_cmd *c);
/* The use that a name such as "Sent" usually has (enum mailbox_use), in any case; 0: none. */
unsigned imap_use_of(struct str name);
/* Those of the bits `use` that no mailbox of the account has. */
unsigned imap_free_uses(const struct account *a, unsigned use);
/* Selects nothing any more (closes the view, tells observers); without EXPUNGE. */
void imap_unselect(struct imap_session *s);

/* The command of that name for these states from core's and the features' tables, or NULL. */
const struct imap_command *imap_command_find(struct str name, bool uid);
/* core's own, ended by name NULL; one table per file: mailbox.c, message.c ... joined in commands.c */

#endif
