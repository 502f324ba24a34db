/* SPDX-License-Identifier: 0BSD */
/* Checkpoints beside the traffic: who asks for one is answered later, and meanwhile nobody waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/store_help.h"

#define OPEN -1

static struct help_waiter waiter(void)
{
	return (struct help_waiter){.w.done = help_waited, .error = OPEN};
}

static void turn_until(struct spool *p, const struct help_waiter *w)
{
	for (int i = 0; i < 5000 && w->error == OPEN; i++)
		loop_turn(p->loop, 10);
	assert_int_not_equal(w->error, OPEN);
}

static void test_who_asks_is_answered_when_the_checkpoint_is_there(void **state)
{
	struct help_waiter w = waiter();
	struct spool *p = *state;
	uint64_t lsn = help_deliver(help_inbox(p, "alice"), "", "a\r\n");

	store_checkpoint_wait(p->s, &w.w);
	assert_int_equal(w.error, OPEN);
	turn_until(p, &w);
	assert_int_equal(w.error, 0);
	assert_true(store_durable(p->s) >= lsn);
	assert_int_equal(help_figure(p, "checkpoints"), 1);
	assert_true(help_figure(p, "checkpoint_age_seconds") < 600);
	assert_int_equal(help_figure(p, "checkpoint_running"), 0);
}

static void test_those_who_ask_together_share_one(void **state)
{
	struct help_waiter v = waiter(), w = waiter();
	struct spool *p = *state;

	help_deliver(help_inbox(p, "alice"), "", "a\r\n");
	store_checkpoint_wait(p->s, &v.w);
	store_checkpoint_wait(p->s, &w.w);
	turn_until(p, &w);
	assert_int_equal(v.error, 0);
	assert_int_equal(w.error, 0);
	assert_int_equal(help_figure(p, "checkpoints"), 1);
}

static void test_what_came_after_the_one_under_way_is_in_the_next(void **state)
{
	struct help_waiter v = waiter(), w = waiter();
	struct spool *p = *state;

	help_deliver(help_inbox(p, "alice"), "", "a\r\n");
	store_checkpoint_wait(p->s, &v.w);
	help_deliver(help_inbox(p, "alice"), "", "b\r\n");
	store_checkpoint_wait(p->s, &w.w);
	turn_until(p, &v);
	assert_int_equal(w.error, OPEN);
	turn_until(p, &w);
	assert_int_equal(w.error, 0);
	assert_int_equal(help_figure(p, "checkpoints"), 2);
}

static void test_without_a_change_the_answer_comes_at_once(void **state)
{
	struct help_waiter w = waiter();
	struct spool *p = *state;

	assert_int_equal(store_checkpoint(p->s), 0);
	store_checkpoint_wait(p->s, &w.w);
	assert_int_equal(w.error, 0);
}

static void test_who_takes_the_question_back_is_not_answered(void **state)
{
	struct help_waiter v = waiter(), w = waiter();
	struct spool *p = *state;

	help_deliver(help_inbox(p, "alice"), "", "a\r\n");
	store_checkpoint_wait(p->s, &v.w);
	store_checkpoint_wait(p->s, &w.w);
	store_wait_cancel(&v.w);
	turn_until(p, &w);
	assert_int_equal(v.error, OPEN);
}

static void test_closing_answers_those_who_wait(void **state)
{
	struct help_waiter w = waiter();
	struct spool *p = *state;

	help_deliver(help_inbox(p, "alice"), "", "a\r\n");
	store_checkpoint_wait(p->s, &w.w);
	help_reopen(p);
	assert_int_equal(w.error, 0);
	assert_int_equal(help_figure(p, "messages"), 1);
}

static void test_stat_tells_batches_syncs_and_what_a_start_would_redo(void **state)
{
	struct spool *p = *state;

	for (int i = 0; i < 20; i++) {
		help_deliver(help_inbox(p, "alice"), "", "a\r\n");
		help_settle(p);
	}
	assert_true(help_figure(p, "batches") >= 20);
	assert_true(help_figure(p, "batch_records_p50") >= 1);
	assert_true(help_figure(p, "batch_bytes_max") >= help_figure(p, "batch_bytes_p50"));
	assert_true(help_figure(p, "sync_us_max") >= help_figure(p, "sync_us_p99"));
	assert_true(help_figure(p, "sync_us_p99") >= help_figure(p, "sync_us_p50"));
	assert_true(help_figure(p, "redo_records") >= 40);
	assert_true(help_figure(p, "dirty_bytes") > 0);
	assert_int_equal(store_checkpoint(p->s), 0);
	assert_true(help_figure(p, "redo_records") <= 1);
	assert_true(help_figure(p, "checkpoint_dirty_bytes") > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_who_asks_is_answered_when_the_checkpoint_is_there,
			help_setup, help_teardown),
		cmocka_unit_test_setup_teardown(test_those_who_ask_together_share_one, help_setup,
			help_teardown),
		cmocka_unit_test_setup_teardown(test_what_came_after_the_one_under_way_is_in_the_next,
			help_setup, help_teardown),
		cmocka_unit_test_setup_teardown(test_without_a_change_the_answer_comes_at_once, help_setup,
			help_teardown),
		cmocka_unit_test_setup_teardown(test_who_takes_the_question_back_is_not_answered, help_setup,
			help_teardown),
		cmocka_unit_test_setup_teardown(test_closing_answers_those_who_wait, help_setup,
			help_teardown),
		cmocka_unit_test_setup_teardown(test_stat_tells_batches_syncs_and_what_a_start_would_redo,
			help_setup, help_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
