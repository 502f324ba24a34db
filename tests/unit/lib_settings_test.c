/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>

#include "core/lib/settings.h"

static char *name;
static uint64_t count;
static bool flag;

static const struct setting s_name = {"name", SETTING_STRING, "none", 0, 0, &name, "", NULL};
static const struct setting s_count = {"count", SETTING_NUMBER, "7", 1, 10, &count, "", NULL};
static const struct setting s_flag = {"flag", SETTING_BOOL, "no", 0, 0, &flag, "", NULL};
static const struct setting s_gone = {"gone", SETTING_NUMBER, "1", 0, 9, NULL, "", "CONFIG_GONE"};
static const struct setting s_lost = {"lost_*", SETTING_STRING, "", 0, 0, NULL, "", "CONFIG_LOST"};
static const struct setting *const table[] = {&s_name, &s_count, &s_flag, &s_gone, &s_lost};

#define N 5

static int parse(const char *text, struct buf *errors)
{
	buf_clear(errors);
	return settings_parse(table, N, "t.conf", str_from(text), errors);
}

static void a_good_file_sets_what_it_names_and_defaults_the_rest(void **state)
{
	struct buf errors = {0}, out = {0};

	(void)state;
	assert_int_equal(settings_defaults(table, N), 0);
	assert_string_equal(name, "none");
	assert_int_equal(parse("# note\n\n name : a: b # c \r\nflag: YES", &errors), 0);
	assert_string_equal(name, "a: b # c");
	assert_true(flag);
	assert_int_equal(count, 7);
	assert_int_equal(parse("count: 10\nname:\n", &errors), 0);
	assert_string_equal(name, "");
	assert_false(flag);
	settings_print(table, N, &out);
	assert_true(str_eq(buf_str(&out), STR("name: \ncount: 10\nflag: no\n")));
	buf_free(&out);
	buf_free(&errors);
}

static void a_bad_file_reports_every_line_and_changes_nothing(void **state)
{
	struct buf errors = {0};

	(void)state;
	assert_int_equal(parse("name: kept\ncount: 3", &errors), 0);
	assert_int_equal(parse("name: lost\ncount: 11\n\nflag: maybe\nnothing\ncolour: red\n"
			       "gone: 1\nname: again\ncount: 0\nlost_days: 1\nlost: 1\n",
				 &errors),
		-1);
	assert_true(str_eq(buf_str(&errors),
		STR("t.conf:2: count must be a number from 1 to 10\n"
		    "t.conf:4: flag must be yes or no\n"
		    "t.conf:5: expected `key: value'\n"
		    "t.conf:6: unknown key colour\n"
		    "t.conf:7: gone needs CONFIG_GONE, which is not in this binary\n"
		    "t.conf:8: name is given twice\n"
		    "t.conf:9: count is given twice\n"
		    "t.conf:10: lost_days needs CONFIG_LOST, which is not in this binary\n"
		    "t.conf:11: unknown key lost\n")));
	assert_string_equal(name, "kept");
	assert_int_equal(count, 3);
	buf_free(&errors);
	free(name);
	name = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_file_sets_what_it_names_and_defaults_the_rest),
		cmocka_unit_test(a_bad_file_reports_every_line_and_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
