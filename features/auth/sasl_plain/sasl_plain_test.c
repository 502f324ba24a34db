/* SPDX-License-Identifier: 0BSD */
#include "tests/unit/sasl_testing.h"

static enum prelogin_auth plain(struct world *w, bool secure, struct str message)
{
	w->client.secure = secure;
	return say(w, "plain", message);
}

static void the_right_password_is_accepted(void **state)
{
	struct world *w = *state;

	assert_int_equal(plain(w, true, STR("\0alice\0wonderland")), PRELOGIN_AUTH_OK);
	assert_string_equal(w->account, "alice");
	assert_string_equal(w->mechanism, "PLAIN");
	/* Names count in small letters. */
	assert_int_equal(plain(w, true, STR("\0ALICE\0wonderland")), PRELOGIN_AUTH_OK);
	assert_string_equal(w->account, "alice");
}

static void wrong_passwords_and_unknown_names_have_one_answer(void **state)
{
	static const struct str wrong[] = {
		{"\0alice\0Wonderland", 17}, {"\0alice\0", 7}, {"\0nobody\0wonderland", 18},
		{"\0\0wonderland", 12}, {"\0a/b\0wonderland", 15},
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(plain(w, true, wrong[i]), PRELOGIN_AUTH_FAILED);
		assert_string_equal(w->data, "");
	}
}

/* RFC 4616 2 */
static void nobody_acts_for_somebody_else(void **state)
{
	struct world *w = *state;

	assert_int_equal(plain(w, true, STR("alice\0alice\0wonderland")), PRELOGIN_AUTH_OK);
	assert_int_equal(plain(w, true, STR("Alice\0alice\0wonderland")), PRELOGIN_AUTH_OK);
	assert_string_equal(w->account, "alice");
	assert_string_equal(w->actor, "");
	assert_int_equal(plain(w, true, STR("bob\0alice\0wonderland")), PRELOGIN_AUTH_DENIED);
	assert_string_equal(w->account, "alice");
	assert_int_equal(plain(w, true, STR("nobody\0alice\0wonderland")), PRELOGIN_AUTH_DENIED);
	assert_int_equal(plain(w, true, STR("bob\0alice\0Wonderland")), PRELOGIN_AUTH_FAILED);
}

static void an_admin_acts_for_whoever_has_an_account(void **state)
{
	struct world *w = *state;

	put_user(w, "root", "\nFLAGS$other,admin");
	put_user(w, "bob", "\nFLAGS$disabled");
	assert_int_equal(plain(w, true, STR("Alice\0root\0wonderland")), PRELOGIN_AUTH_OK);
	assert_string_equal(w->account, "alice");
	assert_string_equal(w->actor, "root");
	assert_int_equal(plain(w, true, STR("bob\0root\0wonderland")), PRELOGIN_AUTH_OK);
	assert_int_equal(plain(w, true, STR("\0root\0wonderland")), PRELOGIN_AUTH_OK);
	assert_string_equal(w->account, "root");
	assert_string_equal(w->actor, "");
	assert_int_equal(plain(w, true, STR("nobody\0root\0wonderland")), PRELOGIN_AUTH_DENIED);
	assert_int_equal(plain(w, true, STR("a/b\0root\0wonderland")), PRELOGIN_AUTH_DENIED);
	assert_int_equal(plain(w, true, STR("alice\0root\0wrong")), PRELOGIN_AUTH_FAILED);
	put_user(w, "root", "\nFLAGS$admin,disabled");
	assert_int_equal(plain(w, true, STR("alice\0root\0wonderland")), PRELOGIN_AUTH_FAILED);
	put_user(w, "root", "");
	assert_int_equal(plain(w, true, STR("alice\0root\0wonderland")), PRELOGIN_AUTH_DENIED);
}

static void who_is_disabled_or_removed_is_unknown_at_once(void **state)
{
	struct world *w = *state;

	assert_int_equal(plain(w, true, STR("\0alice\0wonderland")), PRELOGIN_AUTH_OK);
	put_user(w, "alice", "\nFLAGS$disabled");
	assert_int_equal(plain(w, true, STR("\0alice\0wonderland")), PRELOGIN_AUTH_FAILED);
	put_user(w, "alice", "");
	assert_int_equal(plain(w, true, STR("\0alice\0wonderland")), PRELOGIN_AUTH_OK);
	remove_user(w, "alice");
	assert_int_equal(plain(w, true, STR("\0alice\0wonderland")), PRELOGIN_AUTH_FAILED);
}

static void only_who_has_the_right_delivers(void **state)
{
	struct world *w = *state;

	w->client.lmtp = true;
	assert_int_equal(plain(w, true, STR("\0alice\0wonderland")), PRELOGIN_AUTH_DENIED);
	put_user(w, "alice", "\nFLAGS$lmtp");
	assert_int_equal(plain(w, true, STR("\0alice\0wonderland")), PRELOGIN_AUTH_OK);
	put_user(w, "alice", "\nFLAGS$admin");
	assert_int_equal(plain(w, true, STR("\0alice\0wonderland")), PRELOGIN_AUTH_OK);
}

static void malformed_messages_are_refused(void **state)
{
	struct world *w = *state;

	assert_int_equal(plain(w, true, STR("")), PRELOGIN_AUTH_REFUSED);
	assert_string_equal(w->data, "malformed response");
	assert_int_equal(plain(w, true, STR("alice")), PRELOGIN_AUTH_REFUSED);
	assert_int_equal(plain(w, true, STR("\0alice")), PRELOGIN_AUTH_REFUSED);
	assert_int_equal(plain(w, true, STR("\0alice\0wonderland\0")), PRELOGIN_AUTH_REFUSED);
}

static void a_message_without_initial_response_is_asked_for(void **state)
{
	struct world *w = *state;
	struct auth_exchange *x = start(w, "PLAIN", STR_NULL);

	assert_int_equal(w->status, PRELOGIN_AUTH_CONTINUE);
	assert_string_equal(w->data, "");
	auth_step(x, STR("\0alice\0wonderland"));
	wait_answer(w);
	assert_int_equal(w->status, PRELOGIN_AUTH_OK);
	auth_step(x, STR("\0alice\0wonderland"));
	wait_answer(w);
	assert_int_equal(w->status, PRELOGIN_AUTH_REFUSED);
	auth_end(&x);
	assert_null(x);
}

static void a_connection_that_is_not_secure_is_refused(void **state)
{
	struct world *w = *state;

	assert_int_equal(plain(w, false, STR("\0alice\0wonderland")), PRELOGIN_AUTH_REFUSED);
	assert_non_null(strstr(w->data, "secure"));
}

static void a_damaged_user_file_is_a_temporary_failure(void **state)
{
	struct world *w = *state;

	log_init("test", 0, false);
	assert_int_equal(file_replace(w->dirfd, USERS_FILE, 0600, STR("nonsense")), 0);
	assert_int_equal(plain(w, true, STR("\0alice\0wonderland")), PRELOGIN_AUTH_UNAVAILABLE);
	assert_int_equal(plain(w, true, STR("\0nobody\0x")), PRELOGIN_AUTH_UNAVAILABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(the_right_password_is_accepted),
		IN_WORLD(wrong_passwords_and_unknown_names_have_one_answer),
		IN_WORLD(nobody_acts_for_somebody_else),
		IN_WORLD(an_admin_acts_for_whoever_has_an_account),
		IN_WORLD(who_is_disabled_or_removed_is_unknown_at_once),
		IN_WORLD(only_who_has_the_right_delivers),
		IN_WORLD(malformed_messages_are_refused),
		IN_WORLD(a_message_without_initial_response_is_asked_for),
		IN_WORLD(a_connection_that_is_not_secure_is_refused),
		IN_WORLD(a_damaged_user_file_is_a_temporary_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
