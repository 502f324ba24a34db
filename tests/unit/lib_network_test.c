/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/lib/network.h"

static const struct {
	const char *list, *peer;
	bool listed;
} cases[] = {
	{"127.0.0.1", "127.0.0.1", true},
	{"127.0.0.1", "127.0.0.2", false},
	{"127.0.0.0/8", "127.255.0.2", true},
	{"10.0.0.0/9", "10.127.0.1", true},
	{"10.0.0.0/9", "10.128.0.1", false},
	{"0.0.0.0/0", "192.0.2.1", true},
	{"0.0.0.0/0", "::1", false},
	{"::/0", "192.0.2.1", true},
	{"::ffff:192.0.2.0/120", "192.0.2.7", true},
	{"192.0.2.7", "::ffff:192.0.2.7", true},
	{"2001:db8::/32", "2001:db8:1::7", true},
	{"2001:db8::/32", "2001:db9::7", false},
	{"::/0", "unix", false},
	{"unix", "unix", true},
	{"unix", "::1", false},
	{"192.0.2.1,\tunix ::1", "::1", true},
	{"", "unix", false},
	{"192.0.2.1", "", false},
	{"192.0.2.1", "host.example", false},
};

static void test_who_is_listed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (network_listed_text(cases[i].list, cases[i].peer) != cases[i].listed)
			fail_msg("\"%s\" and %s", cases[i].list, cases[i].peer);
	}
}

static void test_bad_words_are_told_by_name(void **state)
{
	static const char *const bad[] = {"1.2.3", "1.2.3.4/33", "::1/129", "unix/8", "1.2.3.4/", "1.2.3.4/8x",
		"example.org", "1.2.3.4:25", "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct buf errors = {0}, want = {0};

		network_check_setting("file", "key", bad[i], &errors);
		buf_addv(&want, "file: ", bad[i], " in key is no address and no network\n", NULL);
		assert_true(str_eq(buf_str(&errors), buf_str(&want)));
		buf_free(&errors);
		buf_free(&want);
	}
}

static void test_good_lists_are_not_complained_about(void **state)
{
	struct buf errors = {0};

	(void)state;
	network_check_setting("file", "key", " 192.0.2.7, 198.51.100.0/24 2001:db8::/32\tunix ::/0", &errors);
	network_check_setting("file", "key", "", &errors);
	assert_int_equal(errors.len, 0);
}

static void test_an_address_is_not_read_beyond_its_end(void **state)
{
	char *copy = malloc(9);
	struct sockaddr_storage a;

	(void)state;
	memcpy(copy, "127.0.0.1", 9);
	assert_int_equal(network_address((struct str){copy, 9}, &a), 0);
	assert_int_equal(a.ss_family, AF_INET);
	assert_int_equal(network_address((struct str){copy, 7}, &a), -1);
	copy[5] = '\0';
	assert_int_equal(network_address((struct str){copy, 9}, &a), -1);
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_is_listed),
		cmocka_unit_test(test_bad_words_are_told_by_name),
		cmocka_unit_test(test_good_lists_are_not_complained_about),
		cmocka_unit_test(test_an_address_is_not_read_beyond_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
