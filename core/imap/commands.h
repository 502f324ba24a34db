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

/* Is this word among the capabilities of core and features in any state? */
bool imap_has_capability(const char *word);

/* Hands what was appended to the connection, behind the barrier of this turn. */
void imap_flush(struct imap_session *s);

/* Ends the running command once its function has returned: see session.c. */
void imap_command_done(struct imap_session *s);

#endif
