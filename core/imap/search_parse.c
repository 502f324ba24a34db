/* SPDX-License-Identifier: 0BSD */
#include "core/imap/search.h"

#include <string.h>

#include "core/lib/date.h"
#include "core/mime/charset.h"

enum argument { NOTHING, STRING, FIELD, FIELD_STRING, DATE, NUMBER, KEYWORD, SET, KEY, TWO_KEYS };

static const struct named {
	const char *name;
	enum search_op op;
	bool negate;
	enum argument argument;
	uint64_t number;
} names[] = {
	{"ALL", SEARCH_ALL, false, NOTHING, 0},
	{"ANSWERED", SEARCH_FLAG, false, NOTHING, MESSAGE_ANSWERED},
	{"BCC", SEARCH_HEADER, false, FIELD, 0},
	{"BEFORE", SEARCH_BEFORE, false, DATE, 0},
	{"BODY", SEARCH_BODY, false, STRING, 0},
	{"CC", SEARCH_HEADER, false, FIELD, 0},
	{"DELETED", SEARCH_FLAG, false, NOTHING, MESSAGE_DELETED},
	{"DRAFT", SEARCH_FLAG, false, NOTHING, MESSAGE_DRAFT},
	{"FLAGGED", SEARCH_FLAG, false, NOTHING, MESSAGE_FLAGGED},
	{"FROM", SEARCH_HEADER, false, FIELD, 0},
	{"HEADER", SEARCH_HEADER, false, FIELD_STRING, 0},
	{"KEYWORD", SEARCH_KEYWORD, false, KEYWORD, 0},
	{"LARGER", SEARCH_LARGER, false, NUMBER, 0},
	{"NEW", SEARCH_NEW, false, NOTHING, 0},
	{"NOT", SEARCH_AND, true, KEY, 0},
	{"OLD", SEARCH_RECENT, true, NOTHING, 0},
	{"ON", SEARCH_ON, false, DATE, 0},
	{"OR", SEARCH_OR, false, TWO_KEYS, 0},
	{"RECENT", SEARCH_RECENT, false, NOTHING, 0},
	{"SEEN", SEARCH_FLAG, false, NOTHING, MESSAGE_SEEN},
	{"SENTBEFORE", SEARCH_SENTBEFORE, false, DATE, 0},
	{"SENTON", SEARCH_SENTON, false, DATE, 0},
	{"SENTSINCE", SEARCH_SENTSINCE, false, DATE, 0},
	{"SINCE", SEARCH_SINCE, false, DATE, 0},
	{"SMALLER", SEARCH_SMALLER, false, NUMBER, 0},
	{"SUBJECT", SEARCH_HEADER, false, FIELD, 0},
	{"TEXT", SEARCH_TEXT, false, STRING, 0},
	{"TO", SEARCH_HEADER, false, FIELD, 0},
	{"UID", SEARCH_UID, false, SET, 0},
	{"UNANSWERED", SEARCH_FLAG, true, NOTHING, MESSAGE_ANSWERED},
	{"UNDELETED", SEARCH_FLAG, true, NOTHING, MESSAGE_DELETED},
	{"UNDRAFT", SEARCH_FLAG, true, NOTHING, MESSAGE_DRAFT},
	{"UNFLAGGED", SEARCH_FLAG, true, NOTHING, MESSAGE_FLAGGED},
	{"UNKEYWORD", SEARCH_KEYWORD, true, KEYWORD, 0},
	{"UNSEEN", SEARCH_FLAG, true, NOTHING, MESSAGE_SEEN},
};

static int wrong(struct search_parse *p, const char *what)
{
	p->wrong = what;
	return -1;
}

static struct search_key *key_new(struct search_parse *p, enum search_op op)
{
	struct search_key *k = arena_alloc(p->arena, sizeof(*k));

	if (!k)
		p->wrong = "out of memory";
	else
		k->op = op;
	return k;
}

static enum search_cost own_cost(const struct search_key *k)
{
	switch (k->op) {
	case SEARCH_SENTBEFORE:
	case SEARCH_SENTON:
	case SEARCH_SENTSINCE:
		return COST_SUMMARY;
	case SEARCH_HEADER:
		return imap_content_is_common(k->field) ? COST_SUMMARY : COST_HEADER;
	case SEARCH_BODY:
	case SEARCH_TEXT:
		return COST_BODY;
	default:
		return COST_INDEX;
	}
}

/* Keeps children in the order of their cost, so that a cheap one spares the dear ones. */
static void add_child(struct search_key *parent, struct search_key *child)
{
	struct search_key **at = &parent->child;

	while (*at && (*at)->cost <= child->cost)
		at = &(*at)->next;
	child->next = *at;
	*at = child;
	if (child->cost > parent->cost)
		parent->cost = child->cost;
}

static int parse_set(struct search_parse *p, struct cursor *c, struct search_key *k, bool uid)
{
	struct imap_pick pick;
	uint32_t star = uid ? view_last_uid(p->s->view) : view_exists(p->s->view);

	if (imap_parse_set(c, p->arena, &k->set))
		return wrong(p, "expected a sequence set");
	k->op = uid || k->set.saved ? SEARCH_UID : SEARCH_SEQ;
	if (!k->set.saved) { /* numbers beyond EXISTS match nothing */
		imap_set_normalise(&k->set, star);
		return 0;
	}
	if (imap_pick_start(&pick, p->s, p->arena, &k->set, true))
		return wrong(p, "out of memory");
	k->set = pick.set;
	return 0;
}

static int parse_needle(struct search_parse *p, struct cursor *c, struct search_key *k)
{
	struct buf folded = {0};
	struct str text;

	if (k->op == SEARCH_HEADER ? ++p->headers > SEARCH_HEADERS_MAX : ++p->bodies > SEARCH_BODIES_MAX)
		return wrong(p, "too many strings to look for");
	if (imap_parse_sp(c) || imap_parse_astring(c, p->arena, &text))
		return wrong(p, "expected a string");
	charset_fold(&folded, text);
	k->needle.text = arena_str(p->arena, buf_str(&folded));
	k->needle.ascii = true;
	for (size_t i = 0; i < folded.len; i++)
		k->needle.ascii &= (unsigned char)buf_str(&folded).p[i] < 0x80;
	if (folded.failed || !k->needle.text.p)
		wrong(p, "out of memory");
	buf_free(&folded);
	return p->wrong ? -1 : 0;
}

static int parse_date(struct search_parse *p, struct cursor *c, struct search_key *k)
{
	struct date date;
	bool quoted;

	if (imap_parse_sp(c))
		return wrong(p, "expected a date");
	quoted = cursor_accept(c, '"');
	if (date_parse_imap_day(c, &date) || (quoted && !cursor_accept(c, '"')))
		return wrong(p, "expected a date such as 1-Feb-2024");
	k->day = date_day(&date);
	return 0;
}

static int parse_keyword(struct search_parse *p, struct cursor *c, struct search_key *k)
{
	struct str name;
	int bit;

	if (imap_parse_sp(c) || imap_parse_atom(c, &name))
		return wrong(p, "expected a keyword");
	bit = mailbox_keyword(view_mailbox(p->s->view), name, false);
	if (bit < 0)
		k->op = SEARCH_NONE;
	else
		k->number = UINT64_C(1) << bit;
	return 0;
}

static int parse_key(struct search_parse *p, struct cursor *c, unsigned depth, struct search_key **key_r);

static int parse_child(struct search_parse *p, struct cursor *c, unsigned depth, struct search_key *parent)
{
	struct search_key *child;

	if (imap_parse_sp(c))
		return wrong(p, "expected a search key");
	if (parse_key(p, c, depth + 1, &child))
		return -1;
	add_child(parent, child);
	return 0;
}

static int parse_argument(struct search_parse *p, struct cursor *c, unsigned depth,
	const struct named *named, struct search_key *k)
{
	switch (named->argument) {
	case NOTHING:
		return 0;
	case FIELD:
		k->field = str_from(named->name);
		return parse_needle(p, c, k);
	case FIELD_STRING:
		if (imap_parse_sp(c) || imap_parse_astring(c, p->arena, &k->field))
			return wrong(p, "expected a header field name");
		return parse_needle(p, c, k);
	case STRING:
		return parse_needle(p, c, k);
	case DATE:
		return parse_date(p, c, k);
	case NUMBER:
		if (imap_parse_sp(c) || imap_parse_number(c, INT64_MAX, &k->number))
			return wrong(p, "expected a number of bytes");
		return 0;
	case KEYWORD:
		return parse_keyword(p, c, k);
	case SET:
		return imap_parse_sp(c) ? wrong(p, "expected a set of UIDs") : parse_set(p, c, k, true);
	case KEY:
		return parse_child(p, c, depth, k);
	case TWO_KEYS:
		return parse_child(p, c, depth, k) || parse_child(p, c, depth, k) ? -1 : 0;
	}
	return -1;
}

static const unsigned char letters[256] = {['A' ... 'Z'] = 1, ['a' ... 'z'] = 1};

static const struct named *find_name(struct str word)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (str_ieq(word, str_from(names[i].name)))
			return &names[i];
	}
	return NULL;
}

static const struct imap_search_word *find_word(struct str name)
{
	FEATURE_EACH (f) {
		for (const struct imap_search_word *w = f->imap_search_words; w && w->name; w++) {
			if (str_ieq(name, str_from(w->name)))
				return w;
		}
	}
	return NULL;
}

static int parse_word(struct search_parse *p, struct cursor *c, struct str name, struct search_key *k)
{
	k->word = find_word(name);
	if (!k->word)
		return wrong(p, "unknown search key");
	k->op = SEARCH_WORD;
	p->enables |= k->word->enables;
	if (k->word->tail)
		p->tail = k->word;
	p->wrong = k->word->take(p, c, k);
	return p->wrong ? -1 : 0;
}

static int parse_named(struct search_parse *p, struct cursor *c, unsigned depth, struct search_key *k)
{
	struct str name = cursor_take_set(c, letters);
	const struct named *named = find_name(name);

	if (!named)
		return parse_word(p, c, name, k);
	k->op = named->op;
	k->negate = named->negate;
	k->number = named->number;
	return parse_argument(p, c, depth, named, k);
}

/* "(" key *(SP key) ")" */
static int parse_group(struct search_parse *p, struct cursor *c, unsigned depth, struct search_key *k)
{
	struct search_key *child;

	k->op = SEARCH_AND;
	do {
		if (parse_key(p, c, depth + 1, &child))
			return -1;
		add_child(k, child);
	} while (cursor_accept(c, ' '));
	return cursor_accept(c, ')') ? 0 : wrong(p, "expected ) in the search keys");
}

static int parse_key(struct search_parse *p, struct cursor *c, unsigned depth, struct search_key **key_r)
{
	struct search_key *k = *key_r = key_new(p, SEARCH_ALL);
	int ahead = cursor_peek(c), rc;

	if (!k)
		return -1;
	if (depth > SEARCH_DEPTH_MAX)
		return wrong(p, "search keys are nested too deeply");
	if (cursor_accept(c, '('))
		rc = parse_group(p, c, depth, k);
	else if ((ahead >= '0' && ahead <= '9') || ahead == '*' || ahead == '$')
		rc = parse_set(p, c, k, false);
	else
		rc = parse_named(p, c, depth, k);
	if (!rc && k->cost < own_cost(k))
		k->cost = own_cost(k);
	return rc;
}

static const struct {
	const char *name;
	unsigned option;
} options[] = {
	{"MIN", SEARCH_MIN}, {"MAX", SEARCH_MAX}, {"COUNT", SEARCH_COUNT},
	{"ALL", SEARCH_RETURN_ALL}, {"SAVE", SEARCH_SAVE},
};

static int parse_option(struct search_parse *p, struct cursor *c)
{
	struct str word = cursor_take_set(c, letters);

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (str_ieq(word, str_from(options[i].name))) {
			p->options |= options[i].option;
			return 0;
		}
	}
	return wrong(p, "unknown RETURN option");
}

/* RETURN SP "(" [option *(SP option)] ")" (RFC 4731 3.1) */
static int parse_return(struct search_parse *p, struct cursor *c)
{
	if (imap_parse_sp(c) || !cursor_accept(c, '('))
		return wrong(p, "expected ( after RETURN");
	p->options = SEARCH_RETURN;
	if (cursor_accept(c, ')')) {
		p->options |= SEARCH_RETURN_ALL;
		return 0;
	}
	do {
		if (parse_option(p, c))
			return -1;
	} while (cursor_accept(c, ' '));
	return cursor_accept(c, ')') ? 0 : wrong(p, "expected ) after the RETURN options");
}

int search_parse_options(struct search_parse *p, struct cursor *c)
{
	return cursor_accept_word(c, STR(" RETURN")) ? parse_return(p, c) : 0;
}

static int parse_charset(struct search_parse *p, struct cursor *c)
{
	struct str name;

	if (imap_parse_sp(c) || imap_parse_astring(c, p->arena, &name))
		return wrong(p, "expected a charset");
	p->bad_charset = !str_ieq(name, STR("UTF-8")) && !str_ieq(name, STR("US-ASCII"));
	return p->bad_charset ? -1 : 0;
}

static int parse_keys(struct search_parse *p, struct cursor *c)
{
	struct search_key *key;

	do {
		if (parse_key(p, c, 0, &key))
			return -1;
		add_child(p->top, key);
	} while (cursor_accept(c, ' '));
	return imap_parse_end(c) ? wrong(p, "something follows the search keys") : 0;
}

int search_parse(struct search_parse *p, struct cursor *c)
{
	p->top = key_new(p, SEARCH_AND);
	if (!p->top)
		return -1;
	if (search_parse_options(p, c))
		return -1;
	if (imap_parse_sp(c))
		return wrong(p, "expected search keys");
	if (cursor_accept_word(c, STR("CHARSET"))) {
		if (parse_charset(p, c))
			return -1;
		if (imap_parse_sp(c))
			return wrong(p, "expected search keys");
	}
	return parse_keys(p, c);
}

int search_parse_program(struct search_parse *p, struct cursor *c)
{
	p->top = key_new(p, SEARCH_AND);
	if (!p->top || parse_charset(p, c))
		return -1;
	return imap_parse_sp(c) ? wrong(p, "expected search keys") : parse_keys(p, c);
}
