/* SPDX-License-Identifier: 0BSD */
#include "tests/unit/sasl_testing.h"

static enum prelogin_auth external(struct world *w, const char *certificate, struct str message)
{
	w->client.certificate = str_from(certificate);
	return say(w, "EXTERNAL", message);
}

static void the_certificate_says_who_it_is(void **state)
{
	struct world *w = *state;

	assert_int_equal(external(w, "Alice", STR("")), PRELOGIN_AUTH_OK);
	assert_string_equal(w->account, "alice");
	assert_string_equal(w->mechanism, "EXTERNAL");
	assert_int_equal(external(w, "alice", STR("alice")), PRELOGIN_AUTH_OK);
	w->client.secure = false; /* no password is shown */
	assert_int_equal(external(w, "alice", STR("")), PRELOGIN_AUTH_OK);
}

static void without_a_certificate_nobody_comes_in(void **state)
{
	struct world *w = *state;

	assert_int_equal(external(w, "", STR("")), PRELOGIN_AUTH_REFUSED);
	assert_int_equal(external(w, "", STR("alice")), PRELOGIN_AUTH_REFUSED);
}

static void a_certificate_of_nobody_is_a_wrong_password(void **state)
{
	struct world *w = *state;

	assert_int_equal(external(w, "nobody", STR("")), PRELOGIN_AUTH_FAILED);
	assert_int_equal(external(w, "a/b", STR("")), PRELOGIN_AUTH_FAILED);
	put_user(w, "carol", "\nFLAGS$disabled");
	assert_int_equal(external(w, "carol", STR("")), PRELOGIN_AUTH_FAILED);
}

static void a_name_with_a_nul_in_it_names_nobody(void **state)
{
	struct world *w = *state;

	w->client.certificate = STR("alice\0.evil.example");
	assert_int_equal(say(w, "EXTERNAL", STR("")), PRELOGIN_AUTH_REFUSED);
}

static void only_an_admin_acts_for_somebody_else(void **state)
{
	struct world *w = *state;

	assert_int_equal(external(w, "alice", STR("bob")), PRELOGIN_AUTH_DENIED);
	put_user(w, "alice", "\nFLAGS$admin");
	assert_int_equal(external(w, "alice", STR("bob")), PRELOGIN_AUTH_OK);
	assert_string_equal(w->account, "bob");
	assert_string_equal(w->actor, "alice");
	assert_int_equal(external(w, "alice", STR("nobody")), PRELOGIN_AUTH_DENIED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(the_certificate_says_who_it_is),
		IN_WORLD(without_a_certificate_nobody_comes_in),
		IN_WORLD(a_certificate_of_nobody_is_a_wrong_password),
		IN_WORLD(a_name_with_a_nul_in_it_names_nobody),
		IN_WORLD(only_an_admin_acts_for_somebody_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
