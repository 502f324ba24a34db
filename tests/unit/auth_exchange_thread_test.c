/* SPDX-License-Identifier: 0BSD */
/* Many exchanges at once, some abandoned, while the user file is replaced; also run under TSan. */
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
#include "core/lib/log.h"

#define AT_ONCE 40
#define USERS 8

static char dir[40];
static int data_fd;

struct client {
	struct auth_exchange *x;
	int answers, due;
	enum prelogin_auth last;
	bool want_ok, scram;
};

static void put_all(void)
{
	struct buf error = {0};
	struct user_edit e;

	assert_int_equal(user_edit_begin(&e, data_fd, true, &error), 0);
	for (int i = 0; i < USERS; i++) {
		struct buf text = {0};
		struct user_secret s;
		char name[2] = {(char)('a' + i), '\0'};

		assert_int_equal(user_secret_make(str_from(name), 4096, &s), 0);
		assert_int_equal(user_secret_format(&s, &text), 0);
		assert_int_equal(user_edit_put(&e, str_from(name), buf_str(&text)), 0);
		buf_free(&text);
	}
	assert_int_equal(user_edit_save(&e, &error), 0);
	user_edit_end(&e);
}

static int begin(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/satchel-exchange-XXXXXX");
	assert_non_null(mkdtemp(dir));
	data_fd = open(dir, O_RDONLY | O_DIRECTORY);
	log_init("test", 0, false);
	put_all();
	return 0;
}

static int end(void **state)
{
	(void)state;
	unlinkat(data_fd, USERS_FILE, 0);
	unlinkat(data_fd, ACCOUNTS_FILE, 0);
	unlinkat(data_fd, "users.lock", 0);
	close(data_fd);
	return rmdir(dir);
}

static void answered(struct auth_exchange *x, void *arg, const struct auth_answer *a)
{
	struct client *c = arg;

	c->answers++;
	c->last = a->status;
	if (a->status == PRELOGIN_AUTH_CONTINUE) {
		c->due++;
		auth_step(x, c->scram ? STR("n,,n=a,r=abcdefgh") : STR("\0a\0a"));
	}
}

static const struct auth_client here = {.secure = true};

static struct auth *new_auth(struct loop *l, struct buf *error_r)
{
	const struct auth_options options = {
		.dirfd = data_fd, .hostname = "mail.example", .cache_seconds = 600};

	return auth_new(l, &options, error_r);
}

static void start(struct auth *a, struct client *c, int i)
{
	char name[2] = {(char)('a' + i % USERS), '\0'};

	*c = (struct client){.due = 1, .want_ok = i % 3 != 0, .scram = i % 2};
	if (i % 5 == 0)
		c->x = auth_sasl(a, &here,
			c->scram ? STR("SCRAM-SHA-256") : STR("PLAIN"), STR_NULL, answered, c);
	else
		c->x = auth_login(a, &here, str_from(name),
			c->want_ok ? str_from(name) : STR("wrong"), answered, c);
	assert_non_null(c->x);
}

static void every_exchange_gets_its_own_answer_while_users_change(void **state)
{
	struct client clients[AT_ONCE];
	struct loop *l = loop_new();
	struct buf error = {0};
	struct auth *a = new_auth(l, &error);

	(void)state;
	assert_non_null(a);
	for (int round = 0; round < 3; round++) {
		int missing = AT_ONCE;

		for (int i = 0; i < AT_ONCE; i++)
			start(a, &clients[i], i);
		put_all();
		for (int turn = 0; turn < 1000 && missing; turn++) {
			loop_turn(l, 20);
			missing = 0;
			for (int i = 0; i < AT_ONCE; i++)
				missing += clients[i].answers < clients[i].due;
		}
		for (int i = 0; i < AT_ONCE; i++) {
			assert_int_equal(clients[i].answers, clients[i].due);
			if (i % 5)
				assert_int_equal(clients[i].last, clients[i].want_ok
						? PRELOGIN_AUTH_OK : PRELOGIN_AUTH_FAILED);
			auth_end(&clients[i].x);
		}
	}
	auth_free(&a);
	assert_null(a);
	loop_free(&l);
}

static void exchanges_may_end_before_or_after_auth_itself(void **state)
{
	struct client clients[AT_ONCE];

	(void)state;
	for (int round = 0; round < 3; round++) {
		struct loop *l = loop_new();
		struct buf error = {0};
		struct auth *a = new_auth(l, &error);

		assert_non_null(a);
		for (int i = 0; i < AT_ONCE; i++)
			start(a, &clients[i], i);
		loop_turn(l, 5);
		for (int i = 0; i < AT_ONCE; i += 2)
			auth_end(&clients[i].x);
		loop_turn(l, round);
		auth_free(&a);
		for (int i = 1; i < AT_ONCE; i += 4)
			auth_end(&clients[i].x);
		loop_turn(l, 5);
		for (int i = 3; i < AT_ONCE; i += 4)
			auth_end(&clients[i].x);
		loop_turn(l, 5);
		loop_free(&l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_exchange_gets_its_own_answer_while_users_change),
		cmocka_unit_test(exchanges_may_end_before_or_after_auth_itself),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
