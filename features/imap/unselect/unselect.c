/* SPDX-License-Identifier: 0BSD */
#include "core/imap/imap.h"
#include "core/imap/parse.h"

static void unselect_run(struct imap_session *s, struct imap_cmd *c)
{
	if (imap_parse_end(&c->args)) {
		imap_bad(s, c, "UNSELECT takes no arguments");
		return;
	}
	imap_unselect(s);
	imap_reply(s, c, IMAP_OK, NULL, "UNSELECT completed");
}

static const struct imap_command unselect_commands[] = {
	{"UNSELECT", IMAP_SELECTED, 0, unselect_run},
	{0},
};

static const struct imap_capability unselect_capabilities[] = {
	{"UNSELECT", IMAP_LOGGED_IN},
	{0},
};

const struct feature unselect_feature = {
	.name = "unselect",
	.imap_commands = unselect_commands,
	.imap_capabilities = unselect_capabilities,
};
