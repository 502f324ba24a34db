/* SPDX-License-Identifier: 0BSD */
/* Special-use mailboxes (RFC 6154): made at the first login, and CREATE ... (USE (...)). */
#include <errno.h>
#include <string.h>

#include "core/hooks.h"
#include "core/imap/extend.h"
#include "core/imap/parse.h"
#include "core/lib/log.h"
#include "core/lib/settings.h"
#include "core/lib/text.h"

/* As many as imap_use_of() knows. */
#define USES 5

static char *wanted;

/* Takes "Use" or "Use=Name" up to the next comma.  NULL, or what is wrong with it. */
static const char *take_wanted(struct cursor *c, struct mailbox_wanted *w_r)
{
	struct str item = str_trim(cursor_take_until(c, ','));
	struct cursor at = cursor_from(item);
	struct str use = str_trim(cursor_take_until(&at, '='));

	cursor_accept(c, ',');
	w_r->use = imap_use_of(use);
	w_r->name = use;
	if (cursor_accept(&at, '='))
		w_r->name = str_trim(cursor_take(&at, cursor_left(&at)));
	if (!w_r->use)
		return "expected Archive, Drafts, Junk, Sent or Trash";
	if (!w_r->name.len || !text_is_utf8(w_r->name) || str_ieq(w_r->name, STR("INBOX")))
		return "expected the name of a mailbox after =";
	return NULL;
}

static void check(const char *file, struct buf *errors)
{
	struct cursor c = cursor_from(str_trim(str_from(wanted)));
	unsigned seen = 0;

	while (!cursor_done(&c)) {
		struct mailbox_wanted w;
		const char *wrong = take_wanted(&c, &w);

		if (!wrong && seen & w.use)
			wrong = "one use stands there twice";
		seen |= w.use;
		if (!wrong)
			continue;
		buf_addv(errors, file, ": special_use: ", wrong, "\n", NULL);
		return;
	}
}

static void opened(struct imap_session *s)
{
	struct cursor c = cursor_from(str_trim(str_from(wanted)));
	struct mailbox_wanted list[USES];
	uint64_t lsn;
	size_t n = 0;

	while (n < USES && !cursor_done(&c) && !take_wanted(&c, &list[n]))
		n++;
	if (account_furnish(s->account, list, n, &lsn)) {
		/* The login itself needs none of them; the next one tries again, if none at all was made. */
		log_warning("special-use mailboxes were not made", "error", strerror(errno), NULL);
		return;
	}
	if (lsn)
		imap_barrier(s, lsn);
}

/* ---- CREATE name (USE (\Sent)) ---- */

/* RFC 6154 3: a use that cannot be had is refused, not taken for a mistake. */
static const char *take_use(struct imap_session *s, struct imap_cmd *c)
{
	struct str name;
	unsigned use;

	c->has_use = true;
	if (imap_parse_sp(&c->args) || !cursor_accept(&c->args, '('))
		return "expected ( after USE";
	if (cursor_accept(&c->args, ')'))
		return NULL;
	do {
		if (!cursor_accept(&c->args, '\\') || imap_parse_atom(&c->args, &name))
			return "expected an attribute such as \\Sent";
		use = imap_use_of(name);
		if (!imap_free_uses(s->account, use))
			c->refusal = "USEATTR";
		c->use |= use;
	} while (cursor_accept(&c->args, ' '));
	return cursor_accept(&c->args, ')') ? NULL : "expected ) after the attributes";
}

static const struct imap_modifier modifiers[] = {
	{.name = "USE", .places = IMAP_AT_CREATE, .take = take_use},
	{0},
};

static const struct imap_capability capabilities[] = {
	{"CREATE-SPECIAL-USE", IMAP_LOGGED_IN},
	{0},
};

static const struct setting settings[] = {
	{"special_use", SETTING_STRING, "Archive, Drafts, Junk, Sent, Trash", 0, 0, &wanted,
		"The mailboxes that a new account gets at its first login, with what they are for, separated by "
		"commas: of Archive, Drafts, Junk, Sent and Trash those that are wanted, each under its own name "
		"or another (\"Sent=Sent Messages\"). Empty: none. An account that has had them, or has any "
		"mailbox but INBOX, is left alone.",
		"CONFIG_SPECIAL_USE"},
	{NULL, SETTING_STRING, NULL, 0, 0, NULL, NULL, NULL},
};

const struct feature special_use_feature = {
	.name = "special_use",
	.imap_capabilities = capabilities,
	.imap_modifiers = modifiers,
	.settings = settings,
	.check_settings = check,
	.imap_opened = opened,
};
