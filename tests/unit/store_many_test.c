/* SPDX-License-Identifier: 0BSD */
/* A mailbox of many messages: what is asked of one of them must not cost work for all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/store/view.h"
#include "tests/unit/store_help.h"

#define MESSAGES 200000u
#define AT_ONCE 1000
#define ONE (24 * 1024) /* bytes read for one message: a block, pieces of the map, pages of keys */

/* Bytes this process has read so far, from files in the page cache too. */
static uint64_t bytes_read(void)
{
	FILE *f = fopen("/proc/self/io", "r");
	unsigned long long n = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "rchar: %llu", &n), 1);
	fclose(f);
	return n;
}

static uint64_t since(uint64_t *before)
{
	uint64_t now = bytes_read(), n = now - *before;

	*before = bytes_read(); /* without what asking reads */
	return n;
}

static void fill(struct spool *p)
{
	struct body *b = help_body(p->s, "Subject: x\r\n\r\nhello\r\n");
	struct message_new v[AT_ONCE] = {{0}};

	for (int i = 0; i < AT_ONCE; i++)
		v[i] = (struct message_new){.body = b, .internaldate = 1700000000};
	for (uint32_t n = 0; n < MESSAGES; n += AT_ONCE) {
		assert_int_equal(mailbox_append(help_inbox(p, "alice"), v, AT_ONCE, NULL, NULL), 0);
		help_settle(p);
	}
	body_free(&b);
}

static void test_one_message_of_many_costs_no_more_than_one_of_few(void **state)
{
	uint32_t uid = MESSAGES / 3;
	struct spool *p = *state;
	struct message msg;
	struct mailbox *m;
	struct view *v, *w;
	uint64_t before;

	fill(p);
	help_reopen(p);
	before = bytes_read();
	m = help_inbox(p, "alice");
	assert_true(since(&before) < ONE);
	/* STATUS: the directory once, half a byte for a message. */
	assert_int_equal(mailbox_messages(m), MESSAGES);
	assert_int_equal(mailbox_unseen(m), MESSAGES);
	assert_true(since(&before) < MESSAGES / 2 + ONE);
	assert_true(help_figure(p, "cache_bytes") < 2 * MESSAGES + ONE);
	/* SELECT, by two sessions: they share it. */
	v = view_open(m, false);
	w = view_open(m, false);
	assert_int_equal(view_exists(v), MESSAGES);
	assert_int_equal(view_first_unseen(w), 1);
	assert_true(since(&before) < ONE);
	/* UID FETCH of one. */
	assert_int_equal(view_message(v, view_seq(v, uid), &msg), 1);
	assert_int_equal(msg.uid, uid);
	assert_true(since(&before) < ONE);
	/* One flag, and what it costs the checkpoint. */
	assert_int_equal(mailbox_flag(m, &uid, 1, MESSAGE_ADD, MESSAGE_FLAGGED, 0, NULL), 0);
	assert_true(since(&before) < ONE);
	assert_true(help_figure(p, "dirty_bytes") < 2 * MESSAGES + ONE);
	assert_int_equal(store_checkpoint(p->s), 0);
	assert_true(since(&before) < 8 * ONE);
	view_close(&v);
	view_close(&w);
	help_reopen(p);
	m = help_inbox(p, "alice");
	before = bytes_read();
	assert_int_equal(mailbox_message(m, uid, &msg), 1);
	assert_true(msg.flags & MESSAGE_FLAGGED);
	assert_true(since(&before) < MESSAGES / 2 + ONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_message_of_many_costs_no_more_than_one_of_few,
			help_setup, help_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
