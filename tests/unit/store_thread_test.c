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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(deliveries_and_checkpoints_run_side_by_side, help_setup,
			help_teardown),
	};

	return cmocka_run_group_tests_name("store_thread", tests, NULL, NULL);
}
