/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/lib/cursor.h"

static void a_short_read_gives_zero_and_marks_the_cursor(void **state)
{
	struct cursor c = cursor_from(STR("\1\2\3"));

	(void)state;
	assert_int_equal(cursor_u16(&c), 0x0201);
	assert_int_equal(cursor_u32(&c), 0);
	assert_true(c.failed);
	assert_int_equal(cursor_left(&c), 1);
	assert_int_equal(cursor_u64(&c), 0);
	assert_int_equal(cursor_u8(&c), 3);
	assert_true(c.failed);
	assert_int_equal(cursor_get(&c), -1);
	assert_int_equal(cursor_peek(&c), -1);
	assert_int_equal(cursor_peek_at(&c, SIZE_MAX), -1);
	assert_int_equal(cursor_take(&c, SIZE_MAX).len, 0);
}

static void lines_end_at_lf_with_or_without_cr(void **state)
{
	struct cursor c = cursor_from(STR("one\r\ntwo\n\r\nrest"));
	static const char *const want[] = {"one", "two", "", "rest"};
	bool ended;

	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_true(str_eq(cursor_take_line(&c, &ended), str_from(want[i])));
		assert_int_equal(ended, i < 3);
	}
	assert_true(cursor_done(&c));
	assert_false(c.failed);
}

static void a_length_past_the_end_or_the_limit_takes_nothing(void **state)
{
	struct cursor c = cursor_from(STR("\2\0\0\0hi\377\377\377\377x"));

	(void)state;
	assert_true(str_eq(cursor_str(&c, 2), STR("hi")));
	assert_int_equal(cursor_str(&c, UINT32_MAX).len, 0);
	assert_true(c.failed);
	assert_int_equal(cursor_left(&c), 5);
	c = cursor_from(STR("\3\0\0\0abc"));
	assert_int_equal(cursor_str(&c, 2).len, 0);
	assert_true(c.failed);
}

static void numbers_stop_at_the_first_other_byte(void **state)
{
	struct cursor c = cursor_from(STR("42:4294967296,x"));

	(void)state;
	assert_int_equal(cursor_number(&c, UINT32_MAX), 42);
	assert_true(cursor_accept(&c, ':'));
	assert_int_equal(cursor_number(&c, UINT32_MAX), 0);
	assert_true(c.failed);
	c.failed = false;
	assert_int_equal(cursor_number(&c, UINT64_MAX), 4294967296);
	assert_false(cursor_accept(&c, 'x'));
	assert_true(cursor_accept(&c, ','));
	assert_int_equal(cursor_number(&c, 9), 0);
	assert_true(c.failed);
}

static void words_sets_and_runs_are_taken(void **state)
{
	static const unsigned char digits[256] = {['0' ... '9'] = 1};
	struct cursor c = cursor_from(STR("fEtCh 123]tail"));

	(void)state;
	assert_false(cursor_accept_word(&c, STR("FETCHES 123]tail and more")));
	assert_true(cursor_accept_word(&c, STR("FETCH ")));
	assert_true(str_eq(cursor_take_set(&c, digits), STR("123")));
	assert_int_equal(cursor_take_until(&c, ']').len, 0);
	cursor_skip(&c, 1);
	assert_true(str_eq(cursor_take_until(&c, ']'), STR("tail")));
	assert_false(c.failed);
	c = cursor_from(STR_NULL);
	assert_int_equal(cursor_take_until(&c, 'x').len, 0);
	assert_false(c.failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_short_read_gives_zero_and_marks_the_cursor),
		cmocka_unit_test(lines_end_at_lf_with_or_without_cr),
		cmocka_unit_test(a_length_past_the_end_or_the_limit_takes_nothing),
		cmocka_unit_test(numbers_stop_at_the_first_other_byte),
		cmocka_unit_test(words_sets_and_runs_are_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
