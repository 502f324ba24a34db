/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/imap/commands.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* What a parser took: the string, or NULL if it must refuse; and what it must leave. */
struct string_case {
	const char *in, *out, *left;
};

typedef int string_parser(struct cursor *c, struct arena *a, struct str *v_r);

static void check_strings(string_parser *parse, const struct string_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct cursor c = cursor_from(str_from(cases[i].in));
		struct arena a = {0};
		struct str v;
		int rc = parse(&c, &a, &v);

		if (!cases[i].out) {
			if (rc == 0)
				fail_msg("%s is taken", cases[i].in);
		} else {
			if (rc)
				fail_msg("%s is refused", cases[i].in);
			assert_int_equal(v.len, strlen(cases[i].out));
			assert_memory_equal(v.p, cases[i].out, v.len);
			assert_string_equal(c.p, cases[i].left);
		}
		arena_free(&a);
	}
}

static int atom(struct cursor *c, struct arena *a, struct str *v_r)
{
	(void)a;
	return imap_parse_atom(c, v_r);
}

static void an_atom_ends_before_specials(void **state)
{
	static const struct string_case cases[] = {
		{"FETCH 1", "FETCH", " 1"}, {"a+b", "a+b", ""}, {"$MDNSent)", "$MDNSent", ")"},
		{"a]b", "a", "]b"}, {"a%", "a", "%"}, {"a\x7f", "a", "\x7f"}, {"a\xc3\xa9", "a", "\xc3\xa9"},
		{"", NULL, NULL}, {" a", NULL, NULL}, {"(a", NULL, NULL}, {"\"a\"", NULL, NULL},
		{"\\Seen", NULL, NULL}, {"{3}", NULL, NULL},
	};

	(void)state;
	check_strings(atom, cases, N(cases));
}

static void an_astring_is_atom_quoted_or_literal(void **state)
{
	static const struct string_case cases[] = {
		{"a]b c", "a]b", " c"}, {"\"\"", "", ""}, {"\"a b\" c", "a b", " c"},
		{"\"a\\\"b\\\\c\"", "a\"b\\c", ""}, {"\"gr\xc3\xbc\xc3\x9f\"", "gr\xc3\xbc\xc3\x9f", ""},
		{"{3}\r\nabc d", "abc", " d"}, {"{3+}\r\nabc", "abc", ""}, {"{3}\nabc", "abc", ""},
		{"{0}\r\n)", "", ")"}, {"{5}\r\na\r\nbc!", "a\r\nbc", "!"},
		{"\"a", NULL, NULL}, {"\"a\\x\"", NULL, NULL}, {"\"a\\", NULL, NULL}, {"\"a\rb\"", NULL, NULL},
		{"\"a\nb\"", NULL, NULL}, {"{4}\r\nabc", NULL, NULL}, {"{3}abc", NULL, NULL},
		{"{}\r\n", NULL, NULL}, {"{-1}\r\n", NULL, NULL}, {"{3-}\r\nabc", NULL, NULL},
		{"{18446744073709551616}\r\nabc", NULL, NULL}, {"{99999999999}\r\nabc", NULL, NULL},
		{"{3", NULL, NULL}, {"(", NULL, NULL}, {"", NULL, NULL}, {"a%", "a", "%"},
	};

	(void)state;
	check_strings(imap_parse_astring, cases, N(cases));
}

static void a_list_pattern_may_hold_wildcards_bare(void **state)
{
	static const struct string_case cases[] = {
		{"%", "%", ""}, {"*", "*", ""}, {"a/%]* (", "a/%]*", " ("}, {"\"*\" x", "*", " x"},
		{"{1}\r\n%", "%", ""}, {"\\x", NULL, NULL}, {"", NULL, NULL},
	};

	(void)state;
	check_strings(imap_parse_list_mailbox, cases, N(cases));
}

static void a_mailbox_name_becomes_utf8(void **state)
{
	static const struct string_case cases[] = {
		{"inBox", "INBOX", ""}, {"\"INBOX\"", "INBOX", ""}, {"inbox/a", "inbox/a", ""},
		{"Entw&APw-rfe", "Entw\xc3\xbcrfe", ""}, {"a&-b", "a&b", ""},
		{"\"Entw\xc3\xbcrfe\"", "Entw\xc3\xbcrfe", ""}, {"\"R&D\"", "R&D", ""},
		{"\"~peter/mail/&U,BTFw-/&ZeVnLIqe-\"",
			"~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", ""},
		{"\"\xff\"", NULL, NULL}, {"\"&\xff\"", NULL, NULL},
	};

	(void)state;
	check_strings(imap_parse_mailbox, cases, N(cases));
}

static void nil_is_no_string(void **state)
{
	struct cursor c = cursor_from(STR("nil x"));
	struct str v = STR("something");
	struct arena a = {0};

	(void)state;
	assert_int_equal(imap_parse_nstring(&c, &a, &v), 0);
	assert_null(v.p);
	c = cursor_from(STR("\"NIL\""));
	assert_int_equal(imap_parse_nstring(&c, &a, &v), 0);
	assert_true(str_eq(v, STR("NIL")));
	c = cursor_from(STR("nill"));
	assert_int_equal(imap_parse_nstring(&c, &a, &v), -1);
	arena_free(&a);
}

/* in, star -> normalised, or NULL */
static void sets_are_put_in_order(void **state)
{
	static const struct { const char *in; uint32_t star; const char *out; } cases[] = {
		{"1", 9, "1"}, {"1:3", 9, "1:3"}, {"3:1", 9, "1:3"}, {"5,1:3,4", 9, "1:5"},
		{"*", 9, "9"}, {"7:*", 9, "7:9"}, {"*:7", 9, "7:9"}, {"12:*", 9, "9:12"}, {"*", 0, "0"},
		{"1:*,3", 9, "1:9"}, {"2,4,6", 9, "2 4 6"}, {"1:2,2:3,5,5", 9, "1:3 5"},
		{"4294967295", 9, "4294967294"}, {"5:4294967295", 3, "5:4294967294"},
		{"0", 9, NULL}, {"", 9, NULL}, {"1:", 9, NULL}, {":1", 9, NULL}, {"a", 9, NULL},
		{"4294967296", 9, NULL}, {"1,", 9, NULL}, {"1:2:3", 9, "1:2"},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		struct cursor c = cursor_from(str_from(cases[i].in));
		struct arena a = {0};
		struct imap_set set;
		struct buf out = {0};

		if (imap_parse_set(&c, &a, &set)) {
			assert_null(cases[i].out);
			arena_free(&a);
			continue;
		}
		assert_non_null(cases[i].out);
		imap_set_normalise(&set, cases[i].star);
		for (size_t k = 0; k < set.n; k++) {
			buf_adds(&out, k ? " " : "");
			buf_addu(&out, set.v[k].from);
			buf_adds(&out, set.v[k].to != set.v[k].from ? ":" : "");
			if (set.v[k].to != set.v[k].from)
				buf_addu(&out, set.v[k].to);
		}
		buf_addc(&out, 0);
		assert_string_equal(out.data, cases[i].out);
		buf_free(&out);
		arena_free(&a);
	}
}

static void a_set_knows_what_it_contains(void **state)
{
	struct cursor c = cursor_from(STR("20:30,2,5:7,100"));
	struct arena a = {0};
	struct imap_set set;

	(void)state;
	assert_int_equal(imap_parse_set(&c, &a, &set), 0);
	imap_set_normalise(&set, 1);
	for (uint32_t n = 1; n < 120; n++) {
		bool in = n == 2 || (n >= 5 && n <= 7) || (n >= 20 && n <= 30) || n == 100;

		assert_int_equal(imap_set_contains(&set, n), in);
	}
	c = cursor_from(STR("$"));
	assert_int_equal(imap_parse_set(&c, &a, &set), 0);
	assert_true(set.saved);
	arena_free(&a);
}

static void flags_are_bits_and_keywords(void **state)
{
	static const struct { const char *in; bool parens; int flags; size_t keywords; } cases[] = {
		{"()", true, 0, 0}, {"(\\Seen)", true, MESSAGE_SEEN, 0},
		{"(\\seen \\DELETED $Junk)", true, MESSAGE_SEEN | MESSAGE_DELETED, 1},
		{"\\Flagged \\Draft \\Answered a b", false,
			MESSAGE_FLAGGED | MESSAGE_DRAFT | MESSAGE_ANSWERED, 2},
		{"(a b c d e f g h i j)", true, 0, 10},
		{"\\Seen", true, -1, 0}, {"(\\Recent)", true, -1, 0}, {"(\\Else)", true, -1, 0},
		{"(\\Seen", true, -1, 0}, {"(a  b)", true, -1, 0}, {"", false, -1, 0}, {"(a ", true, -1, 0},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		struct cursor c = cursor_from(str_from(cases[i].in));
		struct arena a = {0};
		struct imap_flags f;
		int rc = imap_parse_flags(&c, &a, cases[i].parens, &f);

		assert_int_equal(rc, cases[i].flags < 0 ? -1 : 0);
		if (!rc) {
			assert_int_equal(f.flags, cases[i].flags);
			assert_int_equal(f.n, cases[i].keywords);
		}
		arena_free(&a);
	}
}

static void numbers_have_bounds(void **state)
{
	static const struct { const char *in; uint64_t max; int64_t out; } cases[] = {
		{"0", 10, 0}, {"10", 10, 10}, {"11", 10, -1}, {"007", 10, 7}, {"", 10, -1}, {"-1", 10, -1},
		{"99999999999999999999999", UINT64_MAX, -1},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		struct cursor c = cursor_from(str_from(cases[i].in));
		uint64_t v;

		if (cases[i].out < 0) {
			assert_int_equal(imap_parse_number(&c, cases[i].max, &v), -1);
		} else {
			assert_int_equal(imap_parse_number(&c, cases[i].max, &v), 0);
			assert_int_equal(v, cases[i].out);
		}
	}
}

static void wildcards_match_as_the_rfc_says(void **state)
{
	static const struct { const char *pattern, *name; bool match; } cases[] = {
		{"*", "", true}, {"*", "a/b", true}, {"%", "a", true}, {"%", "a/b", false}, {"", "", true},
		{"", "a", false}, {"a", "a", true}, {"a", "ab", false}, {"ab", "a", false},
		{"a%", "a", true}, {"a%", "ab", true}, {"a%", "a/b", false}, {"a/%", "a/b", true},
		{"a/%", "a", false}, {"a*", "a/b/c", true}, {"%/%", "a/b", true}, {"%/%", "a/b/c", false},
		{"*b", "a/b", true}, {"*b", "a/bc", false}, {"%b%", "abc", true}, {"*%", "a/b", true},
		{"%*", "a/b", true}, {"a*b%c", "a/x/bxc", true}, {"a*b%c", "a/x/bx/c", false},
		{"*a*b*", "xxaxxbxx", true}, {"*a*b*", "xxbxxaxx", false}, {"**", "a", true},
		{"*/c", "a/b/c", true}, {"%/c", "a/b/c", false},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		if (imap_match(str_from(cases[i].pattern), str_from(cases[i].name)) != cases[i].match)
			fail_msg("%s against %s", cases[i].pattern, cases[i].name);
	}
}

static void hostile_patterns_cost_no_more_than_their_size(void **state)
{
	char pattern[1024], name[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(pattern); i += 2)
		memcpy(pattern + i, i % 4 ? "%a" : "*a", 2);
	memset(name, 'a', sizeof(name));
	name[sizeof(name) - 1] = 'b';
	for (int i = 0; i < 20; i++)
		assert_false(imap_match((struct str){pattern, sizeof(pattern)}, (struct str){name, sizeof(name)}));
}

static void lines_announce_literals(void **state)
{
	static const struct { const char *in; int end, literal, nonsync; uint64_t size; } cases[] = {
		{"a NOOP\r\nb", 8, 0, 0, 0}, {"a NOOP\n", 7, 0, 0, 0}, {"a NOOP", 0, 0, 0, 0},
		{"a {12}\r\n", 8, 1, 0, 12}, {"a {12+}\r\n", 9, 1, 1, 12}, {"{0}\n", 4, 1, 0, 0},
		{"a {}\r\n", 6, 0, 0, 0}, {"a 12}\r\n", 7, 0, 0, 0}, {"a {+}\r\n", 7, 0, 1, 0},
		{"a {12} \r\n", 9, 0, 0, 0}, {"a \"{12}\"\r\n", 10, 0, 0, 0}, {"}\r\n", 3, 0, 0, 0},
		{"a {18446744073709551615}\r\n", 26, 1, 0, UINT64_MAX},
		{"a {99999999999999999999999999}\r\n", 32, 1, 0, UINT64_MAX},
		{"a {00000000000000000000000000012}\r\n", 35, 1, 0, 12},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		struct imap_line l;
		int found = imap_scan_line(str_from(cases[i].in), 0, &l);

		assert_int_equal(found, cases[i].end > 0);
		if (!found)
			continue;
		assert_int_equal(l.end, cases[i].end);
		assert_int_equal(l.literal, cases[i].literal);
		if (!l.literal)
			continue;
		assert_int_equal(l.nonsync, cases[i].nonsync);
		/* Anything past 2^60 means "too large" alike. */
		assert_true(l.size == cases[i].size || (l.size > (uint64_t)1 << 60 && cases[i].size > l.size));
	}
}

static void commands_begin_with_a_tag_and_a_name(void **state)
{
	static const struct { const char *in, *tag, *name; } cases[] = {
		{"a1 NOOP", "a1", "NOOP"}, {"A.]-_ x y", "A.]-_", "x"}, {"a+ NOOP", "", NULL},
		{"", "", NULL}, {" NOOP", "", NULL}, {"a", "", NULL}, {"a ", "a", NULL}, {"a  b", "a", NULL},
		{"\"a\" NOOP", "", NULL}, {"{1} NOOP", "", NULL}, {"* NOOP", "", NULL}, {"a \"b\"", "a", NULL},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		struct cursor c = cursor_from(str_from(cases[i].in));
		struct str tag, name;
		const char *wrong = imap_parse_head(&c, &tag, &name);

		assert_true(str_eq(tag, str_from(cases[i].tag)));
		assert_int_equal(wrong != NULL, cases[i].name == NULL);
		if (!wrong)
			assert_true(str_eq(name, str_from(cases[i].name)));
	}
}

static void commands_are_found_by_name_in_any_case(void **state)
{
	(void)state;
	assert_non_null(imap_command_find(STR("select"), false));
	assert_non_null(imap_command_find(STR("Fetch"), true));
	assert_null(imap_command_find(STR("SELECT"), true));
	assert_null(imap_command_find(STR("SELEC"), false));
	assert_null(imap_command_find(STR(""), false));
}

static void strings_are_written_so_that_they_read_back(void **state)
{
	static const char *const cases[] = {"", "plain", "a \"b\" \\ c", "line\r\nline", "gr\xc3\xbc\xc3\x9f", "NIL"};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		struct buf out = {0};
		struct arena a = {0};
		struct cursor c;
		struct str v;

		imap_add_string(&out, str_from(cases[i]));
		c = cursor_from(buf_str(&out));
		assert_int_equal(imap_parse_nstring(&c, &a, &v), 0);
		assert_true(cursor_done(&c));
		assert_true(v.p && str_eq(v, str_from(cases[i])));
		arena_free(&a);
		buf_free(&out);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_atom_ends_before_specials),
		cmocka_unit_test(an_astring_is_atom_quoted_or_literal),
		cmocka_unit_test(a_list_pattern_may_hold_wildcards_bare),
		cmocka_unit_test(a_mailbox_name_becomes_utf8),
		cmocka_unit_test(nil_is_no_string),
		cmocka_unit_test(sets_are_put_in_order),
		cmocka_unit_test(a_set_knows_what_it_contains),
		cmocka_unit_test(flags_are_bits_and_keywords),
		cmocka_unit_test(numbers_have_bounds),
		cmocka_unit_test(wildcards_match_as_the_rfc_says),
		cmocka_unit_test(hostile_patterns_cost_no_more_than_their_size),
		cmocka_unit_test(lines_announce_literals),
		cmocka_unit_test(commands_begin_with_a_tag_and_a_name),
		cmocka_unit_test(commands_are_found_by_name_in_any_case),
		cmocka_unit_test(strings_are_written_so_that_they_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
