/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/auth/user_value.h"
#include "features/store/quota/quota.h"

static void test_words_of_a_user(void **state)
{
	static const struct {
		const char *words;
		uint64_t storage, messages;
	} cases[] = {
		{"", 7, 8}, {"storage=10", 10240, 8}, {"lmtp,storage=0,messages=3,admin", 0, 3},
		{"messages=4294967295", 7, UINT32_MAX}, {"messages=4294967296", 7, 8},
		{"storage=", 7, 8}, {"storage=-1", 7, 8}, {"storage=1x", 7, 8}, {"xstorage=1", 7, 8},
		{"storage=4503599627370496", (uint64_t)1 << 62, 8}, {"storage=4503599627370497", 7, 8},
		{"storage=1,storage=2", 2048, 8},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t limit[QUOTA_RESOURCES] = {7, 8};

		quota_limits_parse(str_from(cases[i].words), limit);
		if (limit[QUOTA_STORAGE] != cases[i].storage || limit[QUOTA_MESSAGE] != cases[i].messages)
			fail_msg("%s", cases[i].words);
	}
}

static void test_what_fits(void **state)
{
	const struct quota none = {{100, 100}, {0, 0}}, q = {{900, 9}, {1000, 10}}, over = {{2000, 1}, {1000, 10}},
		largest = {{UINT64_MAX - 1, 0}, {(uint64_t)1 << 62, 0}};

	(void)state;
	assert_true(quota_fits(&none, UINT64_MAX, UINT64_MAX));
	assert_true(quota_fits(&q, 1, 100));
	assert_false(quota_fits(&q, 1, 101));
	assert_false(quota_fits(&q, 2, 0));
	assert_false(quota_fits(&q, 1, UINT64_MAX));
	assert_false(quota_fits(&over, 0, 0));
	assert_false(quota_fits(&largest, 1, 1));
}

static void test_percent_is_of_the_fullest(void **state)
{
	const struct quota none = {{100, 100}, {0, 0}}, q = {{500, 9}, {1000, 10}}, full = {{1000, 0}, {1000, 10}},
		far = {{UINT64_MAX, 0}, {1, 0}}, one = {{0, 1}, {0, 1}};

	(void)state;
	assert_int_equal(quota_percent(&none), 0);
	assert_int_equal(quota_percent(&q), 9 * 100 / 10);
	assert_int_equal(quota_percent(&full), 100);
	assert_int_equal(quota_percent(&far), 999);
	assert_int_equal(quota_percent(&one), 100);
}

static void test_a_word_replaces_those_like_it_alone(void **state)
{
	struct buf out = {0};

	(void)state;
	assert_int_equal(user_value_set_word(STR("A$x\nFLAGS$lmtp,storage=1,storage=2\nB$y"), STR("storage="),
		STR("storage=3"), &out), 0);
	assert_true(str_eq(buf_str(&out), STR("A$x\nB$y\nFLAGS$lmtp,storage=3")));
	buf_clear(&out);
	assert_int_equal(user_value_set_word(STR("A$x\nFLAGS$storage=1"), STR("storage="), STR(""), &out), 0);
	assert_true(str_eq(buf_str(&out), STR("A$x")));
	buf_clear(&out);
	assert_int_equal(user_value_set_word(STR("A$x"), STR("messages="), STR("messages=1"), &out), 0);
	assert_true(str_eq(buf_str(&out), STR("A$x\nFLAGS$messages=1")));
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_of_a_user),
		cmocka_unit_test(test_what_fits),
		cmocka_unit_test(test_percent_is_of_the_fullest),
		cmocka_unit_test(test_a_word_replaces_those_like_it_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
