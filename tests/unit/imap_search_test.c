/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/imap/search.h"
#include "core/mime/charset.h"
#include "tests/unit/store_help.h"

/* ---- text ---- */

static bool find_plainly(const char *text, size_t n, const char *needle, size_t m)
{
	for (size_t i = 0; i + m <= n; i++) {
		size_t j = 0;

		while (j < m && (text[i + j] | (text[i + j] >= 'A' && text[i + j] <= 'Z' ? 0x20 : 0)) == needle[j])
			j++;
		if (j == m)
			return true;
	}
	return false;
}

static void the_fast_search_agrees_with_the_plain_one(void **state)
{
	static const char letters[] = "aAbB@`[{zZ \n";
	char text[100], needle[8];
	unsigned found = 0;

	(void)state;
	srand(1);
	for (unsigned round = 0; round < 20000; round++) {
		size_t n = (size_t)rand() % sizeof(text), m = (size_t)rand() % sizeof(needle);
		/* Its own allocation, so that a read beyond it is seen. */
		char *exact = malloc(n ? n : 1);
		bool want;

		for (size_t i = 0; i < n; i++)
			text[i] = letters[(size_t)rand() % (sizeof(letters) - 1)];
		for (size_t i = 0; i < m; i++) {
			needle[i] = letters[(size_t)rand() % (sizeof(letters) - 1)];
			if (needle[i] >= 'A' && needle[i] <= 'Z')
				needle[i] |= 0x20;
		}
		memcpy(exact, text, n);
		want = find_plainly(text, n, needle, m);
		assert_int_equal(search_find_ascii((struct str){exact, n}, (struct str){needle, m}), want);
		found += want;
		free(exact);
	}
	assert_in_range(found, 1000, 19000);
}

static struct search_needle needle_of(const char *text, struct buf *folded)
{
	struct search_needle needle = {.ascii = true};

	buf_clear(folded);
	charset_fold(folded, str_from(text));
	needle.text = buf_str(folded);
	for (size_t i = 0; i < needle.text.len; i++)
		needle.ascii &= (unsigned char)needle.text.p[i] < 0x80;
	return needle;
}

static void fields_are_searched_decoded_unfolded_and_by_name(void **state)
{
	static const char header[] = "Subject: =?utf-8?Q?Gr=C3=B6=C3=9Fe?= und mehr\r\nX-Two: first\r\n second\r\n"
		"x-two: third\r\nRaw: caf\xe9\r\nPlain: Some Words\r\n\r\n";
	static const struct { const char *name, *needle; bool found; } cases[] = {
		{"subject", "GRÖSSE", false}, {"subject", "größe UND", true}, {"subject", "=?utf-8", false},
		{"X-TWO", "first second", true}, {"X-Two", "THIRD", true}, {"X-Two", "first\r\n", false},
		{"Plain", "some w", true}, {"Plain", "words x", false}, {"Raw", "CAFÉ", true},
		{"Plain", "", true}, {"Absent", "", false},
	};
	struct buf folded = {0}, tmp = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct search_needle needle = needle_of(cases[i].needle, &folded);

		if (search_in_field(STR(header), str_from(cases[i].name), &needle, &tmp) != cases[i].found)
			fail_msg("%s %s", cases[i].name, cases[i].needle);
	}
	buf_free(&folded);
	buf_free(&tmp);
}

static void text_is_searched_in_its_charset(void **state)
{
	static const struct { const char *text, *charset, *needle; bool found; } cases[] = {
		{"Stra\xdf" "e", "iso-8859-1", "straße", true}, {"Stra\xc3\x9f" "e", "", "STRAßE", true},
		{"PLAIN", "utf-8", "plain", true}, {"PLAIN", "x-unheard", "plain", true},
		{"PLAIN", "us-ascii", "plaim", false}, {"", "", "x", false}, {"", "", "", true},
	};
	struct buf folded = {0}, tmp = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct search_needle needle = needle_of(cases[i].needle, &folded);

		if (search_in_text(str_from(cases[i].text), str_from(cases[i].charset), &needle, &tmp) !=
				cases[i].found)
			fail_msg("case %zu", i);
	}
	buf_free(&folded);
	buf_free(&tmp);
}

/* ---- keys, on a mailbox ---- */

struct box {
	struct spool *spool;
	struct imap_session s;
	struct arena arena;
	struct imap_content x;
};

static int open_box(void **state)
{
	struct box *b = calloc(1, sizeof(*b));
	struct mailbox *m;
	uint32_t uid = 2;

	help_setup((void **)&b->spool);
	m = help_inbox(b->spool, "user");
	help_deliver(m, "", "Subject: one\r\nDate: 1 Feb 2024 00:00:00 +0000\r\n\r\nalpha\r\n");
	help_deliver(m, "Return-Path: <x>\r\n", "Subject: two\r\nX-A: b\r\n\r\nbeta\r\n");
	help_deliver(m, "", "Subject: three\r\n\r\ngamma\r\n");
	assert_int_equal(mailbox_flag(m, &uid, 1, MESSAGE_ADD, MESSAGE_FLAGGED, 0, NULL), 0);
	help_settle(b->spool);
	b->s.view = view_open(m, true);
	b->x.store = b->spool->s;
	*state = b;
	return 0;
}

static int close_box(void **state)
{
	struct box *b = *state;

	imap_content_free(&b->x);
	arena_free(&b->arena);
	free(b->s.saved);
	view_close(&b->s.view);
	help_teardown((void **)&b->spool);
	free(b);
	return 0;
}

static int parse_keys(struct box *b, const char *text, struct search_parse *p)
{
	struct cursor c = cursor_from(str_from(text));

	arena_reset(&b->arena);
	*p = (struct search_parse){.s = &b->s, .arena = &b->arena};
	return search_parse(p, &c);
}

/* Bits of the messages 1 to 3 that match. */
static unsigned matches(struct box *b, const char *text)
{
	struct search_parse p;
	struct message m;
	unsigned bits = 0;

	assert_int_equal(parse_keys(b, text, &p), 0);
	for (uint32_t seq = 1; seq <= 3; seq++) {
		assert_int_equal(view_message(b->s.view, seq, &m), 1);
		imap_content_set(&b->x, &m);
		bits |= (unsigned)(search_match(b->s.view, &b->x, seq, p.top) == 1) << (seq - 1);
	}
	return bits;
}

static void keys_combine(void **state)
{
	struct box *b = *state;

	assert_int_equal(matches(b, " ALL"), 7);
	assert_int_equal(matches(b, " NOT ALL"), 0);
	assert_int_equal(matches(b, " FLAGGED"), 2);
	assert_int_equal(matches(b, " OR FLAGGED BODY gamma"), 6);
	assert_int_equal(matches(b, " NOT (OR FLAGGED BODY gamma)"), 1);
	assert_int_equal(matches(b, " NOT (FLAGGED BODY beta)"), 5);
	assert_int_equal(matches(b, " 1:2 HEADER X-A b"), 2);
	assert_int_equal(matches(b, " TEXT return-path"), 2);
	assert_int_equal(matches(b, " SENTSINCE 1-Jan-2024"), 1);
}

static void dear_keys_come_last(void **state)
{
	struct box *b = *state;
	struct search_parse p;
	struct search_key *k;

	assert_int_equal(parse_keys(b, " BODY x HEADER X-A b SUBJECT y UNSEEN", &p), 0);
	k = p.top->child;
	assert_int_equal(k->op, SEARCH_FLAG);
	assert_int_equal(k->next->cost, COST_SUMMARY);
	assert_int_equal(k->next->next->cost, COST_HEADER);
	assert_int_equal(k->next->next->next->op, SEARCH_BODY);
	assert_null(k->next->next->next->next);
	assert_int_equal(parse_keys(b, " (BODY x) NOT SEEN", &p), 0);
	assert_int_equal(p.top->child->op, SEARCH_AND);
	assert_true(p.top->child->negate);
}

static void cheap_keys_read_no_bytes(void **state)
{
	struct box *b = *state;

	b->x.bytes = 0;
	matches(b, " SEEN BODY x");
	matches(b, " OR ALL TEXT x");
	matches(b, " LARGER 1 SMALLER 2 HEADER X-A b");
	assert_int_equal(b->x.bytes, 0);
	matches(b, " BODY x");
	assert_true(b->x.bytes > 0);
}

static void nesting_is_bounded(void **state)
{
	struct box *b = *state;
	struct search_parse p;
	struct buf text = {0};

	for (unsigned depth = SEARCH_DEPTH_MAX; depth <= SEARCH_DEPTH_MAX + 1; depth++) {
		buf_clear(&text);
		for (unsigned i = 0; i < depth; i++)
			buf_adds(&text, " NOT");
		buf_add(&text, " ALL", 5);
		assert_int_equal(parse_keys(b, buf_str(&text).p, &p), depth > SEARCH_DEPTH_MAX ? -1 : 0);
	}
	buf_free(&text);
}

/* ---- seqset.c ---- */

static void numbers_become_ranges(void **state)
{
	static const uint32_t numbers[] = {1, 2, 3, 5, 7, 8, UINT32_MAX - 1};
	struct imap_ranges r = {0};
	struct buf out = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		assert_int_equal(imap_ranges_add(&r, numbers[i]), 0);
	imap_add_ranges(&out, r.v, r.n);
	buf_addc(&out, 0);
	assert_string_equal(buf_str(&out).p, "1:3,5,7:8,4294967294");
	free(r.v);
	buf_free(&out);
}

static void walks_give_each_number_once_in_order(void **state)
{
	struct box *b = *state;
	static const struct { const char *set; bool uid; const char *walk; } cases[] = {
		{"1:3", false, "123"}, {"3,1,1:2", false, "123"}, {"*", false, "3"}, {"*:2", false, "23"},
		{"2:900", true, "23"}, {"900:*", true, "3"}, {"5:7", true, ""}, {"3,2", true, "23"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cursor c = cursor_from(str_from(cases[i].set));
		struct imap_set set;
		struct imap_pick pick;
		char walk[8] = "";
		uint32_t seq;

		assert_int_equal(imap_parse_set(&c, &b->arena, &set), 0);
		assert_int_equal(imap_pick_start(&pick, &b->s, &b->arena, &set, cases[i].uid), 0);
		for (size_t n = 0; n < 7 && (seq = imap_pick_next(&pick, b->s.view)); n++)
			walk[n] = (char)('0' + seq);
		assert_string_equal(walk, cases[i].walk);
	}
}

static void numbers_beyond_the_mailbox_are_refused_but_not_uids(void **state)
{
	struct box *b = *state;
	static const char *const sets[] = {"4", "1:4", "4:*"};

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		struct cursor c = cursor_from(str_from(sets[i]));
		struct imap_set set;
		struct imap_pick pick;

		assert_int_equal(imap_parse_set(&c, &b->arena, &set), 0);
		assert_int_equal(imap_pick_start(&pick, &b->s, &b->arena, &set, false), -1);
		assert_int_equal(imap_pick_start(&pick, &b->s, &b->arena, &set, true), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_fast_search_agrees_with_the_plain_one),
		cmocka_unit_test(fields_are_searched_decoded_unfolded_and_by_name),
		cmocka_unit_test(text_is_searched_in_its_charset),
		cmocka_unit_test(numbers_become_ranges),
		cmocka_unit_test_setup_teardown(keys_combine, open_box, close_box),
		cmocka_unit_test_setup_teardown(dear_keys_come_last, open_box, close_box),
		cmocka_unit_test_setup_teardown(cheap_keys_read_no_bytes, open_box, close_box),
		cmocka_unit_test_setup_teardown(nesting_is_bounded, open_box, close_box),
		cmocka_unit_test_setup_teardown(walks_give_each_number_once_in_order, open_box, close_box),
		cmocka_unit_test_setup_teardown(numbers_beyond_the_mailbox_are_refused_but_not_uids, open_box,
			close_box),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
