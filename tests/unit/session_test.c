/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/hooks.h"
#include "core/session.h"

/* Two observers of the test's own stand in for the compiled table. */
static char told[64];

static void note(char what)
{
	size_t n = strlen(told);

	if (n + 1 < sizeof(told))
		told[n] = what;
}

static void on_login(struct session *s)
{
	(void)s;
	note('l');
}

static void on_select(struct session *s)
{
	note(s->mailbox ? 's' : 'u');
}

static void on_state(struct session *s)
{
	(void)s;
	note('t');
}

static void on_logout(struct session *s)
{
	/* still complete */
	assert_non_null(s->slots);
	note('o');
}

static const struct feature first_feature = {
	.name = "first", .session_size = 5, .on_login = on_login, .on_select = on_select,
	.on_state = on_state, .on_logout = on_logout,
};
static const struct feature second_feature = {.name = "second", .session_size = 8};
const struct feature *const features[] = {&first_feature, &second_feature, NULL};
const size_t feature_count = 2;

size_t feature_slots_size(void)
{
	return 32;
}

void *feature_slot(const struct session *s, const struct feature *f)
{
	return (char *)s->slots + (f == &second_feature ? 16 : 0);
}

static int reset(void **state)
{
	(void)state;
	memset(told, 0, sizeof(told));
	return 0;
}

static void test_observers_hear_of_a_session_from_login_to_logout(void **state)
{
	struct mail m = {0};
	struct session s = {0};

	(void)state;
	assert_int_equal(session_init(&s, &m, "imap", STR("127.0.0.1"), true), 0);
	assert_string_equal(s.peer, "127.0.0.1");
	session_state(&s, "LOGIN"); /* too early to tell */
	assert_int_equal(session_login(&s, STR("alice"), "PLAIN"), 0);
	assert_string_equal(s.user, "alice");
	assert_int_equal(session_select(&s, STR("INBOX")), 0);
	session_state(&s, "FETCH");
	session_state(&s, s.state); /* no change, no word */
	assert_int_equal(session_select(&s, STR_NULL), 0);
	assert_null(s.mailbox);
	session_finish(&s);
	assert_string_equal(told, "lstuo");
	assert_int_equal(m.session_count, 0);
	assert_null(m.sessions);
}

static void test_a_session_that_never_logged_in_is_not_told(void **state)
{
	struct mail m = {0};
	struct session s = {0};

	(void)state;
	assert_int_equal(session_init(&s, &m, "lmtp", STR("unix"), false), 0);
	session_finish(&s);
	assert_string_equal(told, "");
}

static void test_sessions_are_listed_newest_first_with_ids_that_never_repeat(void **state)
{
	struct mail m = {0};
	struct session s[3];

	(void)state;
	memset(s, 0, sizeof(s));
	for (int i = 0; i < 3; i++)
		assert_int_equal(session_init(&s[i], &m, "imap", STR("::1"), false), 0);
	assert_ptr_equal(m.sessions, &s[2]);
	session_finish(&s[1]);
	assert_ptr_equal(s[2].next, &s[0]);
	assert_ptr_equal(s[0].prev, &s[2]);
	memset(&s[1], 0, sizeof(s[1]));
	assert_int_equal(session_init(&s[1], &m, "imap", STR("::1"), false), 0);
	assert_int_equal(s[1].id, 4);
	assert_int_equal(m.session_count, 3);
	session_finish(&s[2]);
	session_finish(&s[1]);
	session_finish(&s[0]);
	assert_null(m.sessions);
}

static void test_a_long_peer_name_is_cut(void **state)
{
	struct mail m = {0};
	struct session s = {0};
	char long_name[200];

	(void)state;
	memset(long_name, 'p', sizeof(long_name));
	assert_int_equal(session_init(&s, &m, "imap", (struct str){long_name, 200}, false), 0);
	assert_int_equal(strlen(s.peer), sizeof(s.peer) - 1);
	session_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_observers_hear_of_a_session_from_login_to_logout, reset),
		cmocka_unit_test_setup(test_a_session_that_never_logged_in_is_not_told, reset),
		cmocka_unit_test_setup(test_sessions_are_listed_newest_first_with_ids_that_never_repeat,
			reset),
		cmocka_unit_test_setup(test_a_long_peer_name_is_cut, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
