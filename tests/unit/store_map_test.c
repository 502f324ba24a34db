/* SPDX-License-Identifier: 0BSD */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/store/map.h"
#include "tests/unit/store_help.h"

/* ---- runs ---- */

static struct map_entry entry(uint64_t id, uint32_t refs)
{
	return (struct map_entry){.id = id, .segment = 1, .offset = id * 8, .refs = refs};
}

static struct map_run run_of(struct spool *p, uint64_t number, uint64_t first, uint64_t step, size_t n,
	uint32_t refs)
{
	struct map_entry *v = calloc(n, sizeof(*v));
	struct map_source src = {.v = v, .count = n};
	struct map_run run;
	int dir = checkpoint_open_dir(p->s, "map");

	for (size_t i = 0; i < n; i++)
		v[i] = entry(first + i * step, refs);
	assert_int_equal(map_merge(dir, &p->s->key, number, &src, 1, false, &run), 0);
	close(dir);
	free(v);
	return run;
}

static void each_entry_of_a_run_is_found_and_no_other(void **state)
{
	struct spool *p = *state;
	struct map_run run = run_of(p, 7, 10, 3, 1000, 5);
	struct map_entry e;

	assert_int_equal(run.count, 1000);
	assert_int_equal(run.first, 10);
	assert_int_equal(run.last, 10 + 999 * 3);
	for (uint64_t id = 0; id < 3100; id++) {
		int want = id >= 10 && id <= run.last && (id - 10) % 3 == 0;

		assert_int_equal(map_run_find(&run, &p->s->key, id, &e), want);
		if (want) {
			assert_int_equal(e.id, id);
			assert_int_equal(e.offset, id * 8);
			assert_int_equal(e.refs, 5);
		}
	}
	map_run_close(&run);
}

static void the_newest_entry_wins_a_merge_and_the_gone_vanish_at_the_bottom(void **state)
{
	struct spool *p = *state;
	struct map_run old = run_of(p, 1, 1, 1, 500, 1), new = run_of(p, 2, 100, 2, 300, 2), made;
	struct map_entry gone = entry(200, 0), e;
	struct map_source src[3] = {
		{.v = &gone, .count = 1},
		{.run = &new, .count = new.count},
		{.run = &old, .count = old.count},
	};
	int dir = checkpoint_open_dir(p->s, "map");

	gone.flags = MAP_GONE;
	assert_int_equal(map_merge(dir, &p->s->key, 3, src, 3, true, &made), 0);
	assert_int_equal(map_run_find(&made, &p->s->key, 99, &e), 1);
	assert_int_equal(e.refs, 1);
	assert_int_equal(map_run_find(&made, &p->s->key, 102, &e), 1);
	assert_int_equal(e.refs, 2);
	assert_int_equal(map_run_find(&made, &p->s->key, 103, &e), 1);
	assert_int_equal(e.refs, 1);
	assert_int_equal(map_run_find(&made, &p->s->key, 200, &e), 0);
	assert_int_equal(made.count, 500 + 99 - 1); /* 502..698 by 2 are new */
	for (int i = 0; i < 3; i++)
		buf_free(&src[i].bytes);
	close(dir);
	map_run_close(&old);
	map_run_close(&new);
	map_run_close(&made);
}

static void a_flipped_bit_costs_the_entry_it_is_in(void **state)
{
	struct spool *p = *state;
	struct map_run run = run_of(p, 7, 1, 1, 200, 5);
	int dir = checkpoint_open_dir(p->s, "map"), fd;
	char name[CHECKPOINT_NAME_MAX], byte = 0x55;
	struct map_entry e;

	map_run_name(name, 7);
	fd = openat(dir, name, O_RDWR);
	assert_int_equal(pwrite(fd, &byte, 1, MAP_HEADER_SIZE + 99 * MAP_ENTRY_SIZE + 50), 1);
	assert_int_equal(map_run_find(&run, &p->s->key, 100, &e), -1);
	assert_int_equal(map_run_find(&run, &p->s->key, 99, &e), 1);
	assert_int_equal(map_run_find(&run, &p->s->key, 101, &e), 1);
	close(fd);
	close(dir);
	map_run_close(&run);
}

/* ---- the store over it ---- */

static uint32_t deliver(struct spool *p, int n)
{
	char text[64];
	struct mailbox *m = help_inbox(p, "alice");
	uint32_t uid = mailbox_uidnext(m);

	snprintf(text, sizeof(text), "Subject: number %d\r\n\r\nbody\r\n", n);
	help_deliver(m, "Delivered-To: alice\r\n", text);
	return uid;
}

static void assert_all_read(struct spool *p, int n)
{
	struct mailbox *m = help_inbox(p, "alice");
	char text[96];
	struct message msg;

	for (int i = 1; i <= n; i++) {
		if (mailbox_message(m, (uint32_t)i, &msg) != 1)
			continue;
		snprintf(text, sizeof(text), "Delivered-To: alice\r\nSubject: number %d\r\n\r\nbody\r\n", i);
		help_assert_text(p->s, &msg, text);
	}
}

static void many_checkpoints_leave_few_runs_and_every_message(void **state)
{
	struct spool *p = *state;
	int n = 0;

	for (int round = 0; round < 60; round++) {
		for (int i = 0; i < 5; i++)
			deliver(p, ++n);
		assert_int_equal(store_checkpoint(p->s), 0);
		assert_true(p->s->map.runs.n <= 10);
	}
	assert_int_equal(blob_count(p->s), 600);
	assert_int_equal(p->s->map.n[BLOB_DIRTY], 0);
	assert_all_read(p, n);
	help_reopen(p);
	assert_int_equal(blob_count(p->s), 600);
	/* Nothing of the map is in memory before it is asked for. */
	assert_true(p->s->blobs.n < 10);
	assert_all_read(p, n);
	assert_int_equal(p->s->blobs.n, 600);
}

static void references_are_kept_over_a_checkpoint_and_go_with_the_last_message(void **state)
{
	struct spool *p = *state;
	struct mailbox *from = help_inbox(p, "alice");
	struct account *a = mailbox_account(from);
	struct message msg;
	uint32_t uid = deliver(p, 1);

	assert_int_equal(mailbox_create(a, STR("Copies"), 0, NULL), 0);
	assert_int_equal(mailbox_copy(from, &uid, 1, mailbox_find(a, STR("Copies")), false, NULL, NULL, NULL,
		NULL), 0);
	help_reopen(p);
	assert_int_equal(mailbox_expunge(help_inbox(p, "alice"), &uid, 1, NULL), 0);
	help_reopen(p);
	a = help_account(p, "alice");
	assert_int_equal(mailbox_message(mailbox_find(a, STR("Copies")), 1, &msg), 1);
	help_assert_text(p->s, &msg, "Delivered-To: alice\r\nSubject: number 1\r\n\r\nbody\r\n");
	assert_int_equal(blob_count(p->s), 2);
	assert_int_equal(mailbox_delete(a, STR("Copies"), NULL), 0);
	assert_int_equal(blob_count(p->s), 0);
	help_reopen(p);
	assert_int_equal(blob_count(p->s), 0);
	assert_null(blob_find(p->s, msg.blob));
}

static void redo_counts_what_came_after_the_checkpoint_once(void **state)
{
	struct spool *p = *state;
	struct mailbox *from = help_inbox(p, "alice");
	struct account *a = mailbox_account(from);
	struct message msg;
	uint32_t uid = deliver(p, 1), second;

	assert_int_equal(mailbox_create(a, STR("Copies"), 0, NULL), 0);
	assert_int_equal(store_checkpoint(p->s), 0);
	mailbox_copy(from, &uid, 1, mailbox_find(a, STR("Copies")), false, NULL, NULL, NULL, NULL);
	second = deliver(p, 2);
	mailbox_expunge(from, &uid, 1, NULL);
	help_settle(p);
	p->s->failed = true; /* as after a crash: no checkpoint, no end mark */
	help_reopen(p);
	a = help_account(p, "alice");
	assert_int_equal(mailbox_message(mailbox_find(a, STR("Copies")), 1, &msg), 1);
	assert_int_equal(blob_find(p->s, msg.blob)->refs, 1);
	assert_int_equal(mailbox_message(help_inbox(p, "alice"), second, &msg), 1);
	assert_int_equal(blob_find(p->s, msg.blob)->refs, 1);
	assert_int_equal(blob_count(p->s), 4);
}

static int nothing(void *arg, const struct blob *b)
{
	(void)b;
	++*(int *)arg;
	return 0;
}

static void a_change_during_a_checkpoint_is_in_the_next(void **state)
{
	struct spool *p = *state;
	struct mailbox *m = help_inbox(p, "alice");
	uint32_t uid = deliver(p, 1);
	int frozen = 0, again = 0;

	deliver(p, 2);
	help_settle(p);
	assert_int_equal(blobs_freeze(p->s, nothing, &frozen), 0);
	assert_int_equal(frozen, 4);
	mailbox_expunge(m, &uid, 1, NULL);
	blobs_thaw(p->s, true);
	assert_int_equal(p->s->map.n[BLOB_CLEAN], 2);
	assert_int_equal(blobs_freeze(p->s, nothing, &again), 0);
	assert_int_equal(again, 2);
	blobs_thaw(p->s, false);
	assert_int_equal(p->s->map.n[BLOB_DIRTY], 2);
	p->s->failed = true; /* the runs of this test were never written */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_entry_of_a_run_is_found_and_no_other, help_setup,
			help_teardown),
		cmocka_unit_test_setup_teardown(
			the_newest_entry_wins_a_merge_and_the_gone_vanish_at_the_bottom, help_setup,
			help_teardown),
		cmocka_unit_test_setup_teardown(a_flipped_bit_costs_the_entry_it_is_in, help_setup,
			help_teardown),
		cmocka_unit_test_setup_teardown(many_checkpoints_leave_few_runs_and_every_message, help_setup,
			help_teardown),
		cmocka_unit_test_setup_teardown(
			references_are_kept_over_a_checkpoint_and_go_with_the_last_message, help_setup,
			help_teardown),
		cmocka_unit_test_setup_teardown(redo_counts_what_came_after_the_checkpoint_once, help_setup,
			help_teardown),
		cmocka_unit_test_setup_teardown(a_change_during_a_checkpoint_is_in_the_next, help_setup,
			help_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
