/* SPDX-License-Identifier: 0BSD */
/* WITHIN (RFC 5032) */
#include <time.h>

#include "core/hooks.h"
#include "core/imap/extend.h"
#include "core/imap/parse.h"
#include "core/imap/search.h"

/* k->day is the second that the interval reaches back to, the same for all messages of a search. */
static const char *take_interval(struct search_parse *p, struct cursor *c, struct search_key *k)
{
	uint32_t seconds;

	(void)p;
	if (imap_parse_sp(c) || imap_parse_nz_number(c, &seconds))
		return "expected a number of seconds";
	k->day = (int64_t)time(NULL) - seconds;
	return NULL;
}

static bool older(const struct search_key *k, const struct message *m)
{
	return m->internaldate <= k->day;
}

static bool younger(const struct search_key *k, const struct message *m)
{
	return m->internaldate >= k->day;
}

static const struct imap_capability capabilities[] = {
	{"WITHIN", IMAP_LOGGED_IN},
	{0},
};

static const struct imap_search_word search_words[] = {
	{"OLDER", 0, take_interval, older, NULL},
	{"YOUNGER", 0, take_interval, younger, NULL},
	{0},
};

const struct feature within_feature = {
	.name = "within",
	.imap_capabilities = capabilities,
	.imap_search_words = search_words,
};
