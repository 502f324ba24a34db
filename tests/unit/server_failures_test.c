/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/server/failures.h"

#define FORGET 1000
#define CROWD  200000

static int setup(void **state)
{
	*state = failures_new(FORGET);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	failures_free((struct failures **)state);
	return *state ? -1 : 0;
}

static void one_is_forgotten_in_each_interval(void **state)
{
	struct failures *f = *state;

	assert_int_equal(failures_count(f, 7, 5000), 0);
	for (int i = 0; i < 3; i++)
		failures_add(f, 7, 5000);
	assert_int_equal(failures_count(f, 7, 5000), 3);
	assert_int_equal(failures_count(f, 8, 5000), 0);
	assert_int_equal(failures_count(f, 7, 5999), 3);
	assert_int_equal(failures_count(f, 7, 6000), 2);
	assert_int_equal(failures_count(f, 7, 7999), 1);
	assert_int_equal(failures_count(f, 7, 8000), 0);
	failures_add(f, 7, 100000);
	assert_int_equal(failures_count(f, 7, 100000), 1);
}

static void unix_sockets_are_nobody(void **state)
{
	struct failures *f = *state;

	for (int i = 0; i < 10; i++)
		failures_add(f, 0, 1000);
	assert_int_equal(failures_count(f, 0, 1000), 0);
}

/* A crowd of addresses with one failure each takes a bounded table, and not the place of who has many. */
static void a_crowd_does_not_wash_away_the_one_who_guesses(void **state)
{
	struct failures *f = *state;
	unsigned left = 0;

	for (int i = 0; i < 50; i++)
		failures_add(f, UINT64_MAX, 1000);
	for (uint64_t a = 1; a <= CROWD; a++)
		failures_add(f, a, 1001);
	assert_int_equal(failures_count(f, UINT64_MAX, 1001), 50);
	for (uint64_t a = 1; a <= CROWD; a++)
		left += failures_count(f, a, 1001) > 0;
	assert_in_range(left, 1, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_is_forgotten_in_each_interval, setup, teardown),
		cmocka_unit_test_setup_teardown(unix_sockets_are_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(a_crowd_does_not_wash_away_the_one_who_guesses, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
