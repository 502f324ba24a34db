/* SPDX-License-Identifier: 0BSD */
#include "tests/unit/sasl_testing.h"

static enum prelogin_auth login(struct world *w, bool secure, struct str user, struct str password)
{
	struct auth_exchange *x;

	w->client.secure = secure;
	x = start(w, "login", STR_NULL);
	if (w->status == PRELOGIN_AUTH_CONTINUE) {
		assert_string_equal(w->data, "Username:");
		auth_step(x, user);
		wait_answer(w);
	}
	if (w->status == PRELOGIN_AUTH_CONTINUE) {
		assert_string_equal(w->data, "Password:");
		auth_step(x, password);
		wait_answer(w);
	}
	auth_end(&x);
	return w->status;
}

static void the_right_password_is_accepted(void **state)
{
	struct world *w = *state;

	assert_int_equal(login(w, true, STR("Alice"), STR("wonderland")), PRELOGIN_AUTH_OK);
	assert_string_equal(w->account, "alice");
	assert_string_equal(w->mechanism, "LOGIN");
}

static void wrong_passwords_and_unknown_names_have_one_answer(void **state)
{
	struct world *w = *state;

	assert_int_equal(login(w, true, STR("alice"), STR("Wonderland")), PRELOGIN_AUTH_FAILED);
	assert_int_equal(login(w, true, STR("nobody"), STR("wonderland")), PRELOGIN_AUTH_FAILED);
	assert_int_equal(login(w, true, STR("a/b"), STR("wonderland")), PRELOGIN_AUTH_FAILED);
	assert_string_equal(w->account, "");
}

static void a_connection_that_is_not_secure_is_refused(void **state)
{
	struct world *w = *state;

	assert_int_equal(login(w, false, STR("alice"), STR("wonderland")), PRELOGIN_AUTH_REFUSED);
	assert_non_null(strstr(w->data, "secure"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(the_right_password_is_accepted),
		IN_WORLD(wrong_passwords_and_unknown_names_have_one_answer),
		IN_WORLD(a_connection_that_is_not_secure_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
