/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_IMAP_COMMANDS_H
#define CORE_IMAP_COMMANDS_H

/* What the files of core/imap share among themselves and nobody else needs. */

#include "core/imap/imap.h"
#include "core/imap/parse.h"

/* Core's commands, each table ended by name NULL; commands.c joins them. */
extern const struct imap_command imap_session_commands[]; /* session_cmds.c */
extern const struct imap_command imap_mailbox_commands[]; /* mailbox.c */
extern const struct imap_command imap_list_commands[];    /* list.c */
extern const struct imap_command imap_status_commands[];  /* status.c */
extern const struct imap_command imap_append_commands[];  /* append.c */
extern const struct imap_command imap_message_commands[]; /* message.c */

/* What message.c's commands add to the capabilities (ESEARCH and the like). */
extern const struct imap_capability imap_message_capabilities[]; /* message.c */

/* IMAP4rev2 is complete in this build. */
bool imap_has_rev2(void);
/* One line of a command: up to and with its LF at `end` (an offset), and the literal that it announces
 * at its end (RFC 9051 4.3, RFC 7888). */
struct imap_line {
	size_t end, text; /* text: without the line end */
	bool literal, nonsync;
	uint64_t size;    /* of the literal; saturates */
	size_t header;    /* where "{n}" begins */
};
/* The line that begins at `from`.  1; 0: not complete yet. */
int imap_scan_line(struct str in, size_t from, struct imap_line *line_r);
/* The tag that a command begins with, empty if it has none. */
struct str imap_scan_tag(struct str in);
/* Takes "tag SP name" of a command; NULL, or what is wrong with it. */
const char *imap_parse_head(struct cursor *c, struct str *tag_r, struct str *name_r);

/* How far the collector of commands (input.c) is, and the command that runs. */
enum imap_input_mode {
	IMAP_INPUT_COMMAND, /* collecting a command in conn.in */
	IMAP_INPUT_BODY,    /* APPEND's message: `left` bytes go to append_body */
	IMAP_INPUT_TAIL,    /* what follows the message in APPEND's line */
	IMAP_INPUT_SWALLOW, /* `left` bytes of a literal of a refused command */
	IMAP_INPUT_DISCARD, /* the rest of a refused command */
};
struct imap_input {
	uint8_t mode;           /* enum imap_input_mode */
	bool done;              /* the running command has replied */
	bool driving;           /* session.c is on the stack */
	bool step_due;          /* the running command's step() is to be called */
	bool stalled;           /* BODY: the message comes in faster than the disk takes it */
	size_t at;              /* COMMAND: where in conn.in the next line begins */
	size_t literals;        /* COMMAND: bytes of literals so far */
	uint64_t left;
	struct buf head;        /* APPEND's command without the message; the tag of a refused command */
	const char *status, *code, *text; /* what a refused command is answered */
	const char *end_why;    /* the session ends at the next command boundary */
	struct imap_cmd cmd;
	uint8_t keywords_told;  /* names in the last FLAGS response */
	char mechanism[32];
};

/* ---- input.c ---- */

/* Takes the next command from the connection's input.  1: its text, without the line end, is in
 * *text_r, in the session's arena; 0: more bytes are needed, or what was there has been answered and
 * the caller may call again when `in` still holds something new (*again_r). */
int imap_input_next(struct imap_session *s, struct str *text_r, bool *again_r);
/* Takes a line for a command that reads its own (s->line).  1 / 0. */
int imap_input_line(struct imap_session *s, struct str *line_r);

/* ---- session.c ---- */

/* What view_notify() is given: wakes a session that waits in IDLE. */
void imap_view_changed(void *session);

/* ---- append.c ---- */

/* Looks at an APPEND whose message of `size` bytes is about to come: creates s->append_body, or
 * says why not.  text: the command up to the literal.  0, or -1 with *code_r, *why_r and *status_r
 * ("NO", "BAD") set. */
int imap_append_begin(struct imap_session *s, struct str text, uint64_t size, const char **status_r,
	const char **code_r, const char **why_r);
/* An errno of the body as text for the client. */
const char *imap_append_trouble(int error);
/* Does this text stand in front of APPEND's message (not of a mailbox name sent as a literal)? */
bool imap_append_is_message(struct str text);

/* ---- mailbox.c ---- */

/* "* FLAGS (...)": names of the selected mailbox's flags and keywords. */
void imap_add_flags_line(struct imap_session *s, const struct mailbox *m);

/* ---- list.c ---- */

/* "* LIST (attributes) "/" name": the line that SELECT shows too (RFC 9051 6.3.2). */
void imap_add_list_line(struct imap_session *s, const struct mailbox *m);

/* ---- match.c ---- */

/* Does a mailbox name match a LIST pattern ("*" any run, "%" any run without "/")?  Time is at most
 * name length times pattern length, whatever the pattern. */
bool imap_match(struct str pattern, struct str name);

/* ---- status.c ---- */

/* "* STATUS name (...)" items, as parsed by imap_parse_status_items(). */
void imap_add_status(struct imap_session *s, const struct mailbox *m, unsigned items);
/* "(MESSAGES UNSEEN ...)".  0, or -1: an item that is unknown, or none. */
int imap_parse_status_items(struct cursor *c, unsigned *items_r);
/* What asking for them turns on (enum imap_enabled). */
unsigned imap_status_enables(unsigned items);

/* Is this word among the capabilities of core and features in any state? */
bool imap_has_capability(const char *word);

/* Hands what was appended to the connection, behind the barrier of this turn. */
void imap_flush(struct imap_session *s);

/* Ends the running command once its function has returned: see session.c. */
void imap_command_done(struct imap_session *s);

#endif
