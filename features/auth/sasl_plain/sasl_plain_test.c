/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/auth/auth.h"
#include "core/auth/user_edit.h"
#include "core/auth/user_file.h"
#include "core/lib/file.h"
#include "core/lib/log.h"

struct world {
	char dir[40];
	int dirfd;
	struct loop *loop;
	struct auth *auth;
	int answers;
	enum prelogin_auth status;
	char data[200], account[200], mechanism[32];
};

static void keep(char to[200], struct str s)
{
	assert_true(s.len < 200);
	memcpy(to, s.len ? s.p : "", s.len);
	to[s.len] = '\0';
}

static void answered(struct auth_exchange *x, void *arg, const struct auth_answer *a)
{
	struct world *w = arg;

	(void)x;
	w->answers++;
	w->status = a->status;
	keep(w->data, a->data);
	keep(w->account, a->account);
	strcpy(w->mechanism, a->mechanism);
}

static int begin(void **state)
{
	static struct world w;
	struct buf error = {0}, text = {0};
	struct user_secret s;
	struct user_edit e;

	memset(&w, 0, sizeof(w));
	strcpy(w.dir, "/tmp/satchel-plain-XXXXXX");
	assert_non_null(mkdtemp(w.dir));
	w.dirfd = open(w.dir, O_RDONLY | O_DIRECTORY);
	log_init("test", LOG_LEVEL_ERROR, false);
	assert_int_equal(user_edit_begin(&e, w.dirfd, true, &error), 0);
	assert_int_equal(user_secret_make(STR("wonderland"), 4096, &s), 0);
	assert_int_equal(user_secret_format(&s, &text), 0);
	assert_int_equal(user_edit_put(&e, STR("alice"), buf_str(&text)), 0);
	assert_int_equal(user_edit_put(&e, STR("bob"), buf_str(&text)), 0);
	assert_int_equal(user_edit_save(&e, &error), 0);
	user_edit_end(&e);
	buf_free(&text);
	w.loop = loop_new();
	w.auth = auth_new(w.loop, w.dirfd, "mail.example", &error);
	assert_non_null(w.auth);
	*state = &w;
	return 0;
}

static int end(void **state)
{
	struct world *w = *state;

	auth_free(&w->auth);
	loop_free(&w->loop);
	unlinkat(w->dirfd, USERS_FILE, 0);
	unlinkat(w->dirfd, ACCOUNTS_FILE, 0);
	unlinkat(w->dirfd, "users.lock", 0);
	close(w->dirfd);
	return rmdir(w->dir);
}

static void wait_answer(struct world *w)
{
	int before = w->answers;

	for (int i = 0; i < 500 && w->answers == before; i++)
		loop_turn(w->loop, 20);
	assert_int_equal(w->answers, before + 1);
}

static enum prelogin_auth plain(struct world *w, bool secure, struct str message)
{
	struct auth_exchange *x = auth_sasl(w->auth, "imap", secure, STR("127.0.0.1"), STR("plain"),
		message, answered, w);

	assert_non_null(x);
	wait_answer(w);
	auth_end(&x);
	return w->status;
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
	assert_int_equal(plain(w, true, STR("bob\0alice\0wonderland")), PRELOGIN_AUTH_FAILED);
	assert_int_equal(plain(w, true, STR("nobody\0alice\0wonderland")), PRELOGIN_AUTH_FAILED);
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
	struct auth_exchange *x = auth_sasl(w->auth, "imap", true, STR("127.0.0.1"), STR("PLAIN"),
		STR_NULL, answered, w);

	wait_answer(w);
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

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(the_right_password_is_accepted),
		IN_WORLD(wrong_passwords_and_unknown_names_have_one_answer),
		IN_WORLD(nobody_acts_for_somebody_else),
		IN_WORLD(malformed_messages_are_refused),
		IN_WORLD(a_message_without_initial_response_is_asked_for),
		IN_WORLD(a_connection_that_is_not_secure_is_refused),
		IN_WORLD(a_damaged_user_file_is_a_temporary_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
