/* SPDX-License-Identifier: 0BSD */
/* Accounts that nobody uses are forgotten and read again; those in use, changed or pinned are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/store/view.h"
#include "tests/unit/store_help.h"

#define ACCOUNTS 50

static int setup(void **state)
{
	struct spool *p;
	int answer = help_setup(state);

	p = *state;
	help_close(p);
	p->cache_bytes = 1;
	help_open(p);
	return answer;
}

static const char *name_of(int i)
{
	static char name[16];

	snprintf(name, sizeof(name), "user%d", i);
	return name;
}

static void fill(struct spool *p)
{
	for (int i = 0; i < ACCOUNTS; i++) {
		assert_int_equal(mailbox_create(help_account(p, name_of(i)), STR("lists/work"), 0, NULL), 0);
		for (int j = 0; j <= i % 5; j++)
			help_deliver(help_inbox(p, name_of(i)), "", "hello\r\n");
	}
	help_settle(p);
}

static void turn(struct spool *p)
{
	for (int i = 0; i < 4; i++)
		loop_turn(p->loop, 0);
}

static void test_clean_accounts_are_forgotten_and_read_again(void **state)
{
	struct spool *p = *state;

	fill(p);
	turn(p);
	assert_int_equal(help_figure(p, "accounts_loaded"), ACCOUNTS); /* changed: none may go */
	assert_int_equal(store_checkpoint(p->s), 0);
	turn(p);
	assert_int_equal(help_figure(p, "accounts_loaded"), 0);
	assert_int_equal(help_figure(p, "mailboxes_loaded"), 0);
	assert_int_equal(help_figure(p, "indexes_loaded"), 0);
	assert_int_equal(help_figure(p, "cache_bytes"), 0);
	for (int i = 0; i < ACCOUNTS; i++) {
		assert_int_equal(mailbox_messages(help_inbox(p, name_of(i))), i % 5 + 1);
		assert_non_null(mailbox_find(help_account(p, name_of(i)), STR("lists/work")));
		turn(p);
		assert_int_equal(help_figure(p, "accounts_loaded"), 0);
	}
	assert_int_equal(help_figure(p, "accounts"), ACCOUNTS);
	assert_int_equal(help_figure(p, "mailboxes"), 3 * ACCOUNTS);
}

static void test_what_is_pinned_stays(void **state)
{
	struct spool *p = *state;
	struct account *a;
	struct mailbox *m;
	struct view *v;

	fill(p);
	assert_int_equal(store_checkpoint(p->s), 0);
	a = help_account(p, name_of(3));
	account_pin(a);
	turn(p);
	assert_int_equal(help_figure(p, "accounts_loaded"), 1);
	m = mailbox_find(a, STR("INBOX"));
	v = view_open(m, false);
	account_unpin(a);
	turn(p);
	assert_int_equal(view_exists(v), 4);
	assert_ptr_equal(help_inbox(p, name_of(3)), m);
	assert_int_equal(help_figure(p, "indexes_loaded"), 1);
	view_close(&v);
	turn(p);
	assert_int_equal(help_figure(p, "accounts_loaded"), 0);
}

static void test_indexes_of_a_pinned_account_go_when_nobody_looks(void **state)
{
	struct spool *p = *state;
	struct account *a;

	fill(p);
	assert_int_equal(store_checkpoint(p->s), 0);
	turn(p);
	a = help_account(p, name_of(4));
	account_pin(a);
	assert_int_equal(mailbox_messages(mailbox_find(a, STR("INBOX"))), 5);
	assert_int_equal(help_figure(p, "indexes_loaded"), 1);
	turn(p);
	assert_int_equal(help_figure(p, "indexes_loaded"), 0);
	assert_int_equal(mailbox_messages(mailbox_find(a, STR("INBOX"))), 5);
	account_unpin(a);
}

static void test_a_mailbox_deleted_under_a_view_goes_with_it(void **state)
{
	struct spool *p = *state;
	struct view *v;

	fill(p);
	v = view_open(mailbox_find(help_account(p, name_of(0)), STR("lists/work")), false);
	assert_int_equal(mailbox_delete(help_account(p, name_of(0)), STR("lists/work"), NULL), 0);
	assert_int_equal(store_checkpoint(p->s), 0);
	turn(p);
	assert_false(view_alive(v));
	assert_int_equal(help_figure(p, "accounts_loaded"), 1);
	view_close(&v);
	turn(p);
	assert_int_equal(help_figure(p, "accounts_loaded"), 0);
	assert_int_equal(help_figure(p, "mailboxes"), 3 * ACCOUNTS - 1);
}

/* Only those that the log after the checkpoint names. */
static void test_a_start_reads_no_account_that_it_need_not(void **state)
{
	struct spool *p = *state;

	fill(p);
	help_reopen(p);
	assert_int_equal(help_figure(p, "accounts_loaded"), 0);
	assert_int_equal(help_figure(p, "accounts"), ACCOUNTS);
	assert_int_equal(help_figure(p, "mailboxes"), 3 * ACCOUNTS);
	assert_int_equal(mailbox_messages(help_inbox(p, name_of(9))), 5);
}

static void test_changes_while_a_checkpoint_is_written_are_kept(void **state)
{
	struct spool *p = *state;

	for (int round = 0; round < 20; round++) {
		assert_int_equal(store_checkpoint_begin(p->s), 0);
		for (int i = 0; i < 10; i++) {
			help_deliver(help_inbox(p, name_of(i)), "", "hello\r\n");
			turn(p);
		}
		help_settle(p);
	}
	for (int again = 0; again < 2; again++) {
		for (int i = 0; i < 10; i++)
			assert_int_equal(mailbox_messages(help_inbox(p, name_of(i))), 20);
		help_reopen(p);
	}
}

static bool there(const struct spool *p, const char *file)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/idx/%s", p->dir, file);
	return !access(path, F_OK);
}

static void leave_file(const struct spool *p, const char *file)
{
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s/idx/%s", p->dir, file);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
}

/* A crash may leave index files that no checkpoint names: not a start's business, but not for ever.
 * This is the first life of the spool, so none before has ended cleanly. */
static void test_the_first_checkpoint_sweeps_what_a_crash_left(void **state)
{
	struct spool *p = *state;

	leave_file(p, "0000000000000002-0000000000000001");
	leave_file(p, "00000000000000ff-0000000000000001");
	fill(p);
	assert_int_equal(store_checkpoint(p->s), 0);
	assert_false(there(p, "0000000000000002-0000000000000001"));
	assert_false(there(p, "00000000000000ff-0000000000000001"));
	for (int i = 0; i < ACCOUNTS; i++)
		assert_int_equal(mailbox_messages(help_inbox(p, name_of(i))), i % 5 + 1);
}

static int files_in_idx(const struct spool *p)
{
	char path[160];
	struct dirent *e;
	int n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/idx", p->dir);
	d = opendir(path);
	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void assert_inbox(struct spool *p, const char *name, uint32_t messages, uint32_t unseen)
{
	struct mailbox *m = help_inbox(p, name);

	assert_int_equal(mailbox_messages(m), messages);
	assert_int_equal(mailbox_unseen(m), unseen);
}

/* Few changes need no file; flags, expunges and their history come back with them. */
static void test_few_changes_are_kept_without_a_file(void **state)
{
	uint32_t seen[] = {1, 2}, gone[] = {3};
	struct spool *p = *state;
	struct message msg;
	struct view *v;

	for (int i = 0; i < 5; i++)
		help_deliver(help_inbox(p, "alice"), "", "hello\r\n");
	assert_int_equal(store_checkpoint(p->s), 0);
	turn(p);
	assert_int_equal(files_in_idx(p), 0);
	assert_inbox(p, "alice", 5, 5);
	assert_int_equal(mailbox_flag(help_inbox(p, "alice"), seen, 2, MESSAGE_ADD, MESSAGE_SEEN, 0, NULL), 0);
	assert_int_equal(mailbox_expunge(help_inbox(p, "alice"), gone, 1, NULL), 0);
	assert_int_equal(store_checkpoint(p->s), 0);
	turn(p);
	assert_int_equal(help_figure(p, "indexes_loaded"), 0);
	assert_inbox(p, "alice", 4, 2);
	help_reopen(p);
	assert_inbox(p, "alice", 4, 2);
	assert_int_equal(files_in_idx(p), 0);
	v = view_open(help_inbox(p, "alice"), false);
	assert_int_equal(view_message(v, 3, &msg), 1);
	assert_int_equal(msg.uid, 4);
	view_close(&v);
}

/* Many go to a file; a few over that are kept again, and take nothing from its counts. */
static void test_many_changes_go_to_a_file_and_few_stand_over_it(void **state)
{
	uint32_t seen[] = {1, 99, 150}, gone[] = {2, 149, 151};
	struct spool *p = *state;

	for (int i = 0; i < 150; i++)
		help_deliver(help_inbox(p, "alice"), "", "hello\r\n");
	assert_int_equal(store_checkpoint(p->s), 0);
	turn(p);
	assert_int_equal(files_in_idx(p), 1);
	for (int round = 0; round < 3; round++) {
		assert_inbox(p, "alice", 150, 150);
		help_deliver(help_inbox(p, "alice"), "", "one more\r\n");
		assert_int_equal(mailbox_flag(help_inbox(p, "alice"), seen, 3, MESSAGE_ADD, MESSAGE_SEEN, 0,
			NULL), 0);
		assert_int_equal(store_checkpoint(p->s), 0);
		turn(p);
		assert_inbox(p, "alice", 151, 148);
		if (round == 2)
			break;
		assert_int_equal(mailbox_flag(help_inbox(p, "alice"), seen, 3, MESSAGE_REMOVE, MESSAGE_SEEN,
			0, NULL), 0);
		gone[2] = 151 + (uint32_t)round;
		assert_int_equal(mailbox_expunge(help_inbox(p, "alice"), gone + 2, 1, NULL), 0);
	}
	assert_int_equal(mailbox_expunge(help_inbox(p, "alice"), gone, 2, NULL), 0);
	help_reopen(p);
	assert_inbox(p, "alice", 149, 146);
	for (int i = 0; i < 60; i++)
		help_deliver(help_inbox(p, "alice"), "", "hello\r\n");
	help_reopen(p);
	assert_inbox(p, "alice", 209, 206);
	assert_int_equal(files_in_idx(p), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_clean_accounts_are_forgotten_and_read_again, setup,
			help_teardown),
		cmocka_unit_test_setup_teardown(test_what_is_pinned_stays, setup, help_teardown),
		cmocka_unit_test_setup_teardown(test_indexes_of_a_pinned_account_go_when_nobody_looks, setup,
			help_teardown),
		cmocka_unit_test_setup_teardown(test_a_mailbox_deleted_under_a_view_goes_with_it, setup,
			help_teardown),
		cmocka_unit_test_setup_teardown(test_a_start_reads_no_account_that_it_need_not, setup,
			help_teardown),
		cmocka_unit_test_setup_teardown(test_changes_while_a_checkpoint_is_written_are_kept, setup,
			help_teardown),
		cmocka_unit_test_setup_teardown(test_the_first_checkpoint_sweeps_what_a_crash_left, help_setup,
			help_teardown),
		cmocka_unit_test_setup_teardown(test_few_changes_are_kept_without_a_file, setup,
			help_teardown),
		cmocka_unit_test_setup_teardown(test_many_changes_go_to_a_file_and_few_stand_over_it, setup,
			help_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
