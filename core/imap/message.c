/* SPDX-License-Identifier: 0BSD */
#include "core/imap/message.h"

#include "core/imap/commands.h"
#include "core/imap/expunge.h"
#include "core/imap/fetch.h"
#include "core/imap/search.h"
#include "core/imap/store_flags.h"

static void copy_run(struct imap_session *s, struct imap_cmd *c)
{
	imap_copy_messages(s, c, false);
}

const struct imap_command imap_message_commands[] = {
	{"COPY", IMAP_SELECTED, IMAP_UID, copy_run},
	{"EXPUNGE", IMAP_SELECTED, IMAP_UID, imap_expunge_run},
	{"FETCH", IMAP_SELECTED, IMAP_UID | IMAP_NO_EXPUNGE, imap_fetch_run},
	{"SEARCH", IMAP_SELECTED, IMAP_UID | IMAP_NO_EXPUNGE, imap_search_run},
	{"STORE", IMAP_SELECTED, IMAP_UID | IMAP_NO_EXPUNGE, imap_store_run},
	{0},
};

/* BINARY (RFC 3516) is not named: its FETCH items are there for IMAP4rev2, its APPEND is not. */
const struct imap_capability imap_message_capabilities[] = {
	{"ESEARCH", IMAP_LOGGED_IN},
	{"SEARCHRES", IMAP_LOGGED_IN},
	{0},
};
