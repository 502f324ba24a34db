/* SPDX-License-Identifier: 0BSD */
/* SORT (RFC 5256), SORT=DISPLAY (RFC 5957), ESORT (RFC 5267 3) */
#include "features/imap/sort/sort.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/hooks.h"
#include "core/imap/search.h"
#include "core/lib/merge.h"

/* More keys than there are kinds of say nothing new. */
#define KEYS_MAX SORT_KEYS
/* Bytes of texts that one SORT may keep. */
#define TEXT_MAX (64u << 20)
/* Comparisons in one turn. */
#define SLICE 8000

struct criterion {
	enum sort_key key;
	bool reverse;
};

struct sort {
	struct criterion by[KEYS_MAX];
	unsigned keys;
	struct { uint32_t *v; size_t n, cap; } number;         /* as the answer numbers the messages */
	struct { union sort_value *v; size_t n, cap; } value;  /* keys for each message */
	struct buf text;
	struct arena scratch;
	struct merge merge;
	uint32_t *order, *other;                               /* both are in merge too */
	unsigned options;                                      /* enum search_return */
	uint32_t told;
	bool begun;
};

static const char *const key_names[SORT_KEYS] = {
	[SORT_ARRIVAL] = "ARRIVAL", [SORT_SIZE] = "SIZE", [SORT_DATE] = "DATE", [SORT_CC] = "CC",
	[SORT_FROM] = "FROM", [SORT_SUBJECT] = "SUBJECT", [SORT_TO] = "TO",
	[SORT_DISPLAYFROM] = "DISPLAYFROM", [SORT_DISPLAYTO] = "DISPLAYTO",
};

static void release(void *own)
{
	struct sort *q = own;

	free(q->number.v);
	free(q->value.v);
	free(q->order);
	free(q->other);
	buf_free(&q->text);
	arena_free(&q->scratch);
	free(q);
}

/* ---- the order ---- */

static struct str text_of(const struct sort *q, const union sort_value *v)
{
	return (struct str){buf_str(&q->text).p + v->text.at, v->text.len};
}

static int compare_values(const struct sort *q, enum sort_key key, const union sort_value *a,
	const union sort_value *b)
{
	if (key <= SORT_DATE)
		return (a->number > b->number) - (a->number < b->number);
	return str_cmp(text_of(q, a), text_of(q, b));
}

/* Equal ones stay in the order of their numbers, also under REVERSE (RFC 5256 3). */
static int compare(const void *arg, uint32_t a, uint32_t b)
{
	const struct sort *q = arg;

	for (unsigned i = 0; i < q->keys; i++) {
		int order = compare_values(q, q->by[i].key, &q->value.v[(size_t)a * q->keys + i],
			&q->value.v[(size_t)b * q->keys + i]);

		if (order)
			return q->by[i].reverse ? -order : order;
	}
	return 0;
}

static int take(struct imap_session *s, struct imap_cmd *c, struct imap_content *x, uint32_t seq)
{
	struct sort *q = imap_search_own(c);
	union sort_value value[KEYS_MAX];
	size_t before = q->text.len;

	(void)s;
	for (unsigned i = 0; i < q->keys; i++) {
		if (sort_value(q->by[i].key, x, &q->scratch, &q->text, &value[i])) {
			q->text.len = before;
			return -1;
		}
	}
	errno = ENOMEM;
	if (vec_grow(&q->value.v, &q->value.cap, q->value.n + q->keys, sizeof(*q->value.v)) ||
	    vec_push(&q->number, c->uid ? x->m.uid : seq))
		return -1;
	memcpy(q->value.v + q->value.n, value, q->keys * sizeof(*value));
	q->value.n += q->keys;
	return 0;
}

/* ---- the answer ---- */

static uint32_t nth(const struct sort *q, uint32_t n)
{
	return q->number.v[q->merge.v[n]];
}

/* RFC 5267 3: MIN and MAX are the first and the last of the order, ALL is in the order. */
static void begin(struct buf *out, const struct sort *q, const struct imap_cmd *c)
{
	uint32_t n = q->merge.n;

	if (q->options & SEARCH_RETURN)
		imap_search_begin_esearch(out, c, q->options, n, n ? nth(q, 0) : 0, n ? nth(q, n - 1) : 0);
	else
		buf_adds(out, "* SORT");
}

/* The next number, or the next run of a set. */
static void tell(struct buf *out, struct sort *q, bool esearch)
{
	struct imap_range r = {nth(q, q->told), nth(q, q->told)};

	buf_adds(out, !esearch ? " " : q->told ? "," : "");
	q->told++;
	while (esearch && q->told < q->merge.n && nth(q, q->told) == r.to + 1) {
		r.to++;
		q->told++;
	}
	imap_add_ranges(out, &r, 1);
}

static void answer(struct imap_session *s, struct imap_cmd *c)
{
	struct sort *q = imap_search_own(c);
	struct buf *out = imap_out(s);
	bool esearch = q->options & SEARCH_RETURN;

	imap_barrier(s, mailbox_lsn(view_mailbox(s->view)));
	if (imap_search_is_silent(q->options)) {
		imap_reply(s, c, IMAP_OK, NULL, "SORT completed");
		return;
	}
	if (!q->begun)
		begin(out, q, c);
	q->begun = true;
	while (q->told < q->merge.n && (!esearch || q->options & SEARCH_RETURN_ALL)) {
		if (conn_full(&s->conn))
			return;
		tell(out, q, esearch);
	}
	imap_search_add_tail(c, out, esearch);
	buf_adds(out, "\r\n");
	imap_reply(s, c, IMAP_OK, NULL, "SORT completed");
}

static void order(struct imap_session *s, struct imap_cmd *c)
{
	struct sort *q = imap_search_own(c);

	if (imap_view_gone(s, c))
		return;
	if (!merge_step(&q->merge, SLICE)) {
		imap_yield(s);
		return;
	}
	c->step = answer;
	answer(s, c);
}

static void done(struct imap_session *s, struct imap_cmd *c)
{
	struct sort *q = imap_search_own(c);
	uint32_t n = (uint32_t)q->number.n;

	q->order = calloc(n + 1, sizeof(*q->order));
	q->other = calloc(n + 1, sizeof(*q->other));
	if (!q->order || !q->other) {
		imap_reply_errno(s, c, ENOMEM);
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		q->order[i] = i;
	q->merge = (struct merge){.v = q->order, .other = q->other, .n = n, .compare = compare, .arg = q};
	c->step = order;
	order(s, c);
}

/* ---- the command ---- */

static int parse_key(struct cursor *c, enum sort_key *key_r)
{
	struct str word;

	if (imap_parse_atom(c, &word))
		return -1;
	for (unsigned i = 0; i < SORT_KEYS; i++) {
		if (str_ieq(word, str_from(key_names[i]))) {
			*key_r = i;
			return 0;
		}
	}
	return -1;
}

/* A key that stood before decides nothing more. */
static void add_key(struct sort *q, struct criterion one)
{
	for (unsigned i = 0; i < q->keys; i++) {
		if (q->by[i].key == one.key)
			return;
	}
	q->by[q->keys++] = one;
}

/* SP "(" sort-key *(SP sort-key) ")" (RFC 5256 5).  NULL, or what is wrong. */
static const char *parse_keys(struct cursor *c, struct sort *q)
{
	struct criterion one;

	if (imap_parse_sp(c) || !cursor_accept(c, '('))
		return "expected ( and sort keys";
	do {
		one.reverse = cursor_accept_word(c, STR("REVERSE "));
		if (parse_key(c, &one.key))
			return "unknown sort key";
		add_key(q, one);
	} while (cursor_accept(c, ' '));
	return cursor_accept(c, ')') ? NULL : "expected ) after the sort keys";
}

static void sort_run(struct imap_session *s, struct imap_cmd *c)
{
	struct search_parse p = {.s = s, .arena = c->arena};
	struct sort *q = calloc(1, sizeof(*q));
	int parsed;

	if (!q) {
		imap_reply_errno(s, c, ENOMEM);
		return;
	}
	q->text.max = TEXT_MAX;
	parsed = search_parse_options(&p, &c->args);
	if (!parsed)
		p.wrong = parse_keys(&c->args, q);
	if (p.wrong || search_parse_program(&p, &c->args))
		parsed = -1;
	q->options = p.options;
	imap_search_for(s, c, parsed, &p, &(struct search_use){take, done, release, q});
}

static const struct imap_command sort_commands[] = {
	{"SORT", IMAP_SELECTED, IMAP_UID | IMAP_NO_EXPUNGE, sort_run},
	{0},
};

static const struct imap_capability sort_capabilities[] = {
	{"SORT", IMAP_LOGGED_IN},
	{"SORT=DISPLAY", IMAP_LOGGED_IN},
	{"ESORT", IMAP_LOGGED_IN},
	{0},
};

const struct feature sort_feature = {
	.name = "sort",
	.imap_commands = sort_commands,
	.imap_capabilities = sort_capabilities,
};
