/* SPDX-License-Identifier: 0BSD */
/* Commands about the session itself. */
#include "core/imap/commands.h"
#include "core/imap/extend.h"

#include <string.h>

static bool takes_arguments(struct imap_session *s, struct imap_cmd *c)
{
	if (cursor_done(&c->args))
		return false;
	imap_bad(s, c, "The command takes no arguments");
	return true;
}

static void capability_run(struct imap_session *s, struct imap_cmd *c)
{
	struct buf *out = imap_out(s);

	if (takes_arguments(s, c))
		return;
	buf_adds(out, "* CAPABILITY ");
	imap_add_capabilities(out, s->view ? IMAP_SELECTED : IMAP_AUTHENTICATED, NULL);
	buf_adds(out, "\r\n");
	imap_reply(s, c, IMAP_OK, NULL, "That is all");
}

static void noop_run(struct imap_session *s, struct imap_cmd *c)
{
	if (!takes_arguments(s, c))
		imap_reply(s, c, IMAP_OK, NULL, "Nothing done");
}

/* RFC 3501 6.4.1: what the store holds is on the disk when this is answered. */
static void check_run(struct imap_session *s, struct imap_cmd *c)
{
	if (takes_arguments(s, c))
		return;
	imap_barrier(s, mailbox_lsn(view_mailbox(s->view)));
	imap_reply(s, c, IMAP_OK, NULL, "Everything is on disk");
}

static void logout_run(struct imap_session *s, struct imap_cmd *c)
{
	if (takes_arguments(s, c))
		return;
	imap_unselect(s);
	imap_untagged(s, "BYE Logging out");
	imap_reply(s, c, IMAP_OK, NULL, "Logged out");
	s->ending = true;
}

static const struct imap_enable *find_enable(struct str word)
{
	static const struct imap_enable rev2 = {"IMAP4rev2", IMAP_ENABLED_REV2};

	if (str_ieq(word, str_from(rev2.name)))
		return imap_has_rev2() ? &rev2 : NULL;
	FEATURE_EACH (f) {
		for (const struct imap_enable *e = f->imap_enables; e && e->name; e++) {
			if (str_ieq(word, str_from(e->name)))
				return e;
		}
	}
	return NULL;
}

/* RFC 5161 3.1: unknown words are passed over; the answer lists what is on now because of this. */
static void enable_run(struct imap_session *s, struct imap_cmd *c)
{
	const struct imap_enable *e;
	struct cursor words = c->args;
	struct str word;

	do {
		if (imap_parse_sp(&c->args) || imap_parse_atom(&c->args, &word)) {
			imap_bad(s, c, "ENABLE: expected capabilities");
			return;
		}
	} while (!cursor_done(&c->args));
	buf_adds(imap_out(s), "* ENABLED");
	while (!imap_parse_sp(&words) && !imap_parse_atom(&words, &word)) {
		e = find_enable(word);
		if (!e || !(e->bits & ~s->enabled))
			continue;
		c->enables |= e->bits;
		buf_addv(imap_out(s), " ", e->name, NULL);
	}
	buf_adds(imap_out(s), "\r\n");
	imap_enable(s, c->enables);
	imap_reply(s, c, IMAP_OK, NULL, "Enabled");
}

const struct imap_command imap_session_commands[] = {
	{"CAPABILITY", IMAP_LOGGED_IN, 0, capability_run},
	{"NOOP", IMAP_LOGGED_IN, 0, noop_run},
	{"CHECK", IMAP_SELECTED, 0, check_run},
	{"LOGOUT", IMAP_LOGGED_IN, 0, logout_run},
	{"ENABLE", IMAP_LOGGED_IN, 0, enable_run},
	/* In the gate; here so that their name is known and only their time is wrong. */
	{"LOGIN", IMAP_NOT_AUTHENTICATED, 0, NULL},
	{"AUTHENTICATE", IMAP_NOT_AUTHENTICATED, 0, NULL},
	{0},
};
