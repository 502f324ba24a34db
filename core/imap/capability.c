/* SPDX-License-Identifier: 0BSD */
#include "core/imap/commands.h"

#include "core/sasl_offer.h"

/* What core itself can do; features add theirs. */
static const struct imap_capability core_capabilities[] = {
	{"SASL-IR", IMAP_NOT_AUTHENTICATED},
	{"LITERAL+", IMAP_ANY},
	{"ENABLE", IMAP_ANY},
	{"UIDPLUS", IMAP_LOGGED_IN},
	{"CHILDREN", IMAP_LOGGED_IN},
	{"LIST-EXTENDED", IMAP_LOGGED_IN},
	{"LIST-STATUS", IMAP_LOGGED_IN},
	{"SPECIAL-USE", IMAP_LOGGED_IN},
	{"STATUS=SIZE", IMAP_LOGGED_IN},
	{NULL, 0},
};

/* IMAP4rev2 took these in (RFC 9051 E): it is offered only where none of them was left out. */
static const char *const rev2_needs[] = {
	"IDLE", "NAMESPACE", "UNSELECT", "MOVE", "UIDPLUS", "ESEARCH", "SEARCHRES",
	"LIST-EXTENDED", "LIST-STATUS", "SPECIAL-USE", "STATUS=SIZE", "ENABLE", "SASL-IR",
};

static bool listed(const struct imap_capability *table, struct str word)
{
	for (const struct imap_capability *c = table; c && c->name; c++) {
		if (str_ieq(word, str_from(c->name)))
			return true;
	}
	return false;
}

bool imap_has_capability(const char *word)
{
	if (listed(core_capabilities, str_from(word)) ||
	    listed(imap_message_capabilities, str_from(word)))
		return true;
	FEATURE_EACH (f) {
		if (listed(f->imap_capabilities, str_from(word)))
			return true;
	}
	return false;
}

bool imap_has_rev2(void)
{
	for (size_t i = 0; i < sizeof(rev2_needs) / sizeof(rev2_needs[0]); i++) {
		if (!imap_has_capability(rev2_needs[i]))
			return false;
	}
	return true;
}

static void add_table(struct buf *out, const struct imap_capability *table, unsigned states)
{
	for (const struct imap_capability *c = table; c && c->name; c++) {
		if (c->states & states)
			buf_addv(out, " ", c->name, NULL);
	}
}

void imap_add_capabilities(struct buf *out, enum imap_state state, const struct prelogin *p)
{
	unsigned states = state | (p && p->may_encrypt ? IMAP_MAY_ENCRYPT : 0);

	buf_adds(out, "IMAP4rev1");
	if (imap_has_rev2())
		buf_adds(out, " IMAP4rev2");
	add_table(out, core_capabilities, states);
	add_table(out, imap_message_capabilities, states);
	FEATURE_EACH (f)
		add_table(out, f->imap_capabilities, states);
	if (state == IMAP_NOT_AUTHENTICATED) {
		sasl_offer_add(p, " AUTH=", out); /* RFC 9051 6.2.2 */
		if (!p->secure)
			buf_adds(out, " LOGINDISABLED");
		return;
	}
	/* RFC 7889 */
	buf_adds(out, " APPENDLIMIT=");
	buf_addu(out, (uint64_t)CONFIG_MESSAGE_MAX_MB << 20);
}
