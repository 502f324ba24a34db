/* SPDX-License-Identifier: 0BSD */
#include "core/imap/commands.h"

#include <errno.h>

#include "core/imap/extend.h"

enum {
	MESSAGES = 1, UIDNEXT = 2, UIDVALIDITY = 4, UNSEEN = 8, DELETED = 16, SIZE = 32, RECENT = 64,
	APPENDLIMIT = 128,
	OF_FEATURES = 256, /* theirs begin here, in the order of the tables */
};

static const struct {
	struct str name;
	unsigned item;
} items[] = {
	{{"MESSAGES", 8}, MESSAGES}, {{"RECENT", 6}, RECENT}, {{"UIDNEXT", 7}, UIDNEXT},
	{{"UIDVALIDITY", 11}, UIDVALIDITY}, {{"UNSEEN", 6}, UNSEEN}, {{"DELETED", 7}, DELETED},
	{{"SIZE", 4}, SIZE}, {{"APPENDLIMIT", 11}, APPENDLIMIT},
};

#define ITEMS (sizeof(items) / sizeof(items[0]))

#define EACH_OF_FEATURES(item, bit)                                                                \
	FEATURE_EACH (f)                                                                           \
		for (const struct imap_status_item *item = f->imap_status_items; item && item->name;   \
			item++, (bit) <<= 1)

static unsigned find_item(struct str name)
{
	unsigned bit = OF_FEATURES;

	for (size_t i = 0; i < ITEMS; i++) {
		if (str_ieq(name, items[i].name))
			return items[i].item;
	}
	EACH_OF_FEATURES (item, bit) {
		if (str_ieq(name, str_from(item->name)))
			return bit;
	}
	return 0;
}

unsigned imap_status_enables(unsigned wanted)
{
	unsigned bit = OF_FEATURES, enables = 0;

	EACH_OF_FEATURES (item, bit)
		enables |= wanted & bit ? item->enables : 0;
	return enables;
}

int imap_parse_status_items(struct cursor *c, unsigned *items_r)
{
	struct str name;
	unsigned item;

	*items_r = 0;
	if (!cursor_accept(c, '('))
		return -1;
	do {
		if (imap_parse_atom(c, &name))
			return -1;
		item = find_item(name);
		if (!item)
			return -1;
		*items_r |= item;
	} while (cursor_accept(c, ' '));
	return cursor_accept(c, ')') ? 0 : -1;
}

static uint64_t value_of(const struct mailbox *m, unsigned item)
{
	switch (item) {
	case MESSAGES:
		return mailbox_messages(m);
	case UIDNEXT:
		return mailbox_uidnext(m);
	case UIDVALIDITY:
		return mailbox_uidvalidity(m);
	case UNSEEN:
		return mailbox_unseen(m);
	case DELETED:
		return mailbox_deleted(m);
	case SIZE:
		return mailbox_bytes(m);
	case RECENT:
		return mailbox_recent(m);
	default:
		return (uint64_t)CONFIG_MESSAGE_MAX_MB << 20; /* RFC 7889 4 */
	}
}

static void add_name(struct buf *out, const char **sep, struct str name)
{
	buf_adds(out, *sep);
	buf_addstr(out, name);
	buf_addc(out, ' ');
	*sep = " ";
}

void imap_add_status(struct imap_session *s, const struct mailbox *m, unsigned wanted)
{
	struct buf *out = imap_out(s);
	unsigned bit = OF_FEATURES;
	const char *sep = "";

	imap_barrier(s, mailbox_lsn(m));
	buf_adds(out, "* STATUS ");
	imap_add_mailbox(s, out, mailbox_name(m));
	buf_adds(out, " (");
	for (size_t i = 0; i < ITEMS; i++) {
		if (!(wanted & items[i].item))
			continue;
		add_name(out, &sep, items[i].name);
		buf_addu(out, value_of(m, items[i].item));
	}
	EACH_OF_FEATURES (item, bit) {
		if (!(wanted & bit))
			continue;
		add_name(out, &sep, str_from(item->name));
		item->add(out, m);
	}
	buf_adds(out, ")\r\n");
}

static void status_run(struct imap_session *s, struct imap_cmd *c)
{
	struct mailbox *m;
	struct str name;
	unsigned wanted;

	if (imap_parse_sp(&c->args) || imap_parse_mailbox(&c->args, c->arena, &name) ||
	    imap_parse_sp(&c->args)) {
		imap_bad(s, c, "STATUS: expected a mailbox name");
	} else if (imap_parse_status_items(&c->args, &wanted) || imap_parse_end(&c->args)) {
		imap_bad(s, c, "STATUS: expected known items in parentheses");
	} else if ((m = mailbox_find(s->account, name)) == NULL) {
		imap_barrier(s, account_lsn(s->account));
		imap_reply_errno(s, c, ENOENT);
	} else {
		imap_enable(s, imap_status_enables(wanted));
		imap_add_status(s, m, wanted);
		imap_reply(s, c, IMAP_OK, NULL, "Status given");
	}
}

const struct imap_command imap_status_commands[] = {
	{"STATUS", IMAP_LOGGED_IN, 0, status_run},
	{0},
};
