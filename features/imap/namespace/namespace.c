/* SPDX-License-Identifier: 0BSD */
#include "core/imap/imap.h"
#include "core/imap/parse.h"

static void namespace_run(struct imap_session *s, struct imap_cmd *c)
{
	if (imap_parse_end(&c->args)) {
		imap_bad(s, c, "NAMESPACE takes no arguments");
		return;
	}
	/* RFC 2342 5: personal, other users', shared */
	imap_untagged(s, "NAMESPACE ((\"\" \"/\")) NIL NIL");
	imap_reply(s, c, IMAP_OK, NULL, "NAMESPACE completed");
}

static const struct imap_command namespace_commands[] = {
	{"NAMESPACE", IMAP_LOGGED_IN, 0, namespace_run},
	{0},
};

static const struct imap_capability namespace_capabilities[] = {
	{"NAMESPACE", IMAP_LOGGED_IN},
	{0},
};

const struct feature namespace_feature = {
	.name = "namespace",
	.imap_commands = namespace_commands,
	.imap_capabilities = namespace_capabilities,
};
