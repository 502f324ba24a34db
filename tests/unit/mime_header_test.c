/* SPDX-License-Identifier: 0BSD */
#include "tests/unit/mime_testing.h"

static void a_header_block_ends_behind_the_first_empty_line(void **state)
{
	static const struct {
		const char *message;
		size_t length;
	} table[] = {
		{"", 0},
		{"\r\n", 2},
		{"\n", 1},
		{"A: b\r\n\r\nbody", 8},
		{"A: b\n\nbody", 6},
		{"A: b\r\n \r\n\r\n\r\n", 11},
		{"A: b\r\nC", 7},
		{"A: b\r\n\r", 7},
		{"A: b\r\r\n\nx", 8},
		{"no colon\r\nA: b\r\n\r\nx", 18},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++)
		assert_int_equal(header_block_length(str_from(table[i].message)), table[i].length);
}

static void fields_are_found_with_their_folds_and_whatever_stands_between(void **state)
{
	static const char block[] = "A: one\r\n"
				    "long-name \t:\ttwo\r\n\tmore\r\n  \r\n"
				    "no colon here\r\n"
				    "b a d: x\r\n"
				    ": empty name\r\n"
				    "A:three\n"
				    "\r\n"
				    "Body: x\r\n";
	static const char *const want[][3] = {
		{"A", " one", "A: one\r\n"},
		{"long-name", "\ttwo\r\n\tmore\r\n  ", "long-name \t:\ttwo\r\n\tmore\r\n  \r\n"},
		{"", "no colon here", "no colon here\r\n"},
		{"", "b a d: x", "b a d: x\r\n"},
		{"", ": empty name", ": empty name\r\n"},
		{"A", "three", "A:three\n"},
	};
	struct cursor c = cursor_from(str_from(block));
	struct header_field f;

	(void)state;
	for (size_t i = 0; i < COUNT(want); i++) {
		assert_int_equal(header_next(&c, &f), 1);
		assert_str(f.name, want[i][0]);
		assert_str(f.value, want[i][1]);
		assert_str(f.raw, want[i][2]);
	}
	assert_int_equal(header_next(&c, &f), 0);
	assert_int_equal(cursor_left(&c), strlen("Body: x\r\n"));
}

static void a_field_is_found_by_name_in_any_case_and_the_first_one_wins(void **state)
{
	struct str block = STR("X: 0\r\nSubject: 1\r\nsubject: 2\r\n");
	struct header_field f;

	(void)state;
	assert_int_equal(header_find(block, STR("SUBJECT"), &f), 1);
	assert_str(f.value, " 1");
	assert_int_equal(header_find(block, STR("Subjec"), &f), 0);
	assert_int_equal(header_find(block, STR(""), &f), 0);
}

static void an_empty_header_has_no_fields(void **state)
{
	struct cursor c = cursor_from(STR_NULL);
	struct header_field f;

	(void)state;
	assert_int_equal(header_next(&c, &f), 0);
	c = cursor_from(STR("\r\nA: b\r\n"));
	assert_int_equal(header_next(&c, &f), 0);
}

static void unfolding_drops_line_ends_and_outer_blanks_only(void **state)
{
	static const char *const table[][2] = {
		{" a\r\n b", "a b"},
		{"\t a\n\tb \r\n ", "a\tb"},
		{" a  \r\n  b", "a    b"},
		{"", ""},
		{" \r\n ", ""},
		{"a\rb", "a\rb"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct buf b = {0};

		header_unfold(&b, str_from(table[i][0]));
		assert_str(buf_str(&b), table[i][1]);
		buf_free(&b);
	}
}

static void encoded_words_are_decoded_as_rfc_2047_says(void **state)
{
	static const char *const table[][2] = {
		{" plain  text ", "plain  text"},
		/* RFC 2047 8 */
		{"=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>"},
		{"=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?=", "Keld J\xc3\xb8rn Simonsen"},
		{"=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n "
		 "=?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
			"If you can read this you understand the example."},
		{"(=?ISO-8859-1?Q?a?=)", "(a)"},
		{"(=?ISO-8859-1?Q?a?= b)", "(a b)"},
		{"(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)"},
		{"(=?ISO-8859-1?Q?a?=  \r\n\t=?ISO-8859-1?Q?b?=)", "(ab)"},
		{"(=?ISO-8859-1?Q?a_b?=)", "(a b)"},
		{"(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)"},
		/* RFC 2231 5: a language behind the charset */
		{"=?US-ASCII*EN?Q?Keith?=", "Keith"},
		/* a character split between two words; blanks inside; small letters */
		{"=?utf-8?q?=C3?= =?UTF-8?b?vA==?=", "\xc3\xbc"},
		{"=?utf-8?q?a b?=", "a b"},
		{"x=?utf-8?q?y?=z", "xyz"},
		/* what is no encoded-word stays */
		{"=?utf-8?q?open", "=?utf-8?q?open"},
		{"=?utf-8?x?y?=", "=?utf-8?x?y?="},
		{"=? ?q?y?=", "=? ?q?y?="},
		{"==?utf-8?q?a?==", "=a="},
		{"a =?= b =?", "a =?= b =?"},
		{"=?utf-8?q?=ZZ=4?=", "=ZZ=4"},
		{"=?utf-8?q?" "?=", ""},
		/* raw 8-bit: UTF-8 if it is, else Latin */
		{"J\xc3\xb6rg", "J\xc3\xb6rg"},
		{"J\xf6rg", "J\xc3\xb6rg"},
		{"=?unknown?q?a=FFb?=", "a\xef\xbf\xbd"
					"b"},
		{"=?utf-8?q?a=FFb?=", "a\xef\xbf\xbd"
				      "b"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct buf b = {0};

		header_decode(&b, str_from(table[i][0]));
		assert_str(buf_str(&b), table[i][1]);
		buf_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_block_ends_behind_the_first_empty_line),
		cmocka_unit_test(fields_are_found_with_their_folds_and_whatever_stands_between),
		cmocka_unit_test(a_field_is_found_by_name_in_any_case_and_the_first_one_wins),
		cmocka_unit_test(an_empty_header_has_no_fields),
		cmocka_unit_test(unfolding_drops_line_ends_and_outer_blanks_only),
		cmocka_unit_test(encoded_words_are_decoded_as_rfc_2047_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
