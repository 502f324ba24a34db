/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/auth/user_edit.h"
#include "core/auth/user_file.h"
#include "core/auth/user_value.h"
#include "core/auth/users.h"
#include "core/lib/file.h"

static char dir[64];
static int dirfd_;

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/satchel-users-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY);
	return dirfd_ < 0 ? -1 : 0;
}

static int remove_dir(void **state)
{
	static const char *const names[] = {USERS_FILE, ACCOUNTS_FILE, "users.lock"};

	(void)state;
	for (size_t i = 0; i < 3; i++)
		unlinkat(dirfd_, names[i], 0);
	close(dirfd_);
	return rmdir(dir);
}

static void put(const char *name, const char *password)
{
	struct buf error = {0}, text = {0};
	struct user_secret s;
	struct user_edit e;

	assert_int_equal(user_edit_begin(&e, dirfd_, true, &error), 0);
	if (password) {
		assert_int_equal(user_secret_make(str_from(password), 4096, &s), 0);
		assert_int_equal(user_secret_format(&s, &text), 0);
		assert_int_equal(user_edit_put(&e, str_from(name), buf_str(&text)), 0);
	} else {
		assert_int_equal(user_edit_remove(&e, str_from(name)), 0);
	}
	assert_int_equal(user_edit_save(&e, &error), 0);
	user_edit_end(&e);
	buf_free(&text);
	assert_int_equal(error.len, 0);
}

static void names_are_made_small_and_odd_ones_refused(void **state)
{
	static const struct {
		const char *name, *clean;
	} names[] = {
		{"alice", "alice"}, {"Alice.B-C_D@Example.ORG", "alice.b-c_d@example.org"},
		{"\xc3\x84nne", "\xc3\x84nne"}, {"two words", "two words"}, {"", NULL}, {" a", NULL},
		{"a ", NULL}, {"a/b", NULL}, {"a:b", NULL}, {"a\tb", NULL}, {"a\x7f", NULL},
		{"a\xc2\x85" "b", NULL}, {"\xff", NULL}, {"\xc3", NULL},
	};
	char longest[USER_NAME_MAX + 2];
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		buf_clear(&b);
		assert_int_equal(user_name_clean(str_from(names[i].name), &b), names[i].clean ? 0 : -1);
		assert_true(str_eq(buf_str(&b), str_from(names[i].clean ? names[i].clean : "")));
	}
	assert_int_equal(user_name_clean(STR("a\0b"), &b), -1);
	memset(longest, 'x', sizeof(longest));
	buf_clear(&b);
	assert_int_equal(user_name_clean((struct str){longest, USER_NAME_MAX}, &b), 0);
	assert_int_equal(user_name_clean((struct str){longest, USER_NAME_MAX + 1}, &b), -1);
	buf_free(&b);
}

/* The secret that a password is checked against; users_find_password() with its line read. */
static int users_find(struct users *u, struct str name, struct user_secret *secret_r)
{
	struct buf line = {0};
	int rc = users_find_password(u, name, &line);

	if (rc == 1)
		assert_int_equal(user_secret_parse(buf_str(&line), secret_r), 0);
	buf_wipe(&line);
	return rc;
}

static void without_files_nobody_can_be_looked_up(void **state)
{
	struct users *u = users_open(dirfd_);
	struct accounts *a = accounts_open(dirfd_);
	struct user_secret s;

	(void)state;
	assert_int_equal(users_find(u, STR("alice"), &s), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(users_find(u, STR("a/b"), &s), -1);
	assert_int_equal(accounts_find(a, STR("alice")), -1);
	assert_int_equal(errno, ENOENT);
	put("alice", "secret");
	assert_int_equal(users_find(u, STR("alice"), &s), 1);
	assert_int_equal(accounts_find(a, STR("alice")), 1);
	assert_int_equal(accounts_find(a, STR("bob")), 0);
	assert_int_equal(unlinkat(dirfd_, USERS_FILE, 0), 0);
	assert_int_equal(users_find(u, STR("alice"), &s), -1);
	assert_int_equal(users_find(u, STR("bob"), &s), -1);
	users_close(&u);
	accounts_close(&a);
	assert_null(u);
	assert_null(a);
	users_close(&u);
	accounts_close(&a);
}

static void a_replaced_file_is_noticed(void **state)
{
	struct users *u = users_open(dirfd_);
	struct accounts *a = accounts_open(dirfd_);
	struct user_secret s;

	(void)state;
	put("alice", "first");
	assert_int_equal(users_find(u, STR("ALICE"), &s), 1);
	assert_int_equal(user_secret_check(&s, STR("first")), 1);
	assert_int_equal(accounts_find(a, STR("Alice")), 1);
	put("alice", "second");
	put("bob", "third");
	assert_int_equal(users_find(u, STR("alice"), &s), 1);
	assert_int_equal(user_secret_check(&s, STR("first")), 0);
	assert_int_equal(user_secret_check(&s, STR("second")), 1);
	assert_int_equal(users_find(u, STR("bob"), &s), 1);
	/* At once: a name that is not found is looked for in the newest file. */
	assert_int_equal(accounts_find(a, STR("bob")), 1);
	put("alice", NULL);
	assert_int_equal(users_find(u, STR("alice"), &s), 0);
	assert_int_equal(users_find(u, STR("bob"), &s), 1);
	users_close(&u);
	accounts_close(&a);
}

static void files_have_their_modes_and_only_users_holds_secrets(void **state)
{
	struct buf content = {0};
	struct stat st;

	(void)state;
	put("alice", "secret");
	assert_int_equal(fstatat(dirfd_, USERS_FILE, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(fstatat(dirfd_, ACCOUNTS_FILE, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(file_read(dirfd_, USERS_FILE, 1 << 20, &content), 0);
	assert_non_null(memmem(buf_str(&content).p, content.len, "SCRAM-SHA-256$", 14));
	buf_clear(&content);
	assert_int_equal(file_read(dirfd_, ACCOUNTS_FILE, 1 << 20, &content), 0);
	assert_null(memmem(buf_str(&content).p, content.len, "SCRAM", 5));
	assert_non_null(memmem(buf_str(&content).p, content.len, "alice", 5));
	buf_free(&content);
}

/* Neither a changed byte nor a cut file may say "no such user": mail would bounce. */
static void damage_is_never_taken_for_an_absent_name(void **state)
{
	struct buf good = {0}, bad = {0};
	struct user_secret s;

	(void)state;
	put("alice", "secret");
	assert_int_equal(file_read(dirfd_, USERS_FILE, 1 << 20, &good), 0);
	for (size_t at = 0; at < good.len; at += at < 2040 ? 97 : 1) {
		struct users *u = users_open(dirfd_);

		buf_clear(&bad);
		buf_addstr(&bad, buf_str(&good));
		bad.data[bad.off + at] ^= 0x20;
		assert_int_equal(file_replace(dirfd_, USERS_FILE, 0600, buf_str(&bad)), 0);
		assert_int_equal(users_find(u, STR("alice"), &s), -1);
		assert_int_equal(errno, EPROTO);
		assert_int_equal(users_find(u, STR("bob"), &s), -1);
		users_close(&u);
	}
	for (size_t n = 0; n < good.len; n += n < 2040 ? 300 : 1) {
		struct users *u = users_open(dirfd_);

		assert_int_equal(file_replace(dirfd_, USERS_FILE, 0600,
			(struct str){buf_str(&good).p, n}), 0);
		assert_int_equal(users_find(u, STR("bob"), &s), -1);
		users_close(&u);
	}
	buf_free(&good);
	buf_free(&bad);
}

static void a_damaged_file_is_not_overwritten(void **state)
{
	struct buf error = {0};
	struct user_edit e;

	(void)state;
	assert_int_equal(file_replace(dirfd_, USERS_FILE, 0600, STR("not a database")), 0);
	assert_int_equal(user_edit_begin(&e, dirfd_, true, &error), -1);
	user_edit_end(&e);
	assert_true(str_istarts(buf_str(&error), STR("users.cdb is damaged")));
	buf_free(&error);
}

static void a_malformed_secret_is_not_an_absent_user(void **state)
{
	struct users *u = users_open(dirfd_);
	struct user_secret s;
	struct buf error = {0};
	struct user_edit e;

	(void)state;
	assert_int_equal(user_edit_begin(&e, dirfd_, true, &error), 0);
	assert_int_equal(user_edit_put(&e, STR("alice"), STR("MD5$1")), 0);
	assert_int_equal(user_edit_save(&e, &error), 0);
	user_edit_end(&e);
	assert_int_equal(users_find(u, STR("alice"), &s), -1);
	assert_int_equal(users_find(u, STR("bob"), &s), 0);
	users_close(&u);
}

static const struct {
	const char *value;
	unsigned flags, set, clear;
	const char *changed;
} flags[] = {
	{"A$1", 0, 0, 0, "A$1"},
	{"A$1", 0, USER_ADMIN, 0, "A$1\nFLAGS$admin"},
	{"A$1\nFLAGS$admin", USER_ADMIN, USER_DISABLED, 0, "A$1\nFLAGS$admin,disabled"},
	{"A$1\nFLAGS$admin,disabled", USER_ADMIN | USER_DISABLED, 0, USER_ADMIN, "A$1\nFLAGS$disabled"},
	{"A$1\nFLAGS$admin\nB$2", USER_ADMIN, 0, USER_ADMIN, "A$1\nB$2"},
	{"FLAGS$admin\nB$2", USER_ADMIN, USER_LMTP, USER_ADMIN, "B$2\nFLAGS$lmtp"},
	{"FLAGS$admin", USER_ADMIN, USER_ADMIN, 0, "\nFLAGS$admin"},
	{"A$1\nFLAGS$future,admin,admins", USER_ADMIN, 0, USER_ADMIN, "A$1\nFLAGS$future,admins"},
	{"A$1\nFLAGS$future", 0, USER_LMTP, USER_LMTP, "A$1\nFLAGS$future"},
	{"A$1\nXFLAGS$admin", 0, 0, 0, "A$1\nXFLAGS$admin"},
	{"A$1\nFLAGS", 0, USER_LMTP, 0, "A$1\nFLAGS\nFLAGS$lmtp"},
};

static void flags_come_and_go_and_unknown_words_stay(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		struct buf out = {0};

		assert_int_equal(user_value_flags(str_from(flags[i].value)), flags[i].flags);
		assert_int_equal(user_value_set_flags(str_from(flags[i].value), flags[i].set,
			flags[i].clear, &out), 0);
		if (!str_eq(buf_str(&out), str_from(flags[i].changed)))
			print_error("case %zu: %.*s\n", i, (int)out.len, buf_str(&out).p);
		assert_true(str_eq(buf_str(&out), str_from(flags[i].changed)));
		buf_free(&out);
	}
}

static void a_new_password_keeps_the_flags_and_a_disabled_user_is_no_user(void **state)
{
	struct users *u = users_open(dirfd_);
	struct buf error = {0}, value = {0}, line = {0};
	struct user_secret s;
	struct user_edit e;
	unsigned got = 0;

	(void)state;
	put("alice", "first");
	assert_int_equal(user_edit_begin(&e, dirfd_, true, &error), 0);
	assert_int_equal(user_value_set_flags(user_edit_get(&e, STR("alice")),
		USER_DISABLED | USER_ADMIN, 0, &value), 0);
	assert_int_equal(user_edit_replace(&e, STR("alice"), buf_str(&value)), 0);
	assert_int_equal(user_edit_save(&e, &error), 0);
	user_edit_end(&e);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(users_find(u, STR("alice"), &s), 0);
		assert_int_equal(users_find_line(u, STR("alice"), "SCRAM-SHA-256", &line), 0);
		assert_int_equal(users_find_flags(u, STR("alice"), &got), 1);
		assert_int_equal(got, USER_DISABLED | USER_ADMIN);
		assert_int_equal(users_find_flags(u, STR("bob"), &got), 0);
		put("alice", "second");
	}
	users_close(&u);
	buf_wipe(&value);
	buf_free(&line);
}

static const struct {
	const char *secret, *value; /* NULL: refused */
} secrets[] = {
#define SALT "W22ZaJ0SNY7soEsUEjb6gQ=="
#define STORED "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
#define SERVER "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define VALUE "SCRAM-SHA-256$4096:" SALT "$" STORED ":" SERVER
	{VALUE, VALUE},
	{"{SCRAM-SHA-256}4096," SALT "," STORED "," SERVER, VALUE},
	{"{SCRAM-SHA-256}" VALUE, VALUE},
	{"{SCRAM-SHA-256}4096," SALT "," STORED, NULL},
	{"{SCRAM-SHA-256}4096," SALT "," STORED "," SERVER ",", NULL},
	{"{SCRAM-SHA-256}10," SALT "," STORED "," SERVER, NULL},
	{"{SCRAM-SHA-256}", NULL},
	{"{SCRAM-SHA-256", NULL},
	{"{NOSUCH}x", NULL},
	{"{}x", NULL},
	{"", NULL},
	{"SCRAM-SHA-1$4096:x", NULL},
};

static void secrets_of_other_servers_are_taken_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
		struct buf out = {0};
		const char *wrong = user_value_take(str_from(secrets[i].secret), &out);

		assert_int_equal(!wrong, secrets[i].value != NULL);
		if (!wrong)
			assert_true(str_eq(buf_str(&out), str_from(secrets[i].value)));
		buf_free(&out);
	}
	assert_true(user_value_is_secret(STR("{SSHA}x")) && user_value_is_secret(STR("scram-sha-1")));
	assert_false(user_value_is_secret(STR("{ssha}x")) || user_value_is_secret(STR("{}x")) ||
		user_value_is_secret(STR("x{SSHA}")) || user_value_is_secret(STR("")));
}

static void only_one_writer_at_a_time(void **state)
{
	struct buf error = {0};
	struct user_edit e;
	int fd;

	(void)state;
	assert_int_equal(user_edit_begin(&e, dirfd_, true, &error), 0);
	fd = openat(dirfd_, "users.lock", O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
	user_edit_end(&e);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	close(fd);
}

#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_made_small_and_odd_ones_refused),
		WITH_DIR(without_files_nobody_can_be_looked_up),
		WITH_DIR(a_replaced_file_is_noticed),
		WITH_DIR(files_have_their_modes_and_only_users_holds_secrets),
		WITH_DIR(damage_is_never_taken_for_an_absent_name),
		WITH_DIR(a_damaged_file_is_not_overwritten),
		WITH_DIR(a_malformed_secret_is_not_an_absent_user),
		cmocka_unit_test(flags_come_and_go_and_unknown_words_stay),
		WITH_DIR(a_new_password_keeps_the_flags_and_a_disabled_user_is_no_user),
		cmocka_unit_test(secrets_of_other_servers_are_taken_or_refused),
		WITH_DIR(only_one_writer_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
