/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_IMAP_COMMANDS_H
#define CORE_IMAP_COMMANDS_H

/* What the files of core/imap share among themselves and nobody else needs. */

#include "core/imap/imap.h"

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
/* Is this word among the capabilities of core and features in any state? */
bool imap_has_capability(const char *word);

/* "tag STATUS [code] text" CRLF; tag "*" if empty. */
void imap_tagged(struct buf *out, struct str tag, const char *status, const char *code, const char *text);

/* Hands what was appended to the connection, behind the barrier of this turn. */
void imap_flush(struct imap_session *s);

/* Ends the running command once its function has returned: see session.c. */
void imap_command_done(struct imap_session *s);

#endif
