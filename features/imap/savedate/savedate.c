/* SPDX-License-Identifier: 0BSD */
/* SAVEDATE (RFC 8514) */
#include "core/hooks.h"
#include "core/imap/extend.h"
#include "core/imap/parse.h"
#include "core/imap/search.h"
#include "core/lib/date.h"

static void add_savedate(struct buf *out, const struct message *m)
{
	buf_adds(out, "SAVEDATE \"");
	date_add_imap(out, m->savedate, 0);
	buf_addc(out, '"');
}

static const char *take_day(struct search_parse *p, struct cursor *c, struct search_key *k)
{
	struct cursor text;
	struct date date;
	struct str s;

	if (imap_parse_sp(c) || imap_parse_astring(c, p->arena, &s))
		return "expected a date";
	text = cursor_from(s);
	if (date_parse_imap_day(&text, &date) || !cursor_done(&text))
		return "expected a date such as 1-Feb-2024";
	k->day = date_day(&date);
	return NULL;
}

/* RFC 8514 4.3: "disregarding time and timezone". */
static int64_t day_of(const struct message *m)
{
	struct date date;

	date_from_unix(m->savedate, 0, &date);
	return date_day(&date);
}

static bool before(const struct search_key *k, const struct message *m)
{
	return day_of(m) < k->day;
}

static bool on(const struct search_key *k, const struct message *m)
{
	return day_of(m) == k->day;
}

static bool since(const struct search_key *k, const struct message *m)
{
	return day_of(m) >= k->day;
}

static const char *take_nothing(struct search_parse *p, struct cursor *c, struct search_key *k)
{
	(void)p;
	(void)c;
	(void)k;
	return NULL;
}

/* Every mailbox keeps it. */
static bool always(const struct search_key *k, const struct message *m)
{
	(void)k;
	(void)m;
	return true;
}

static const struct imap_capability capabilities[] = {
	{"SAVEDATE", IMAP_LOGGED_IN},
	{0},
};

static const struct imap_fetch_word fetch_words[] = {
	{.name = "SAVEDATE", .add = add_savedate},
	{0},
};

static const struct imap_search_word search_words[] = {
	{"SAVEDBEFORE", 0, take_day, before, NULL},
	{"SAVEDON", 0, take_day, on, NULL},
	{"SAVEDSINCE", 0, take_day, since, NULL},
	{"SAVEDATESUPPORTED", 0, take_nothing, always, NULL},
	{0},
};

const struct feature savedate_feature = {
	.name = "savedate",
	.imap_capabilities = capabilities,
	.imap_fetch_words = fetch_words,
	.imap_search_words = search_words,
};
