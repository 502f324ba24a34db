/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "core/lib/merge.h"

#define MANY 3000

static int by_value(const void *arg, uint32_t a, uint32_t b)
{
	const uint32_t *value = arg;

	return value[a] < value[b] ? -1 : value[a] > value[b];
}

static void sort(uint32_t n, uint32_t kinds, uint32_t budget)
{
	uint32_t value[MANY], v[MANY], other[MANY], seen[MANY] = {0}, seed = n * 31 + kinds;
	struct merge m = {.v = v, .other = other, .n = n, .compare = by_value, .arg = value};

	for (uint32_t i = 0; i < n; i++) {
		seed = seed * 1664525 + 1013904223;
		value[i] = (seed >> 8) % kinds;
		v[i] = i;
	}
	while (!merge_step(&m, budget))
		;
	for (uint32_t i = 0; i < n; i++) {
		seen[m.v[i]]++;
		if (!i)
			continue;
		assert_true(value[m.v[i - 1]] <= value[m.v[i]]);
		if (value[m.v[i - 1]] == value[m.v[i]])
			assert_true(m.v[i - 1] < m.v[i]);
	}
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(seen[i], 1);
}

static void everything_is_put_in_order_and_equals_stay(void **state)
{
	static const uint32_t counts[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 100, 1023, 1024, 1025, MANY};

	(void)state;
	for (unsigned i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		sort(counts[i], 1, 1);
		sort(counts[i], 7, 13);
		sort(counts[i], 1u << 24, 1000000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_put_in_order_and_equals_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
