/* SPDX-License-Identifier: 0BSD */
#include "core/imap/message.h"

#include "core/imap/expunge.h"
#include "core/imap/fetch.h"
#include "core/imap/store_flags.h"

static void copy_run(struct imap_session *s, struct imap_cmd *c)
{
	imap_copy_messages(s, c, false);
}

const struct imap_command imap_message_commands[] = {
	{"COPY", IMAP_SELECTED, IMAP_UID, copy_run},
	{"EXPUNGE", IMAP_SELECTED, IMAP_UID, imap_expunge_run},
	{"FETCH", IMAP_SELECTED, IMAP_UID | IMAP_NO_EXPUNGE, imap_fetch_run},
	{"STORE", IMAP_SELECTED, IMAP_UID | IMAP_NO_EXPUNGE, imap_store_run},
	{0},
};
