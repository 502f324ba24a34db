/* SPDX-License-Identifier: 0BSD */
/* OBJECTID (RFC 8474) */
#include "core/hooks.h"
#include "core/imap/extend.h"
#include "core/imap/parse.h"
#include "core/imap/search.h"

/* ---- mailboxes ---- */

static void add_mailboxid(struct buf *out, const struct mailbox *m)
{
	buf_adds(out, "(F");
	buf_addhex(out, mailbox_id(m), 1);
	buf_addc(out, ')');
}

/* RFC 8474 4.1 */
static void created(struct imap_session *s, const struct mailbox *m, struct buf *code)
{
	(void)s;
	buf_adds(code, "MAILBOXID ");
	add_mailboxid(code, m);
}

/* RFC 8474 4.2 */
static enum hook_result selected(struct imap_session *s, struct imap_cmd *c)
{
	struct buf *out = imap_out(s);

	(void)c;
	buf_adds(out, "* OK [MAILBOXID ");
	add_mailboxid(out, view_mailbox(s->view));
	buf_adds(out, "] Its name may change, this does not\r\n");
	return HOOK_PASS;
}

/* ---- messages ---- */

/* The same bytes have the same id: a body, and the fields that delivery put in front of it. */
static void add_id(struct buf *out, const struct message *m)
{
	buf_addc(out, 'M');
	buf_addhex(out, m->blob, 1);
	if (!m->prefix)
		return;
	buf_addc(out, '-');
	buf_addhex(out, m->prefix, 1);
}

static void add_emailid(struct buf *out, const struct message *m)
{
	buf_adds(out, "EMAILID (");
	add_id(out, m);
	buf_addc(out, ')');
}

/* RFC 8474 5.2: threads are made when a client asks (THREAD), not kept. */
static void add_threadid(struct buf *out, const struct message *m)
{
	(void)m;
	buf_adds(out, "THREADID NIL");
}

static const char *take_id(struct search_parse *p, struct cursor *c, struct search_key *k)
{
	return imap_parse_sp(c) || imap_parse_astring(c, p->arena, &k->field) ? "expected an object identifier" : NULL;
}

static bool has_id(const struct search_key *k, const struct message *m)
{
	struct buf id = {0};
	bool is;

	add_id(&id, m);
	is = !id.failed && str_eq(buf_str(&id), k->field);
	buf_free(&id);
	return is;
}

static bool never(const struct search_key *k, const struct message *m)
{
	(void)k;
	(void)m;
	return false;
}

static const struct imap_capability capabilities[] = {
	{"OBJECTID", IMAP_LOGGED_IN},
	{0},
};

static const struct imap_status_item status_items[] = {
	{"MAILBOXID", 0, add_mailboxid},
	{0},
};

static const struct imap_fetch_word fetch_words[] = {
	{.name = "EMAILID", .add = add_emailid},
	{.name = "THREADID", .add = add_threadid},
	{0},
};

static const struct imap_search_word search_words[] = {
	{"EMAILID", 0, take_id, has_id, NULL},
	{"THREADID", 0, take_id, never, NULL},
	{0},
};

const struct feature objectid_feature = {
	.name = "objectid",
	.imap_capabilities = capabilities,
	.imap_status_items = status_items,
	.imap_fetch_words = fetch_words,
	.imap_search_words = search_words,
	.imap_created = created,
	.imap_selected = selected,
};
