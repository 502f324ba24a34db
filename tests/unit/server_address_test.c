/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/server/server.h"

static int parse(const char *text, struct sockaddr_storage *a)
{
	unsigned len;

	return srv_address_parse(str_from(text), a, &len);
}

static void addresses_are_read_and_written(void **state)
{
	static const struct {
		const char *text, *host;
		uint16_t port;
		bool local;
	} table[] = {
		{"127.0.0.1:143", "127.0.0.1", 143, true},
		{"localhost:1", "127.0.0.1", 1, true},
		{"192.0.2.7:65535", "192.0.2.7", 65535, false},
		{"[::1]:143", "::1", 143, true},
		{"[::]:0", "::", 0, false},
		{"*:24", "::", 24, false},
		{"24", "::", 24, false},
		/* RFC 5952 4.2: the first longest run, never a single group */
		{"[2001:db8:0:0:1:0:0:1]:1", "2001:db8::1:0:0:1", 1, false},
		{"[2001:db8:0:1:1:1:1:1]:1", "2001:db8:0:1:1:1:1:1", 1, false},
		{"[2001:DB8::]:1", "2001:db8::", 1, false},
		{"[1:0:0:2:0:0:0:3]:1", "1:0:0:2::3", 1, false},
		{"[::ffff:127.1.2.3]:1", "127.1.2.3", 1, true},
		{"/run/x:1", "unix", 0, true},
		{"./x", "unix", 0, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct sockaddr_storage a;
		struct buf b = {0};

		assert_int_equal(parse(table[i].text, &a), 0);
		srv_address_add(&b, &a);
		assert_true(str_eq(buf_str(&b), str_from(table[i].host)));
		assert_int_equal(srv_address_is_local(&a), table[i].local);
		if (a.ss_family == AF_INET)
			assert_int_equal(ntohs(((struct sockaddr_in *)&a)->sin_port), table[i].port);
		if (a.ss_family == AF_INET6)
			assert_int_equal(ntohs(((struct sockaddr_in6 *)&a)->sin6_port), table[i].port);
		buf_free(&b);
	}
}

static void wrong_addresses_are_refused(void **state)
{
	static const char *const bad[] = {"", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
		"127.0.0.256:1", "mail.example.org:143", "[::1]", "[::1:143", "::1:143", "[]:1",
		"imap", "-1", "127.0.0.1:+1"};
	struct sockaddr_storage a;
	char path[200];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse(bad[i], &a), -1);
	memset(path, '/', sizeof(path) - 1);
	path[108] = '\0';
	assert_int_equal(parse(path, &a), -1);
	path[107] = '\0';
	assert_int_equal(parse(path, &a), 0);
}

static void one_client_is_an_ipv4_address_or_an_ipv6_network(void **state)
{
	struct sockaddr_storage a, b, c, d, e, unix_socket;

	(void)state;
	parse("192.0.2.7:1", &a);
	parse("[::ffff:192.0.2.7]:2", &b);
	parse("192.0.2.8:1", &c);
	parse("[2001:db8:1:2:3::4]:1", &d);
	parse("[2001:db8:1:2:ffff::]:1", &e);
	parse("/x", &unix_socket);
	assert_true(srv_address_key(&a) == srv_address_key(&b));
	assert_true(srv_address_key(&a) != srv_address_key(&c));
	assert_true(srv_address_key(&d) == srv_address_key(&e));
	assert_true(srv_address_key(&unix_socket) == 0);
	parse("[::1]:1", &a);
	assert_true(srv_address_key(&a) != 0);
}

static void users_are_found_by_name_or_number(void **state)
{
	uint32_t uid = 9, gid = 9;

	(void)state;
	assert_int_equal(srv_user_find("root", &uid, &gid), 0);
	assert_int_equal(uid, 0);
	assert_int_equal(gid, 0);
	assert_int_equal(srv_user_find("1234:5678", &uid, &gid), 0);
	assert_int_equal(uid, 1234);
	assert_int_equal(gid, 5678);
	assert_int_equal(srv_user_find("no such user here", &uid, &gid), -1);
	assert_int_equal(srv_user_find("roo", &uid, &gid), -1);
	assert_int_equal(srv_user_find("4294967295:1", &uid, &gid), -1);
}

static void every_setting_is_named_once_and_explained_in_the_manual(void **state)
{
	struct buf out = {0}, errors = {0};
	size_t n;
	const struct setting *const *table = srv_settings_all(&n);

	(void)state;
	assert_int_equal(srv_settings_load(NULL, "/a/spool", &errors), 0);
	assert_string_equal(srv_settings.data, "/a/spool");
	srv_settings_man(&out);
	buf_addc(&out, '\0');
	for (size_t i = 0; i < n; i++) {
		if (!table[i]->target)
			continue;
		assert_non_null(strstr(buf_str(&out).p, table[i]->key));
		assert_true(strlen(table[i]->help) > 20);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(table[i]->key, table[k]->key);
	}
	buf_free(&out);
	buf_free(&errors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_read_and_written),
		cmocka_unit_test(wrong_addresses_are_refused),
		cmocka_unit_test(one_client_is_an_ipv4_address_or_an_ipv6_network),
		cmocka_unit_test(users_are_found_by_name_or_number),
		cmocka_unit_test(every_setting_is_named_once_and_explained_in_the_manual),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
