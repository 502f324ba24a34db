/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "core/auth/user_value.h"
#include "core/hooks.h"

extern const struct feature password_crypt_feature;

/* "Hello world!" hashed by another program. */
static const char *const hashes[] = {
	"$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
	"$5$rounds=5000$toolongsaltstrin$0vuwUia3Nx9V/DqToMS8YLcfXpEXmSaC8wgguLIbus2",
	"$2b$05$CCCCCCCCCCCCCCCCCCCCC.z6PrHbuSsMSSwIGFy1JGevQZf6CqJ1y",
};

static const struct password_scheme *scheme(void)
{
	return password_crypt_feature.password_schemes;
}

static void each_kind_of_hash_is_judged_and_checked(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
		struct str hash = str_from(hashes[i]);

		assert_null(scheme()->judge(hash));
		assert_int_equal(scheme()->check(hash, STR("Hello world!")), 1);
		assert_int_equal(scheme()->check(hash, STR("hello world!")), 0);
		assert_int_equal(scheme()->check(hash, STR("")), 0);
		assert_int_equal(scheme()->check(hash, STR("Hello world!\0")), 0);
	}
}

static void a_hash_is_taken_by_its_names_and_found_again(void **state)
{
	struct buf value = {0}, given = {0};
	struct str line;

	(void)state;
	buf_addv(&given, "{SHA256-CRYPT}", hashes[1], NULL);
	assert_null(user_value_take(buf_str(&given), &value));
	assert_int_equal(user_value_password(buf_str(&value), &line), 1);
	assert_int_equal(user_value_check(line, STR("Hello world!")), 1);
	assert_int_equal(user_value_check(line, STR("Hello")), 0);
	buf_free(&value);
	buf_free(&given);
}

static const char *const wrong[] = {
	"", "$", "$6$", "$1$salt$hash", "aaJ9vLuyzgbyk", "$2x$05$CCCCCCCCCCCCCCCCCCCCC.z6PrHbuSsMSSwIGFy1JGevQZf6CqJ1y",
	"$2b$31$CCCCCCCCCCCCCCCCCCCCC.z6PrHbuSsMSSwIGFy1JGevQZf6CqJ1y", "$2b$05$short",
	"$2b$05$CCCCCCCCCCCCCCCCCCCCC.z6PrHbuSsMSSwIGFy1JGevQZf6CqJ1y$", "$5$salt$short",
	"$5$rounds=999999999$salt$0vuwUia3Nx9V/DqToMS8YLcfXpEXmSaC8wgguLIbus2",
	"$5$rounds=10$salt$0vuwUia3Nx9V/DqToMS8YLcfXpEXmSaC8wgguLIbus2",
	"$5$rounds=$salt$0vuwUia3Nx9V/DqToMS8YLcfXpEXmSaC8wgguLIbus2",
	"$5$toolongsaltstring$0vuwUia3Nx9V/DqToMS8YLcfXpEXmSaC8wgguLIbus2",
	"$5$salt$0vuwUia3Nx9V/DqToMS8YLcfXpEXmSaC8wgguLIbus:",
};

static void what_is_weak_dear_or_malformed_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_non_null(scheme()->judge(str_from(wrong[i])));
		assert_int_equal(scheme()->check(str_from(wrong[i]), STR("x")), -1);
		assert_int_equal(errno, EPROTO);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_of_hash_is_judged_and_checked),
		cmocka_unit_test(a_hash_is_taken_by_its_names_and_found_again),
		cmocka_unit_test(what_is_weak_dear_or_malformed_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
