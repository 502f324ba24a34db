/* SPDX-License-Identifier: 0BSD */
#include "core/imap/search.h"

#include "core/lib/date.h"
#include "core/mime/header.h"

/* RFC 9051 6.4.4: dates are compared "disregarding time and timezone". */
static int64_t internal_day(const struct message *m)
{
	struct date date;

	date_from_unix(m->internaldate, m->zone, &date);
	return date_day(&date);
}

static int match_sent(struct imap_content *x, const struct search_key *k)
{
	struct header_field field;
	struct date date;
	int64_t day;

	if (imap_content_summary(x))
		return -1;
	if (header_find(x->sum.fields, STR("Date"), &field) != 1 || date_parse_5322(field.value, &date) != 1)
		return 0;
	day = date_day(&date);
	if (k->op == SEARCH_SENTBEFORE)
		return day < k->day;
	return k->op == SEARCH_SENTON ? day == k->day : day >= k->day;
}

static int match_header(struct imap_content *x, const struct search_key *k)
{
	struct str header;

	if (k->cost == COST_SUMMARY) {
		if (imap_content_summary(x))
			return -1;
		header = x->sum.fields;
	} else if (imap_content_header(x, &header)) {
		return -1;
	}
	x->bytes += header.len; /* the slice counts passes, not only readings */
	return search_in_field(header, k->field, &k->needle, &x->scratch);
}

/* The answer is kept: until the other keys are done with the message it is asked for again. */
static int match_long(struct imap_content *x, struct search_key *k)
{
	int rc;

	if (k->known_uid == x->m.uid)
		return k->known;
	rc = search_in_long(x, k);
	if (rc >= 0) {
		k->known_uid = x->m.uid;
		k->known = rc;
	}
	return rc;
}

static int match_text(struct imap_content *x, struct search_key *k)
{
	const struct mime_part *top;
	struct str header;

	if (k->op == SEARCH_TEXT) {
		if (imap_content_header(x, &header))
			return -1;
		if (search_in_header(header, &k->needle, &x->scratch))
			return 1;
	}
	if (imap_content_long(x))
		return match_long(x, k);
	top = imap_content_mime(x);
	x->bytes += x->m.size;
	return top ? search_in_part(top, &k->needle, &x->scratch) : -1;
}

static int match_all(const struct view *v, struct imap_content *x, uint32_t seq, struct search_key *k)
{
	int rc = 1;

	for (k = k->child; k && rc == 1; k = k->next)
		rc = search_match(v, x, seq, k);
	return rc;
}

static int match_any(const struct view *v, struct imap_content *x, uint32_t seq, struct search_key *k)
{
	int rc = 0;

	for (k = k->child; k && rc == 0; k = k->next)
		rc = search_match(v, x, seq, k);
	return rc;
}

static int match_plain(const struct view *v, struct imap_content *x, uint32_t seq, struct search_key *k)
{
	const struct message *m = &x->m;

	switch (k->op) {
	case SEARCH_ALL:
		return 1;
	case SEARCH_NONE:
		return 0;
	case SEARCH_FLAG:
		return (m->flags & k->number) != 0;
	case SEARCH_KEYWORD:
		return (m->keywords & k->number) != 0;
	case SEARCH_RECENT:
		return view_is_recent(v, m->uid);
	case SEARCH_NEW:
		return !(m->flags & MESSAGE_SEEN) && view_is_recent(v, m->uid);
	case SEARCH_SEQ:
		return imap_set_contains(&k->set, seq);
	case SEARCH_UID:
		return imap_set_contains(&k->set, m->uid);
	case SEARCH_LARGER:
		return m->size > k->number;
	case SEARCH_SMALLER:
		return m->size < k->number;
	case SEARCH_BEFORE:
		return internal_day(m) < k->day;
	case SEARCH_ON:
		return internal_day(m) == k->day;
	case SEARCH_SINCE:
		return internal_day(m) >= k->day;
	case SEARCH_SENTBEFORE:
	case SEARCH_SENTON:
	case SEARCH_SENTSINCE:
		return match_sent(x, k);
	case SEARCH_HEADER:
		return match_header(x, k);
	case SEARCH_BODY:
	case SEARCH_TEXT:
		return match_text(x, k);
	case SEARCH_WORD:
		return k->word->match(k, m);
	case SEARCH_AND:
		return match_all(v, x, seq, k);
	case SEARCH_OR:
		return match_any(v, x, seq, k);
	}
	return 0;
}

int search_match(const struct view *v, struct imap_content *x, uint32_t seq, struct search_key *key)
{
	int rc = match_plain(v, x, seq, key);

	return rc >= 0 && key->negate ? !rc : rc;
}
