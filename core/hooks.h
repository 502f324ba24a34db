/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_HOOKS_H
#define CORE_HOOKS_H

/*
 * The only doorway between core and features.  A feature is one folder and one exported
 * `const struct feature NAME_feature` with designated initialisers; members left out are NULL and
 * never called.  Core calls features only through this table (core/features.c, made from .config)
 * and never names one.  features/misc/example/ shows every member.
 *
 * Nothing called from here may block.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/lib/buf.h"
#include "core/lib/cursor.h"

struct loop;
struct prelogin;
struct mail;
struct mailbox;
struct session;
struct setting;
struct delivery;
struct imap_session;
struct imap_cmd;
struct imap_command;
struct imap_enable;
struct imap_fetch_word;
struct imap_modifier;
struct imap_pick;
struct imap_search_word;
struct imap_status_item;
struct lmtp_command;
struct lmtp_param;
struct lmtp_rcpt;
struct lmtp_session;
struct message;
struct confine;
struct confine_call;
struct preface;
struct sockaddr_storage;
struct transport;

enum hook_result {
	HOOK_PASS, /* nothing to say: ask the next feature */
	HOOK_DONE, /* dealt with: no other feature is asked, core does not do its own part */
	HOOK_FAIL, /* could not: core answers with a temporary error (4xx, NO) or logs and goes on */
};

/* What a SASL mechanism needs to have kept of a password: a line of the user's value in users.cdb. */
struct sasl_kept {
	const char *kind;     /* the line is "KIND$TEXT" */
	const char *property; /* the name libsasl2 asks for it by */
	bool base64;          /* libsasl2 gets the decoded TEXT, else the whole line */
	/* Appends the line; called when a password is set.  NULL: another keeps it.  0 / -1 ENOMEM. */
	int (*make)(const struct sasl_kept *kept, struct str password, struct buf *out);
	/* Appends a line that no password fits, for a user who has none; the same for the same seed in
	 * all that a client can see, and cheap.  0 / -1 ENOMEM. */
	int (*invent)(const struct sasl_kept *kept, const unsigned char seed[32], struct buf *out);
	void *own;            /* the mechanism's, for the two above and sasl_mech.add */
};

/* Another form than SCRAM-SHA-256 in which a password may be kept to check a shown one against: a line
 * of the user's value in users.cdb. */
struct password_scheme {
	const char *kind; /* the line is "KIND$TEXT" */
	/* Whether "{NAME}" in an import means this one. */
	bool (*named)(struct str name);
	/* NULL, or what is wrong with TEXT, for the admin. */
	const char *(*judge)(struct str text);
	/* In a thread that may take its time, comparing in constant time.  1 fits, 0 not, -1 errno. */
	int (*check)(struct str text, struct str password);
};

/* A SASL mechanism as the gate offers it; its code is registered in the auth role only. */
struct sasl_mech {
	const char *name;
	bool plaintext;  /* sends the password in clear: offered only on a secure connection */
	bool anonymous;  /* proves nobody's identity */
	bool external;   /* takes the name in the client's certificate: offered where there is one */
	bool bindable;   /* has a -PLUS form where a feature has sasl_bind and the connection allows it */
	const struct sasl_kept *kept; /* NULL: the password itself comes and is checked */
	/* Calls sasl_server_add_plugin(); in auth, once, after sasl_server_init().  A SASL_ code. */
	int (*add)(const struct sasl_mech *mech);
};

/* What a SASL exchange can be bound to; "" where the connection has it not. */
struct sasl_bindings {
	struct str exporter; /* "tls-exporter", RFC 9266 */
	struct str endpoint; /* "tls-server-end-point", RFC 5929 4 */
};

struct imap_capability {
	const char *name;
	unsigned states; /* enum imap_state bits in which it is listed */
};

/* A `satchel NAME ...` subcommand. */
struct cli_command {
	const char *name;
	const char *usage;  /* "[--all]" */
	const char *help;   /* one line */
	/* Returns the exit status.  data is the spool's path. */
	int (*run)(const char *data, int argc, char **argv);
};

/* A request over control.sock (`satchel who`): forwarded to mail, answered there. */
struct control_command {
	const char *name;
	/* Appends the answer's text; args is what followed the name. 0, or -1: out is the error. */
	int (*run)(struct mail *m, struct str args, struct buf *out);
	const char *usage;  /* as in struct cli_command */
	const char *help;
};

struct feature {
	const char *name;

	/* ---- tables, each ended by an entry whose name (key) is NULL ---- */
	const struct imap_command *imap_commands;
	const struct imap_capability *imap_capabilities;
	/* Words in commands of core (core/imap/extend.h). */
	const struct imap_enable *imap_enables;
	const struct imap_modifier *imap_modifiers;
	const struct imap_status_item *imap_status_items;
	const struct imap_fetch_word *imap_fetch_words;
	const struct imap_search_word *imap_search_words;
	const struct sasl_mech *sasl_mechs;
	/* LMTP in mail (core/lmtp/extend.h). */
	const char *const *lmtp_words; /* lines of the answer to LHLO; ended by NULL */
	const struct lmtp_command *lmtp_commands;
	const struct lmtp_param *lmtp_params;
	const struct password_scheme *password_schemes; /* kind NULL ends it */
	const struct setting *settings;
	/* What the types of the table cannot say: appends "FILE: message" lines.  Called with every
	 * setting set, at start and at each reload; must not keep anything of them. */
	void (*check_settings)(const char *file, struct buf *errors);
	const struct cli_command *cli;
	const struct control_command *control;

	/* ---- the sandbox of the roles (core/server/confine.h) ---- */
	/* System calls that the feature needs beyond those of core, ended by roles 0. */
	const struct confine_call *calls;
	/* Called in each new role after it gave up its ids, before it has threads or reads a byte from
	 * anybody: take away, for good, first files and addresses, then system calls.  NULL, or why
	 * this host cannot. */
	const char *(*confine_files)(const struct confine *c);
	const char *(*confine_calls)(const struct confine *c);

	/* ---- the auth role, in its threads ---- */
	/* A client's first message to a bindable mechanism.  plus: by its -PLUS name.  DONE: *name_r
	 * (static) and *data_r (of `there`) are the binding to hold it to; PASS: none; FAIL: refused. */
	enum hook_result (*sasl_bind)(bool plus, struct str message, const struct sasl_bindings *there,
		struct str *name_r, struct str *data_r);

	/* ---- the gate ---- */
	/* How connections are encrypted (core/server/transport.h); one feature has it at most. */
	const struct transport *transport;

	/* ---- the mail role ---- */
	/* Bytes of state per session, zeroed, found with feature_slot(). */
	size_t session_size;
	/* Key-value space of its own in the store, 0 = none; numbers are never reused (docs/format.md). */
	uint16_t kv_space;
	/* Called in mail after the store is open and before any session, with privileges already
	 * dropped.  -1: the role does not start (the feature has logged why). */
	int (*mail_start)(struct mail *m);
	/* Called in the new mail process (each one, after a crash too) before it gives up root and
	 * before the store is opened, to open what lies outside the spool.  0 / -1. */
	int (*mail_prepare)(const char *data);
	/* Called in mail when it ends cleanly, after the last session. */
	void (*mail_stop)(struct mail *m);
	/* Called about once a minute in mail. */
	void (*tick)(struct mail *m);
	/* Appends "name value" lines for `satchel stat` and the metrics. */
	void (*metrics)(struct mail *m, struct buf *out);

	/* ---- session observers: after the fact, cannot refuse ---- */
	void (*on_login)(struct session *s);   /* IMAP after login, LMTP at its first MAIL */
	void (*on_select)(struct session *s);  /* s->mailbox changed (NULL: unselected) */
	void (*on_state)(struct session *s);   /* s->state changed; cheap, called per command */
	void (*on_logout)(struct session *s);  /* still complete; called once if on_login was */

	/* May addresses of this domain be ours? */
	bool (*lmtp_domain)(struct mail *m, struct str domain);
	/* No account has this name: "local@domain", then "local", then "@domain", in small letters, without
	 * detail.  1: appends the address that it stands for; 0; -1 could not look. */
	int (*lmtp_alias)(struct mail *m, struct str name, struct buf *target);
	/* A recipient is known and about to be accepted, with its parameters; the size that MAIL declared is
	 * tx.declared (core/lmtp/internal.h).  NULL, or the reply that refuses it (static). */
	const char *(*lmtp_rcpt)(struct lmtp_session *s, const struct lmtp_rcpt *r);

	/* ---- delivery phases (core/lmtp/delivery.h), per recipient, inside one store operation ---- */
	/* Where it goes: d->mailbox is INBOX, or what a feature before chose, and may be replaced by another
	 * of d->account; d->flags may be set.  DONE: accepted and stored nowhere, d->note says why; FAIL: as
	 * below. */
	enum hook_result (*deliver_route)(struct delivery *d);
	/* Before the message is appended to the recipient's mailbox.  DONE: accepted without storing
	 * (a duplicate); d->lsn must then be the barrier of what makes that true, and d->note why.
	 * FAIL: refused with d->refusal, or 451 where that is NULL. */
	enum hook_result (*deliver_check)(struct delivery *d);
	/* After it was appended, in the same batch. */
	void (*deliver_done)(struct delivery *d);

	/* ---- the gate ---- */
	/* A connection from `peer` was accepted at the listener of this name (a word of imap_listen or
	 * lmtp_listen; the name of a socket that was inherited).  DONE: bytes for gate_preface() come
	 * before the first of its protocol.  FAIL: it is closed, the feature has logged why. */
	enum hook_result (*gate_accept)(const char *listener, const struct sockaddr_storage *peer);
	/* All bytes that came so far, cut off at the longest line.  How many of them are read (p is
	 * filled in); 0: more must come; -1: *why_r says what is wrong, and it is closed. */
	int (*gate_preface)(struct str in, struct preface *p, const char **why_r);

	/* ---- IMAP ---- */
	/* The account of a session is open; its login is about to be answered. */
	void (*imap_opened)(struct imap_session *s);
	/* After a session's input or a mailbox change left something to announce while no command runs
	 * (IDLE).  DONE: announced. */
	enum hook_result (*imap_pending)(struct imap_session *s);
	/* A command turned on what was off (enum imap_enabled); what is said here stands before the
	 * command's own answers. */
	void (*imap_enabled)(struct imap_session *s, unsigned fresh);
	/* SELECT said all that it says itself.  DONE: the feature goes on in steps, and then calls
	 * imap_select_reply(). */
	enum hook_result (*imap_selected)(struct imap_session *s, struct imap_cmd *c);
	/* A mailbox was made by CREATE.  Appends the response code of the OK, if it has one to give. */
	void (*imap_created)(struct imap_session *s, const struct mailbox *m, struct buf *code);
	/* A FETCH of these messages is well-formed and about to begin.  The feature may put a step of its
	 * own in front of c->step.  NULL, or what is wrong (for imap_bad()). */
	const char *(*imap_fetch)(struct imap_session *s, struct imap_cmd *c, const struct imap_pick *pick);
	/* A long command has come to message `done` of `total`, goes on in the next turn, and is between two
	 * lines of its answer. */
	void (*imap_progress)(struct imap_session *s, const struct imap_cmd *c, uint32_t done, uint32_t total);
	/* Appends " NAME value" to a FETCH answer that the server gives unasked. */
	void (*imap_told)(struct imap_session *s, struct buf *out, const struct message *m);
	/* Expunged messages are about to be told, or (not allowed) held back.  DONE: told in another
	 * form. */
	enum hook_result (*imap_expunges)(struct imap_session *s, bool allowed);
	/* Appends the response code of a command that removed messages of the selected mailbox. */
	void (*imap_removed)(struct imap_session *s, struct buf *code);
	/* In the gate: a command before login that core does not know (ID, STARTTLS).  DONE: answered
	 * in p->out (imap_tagged() ends it).  args stands after the name. */
	enum hook_result (*imap_gate)(struct prelogin *p, struct str tag, struct str name,
		struct cursor args);

	/* ---- LMTP, in the gate ---- */
	/* Appends "250-EXTENSION" lines to the answer to LHLO. */
	void (*lmtp_lhlo)(struct prelogin *p, struct buf *out);
	/* A command before the first MAIL that core does not know; c stands after `verb`.  DONE:
	 * answered in p->out. */
	enum hook_result (*lmtp_gate)(struct prelogin *p, struct str verb, struct cursor c);
};

/* All compiled features, sorted by name. */
extern const struct feature *const features[];
extern const size_t feature_count;

#define FEATURE_EACH(f)                                                                            \
	for (size_t f##_i = 0; f##_i < feature_count; f##_i++)                                     \
		for (const struct feature *f = features[f##_i]; f; f = NULL)

/* Total of all session_size, and the part of one session that belongs to a feature. */
size_t feature_slots_size(void);
void *feature_slot(const struct session *s, const struct feature *f);

#endif
