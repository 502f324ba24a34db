/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "features/delivery/alias/alias.h"

static void test_addresses(void **state)
{
	static const struct {
		const char *text, *key, *target; /* NULL: refused */
	} cases[] = {
		{"Info@Example.ORG", "info@example.org", "info@example.org"}, {"a", "a", "a"},
		{"@example.org", "@example.org", "@example.org"}, {"a+b@c", NULL, "a+b@c"},
		{"a@b+c", "a@b+c", "a@b+c"}, {"a@", NULL, NULL}, {"@", NULL, NULL}, {"", NULL, NULL},
		{"a b", NULL, NULL}, {"a\tb@c", NULL, NULL}, {"\xff@c", NULL, NULL},
		{"J\xc3\xbcrgen@b", "j\xc3\xbcrgen@b", "j\xc3\xbcrgen@b"}, {"x@y@z", "x@y@z", "x@y@z"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int key = 0; key < 2; key++) {
			const char *want = key ? cases[i].key : cases[i].target;
			struct buf out = {0};
			int rc = alias_clean(str_from(cases[i].text), key, &out);

			if ((rc == 0) != (want != NULL) || (want && !str_eq(buf_str(&out), str_from(want))))
				fail_msg("\"%s\" as %s", cases[i].text, key ? "a key" : "a target");
			buf_free(&out);
		}
	}
}

static void test_lines(void **state)
{
	struct cursor c = cursor_from(STR("# none\n\n  A@b:\tC+d # more\r\nx y\nx y z\n"));
	struct buf address = {0}, target = {0};
	unsigned number = 0;

	(void)state;
	assert_int_equal(alias_line(&c, &number, &address, &target), 1);
	assert_int_equal(number, 3);
	assert_true(str_eq(buf_str(&address), STR("a@b")) && str_eq(buf_str(&target), STR("c+d")));
	assert_int_equal(alias_line(&c, &number, &address, &target), 1);
	assert_true(str_eq(buf_str(&address), STR("x")) && str_eq(buf_str(&target), STR("y")));
	assert_int_equal(alias_line(&c, &number, &address, &target), -1);
	assert_int_equal(number, 5);
	assert_int_equal(alias_line(&c, &number, &address, &target), 0);
	buf_free(&address);
	buf_free(&target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
