/* SPDX-License-Identifier: 0BSD */
/* CONDSTORE (RFC 7162 3.1) */
#include <stdlib.h>

#include "core/hooks.h"
#include "core/imap/extend.h"
#include "core/imap/message.h"
#include "core/imap/search.h"

/* RFC 7162 3.1: mod-sequences have 63 bits. */
#define MODSEQ_MAX INT64_MAX

/* Of a STORE that runs: whom UNCHANGEDSINCE left out. */
struct condition {
	uint64_t unchanged_since;
	struct imap_ranges modified; /* numbers or UIDs, as the command counts */
	struct buf code;
	bool failed;                 /* no memory for the list */
};

struct condstore_slot {
	struct condition *condition; /* NULL: none runs */
};

const struct feature condstore_feature;

static struct condstore_slot *slot_of(struct session *s)
{
	return feature_slot(s, &condstore_feature);
}

static const char *take_modseq(struct imap_cmd *c, uint64_t *modseq_r)
{
	if (imap_parse_sp(&c->args) || imap_parse_number(&c->args, MODSEQ_MAX, modseq_r))
		return "expected a mod-sequence";
	return NULL;
}

/* ---- what is told unasked ---- */

static void add_modseq(struct buf *out, const struct message *m)
{
	buf_adds(out, "MODSEQ (");
	buf_addu(out, m->modseq);
	buf_addc(out, ')');
}

static void told(struct imap_session *s, struct buf *out, const struct message *m)
{
	if (!(s->enabled & IMAP_ENABLED_CONDSTORE))
		return;
	buf_addc(out, ' ');
	add_modseq(out, m);
}

/* RFC 7162 3.1.2.1 */
static void tell_highest(struct imap_session *s)
{
	struct buf *out = imap_out(s);

	buf_adds(out, "* OK [HIGHESTMODSEQ ");
	buf_addu(out, mailbox_highestmodseq(view_mailbox(s->view)));
	buf_adds(out, "] Highest mod-sequence\r\n");
}

static enum hook_result selected(struct imap_session *s, struct imap_cmd *c)
{
	(void)c;
	tell_highest(s);
	return HOOK_PASS;
}

/* RFC 7162 3.1: the first enabling command is told where the selected mailbox stands. */
static void enabled(struct imap_session *s, unsigned fresh)
{
	if (!(fresh & IMAP_ENABLED_CONDSTORE) || !s->view || !view_alive(s->view))
		return;
	imap_barrier(s, mailbox_lsn(view_mailbox(s->view)));
	tell_highest(s);
}

/* ---- FETCH ... (CHANGEDSINCE n) ---- */

static const char *changedsince(struct imap_session *s, struct imap_cmd *c)
{
	(void)s;
	c->next = view_newer;
	return take_modseq(c, &c->modseq);
}

/* ---- STORE ... (UNCHANGEDSINCE n), RFC 7162 3.1.3 ---- */

static bool leaves(struct imap_session *s, struct imap_cmd *c, uint32_t seq, const struct message *m)
{
	struct condition *x = slot_of(&s->base)->condition;

	if (m->modseq <= x->unchanged_since)
		return false;
	if (imap_ranges_add(&x->modified, c->uid ? m->uid : seq))
		x->failed = true;
	return true;
}

static const char *modified_code(struct imap_session *s, struct imap_cmd *c)
{
	struct condition *x = slot_of(&s->base)->condition;

	(void)c;
	if (!x->modified.n && !x->failed)
		return NULL;
	buf_adds(&x->code, "MODIFIED ");
	imap_add_ranges(&x->code, x->modified.v, x->modified.n);
	buf_addc(&x->code, 0);
	/* Without memory for the list the client still must not believe that all was stored. */
	return x->failed || x->code.failed ? "UNAVAILABLE" : buf_str(&x->code).p;
}

/* When the next command begins, or the session ends. */
static void forget(struct session *s)
{
	struct condition **x = &slot_of(s)->condition;

	if (!*x)
		return;
	free((*x)->modified.v);
	buf_free(&(*x)->code);
	free(*x);
	*x = NULL;
}

static const char *unchangedsince(struct imap_session *s, struct imap_cmd *c)
{
	struct condition **x = &slot_of(&s->base)->condition;

	if (!*x)
		*x = calloc(1, sizeof(**x));
	if (!*x)
		return "out of memory";
	c->leaves = leaves;
	c->code = modified_code;
	return take_modseq(c, &(*x)->unchanged_since);
}

/* ---- SEARCH MODSEQ, RFC 7162 3.1.5 ---- */

/* ["entry-name" SP entry-type SP]: there is one mod-sequence for all of a message, so they are read
 * and passed over. */
static const char *skip_entry(struct search_parse *p, struct cursor *c)
{
	static const char *const types[] = {"priv", "shared", "all"};
	struct str name, type;

	if (imap_parse_quoted(c, p->arena, &name) || imap_parse_sp(c) || imap_parse_atom(c, &type))
		return "MODSEQ: expected an entry and its type";
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (str_ieq(type, str_from(types[i])))
			return imap_parse_sp(c) ? "MODSEQ: expected a mod-sequence" : NULL;
	}
	return "MODSEQ: the type is priv, shared or all";
}

static const char *search_take(struct search_parse *p, struct cursor *c, struct search_key *k)
{
	const char *wrong = NULL;

	if (imap_parse_sp(c))
		return "MODSEQ: expected a mod-sequence";
	if (cursor_peek(c) == '"')
		wrong = skip_entry(p, c);
	if (wrong)
		return wrong;
	return imap_parse_number(c, MODSEQ_MAX, &k->number) ? "MODSEQ: expected a mod-sequence" : NULL;
}

static bool search_match_modseq(const struct search_key *k, const struct message *m)
{
	return m->modseq >= k->number;
}

/* RFC 7162 3.1.6; RFC 4731 3.2 in ESEARCH */
static void search_tail(struct buf *out, bool esearch, uint64_t modseq)
{
	buf_adds(out, esearch ? " MODSEQ " : " (MODSEQ ");
	buf_addu(out, modseq);
	buf_adds(out, esearch ? "" : ")");
}

/* ---- tables ---- */

static const struct imap_capability capabilities[] = {
	{"CONDSTORE", IMAP_LOGGED_IN},
	{0},
};

static const struct imap_enable enables[] = {
	{"CONDSTORE", IMAP_ENABLED_CONDSTORE},
	{0},
};

static const struct imap_modifier modifiers[] = {
	{"CONDSTORE", IMAP_AT_SELECT, IMAP_ENABLED_CONDSTORE, NULL, NULL},
	{"CHANGEDSINCE", IMAP_AT_FETCH, IMAP_ENABLED_CONDSTORE, "MODSEQ", changedsince},
	{"UNCHANGEDSINCE", IMAP_AT_STORE, IMAP_ENABLED_CONDSTORE, NULL, unchangedsince},
	{0},
};

static void add_highest(struct buf *out, const struct mailbox *m)
{
	buf_addu(out, mailbox_highestmodseq(m));
}

static const struct imap_status_item status_items[] = {
	{"HIGHESTMODSEQ", IMAP_ENABLED_CONDSTORE, add_highest},
	{0},
};

static const struct imap_fetch_word fetch_words[] = {
	{.name = "MODSEQ", .enables = IMAP_ENABLED_CONDSTORE, .add = add_modseq},
	{0},
};

static const struct imap_search_word search_words[] = {
	{"MODSEQ", IMAP_ENABLED_CONDSTORE, search_take, search_match_modseq, search_tail},
	{0},
};

const struct feature condstore_feature = {
	.name = "condstore",
	.imap_capabilities = capabilities,
	.imap_enables = enables,
	.imap_modifiers = modifiers,
	.imap_status_items = status_items,
	.imap_fetch_words = fetch_words,
	.imap_search_words = search_words,
	.session_size = sizeof(struct condstore_slot),
	.on_state = forget,
	.on_logout = forget,
	.imap_enabled = enabled,
	.imap_selected = selected,
	.imap_told = told,
};
