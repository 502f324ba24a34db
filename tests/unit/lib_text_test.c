/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/lib/date.h"
#include "core/lib/text.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void assert_text(const struct buf *b, const char *want)
{
	struct str got = buf_str(b);

	if (!str_eq(got, str_from(want)))
		print_error("got %.*s, want %s\n", (int)got.len, got.p, want);
	assert_true(str_eq(got, str_from(want)));
}

static void base64_has_the_vectors_of_rfc_4648(void **state)
{
	static const char *const table[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="},
		{"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"}, {"\xff\xfe\xfb", "//77"}};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct buf b = {0};

		assert_int_equal(text_base64_encode(&b, str_from(table[i][0])), 0);
		assert_text(&b, table[i][1]);
		buf_clear(&b);
		assert_int_equal(text_base64_decode(&b, str_from(table[i][1]), true), 0);
		assert_text(&b, table[i][0]);
		buf_free(&b);
	}
}

static void strict_base64_refuses_what_lenient_base64_passes_over(void **state)
{
	static const char *const table[][2] = {{"Zg=", "f"}, {"Zg", "f"}, {"Zm9v\r\nYg==", "foob"},
		{"Zh==", "f"}, {"Zm9=", "fo"}, {"Z", ""}, {"=", ""}, {"Zg==Zg==", "f"},
		{"Zm9v*YmFy", "foobar"}, {"Zg===", "f"}, {"Zm9v=", "foo"}};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct buf b = {0};

		buf_adds(&b, "kept ");
		assert_int_equal(text_base64_decode(&b, str_from(table[i][0]), true), -1);
		assert_text(&b, "kept ");
		buf_clear(&b);
		assert_int_equal(text_base64_decode(&b, str_from(table[i][0]), false), 0);
		assert_text(&b, table[i][1]);
		buf_free(&b);
	}
}

static void utf8_is_told_from_its_forgeries(void **state)
{
	static const char *const good[] = {"", "plain", "\xc3\xa4", "\xe2\x82\xac",
		"\xf0\x9f\x93\xac", "\xf4\x8f\xbf\xbf", "\xee\x80\x80"};
	static const char *const bad[] = {"\x80", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf",
		"\xed\xa0\x80", "\xf0\x80\x80\xaf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
		"\xc3", "\xe2\x82", "\xc3x", "\xff", "\xfe"};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_true(text_is_utf8(str_from(good[i])));
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(text_is_utf8(str_from(bad[i])));
}

static void mailbox_names_go_to_modified_utf7_and_back(void **state)
{
	static const char *const table[][2] = {
		{"INBOX", "INBOX"},
		{"A&B", "A&-B"},
		{"Entw\xc3\xbcrfe", "Entw&APw-rfe"},
		/* RFC 3501 5.1.3 */
		{"~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
			"~peter/mail/&U,BTFw-/&ZeVnLIqe-"},
		{"\xe2\x98\xba!", "&Jjo-!"},
		{"\xf0\x9f\x93\xac", "&2D3c7A-"},
		{"\t", "&AAk-"},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct buf b = {0};

		assert_int_equal(text_to_mutf7(&b, str_from(table[i][0])), 0);
		assert_text(&b, table[i][1]);
		buf_clear(&b);
		assert_int_equal(text_from_mutf7(&b, str_from(table[i][1])), 0);
		assert_text(&b, table[i][0]);
		buf_free(&b);
	}
}

static void only_the_canonical_modified_utf7_is_read(void **state)
{
	static const char *const bad[] = {
		"&Jjo",             /* not ended */
		"&Jjo!",            /* RFC 3501 5.1.3: not ended before US-ASCII */
		"&U,BTFw-&ZeVnLIqe-", /* RFC 3501 5.1.3: superfluous shift */
		"&AGE-",            /* "a" stands for itself */
		"&ACY-",            /* "&" has its own form */
		"&2D0-", "&3Kw-", "&2D3YPQ-", /* half a pair */
		"&Jjp-",            /* unused bits set */
		"&JjoA-",           /* a whole unused digit */
		"&AA-", "&", "a&b", "&/-", "\xc3\xa4", "a\tb", "\x7f",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct buf b = {0};

		assert_int_equal(text_from_mutf7(&b, str_from(bad[i])), -1);
		assert_int_equal(b.len, 0);
		buf_free(&b);
	}
}

static void secrets_are_equal_only_when_all_bytes_are(void **state)
{
	(void)state;
	assert_true(text_equal_secret(STR("secret"), STR("secret")));
	assert_false(text_equal_secret(STR("secret"), STR("secreT")));
	assert_false(text_equal_secret(STR("secret"), STR("secret ")));
	assert_true(text_equal_secret(STR(""), STR_NULL));
}

static void imap_dates_are_written_and_read(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
		int zone;
	} table[] = {
		{" 1-Feb-2024 12:00:00 +0100", 1706785200, 60},
		{"29-Feb-2024 23:59:59 -0330", 1709263799, -210},
		{" 1-Jan-1970 00:00:00 +0000", 0, 0},
		{"31-Dec-1969 23:59:59 +0000", -1, 0},
		{" 1-Mar-2000 00:00:00 +1400", 951818400, 840},
		{"31-Dec-9999 23:59:59 +0000", 253402300799, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct cursor c = cursor_from(str_from(table[i].text));
		struct buf b = {0};
		struct date d;

		date_add_imap(&b, table[i].seconds, table[i].zone);
		assert_text(&b, table[i].text);
		assert_int_equal(date_parse_imap(&c, &d), 0);
		assert_true(cursor_done(&c));
		assert_int_equal(date_to_unix(&d), table[i].seconds);
		assert_int_equal(d.zone, table[i].zone);
		buf_free(&b);
	}
}

static void wrong_imap_dates_are_refused(void **state)
{
	static const char *const bad[] = {"30-Feb-2024 12:00:00 +0000",
		"29-Feb-2023 12:00:00 +0000", " 0-Feb-2024 12:00:00 +0000",
		" 1-Feb-24 12:00:00 +0000", " 1-Foo-2024 12:00:00 +0000",
		" 1-Feb-2024 24:00:00 +0000", " 1-Feb-2024 12:60:00 +0000",
		" 1-Feb-2024 12:00:00", " 1-Feb-2024 12:00:00 +0160", " 1-Feb-2024 1:00:00 +0000",
		"111-Feb-2024 12:00:00 +0000", "", " 1-Feb-0000 12:00:00 +0000",
		" 1-Feb-2024 12:00:00 +00000"};
	struct date d;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct cursor c = cursor_from(str_from(bad[i]));

		assert_int_equal(date_parse_imap(&c, &d), -1);
	}
}

static void every_day_of_four_centuries_comes_back(void **state)
{
	int64_t day = date_day(&(struct date){.year = 1800, .month = 1, .day = 1});
	struct date last = {0};

	(void)state;
	for (int n = 0; n < 146097; n++, day++) {
		struct date d;

		date_from_unix(day * 86400 + 43200, 0, &d);
		assert_int_equal(date_day(&d), day);
		assert_int_equal(d.hour, 12);
		assert_true(d.year > last.year || d.month > last.month || d.day == last.day + 1);
		last = d;
	}
	assert_int_equal(last.year, 2199);
	assert_int_equal(last.month, 12);
	assert_int_equal(last.day, 31);
}

static void search_days_take_no_notice_of_the_zone(void **state)
{
	struct cursor c = cursor_from(STR("1-Feb-2024 rest"));
	struct date d;

	(void)state;
	assert_int_equal(date_parse_imap_day(&c, &d), 0);
	assert_int_equal(cursor_peek(&c), ' ');
	assert_int_equal(date_day(&d), 19754);
	date_from_unix(1706745599, 60, &d); /* 23:59:59 UTC on the 31st is the 1st in +0100 */
	assert_int_equal(date_day(&d), 19754);
}

static void message_dates_are_read_in_their_old_forms_too(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds; /* -1: not a date */
	} table[] = {
		{"Thu, 1 Feb 2024 12:00:00 +0100", 1706785200},
		{"1 Feb 2024 11:00 +0000", 1706785200},
		{" Thu ,\r\n 01 Feb 24 11 : 00 : 00 GMT", 1706785200},
		{"Thu, 1 Feb (a (nested \\) comment)) 2024 06:00:00 EST (Eastern)", 1706785200},
		{"1 Feb 124 11:00:00 Z", 1706785200},
		{"1 feb 2024 04:00:00 pdt", 1706785200},
		{"13 Feb 99 23:31:30 UT", 918948690},
		{"1 Feb 2024 11:00:00", 1706785200},
		{"1 February 2024 11:00:00 +0000", -1},
		{"Thu 1 Feb 2024 11:00:00 +0000", -1},
		{"31 Apr 2024 11:00:00 +0000", -1},
		{"yesterday", -1},
		{"", -1},
		{"((((", -1},
		{"(\\", -1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct date d;
		int found = date_parse_5322(str_from(table[i].text), &d);

		assert_int_equal(found, table[i].seconds != -1);
		if (found)
			assert_int_equal(date_to_unix(&d), table[i].seconds);
	}
}

static void message_dates_are_written_with_their_weekday(void **state)
{
	struct buf b = {0};

	(void)state;
	date_add_5322(&b, 1706785200, 60);
	assert_text(&b, "Thu, 1 Feb 2024 12:00:00 +0100");
	buf_clear(&b);
	date_add_5322(&b, -86400 * 3, 0);
	assert_text(&b, "Mon, 29 Dec 1969 00:00:00 +0000");
	buf_free(&b);
}

static void a_sent_date_is_read_as_far_as_it_goes(void **state)
{
	static const struct { const char *value, *means; } cases[] = {
		{"Thu, 1 Feb 2024 12:34:56 +0100", "Thu, 1 Feb 2024 11:34:56 +0000"},
		{"Thu, 1 Feb 2024 12:34:56 +9999", "Thu, 1 Feb 2024 12:34:56 +0000"},
		{"Thu, 1 Feb 2024 12:34:56 nowhere", "Thu, 1 Feb 2024 12:34:56 +0000"},
		{"Thu, 1 Feb 2024 99:34:56 +0000", "Thu, 1 Feb 2024 00:00:00 +0000"},
		{"Thu, 1 Feb 2024 noon", "Thu, 1 Feb 2024 00:00:00 +0000"},
		{"1 Feb 2024", "Thu, 1 Feb 2024 00:00:00 +0000"},
		{"Thu, 77 Feb 2024 12:34:56 +0100", NULL}, {"yesterday", NULL}, {"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct date got, want;

		assert_int_equal(date_parse_sent(str_from(cases[i].value), &got), cases[i].means != NULL);
		if (!cases[i].means)
			continue;
		assert_int_equal(date_parse_5322(str_from(cases[i].means), &want), 1);
		assert_int_equal(date_to_unix(&got), date_to_unix(&want));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_has_the_vectors_of_rfc_4648),
		cmocka_unit_test(strict_base64_refuses_what_lenient_base64_passes_over),
		cmocka_unit_test(utf8_is_told_from_its_forgeries),
		cmocka_unit_test(mailbox_names_go_to_modified_utf7_and_back),
		cmocka_unit_test(only_the_canonical_modified_utf7_is_read),
		cmocka_unit_test(secrets_are_equal_only_when_all_bytes_are),
		cmocka_unit_test(imap_dates_are_written_and_read),
		cmocka_unit_test(wrong_imap_dates_are_refused),
		cmocka_unit_test(every_day_of_four_centuries_comes_back),
		cmocka_unit_test(search_days_take_no_notice_of_the_zone),
		cmocka_unit_test(message_dates_are_read_in_their_old_forms_too),
		cmocka_unit_test(message_dates_are_written_with_their_weekday),
		cmocka_unit_test(a_sent_date_is_read_as_far_as_it_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
