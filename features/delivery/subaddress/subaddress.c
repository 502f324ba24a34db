/* SPDX-License-Identifier: 0BSD */
#include "core/hooks.h"

#include <string.h>

#include "core/lib/settings.h"
#include "core/lib/text.h"
#include "core/lmtp/delivery.h"

static char *folder;

/* As written, else in whatever case: local parts are said to keep theirs (RFC 5321 2.4), and do not. */
static struct mailbox *find(const struct account *a, struct str name)
{
	struct mailbox *m = mailbox_find(a, name);

	for (uint32_t i = 0; !m && i < account_mailbox_count(a); i++) {
		struct mailbox *other = account_mailbox(a, i);

		if (mailbox_exists(other) && str_ieq(mailbox_name(other), name))
			m = other;
	}
	return m;
}

static enum hook_result subaddress_route(struct delivery *d)
{
	struct mailbox *m;

	if (!d->detail.len || strcmp(folder, "inbox") == 0 || !text_is_utf8(d->detail))
		return HOOK_PASS;
	m = find(d->account, d->detail);
	/* What cannot be made (a bad name, too many) is no reason to refuse mail. */
	if (!m && strcmp(folder, "create") == 0 && !mailbox_create(d->account, d->detail, 0, NULL)) {
		mailbox_subscribe(d->account, d->detail, true, NULL);
		m = mailbox_find(d->account, d->detail);
	}
	if (m && mailbox_exists(m))
		d->mailbox = m;
	return HOOK_PASS;
}

static void subaddress_check(const char *file, struct buf *errors)
{
	if (strcmp(folder, "exists") != 0 && strcmp(folder, "create") != 0 && strcmp(folder, "inbox") != 0)
		buf_addv(errors, file, ": subaddress_folder must be exists, create or inbox\n", NULL);
}

static const struct setting settings[] = {
	{"subaddress_folder", SETTING_STRING, "exists", 0, 0, &folder,
		"Where mail for user+folder goes: to that folder if it exists, else to INBOX (exists); to that "
		"folder, which is made (create); or to INBOX (inbox).",
		"CONFIG_SUBADDRESS"},
	{NULL, SETTING_STRING, NULL, 0, 0, NULL, NULL, NULL},
};

const struct feature subaddress_feature = {
	.name = "subaddress",
	.settings = settings,
	.check_settings = subaddress_check,
	.deliver_route = subaddress_route,
};
