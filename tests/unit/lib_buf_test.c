/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/lib/buf.h"
#include "core/lib/vec.h"

#define S(literal) STR(literal)

static void assert_text(const struct buf *b, const char *want)
{
	struct str got = buf_str(b);

	assert_int_equal(got.len, strlen(want));
	assert_memory_equal(got.p, want, got.len);
}

static void numbers_are_written_in_every_form(void **state)
{
	struct buf b = {0};

	(void)state;
	buf_addu(&b, 0);
	buf_addc(&b, ' ');
	buf_addu(&b, UINT64_MAX);
	buf_addc(&b, ' ');
	buf_addi(&b, INT64_MIN);
	buf_addc(&b, ' ');
	buf_addhex(&b, 0xbeef, 8);
	buf_addc(&b, ' ');
	buf_addhex(&b, 0xbeef, 1);
	buf_addc(&b, ' ');
	buf_addpad(&b, 7, 3);
	buf_addv(&b, " ", "a", "", "b", NULL);
	assert_text(&b, "0 18446744073709551615 -9223372036854775808 0000beef beef 007 ab");
	assert_false(b.failed);
	buf_free(&b);
}

static void fixed_widths_are_little_endian(void **state)
{
	struct buf b = {0};

	(void)state;
	buf_put8(&b, 1);
	buf_put16(&b, 0x0302);
	buf_put32(&b, 0x07060504);
	buf_put64(&b, 0x0f0e0d0c0b0a0908);
	assert_text(&b, "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17");
	buf_clear(&b);
	buf_putstr(&b, S("hi"));
	assert_int_equal(b.len, 6);
	assert_memory_equal(buf_str(&b).p, "\2\0\0\0hi", 6);
	buf_free(&b);
}

static void an_append_past_max_adds_nothing_and_marks_the_buffer(void **state)
{
	struct buf b = {.max = 10};

	(void)state;
	assert_int_equal(buf_adds(&b, "12345678"), 0);
	assert_int_equal(buf_adds(&b, "abc"), -1);
	assert_true(b.failed);
	assert_text(&b, "12345678");
	assert_int_equal(buf_putstr(&b, S("")), -1);
	assert_text(&b, "12345678");
	buf_clear(&b);
	assert_false(b.failed);
	assert_int_equal(buf_adds(&b, "1234567890"), 0);
	assert_true(b.cap <= 10);
	buf_free(&b);
}

static void a_full_buffer_slides_when_bytes_were_consumed(void **state)
{
	struct buf b = {.max = 8};

	(void)state;
	buf_adds(&b, "abcdefgh");
	buf_consume(&b, 3);
	assert_int_equal(buf_adds(&b, "ijk"), 0);
	assert_text(&b, "defghijk");
	buf_free(&b);
}

static void a_queue_of_any_length_keeps_its_order(void **state)
{
	struct buf b = {0};
	unsigned in = 0, out = 0;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		for (unsigned k = round % 7; k; k--)
			buf_put32(&b, in++);
		while (b.len >= 4 && (round + out) % 3) {
			uint32_t v;

			memcpy(&v, buf_str(&b).p, 4);
			assert_int_equal(v, out++);
			buf_consume(&b, 4);
		}
		assert_true(b.off + b.len <= b.cap);
	}
	assert_true(out > 1000);
	buf_clear(&b);
	buf_trim(&b);
	assert_null(b.data);
	buf_free(&b);
}

static void words_are_cut_at_any_separator(void **state)
{
	struct str s = S("  one, two,,three "), w;
	const char *want[] = {"one", "two", "three"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_true(str_word(&s, " ,", &w));
		assert_true(str_eq(w, str_from(want[i])));
	}
	assert_false(str_word(&s, " ,", &w));
	s = STR_NULL;
	assert_false(str_word(&s, " ", &w));
}

static void numbers_are_read_only_whole_and_in_range(void **state)
{
	static const struct {
		const char *text;
		uint64_t max, value;
		int error;
	} table[] = {
		{"0", 10, 0, 0},
		{"10", 10, 10, 0},
		{"11", 10, 0, ERANGE},
		{"18446744073709551615", UINT64_MAX, UINT64_MAX, 0},
		{"18446744073709551616", UINT64_MAX, 0, ERANGE},
		{"99999999999999999999999", UINT64_MAX, 0, ERANGE},
		{"", 10, 0, EINVAL},
		{"1 ", 10, 0, EINVAL},
		{"-1", 10, 0, EINVAL},
		{"+1", 10, 0, EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		uint64_t v = 0;

		errno = 0;
		assert_int_equal(str_u64(str_from(table[i].text), table[i].max, &v),
			table[i].error ? -1 : 0);
		assert_int_equal(errno, table[i].error);
		assert_int_equal(v, table[i].value);
	}
}

static void comparing_ignores_only_ascii_case(void **state)
{
	(void)state;
	assert_true(str_ieq(S("InBoX"), S("INBOX")));
	assert_false(str_ieq(S("\xc3\xa4"), S("\xc3\x84")));
	assert_false(str_ieq(S("@"), S("`")));
	assert_true(str_istarts(S("BODY.PEEK["), S("body.peek")));
	assert_false(str_istarts(S("BO"), S("BODY")));
	assert_true(str_eq(STR_NULL, S("")));
	assert_int_equal(str_cmp(STR_NULL, S("")), 0);
	assert_true(str_cmp(S("a"), S("ab")) < 0 && str_cmp(S("ab"), S("a")) > 0);
	assert_true(str_cmp(S("b"), S("ab")) > 0 && str_cmp(S("\x7f"), S("\xc3")) < 0);
	assert_true(str_eq(str_trim(S(" \ta b\r\n")), S("a b")));
}

static void an_array_grows_and_refuses_to_overflow(void **state)
{
	struct {
		uint64_t *v;
		size_t n, cap;
	} vec = {0};

	(void)state;
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(vec_push(&vec, i * i), 0);
	assert_int_equal(vec.v[999], 999 * 999);
	assert_int_equal(vec_grow(&vec.v, &vec.cap, SIZE_MAX / 4, 8), -1);
	assert_int_equal(vec.v[1], 1);
	free(vec.v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_written_in_every_form),
		cmocka_unit_test(fixed_widths_are_little_endian),
		cmocka_unit_test(an_append_past_max_adds_nothing_and_marks_the_buffer),
		cmocka_unit_test(a_full_buffer_slides_when_bytes_were_consumed),
		cmocka_unit_test(a_queue_of_any_length_keeps_its_order),
		cmocka_unit_test(words_are_cut_at_any_separator),
		cmocka_unit_test(numbers_are_read_only_whole_and_in_range),
		cmocka_unit_test(comparing_ignores_only_ascii_case),
		cmocka_unit_test(an_array_grows_and_refuses_to_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
