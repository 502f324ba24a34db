/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <time.h>

#include "core/auth/users.h"
#include "core/auth/warm.h"

#define NOW 1000
#define SECONDS 600
#define ROUNDS 200000 /* a hash takes long enough to tell */

static uint64_t cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void make_line(const char *password, uint32_t rounds, const char *salt, struct buf *line)
{
	struct user_secret s;

	user_secret_derive(str_from(password), rounds, str_from(salt), &s);
	buf_clear(line);
	assert_int_equal(user_secret_format(&s, line), 0);
}

/* CPU time of a check, and its answer. */
static uint64_t cost(const struct buf *line, const char *password, int64_t now, int *fits_r)
{
	uint64_t from = cpu_us();

	*fits_r = warm_check(buf_str(line), str_from(password), now);
	return cpu_us() - from;
}

static int setup(void **state)
{
	static struct buf line;

	warm_stop();
	warm_start(SECONDS);
	make_line("right", ROUNDS, "0123456789abcdef", &line);
	*state = &line;
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
	struct buf changed = {0};
	int fits;

	cost(*state, "right", NOW, &fits);
	make_line("another", ROUNDS, "0123456789abcdef", &changed);
	cost(&changed, "right", NOW, &fits);
	assert_int_equal(fits, 0);
	cost(&changed, "another", NOW, &fits);
	assert_int_equal(fits, 1);
	buf_free(&changed);
}

static void a_password_is_hashed_again_after_its_time(void **state)
{
	int fits;
	uint64_t first = cost(*state, "right", NOW, &fits), later;

	later = cost(*state, "right", NOW + SECONDS, &fits);
	assert_int_equal(fits, 1);
	assert_true(later > first / 10);
}

/* What recognises a login does not make it last longer. */
static void a_recognised_login_does_not_extend_the_time(void **state)
{
	int fits;
	uint64_t first = cost(*state, "right", NOW, &fits);

	cost(*state, "right", NOW + SECONDS - 1, &fits);
	assert_true(cost(*state, "right", NOW + SECONDS, &fits) > first / 10);
	assert_int_equal(fits, 1);
}

static void turned_off_it_remembers_nothing(void **state)
{
	int fits;
	uint64_t first;

	warm_stop();
	warm_start(0);
	first = cost(*state, "right", NOW, &fits);
	assert_true(cost(*state, "right", NOW, &fits) > first / 10);
	assert_int_equal(fits, 1);
}

static void what_was_known_is_forgotten_with_the_key(void **state)
{
	int fits;
	uint64_t first = cost(*state, "right", NOW, &fits);

	warm_stop();
	warm_start(SECONDS);
	assert_true(cost(*state, "right", NOW, &fits) > first / 10);
}

static void a_line_that_cannot_be_judged_is_no_answer(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(warm_check(STR("NOSUCH$x"), STR("right"), NOW), -1);
		assert_int_equal(warm_check(STR(""), STR(""), NOW), -1);
	}
}

static void more_passwords_than_places_are_all_answered_rightly(void **state)
{
	struct buf line = {0};
	char password[] = "password 00";
	int fits;

	(void)state;
	for (unsigned i = 0; i < 60; i++) {
		password[9] = (char)('a' + i % 26);
		password[10] = (char)('a' + i / 26);
		make_line(password, USER_ITERATIONS_MIN, "salt", &line);
		cost(&line, password, NOW, &fits);
		assert_int_equal(fits, 1);
		cost(&line, "password", NOW, &fits);
		assert_int_equal(fits, 0);
		cost(&line, password, NOW, &fits);
		assert_int_equal(fits, 1);
	}
	buf_free(&line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_right_password_is_hashed_once, setup),
		cmocka_unit_test_setup(a_wrong_password_is_hashed_every_time_and_never_fits, setup),
		cmocka_unit_test_setup(an_old_password_is_not_known_once_it_was_changed, setup),
		cmocka_unit_test_setup(a_password_is_hashed_again_after_its_time, setup),
		cmocka_unit_test_setup(a_recognised_login_does_not_extend_the_time, setup),
		cmocka_unit_test_setup(turned_off_it_remembers_nothing, setup),
		cmocka_unit_test_setup(what_was_known_is_forgotten_with_the_key, setup),
		cmocka_unit_test_setup(a_line_that_cannot_be_judged_is_no_answer, setup),
		cmocka_unit_test_setup(more_passwords_than_places_are_all_answered_rightly, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
