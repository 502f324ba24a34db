/* SPDX-License-Identifier: 0BSD */
#include "core/imap/message.h"

static void move_run(struct imap_session *s, struct imap_cmd *c)
{
	imap_copy_messages(s, c, true);
}

static const struct imap_command move_commands[] = {
	{"MOVE", IMAP_SELECTED, IMAP_UID, move_run},
	{0},
};

static const struct imap_capability move_capabilities[] = {
	{"MOVE", IMAP_LOGGED_IN},
	{0},
};

const struct feature move_feature = {
	.name = "move",
	.imap_commands = move_commands,
	.imap_capabilities = move_capabilities,
};
