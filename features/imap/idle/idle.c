/* SPDX-License-Identifier: 0BSD */
#include "core/imap/imap.h"
#include "core/imap/parse.h"

static void idle_line(struct imap_session *s, struct imap_cmd *c, struct str line)
{
	s->line = NULL;
	if (str_ieq(line, STR("DONE")))
		imap_reply(s, c, IMAP_OK, NULL, "IDLE ended");
	else
		imap_bad(s, c, "IDLE: expected DONE");
}

static void idle_run(struct imap_session *s, struct imap_cmd *c)
{
	if (imap_parse_end(&c->args)) {
		imap_bad(s, c, "IDLE takes no arguments");
		return;
	}
	s->line = idle_line;
	imap_plus(s, "idling");
	/* What was pending already will not be notified again. */
	if (s->view)
		imap_sync(s, true);
}

static enum hook_result idle_pending(struct imap_session *s)
{
	if (s->line != idle_line || !s->view)
		return HOOK_PASS;
	imap_sync(s, true);
	return HOOK_DONE;
}

static const struct imap_command idle_commands[] = {
	{"IDLE", IMAP_LOGGED_IN, 0, idle_run},
	{0},
};

static const struct imap_capability idle_capabilities[] = {
	{"IDLE", IMAP_LOGGED_IN},
	{0},
};

const struct feature idle_feature = {
	.name = "idle",
	.imap_commands = idle_commands,
	.imap_capabilities = idle_capabilities,
	.imap_pending = idle_pending,
};
