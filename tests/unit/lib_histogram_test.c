/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/lib/histogram.h"

static void test_an_empty_histogram_says_zero(void **state)
{
	struct histogram h = {0};

	(void)state;
	assert_int_equal(histogram_at(&h, 500), 0);
	assert_int_equal(histogram_at(&h, 1000), 0);
}

static void test_every_value_has_a_place(void **state)
{
	struct histogram h = {0};

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		histogram_add(&h, (uint64_t)1 << i);
		histogram_add(&h, ((uint64_t)1 << i) - 1);
	}
	histogram_add(&h, UINT64_MAX);
	assert_int_equal(h.count, 129);
	assert_true(h.max == UINT64_MAX);
	assert_true(histogram_at(&h, 1000) == UINT64_MAX);
}

static void test_a_percentile_is_never_too_low_and_at_most_a_quarter_too_high(void **state)
{
	(void)state;
	for (uint64_t n = 1; n < 100000; n = n * 5 / 4 + 1) {
		struct histogram h = {0};

		for (uint64_t i = 1; i <= 1000; i++)
			histogram_add(&h, n * i);
		for (unsigned p = 1; p <= 1000; p += 37) {
			assert_true(histogram_at(&h, p) >= n * p);
			assert_true(histogram_at(&h, p) <= n * p * 5 / 4 + 1);
		}
		assert_true(histogram_at(&h, 1000) == n * 1000);
	}
}

static void test_it_prints_a_line_for_each_power_of_two_that_has_any(void **state)
{
	struct histogram h = {0};
	struct buf out = {0};

	(void)state;
	histogram_add(&h, 1);
	histogram_add(&h, 2);
	histogram_add(&h, 9);
	histogram_add(&h, 1000);
	histogram_print(&h, "sync", &out);
	assert_true(str_eq(buf_str(&out), STR("sync_p50 2\nsync_p90 1000\nsync_p99 1000\nsync_max 1000\n"
		"sync_to_3 2\nsync_to_15 1\nsync_to_1023 1\n")));
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_histogram_says_zero),
		cmocka_unit_test(test_every_value_has_a_place),
		cmocka_unit_test(test_a_percentile_is_never_too_low_and_at_most_a_quarter_too_high),
		cmocka_unit_test(test_it_prints_a_line_for_each_power_of_two_that_has_any),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
