/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/auth/auth.h"
#include "core/auth/user_edit.h"
#include "core/auth/user_file.h"
#include "core/lib/file.h"
#include "core/lib/log.h"

static char dir[40];
static int data_fd;
static struct loop *loop;
static struct auth *auth;
static int answers, unavailable;
static enum prelogin_auth status;
static char account[300];
static const struct auth_client here = {.secure = true};

static void answered(struct auth_exchange *x, void *arg, const struct auth_answer *a)
{
	(void)arg;
	answers++;
	status = a->status;
	unavailable += status == PRELOGIN_AUTH_UNAVAILABLE;
	assert_true(a->account.len < sizeof(account));
	memcpy(account, a->account.len ? a->account.p : "", a->account.len);
	account[a->account.len] = '\0';
	assert_non_null(x);
}

static void put(const char *name, const char *password)
{
	struct buf error = {0}, text = {0};
	struct user_secret s;
	struct user_edit e;

	assert_int_equal(user_secret_make(str_from(password), 4096, &s), 0);
	assert_int_equal(user_secret_format(&s, &text), 0);
	assert_int_equal(user_edit_begin(&e, data_fd, true, &error), 0);
	assert_int_equal(user_edit_put(&e, str_from(name), buf_str(&text)), 0);
	assert_int_equal(user_edit_save(&e, &error), 0);
	user_edit_end(&e);
	buf_free(&text);
}

static int begin(void **state)
{
	struct auth_options options = {.hostname = "mail.example"};
	struct buf error = {0};

	(void)state;
	strcpy(dir, "/tmp/satchel-login-XXXXXX");
	assert_non_null(mkdtemp(dir));
	data_fd = open(dir, O_RDONLY | O_DIRECTORY);
	log_init("test", 0, false);
	loop = loop_new();
	options.dirfd = data_fd;
	auth = auth_new(loop, &options, &error);
	assert_non_null(auth);
	return 0;
}

static int end(void **state)
{
	(void)state;
	auth_free(&auth);
	loop_free(&loop);
	unlinkat(data_fd, USERS_FILE, 0);
	unlinkat(data_fd, ACCOUNTS_FILE, 0);
	unlinkat(data_fd, "users.lock", 0);
	close(data_fd);
	return rmdir(dir);
}

static void wait_answer(void)
{
	int before = answers;

	for (int i = 0; i < 500 && answers == before; i++)
		loop_turn(loop, 20);
	assert_int_equal(answers, before + 1);
}

static enum prelogin_auth try_login(bool secure, struct str user, struct str password)
{
	const struct auth_client client = {.secure = secure};
	struct auth_exchange *x = auth_login(auth, &client, user, password, answered, NULL);
	int before = answers;

	assert_non_null(x);
	assert_int_equal(answers, before); /* never before the call returns */
	wait_answer();
	auth_end(&x);
	assert_null(x);
	return status;
}

static void the_right_password_logs_in_and_any_other_does_not(void **state)
{
	char long_password[5000];

	(void)state;
	memset(long_password, 'x', sizeof(long_password));
	put("alice", "wonderland");
	assert_int_equal(try_login(true, STR("Alice"), STR("wonderland")), PRELOGIN_AUTH_OK);
	assert_string_equal(account, "alice");
	assert_int_equal(try_login(true, STR("alice"), STR("wonderlan")), PRELOGIN_AUTH_FAILED);
	assert_int_equal(try_login(true, STR("alice"), STR("")), PRELOGIN_AUTH_FAILED);
	assert_int_equal(try_login(true, STR("alice"), STR("wonderland\0")), PRELOGIN_AUTH_FAILED);
	assert_int_equal(try_login(true, STR("alice"),
		(struct str){long_password, sizeof(long_password)}), PRELOGIN_AUTH_FAILED);
	assert_int_equal(try_login(true, STR("bob"), STR("wonderland")), PRELOGIN_AUTH_FAILED);
	assert_int_equal(try_login(true, STR(""), STR("wonderland")), PRELOGIN_AUTH_FAILED);
	assert_int_equal(try_login(true, STR_NULL, STR_NULL), PRELOGIN_AUTH_FAILED);
	assert_int_equal(try_login(true, STR("alice\0x"), STR("wonderland")), PRELOGIN_AUTH_FAILED);
	assert_int_equal(try_login(true, STR(" alice"), STR("wonderland")), PRELOGIN_AUTH_FAILED);
	assert_string_equal(account, "");
}

static void a_password_is_not_taken_on_a_connection_that_is_not_secure(void **state)
{
	(void)state;
	put("alice", "wonderland");
	assert_int_equal(try_login(false, STR("alice"), STR("wonderland")), PRELOGIN_AUTH_REFUSED);
}

static void names_may_be_addresses_and_not_ascii(void **state)
{
	(void)state;
	put("anne@example.org", "x1");
	put("\xc3\xa4nne", "x2");
	assert_int_equal(try_login(true, STR("Anne@Example.ORG"), STR("x1")), PRELOGIN_AUTH_OK);
	assert_string_equal(account, "anne@example.org");
	assert_int_equal(try_login(true, STR("\xc3\xa4nne"), STR("x2")), PRELOGIN_AUTH_OK);
	assert_int_equal(try_login(true, STR("anne"), STR("x1")), PRELOGIN_AUTH_FAILED);
}

static void no_file_and_a_damaged_one_are_temporary(void **state)
{
	(void)state;
	assert_int_equal(try_login(true, STR("alice"), STR("x")), PRELOGIN_AUTH_UNAVAILABLE);
	put("alice", "x");
	assert_int_equal(try_login(true, STR("alice"), STR("x")), PRELOGIN_AUTH_OK);
	put("alice", "y");
	assert_int_equal(try_login(true, STR("alice"), STR("x")), PRELOGIN_AUTH_FAILED);
	assert_int_equal(file_replace(data_fd, USERS_FILE, 0600, STR("junk")), 0);
	assert_int_equal(try_login(true, STR("alice"), STR("y")), PRELOGIN_AUTH_UNAVAILABLE);
	unlinkat(data_fd, USERS_FILE, 0);
	assert_int_equal(try_login(true, STR("alice"), STR("y")), PRELOGIN_AUTH_UNAVAILABLE);
	put("alice", "y");
	assert_int_equal(try_login(true, STR("alice"), STR("y")), PRELOGIN_AUTH_OK);
}

static void unknown_mechanisms_are_refused(void **state)
{
	static const char *const names[] = {"", "NOSUCH", "EXTERNAL", "GSSAPI", "PLAIN\r\nX",
		"AN-ENDLESS-NAME-OF-A-MECHANISM"};

	(void)state;
	put("alice", "x");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct auth_exchange *x = auth_sasl(auth, &here, str_from(names[i]), STR("\0alice\0x\n"), answered, NULL);

		wait_answer();
		assert_int_equal(status, PRELOGIN_AUTH_REFUSED);
		auth_end(&x);
	}
}

static uint64_t cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static uint64_t cost_of(struct str user)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 5; i++) {
		uint64_t start = cpu_us(), took;

		assert_int_equal(try_login(true, user, STR("wrong")), PRELOGIN_AUTH_FAILED);
		took = cpu_us() - start;
		best = took < best ? took : best;
	}
	return best;
}

static void an_unknown_name_costs_as_much_as_a_wrong_password(void **state)
{
	uint64_t known, unknown, impossible;

	(void)state;
	put("alice", "x");
	known = cost_of(STR("alice"));
	unknown = cost_of(STR("bob"));
	impossible = cost_of(STR("a/b"));
	assert_true(known > 200); /* microseconds: something was hashed */
	assert_true(unknown * 2 > known && known * 2 > unknown);
	assert_true(impossible * 2 > known && known * 2 > impossible);
}

static void an_ended_exchange_is_never_answered(void **state)
{
	struct auth_exchange *x[50];

	(void)state;
	put("alice", "x");
	for (int i = 0; i < 50; i++)
		x[i] = auth_login(auth, &here, STR("alice"), STR("x"), answered, NULL);
	answers = 0;
	for (int i = 0; i < 50; i += 2)
		auth_end(&x[i]);
	for (int i = 0; i < 500 && answers < 25; i++)
		loop_turn(loop, 20);
	loop_turn(loop, 50);
	assert_int_equal(answers, 25);
	for (int i = 0; i < 50; i++)
		auth_end(&x[i]);
}

static void a_full_queue_answers_unavailable(void **state)
{
	enum { MANY = CONFIG_PRELOGIN_CONNECTIONS + CONFIG_AUTH_WORKERS + 50 };
	struct auth_exchange **x = calloc(MANY, sizeof(struct auth_exchange *));

	(void)state;
	unavailable = 0;
	for (int i = 0; i < MANY; i++)
		x[i] = auth_login(auth, &here, STR("a"), STR("x"), answered, NULL);
	loop_turn(loop, 1000);
	assert_true(unavailable > 0);
	for (int i = 0; i < MANY; i++)
		auth_end(&x[i]);
	loop_turn(loop, 50);
	free(x);
}

#define HERE(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		HERE(the_right_password_logs_in_and_any_other_does_not),
		HERE(a_password_is_not_taken_on_a_connection_that_is_not_secure),
		HERE(names_may_be_addresses_and_not_ascii),
		HERE(no_file_and_a_damaged_one_are_temporary),
		HERE(unknown_mechanisms_are_refused),
		HERE(an_unknown_name_costs_as_much_as_a_wrong_password),
		HERE(an_ended_exchange_is_never_answered),
		HERE(a_full_queue_answers_unavailable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
