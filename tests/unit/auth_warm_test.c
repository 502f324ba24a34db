/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <time.h>

#include "core/auth/warm.h"

#define NOW 1000
#define ROUNDS 200000 /* a hash takes long enough to tell */

static uint64_t cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* CPU time of a check, and its answer. */
static uint64_t cost(const struct user_secret *s, const char *password, int64_t now, int *fits_r)
{
	uint64_t from = cpu_us();

	*fits_r = warm_secret_check(s, str_from(password), now);
	return cpu_us() - from;
}

static int setup(void **state)
{
	static struct user_secret s;

	warm_forget();
	memset(&s, 0, sizeof(s));
	user_secret_derive(STR("right"), ROUNDS, STR("0123456789abcdef"), &s);
	*state = &s;
	return 0;
}

static void a_right_password_is_hashed_once(void **state)
{
	int fits;
	uint64_t first = cost(*state, "right", NOW, &fits), second;

	assert_int_equal(fits, 1);
	second = cost(*state, "right", NOW + 1, &fits);
	assert_int_equal(fits, 1);
	assert_true(!CONFIG_LOGIN_CACHE || second < first / 10);
}

static void a_wrong_password_is_hashed_every_time_and_never_fits(void **state)
{
	int fits;
	uint64_t right = cost(*state, "right", NOW, &fits);

	for (int i = 0; i < 2; i++) {
		assert_true(cost(*state, "wrong", NOW, &fits) > right / 10);
		assert_int_equal(fits, 0);
	}
}

static void an_old_password_is_not_known_once_it_was_changed(void **state)
{
	struct user_secret changed = {0};
	int fits;

	cost(*state, "right", NOW, &fits);
	user_secret_derive(STR("another"), ROUNDS, STR("0123456789abcdef"), &changed);
	cost(&changed, "right", NOW, &fits);
	assert_int_equal(fits, 0);
	cost(&changed, "another", NOW, &fits);
	assert_int_equal(fits, 1);
}

static void a_password_is_hashed_again_after_its_time(void **state)
{
	int fits;
	uint64_t first = cost(*state, "right", NOW, &fits), later;

	later = cost(*state, "right", NOW + CONFIG_LOGIN_CACHE_SECONDS, &fits);
	assert_int_equal(fits, 1);
	assert_true(later > first / 10);
}

static void more_passwords_than_places_are_all_answered_rightly(void **state)
{
	struct user_secret s;
	char password[] = "password 0000";
	int fits;

	(void)state;
	for (unsigned i = 0; i < 2 * CONFIG_LOGIN_CACHE && i < 200; i++) {
		password[12] = (char)('a' + i % 26);
		password[11] = (char)('a' + i / 26);
		memset(&s, 0, sizeof(s));
		user_secret_derive(str_from(password), 1, STR("salt"), &s);
		cost(&s, password, NOW, &fits);
		assert_int_equal(fits, 1);
		cost(&s, "password", NOW, &fits);
		assert_int_equal(fits, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_right_password_is_hashed_once, setup),
		cmocka_unit_test_setup(a_wrong_password_is_hashed_every_time_and_never_fits, setup),
		cmocka_unit_test_setup(an_old_password_is_not_known_once_it_was_changed, setup),
		cmocka_unit_test_setup(a_password_is_hashed_again_after_its_time, setup),
		cmocka_unit_test_setup(more_passwords_than_places_are_all_answered_rightly, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
