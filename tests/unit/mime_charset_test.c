/* SPDX-License-Identifier: 0BSD */
#include "tests/unit/mime_testing.h"

#include "core/mime/charset.h"
#include "core/mime/charset_table.h"

static void text_of_every_known_charset_becomes_utf_8(void **state)
{
	static const char *const table[][3] = {
		{"us-ascii", "abc", "abc"},
		{"", "abc\xe4", "abc\xc3\xa4"},
		{"UTF-8", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
		/* not shortest form, surrogate, too large, cut */
		{"utf8", "\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"utf8", "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"utf8", "\xf5", "\xef\xbf\xbd"},
		{"utf8", "a\xe2\x82", "a\xef\xbf\xbd\xef\xbf\xbd"},
		{"ISO-8859-1", "\xe4", "\xc3\xa4"},
		{"latin1", "\x80", "\xe2\x82\xac"},
		{"iso-8859-2", "\xb1\xa1", "\xc4\x85\xc4\x84"},
		{"ISO-8859-15", "\xa4", "\xe2\x82\xac"},
		{"iso-8859-5", "\xb0", "\xd0\x90"},
		{"iso-8859-7", "\xe1", "\xce\xb1"},
		{"iso-8859-9", "\xfd", "\xc4\xb1"},
		{"windows-1250", "\x9a\xb9", "\xc5\xa1\xc4\x85"},
		{"cp1251", "\xc0", "\xd0\x90"},
		{"Windows-1252", "\x80\x81", "\xe2\x82\xac\xef\xbf\xbd"},
		{"KOI8-R", "\xc1", "\xd0\xb0"},
		{"koi8-u", "\xa4", "\xd1\x94"},
		{"x-none", "a\xe4z", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct buf b = {0};
		int known = charset_to_utf8(&b, str_from(table[i][0]), str_from(table[i][1]));

		assert_int_equal(known, table[i][2] != NULL);
		if (known)
			assert_str(buf_str(&b), table[i][2]);
		buf_free(&b);
	}
}

static void an_unknown_charset_keeps_ascii_and_marks_the_rest(void **state)
{
	struct buf b = {0};

	(void)state;
	assert_int_equal(charset_to_utf8(&b, STR("x-none"), STR("a\xe4z")), 0);
	assert_str(buf_str(&b), "a\xef\xbf\xbdz");
	buf_free(&b);
}

static void folding_makes_letters_of_everyday_scripts_small(void **state)
{
	static const char *const table[][2] = {
		{"Hello WORLD [@`{", "hello world [@`{"},
		{"\xc3\x84\xc3\x96\xc3\x9c\xc3\x97\xc3\x9f", "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x97\xc3\x9f"},
		{"\xc4\x84\xc5\x81\xc5\xbd\xc5\xb8", "\xc4\x85\xc5\x82\xc5\xbe\xc3\xbf"},
		{"\xc4\xb0\xc5\xbf", "is"},
		{"\xce\x91\xce\xa3\xcf\x82\xce\x8f", "\xce\xb1\xcf\x83\xcf\x83\xcf\x8e"},
		{"\xd0\x81\xd0\x90\xd0\xaf", "\xd1\x91\xd0\xb0\xd1\x8f"},
		{"\xe1\xba\xa4", "\xe1\xba\xa5"},
		{"\xef\xbc\xa1", "\xef\xbd\x81"},
		{"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
		{"A\xff\xc3", "a\xff\xc3"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct buf b = {0};

		charset_fold(&b, str_from(table[i][0]));
		assert_str(buf_str(&b), table[i][1]);
		buf_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_of_every_known_charset_becomes_utf_8),
		cmocka_unit_test(an_unknown_charset_keeps_ascii_and_marks_the_rest),
		cmocka_unit_test(folding_makes_letters_of_everyday_scripts_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
