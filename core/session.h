/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_SESSION_H
#define CORE_SESSION_H

/*
 * What every session in the mail role has in common, whatever its protocol, and the surroundings it
 * lives in.  Features see sessions through this.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/lib/buf.h"
#include "core/lib/loop.h"

struct store;
struct session;

/* Who waits for figures; belongs to who asks, and must stay until done() is called. */
struct mail_figures {
	/* What `satchel stat` prints.  Runs on the loop. */
	void (*done)(struct mail_figures *w, struct str lines);
	struct mail_figures *next;
};

/* The surroundings of all sessions of one loop of the mail role. */
struct mail {
	struct loop *loop;
	struct store *store;
	const char *hostname;
	bool draining;             /* shutting down: sessions end at the next command boundary */
	struct session *sessions;  /* all, newest first */
	uint32_t session_count;
	uint64_t next_session;
	/*
	 * Does this user exist (accounts.cdb)?  1 yes; 0 no: 550; -1 could not look: 451.
	 * `name` is in small letters, without subaddress.  Appends to words (NULL: not) those that
	 * accounts.cdb has of the user, which are those of FLAGS (core/auth/user_value.h).
	 */
	int (*account_lookup)(struct mail *m, struct str name, struct buf *words);
	/* Collects all figures, the master's among them, and calls w->done once, usually later. */
	void (*figures)(struct mail *m, struct mail_figures *w);
};

struct session {
	uint64_t id;               /* never repeats while the role lives */
	struct mail *mail;
	struct session *prev, *next;
	const char *service;       /* "imap" or "lmtp" */
	const char *mechanism;     /* of the login; "" for LMTP without one */
	char peer[64];             /* "127.0.0.1", "::1" or "unix" */
	bool tls;
	char *user;                /* account; LMTP: who delivers, NULL without a login */
	char *mailbox;             /* selected, UTF-8; NULL none */
	const char *state;         /* "idle", the running command, ... ; static strings */
	uint64_t since;            /* wall clock seconds of its start */
	uint64_t began;            /* the same by loop_now() */
	/* The protocol's: ends the session at a command boundary with a last word (IMAP BYE, LMTP 421);
	 * why is printed to the client. */
	void (*end)(struct session *s, const char *why);
	/* The protocol's: bytes that it has allocated for the session at this moment, its struct included;
	 * NULL: it does not say. */
	size_t (*bytes)(const struct session *s);
	void *slots;               /* memory of the features, see feature_slot() */
	bool told;                 /* observers have heard of it (on_login) */
};

/* Links a zeroed session (embedded in the protocol's own) into mail, gives it an id and the
 * features' slots.  0 / -1 ENOMEM. */
int session_init(struct session *s, struct mail *m, const char *service, struct str peer, bool tls);
/* Tells observers on_logout if on_login was told, unlinks, frees what session_init made, and user
 * and mailbox. */
void session_finish(struct session *s);
/* The log's last line about a session, before session_finish(); bytes as the client sent and got them,
 * without TLS.  docs/users.md promises its form. */
void session_log_end(const struct session *s, uint64_t received, uint64_t sent);
/* Lines for `satchel stat`: how many sessions there are and the bytes allocated for them, by state and
 * encryption.  What sessions share (accounts, indexes) and message bodies are counted elsewhere. */
void session_stat(const struct mail *m, struct buf *out);
/* These set the field and tell the features' observers; observers hear of a session from its login
 * on.  user.p NULL: there is no account (LMTP without a login).  0 / -1 ENOMEM (nothing set). */
int session_login(struct session *s, struct str user, const char *mechanism);
int session_select(struct session *s, struct str mailbox); /* .p NULL: none selected */
void session_state(struct session *s, const char *state);

#endif
