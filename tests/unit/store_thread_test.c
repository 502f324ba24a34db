/* SPDX-License-Identifier: 0BSD */
/* Loop, committer, segment maker and checkpoints at work together; built with the thread sanitizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/store_help.h"

static int waited;

static void count_waited(struct store_waiter *w, int error)
{
	(void)w;
	waited += !error;
}

static void deliveries_and_checkpoints_run_side_by_side(void **state)
{
	static struct store_waiter waiters[2000];
	struct spool *p = *state;
	char text[3000] = "Subject: x\r\n\r\n";
	uint64_t started = 0;
	struct message msg;
	uint32_t uid;
	struct store_options o = {.dir = p->dir, .checkpoint_interval = 1, .body_budget = 64 << 20,
		.segment_bytes = 256 << 10};
	struct buf error = {0};

	help_close(p);
	p->s = store_open(p->loop, &o, &error);
	assert_non_null(p->s);
	memset(text + strlen(text), 'y', sizeof(text) - strlen(text) - 1);
	loop_turn(p->loop, 0);
	started = loop_now(p->loop);
	for (int i = 0; i < 2000; i++) {
		waiters[i].done = count_waited;
		store_wait(p->s, &waiters[i], help_deliver(help_inbox(p, "alice"), "", text));
		uid = (uint32_t)i / 2;
		if (i % 3 == 0)
			mailbox_expunge(help_inbox(p, "alice"), &uid, 1, NULL);
		if (i % 4 == 0)
			loop_turn(p->loop, 1);
		uid = mailbox_uidnext(help_inbox(p, "alice")) - 1;
		assert_int_equal(mailbox_message(help_inbox(p, "alice"), uid, &msg), 1);
		help_assert_text(p->s, &msg, text);
	}
	while (loop_now(p->loop) - started < 1500)
		loop_turn(p->loop, 20);
	help_settle(p);
	assert_int_equal(waited, 2000);
	assert_int_equal(store_checkpoint(p->s), 0);
	buf_free(&error);
}

/* Accounts are forgotten and read again, from what a checkpoint's thread is just writing too; few
 * changes are kept under keys, many go to files. */
static void accounts_come_and_go_while_checkpoints_are_written(void **state)
{
	struct spool *p = *state;
	struct store_options o = {.dir = p->dir, .checkpoint_interval = 3600, .body_budget = 64 << 20,
		.segment_bytes = 256 << 10, .cache_bytes = 1, .keep_entries = 3};
	uint32_t count[40] = {0}, uid = 1;
	struct buf error = {0};
	char name[16];

	help_close(p);
	p->s = store_open(p->loop, &o, &error);
	assert_non_null(p->s);
	/* Until some checkpoints have met it, however slow their thread is. */
	for (uint32_t i = 0; i < 1500 || (help_figure(p, "checkpoints") <= 3 && i < 20000); i++) {
		snprintf(name, sizeof(name), "user%u", i * 7919 % 40);
		help_deliver(help_inbox(p, name), "", "Subject: x\r\n\r\nhello\r\n");
		count[i * 7919 % 40]++;
		if (i % 5 == 0)
			mailbox_flag(help_inbox(p, name), &uid, 1, i % 2 ? MESSAGE_ADD : MESSAGE_REMOVE,
				MESSAGE_SEEN, 0, NULL);
		if (i % 20 == 0)
			assert_int_equal(store_checkpoint_begin(p->s), 0);
		loop_turn(p->loop, i < 1500 ? 0 : 5);
	}
	assert_true(help_figure(p, "checkpoints") > 3);
	for (uint32_t i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "user%u", i);
		assert_int_equal(mailbox_messages(help_inbox(p, name)), count[i]);
		loop_turn(p->loop, 0);
	}
	help_settle(p);
	buf_free(&error);
}

static void add_lines(struct body *b)
{
	for (int i = 0; i < 150 && !body_full(b); i++)
		buf_adds(body_buf(b), "a line of a message that is long enough\r\n");
	assert_true(body_added(b) >= 0);
}

/* True: its file is there, it was delivered, and perhaps removed again. */
static bool store_one(struct spool *p, struct body *b)
{
	struct message_new v = {.body = b};
	int done = body_finish(b);
	uint32_t uid;

	assert_true(done >= 0);
	if (done)
		return false;
	assert_int_equal(mailbox_append(help_inbox(p, "alice"), &v, 1, &uid, NULL), 0);
	if (uid % 3)
		mailbox_expunge(help_inbox(p, "alice"), &uid, 1, NULL);
	return true;
}

/* Four bodies in several states of their way to a file; some are given up. */
static void large_messages_come_in_beside_deliveries_and_checkpoints(void **state)
{
	struct spool *p = *state;
	struct body *b[4] = {0}, **at;
	unsigned fed[4] = {0}, *n, i;

	p->large_bytes = 20000;
	help_reopen(p);
	/* Until some large ones stay, however slow the threads that write them are. */
	for (i = 0; i < 1200 || (mailbox_messages(help_inbox(p, "alice")) <= i && i < 20000); i++) {
		at = &b[i % 4];
		n = &fed[i % 4];
		if (!*at) {
			*at = body_new(p->s);
			*n = 0;
		}
		if ((*n)++ < 5)
			add_lines(*at);
		if (i % 50 < 4 || (*n > 5 && store_one(p, *at)))
			body_free(at);
		help_deliver(help_inbox(p, "alice"), "", "A: b\r\n\r\nc\r\n");
		if (i % 200 == 0)
			store_checkpoint_begin(p->s);
		if (i % 3 == 0 || i >= 1200)
			loop_turn(p->loop, i < 1200 ? 1 : 5);
	}
	for (int k = 0; k < 4; k++)
		body_free(&b[k]);
	help_settle(p);
	assert_true(mailbox_messages(help_inbox(p, "alice")) > i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(deliveries_and_checkpoints_run_side_by_side, help_setup,
			help_teardown),
		cmocka_unit_test_setup_teardown(accounts_come_and_go_while_checkpoints_are_written, help_setup,
			help_teardown),
		cmocka_unit_test_setup_teardown(large_messages_come_in_beside_deliveries_and_checkpoints, help_setup,
			help_teardown),
	};

	return cmocka_run_group_tests_name("store_thread", tests, NULL, NULL);
}
