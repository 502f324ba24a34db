/* SPDX-License-Identifier: 0BSD */
#include "tests/unit/sasl_testing.h"

static enum prelogin_auth anonymous(struct world *w)
{
	w->client.secure = false;
	return say(w, "ANONYMOUS", STR("trace"));
}

static void without_the_user_anonymous_nobody_comes_in(void **state)
{
	struct world *w = *state;

	assert_int_equal(anonymous(w), PRELOGIN_AUTH_FAILED);
	assert_string_equal(w->account, "anonymous"); /* who was tried, for the log */
}

static void with_the_user_anonymous_anybody_comes_in_as_that(void **state)
{
	struct world *w = *state;

	put_user(w, "anonymous", "");
	assert_int_equal(anonymous(w), PRELOGIN_AUTH_OK);
	assert_string_equal(w->account, "anonymous");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(without_the_user_anonymous_nobody_comes_in),
		IN_WORLD(with_the_user_anonymous_anybody_comes_in_as_that),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
