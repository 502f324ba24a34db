/* SPDX-License-Identifier: 0BSD */
#include "core/imap/commands.h"

static const struct imap_command *const tables[] = {
	imap_session_commands, imap_mailbox_commands, imap_list_commands,
	imap_status_commands, imap_append_commands, imap_message_commands,
};

static const struct imap_command *find_in(const struct imap_command *table, struct str name, bool uid)
{
	for (const struct imap_command *c = table; c && c->name; c++) {
		if (uid ? !(c->flags & (IMAP_UID | IMAP_UID_ONLY)) : c->flags & IMAP_UID_ONLY)
			continue;
		if (str_ieq(name, str_from(c->name)))
			return c;
	}
	return NULL;
}

const struct imap_command *imap_command_find(struct str name, bool uid)
{
	const struct imap_command *found = NULL;

	/* Features first: one may widen a command of core. */
	FEATURE_EACH (f) {
		if (!found)
			found = find_in(f->imap_commands, name, uid);
	}
	for (size_t i = 0; !found && i < sizeof(tables) / sizeof(tables[0]); i++)
		found = find_in(tables[i], name, uid);
	return found;
}
