/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/lib/bytes.h"

#define LONGEST 70

/* Exactly as long as told, so that the sanitizer sees a read behind it. */
static char *filled(size_t n, char with)
{
	char *p = malloc(n ? n : 1);

	assert_non_null(p);
	memset(p, with, n);
	return p;
}

static void the_first_of_two_is_found_wherever_it_is(void **state)
{
	(void)state;
	for (size_t n = 1; n <= LONGEST; n++)
		for (size_t first = 0; first < n; first++)
			for (size_t second = first; second < n; second++) {
				char *p = filled(n, 'x');

				p[first] = p[second] = '\n';
				assert_ptr_equal(bytes_find(p, '\n', n), p + first);
				assert_int_equal(bytes_count(p, '\n', n), 1 + (second > first));
				free(p);
			}
}

static void what_is_not_there_is_not_found(void **state)
{
	(void)state;
	assert_null(bytes_find(NULL, 'x', 0));
	assert_int_equal(bytes_count(NULL, 'x', 0), 0);
	for (size_t n = 0; n <= LONGEST; n++) {
		char *p = filled(n, '\x7f');

		assert_null(bytes_find(p, '\xff', n));
		assert_int_equal(bytes_count(p, '\xff', n), 0);
		assert_int_equal(bytes_count(p, '\x7f', n), n);
		free(p);
	}
}

static void eight_bits_are_compared(void **state)
{
	char *p = filled(33, '\x80');

	(void)state;
	p[20] = '\xff';
	p[32] = 0;
	assert_ptr_equal(bytes_find(p, '\xff', 33), p + 20);
	assert_ptr_equal(bytes_find(p, 0, 33), p + 32);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_of_two_is_found_wherever_it_is),
		cmocka_unit_test(what_is_not_there_is_not_found),
		cmocka_unit_test(eight_bits_are_compared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
