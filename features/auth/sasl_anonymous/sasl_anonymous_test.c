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
	strcpy(w.dir, "/tmp/satchel-anonymous-XXXXXX");
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

static enum prelogin_auth anonymous(struct world *w)
{
	struct auth_exchange *x = auth_sasl(w->auth, "imap", false, STR("127.0.0.1"), STR("ANONYMOUS"),
		STR("trace"), answered, w);

	assert_non_null(x);
	wait_answer(w);
	auth_end(&x);
	return w->status;
}

static void without_the_user_anonymous_nobody_comes_in(void **state)
{
	struct world *w = *state;

	assert_int_equal(anonymous(w), PRELOGIN_AUTH_FAILED);
	assert_string_equal(w->account, "");
}

static void with_the_user_anonymous_anybody_comes_in_as_that(void **state)
{
	struct world *w = *state;
	struct buf error = {0}, text = {0};
	struct user_secret s;
	struct user_edit e;

	assert_int_equal(user_edit_begin(&e, w->dirfd, true, &error), 0);
	assert_int_equal(user_secret_make(STR("unused"), 4096, &s), 0);
	assert_int_equal(user_secret_format(&s, &text), 0);
	assert_int_equal(user_edit_put(&e, STR("anonymous"), buf_str(&text)), 0);
	assert_int_equal(user_edit_save(&e, &error), 0);
	user_edit_end(&e);
	buf_free(&text);
	assert_int_equal(anonymous(w), PRELOGIN_AUTH_OK);
	assert_string_equal(w->account, "anonymous");
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(without_the_user_anonymous_nobody_comes_in),
		IN_WORLD(with_the_user_anonymous_anybody_comes_in_as_that),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
