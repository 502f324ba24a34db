/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/hooks.h"
#include "core/lib/settings.h"
#include "core/lmtp/delivery.h"

extern const struct feature dedup_feature;

static struct mail mail;
static struct account *account;
static char dir[64];

static int setup(void **state)
{
	struct store_options o = {.dir = dir, .checkpoint_interval = 3600, .body_budget = 64 << 20};
	struct buf error = {0};

	(void)state;
	strcpy(dir, "/tmp/satchel-dedup-XXXXXX");
	assert_non_null(mkdtemp(dir));
	memset(&mail, 0, sizeof(mail));
	mail.loop = loop_new();
	mail.store = store_open(mail.loop, &o, &error);
	assert_non_null(mail.store);
	assert_int_equal(account_open(mail.store, STR("demo"), true, &account), 1);
	return 0;
}

static int teardown(void **state)
{
	char command[100] = "rm -rf ";

	(void)state;
	store_close(&mail.store);
	loop_turn(mail.loop, 0); /* what the store had queued frees itself */
	loop_free(&mail.loop);
	return system(strcat(command, dir));
}

/* One delivery as core does it; d_r shows what the feature made of it. */
static enum hook_result deliver(struct mailbox *m, const char *text, uint64_t now, struct delivery *d_r)
{
	struct body *b = body_new(mail.store);
	struct message_new message = {.body = b};
	struct delivery d = {.store = mail.store, .account = account, .mailbox = m, .body = b, .now = now};
	struct cursor c;
	enum hook_result r;

	buf_adds(body_buf(b), text);
	assert_int_equal(body_finish(b), 0);
	c = cursor_from(buf_str(body_buf(b)));
	d.header = cursor_take(&c, body_summary(b)->header_len);
	store_begin(mail.store);
	r = dedup_feature.deliver_check(&d);
	if (r == HOOK_PASS) {
		assert_int_equal(mailbox_append(m, &message, 1, &d.uid, &d.lsn), 0);
		dedup_feature.deliver_done(&d);
	}
	store_end(mail.store);
	body_free(&b);
	*d_r = d;
	return r;
}

static struct mailbox *inbox(void)
{
	return mailbox_find(account, STR("INBOX"));
}

#define ID(id) "Message-ID: " id "\r\nSubject: x\r\n\r\n"

static void test_the_same_message_id_is_a_duplicate_with_the_barrier_of_the_original(void **state)
{
	struct delivery first, second;

	(void)state;
	assert_int_equal(deliver(inbox(), ID("<1@x>") "one", 1000, &first), HOOK_PASS);
	assert_int_equal(first.lsn, store_last_lsn(mail.store));
	assert_int_equal(deliver(inbox(), ID("<1@x> (again)") "other text", 1001, &second), HOOK_DONE);
	assert_string_equal(second.note, "duplicate");
	assert_int_equal(second.lsn, first.lsn);
	assert_int_equal(mailbox_messages(inbox()), 1);
}

static void test_other_ids_and_other_mailboxes_are_not(void **state)
{
	struct delivery d;

	(void)state;
	assert_int_equal(mailbox_create(account, STR("lists"), 0, NULL), 0);
	assert_int_equal(deliver(inbox(), ID("<1@x>"), 1000, &d), HOOK_PASS);
	assert_int_equal(deliver(inbox(), ID("<2@x>"), 1000, &d), HOOK_PASS);
	assert_int_equal(deliver(inbox(), ID("<1@X>"), 1000, &d), HOOK_PASS);
	assert_int_equal(deliver(mailbox_find(account, STR("lists")), ID("<1@x>"), 1000, &d), HOOK_PASS);
}

static void test_without_an_id_all_bytes_count(void **state)
{
	struct delivery d;

	(void)state;
	assert_int_equal(deliver(inbox(), "Subject: a\r\n\r\nb", 1000, &d), HOOK_PASS);
	assert_int_equal(deliver(inbox(), "Subject: a\r\n\r\nc", 1000, &d), HOOK_PASS);
	assert_int_equal(deliver(inbox(), "Subject: a\r\n\r\nb", 1000, &d), HOOK_DONE);
	assert_int_equal(deliver(inbox(), ID("<>") "b", 1000, &d), HOOK_PASS);
	assert_int_equal(deliver(inbox(), ID("<>") "c", 1000, &d), HOOK_PASS);
	assert_int_equal(deliver(inbox(), "", 1000, &d), HOOK_PASS);
	assert_int_equal(deliver(inbox(), "", 1000, &d), HOOK_DONE);
}

static void test_very_long_ids_are_told_apart(void **state)
{
	char text[3000] = "Message-ID: <";
	struct delivery d;

	(void)state;
	memset(text + strlen(text), 'x', 2000);
	strcat(text, "a>\r\n\r\n");
	assert_int_equal(deliver(inbox(), text, 1000, &d), HOOK_PASS);
	assert_int_equal(deliver(inbox(), text, 1000, &d), HOOK_DONE);
	text[20] = 'y';
	assert_int_equal(deliver(inbox(), text, 1000, &d), HOOK_PASS);
}

static void test_a_clock_that_jumps_makes_no_message_new(void **state)
{
	uint64_t years = (uint64_t)20 * 365 * 86400;
	struct delivery d;

	(void)state;
	assert_int_equal(deliver(inbox(), ID("<1@x>"), years, &d), HOOK_PASS);
	assert_int_equal(deliver(inbox(), ID("<1@x>"), 2 * years, &d), HOOK_DONE);
	assert_int_equal(deliver(inbox(), ID("<1@x>"), 500, &d), HOOK_DONE);
}

static void test_by_setting_the_text_must_be_the_same_too(void **state)
{
	bool *check_body = dedup_feature.settings[0].target;
	struct delivery d;

	(void)state;
	assert_string_equal(dedup_feature.settings[0].key, "dedup_body");
	assert_int_equal(deliver(inbox(), ID("<0@x>") "text", 1000, &d), HOOK_PASS);
	*check_body = true;
	/* What its text was is not known. */
	assert_int_equal(deliver(inbox(), ID("<0@x>") "text", 1000, &d), HOOK_PASS);
	assert_int_equal(deliver(inbox(), ID("<0@x>") "text", 1000, &d), HOOK_DONE);
	assert_int_equal(deliver(inbox(), "Received: again\r\n" ID("<0@x>") "text", 1000, &d), HOOK_DONE);
	assert_int_equal(deliver(inbox(), ID("<0@x>") "other", 1000, &d), HOOK_PASS);
	assert_int_equal(deliver(inbox(), ID("<0@x>") "other", 1000, &d), HOOK_DONE);
	assert_int_equal(deliver(inbox(), "Subject: a\r\n\r\nb", 1000, &d), HOOK_PASS);
	assert_int_equal(deliver(inbox(), "Subject: a\r\n\r\nb", 1000, &d), HOOK_DONE);
	*check_body = false;
	assert_int_equal(deliver(inbox(), ID("<0@x>") "a third", 1000, &d), HOOK_DONE);
}

static int count_one(void *arg, struct str key, struct str value)
{
	(void)key;
	(void)value;
	++*(int *)arg;
	return 0;
}

/* As if the store had been up on the day that began `ago` days ago, at this place of its log. */
static void begin_day(struct buf *days, uint64_t ago)
{
	buf_put64(days, (uint64_t)time(NULL) / 86400 - ago);
	buf_put64(days, store_last_lsn(mail.store) + 1);
	assert_int_equal(store_kv_put(mail.store, 1, STR("days"), buf_str(days), NULL), 0);
}

static int remembered(void)
{
	int n = 0;

	assert_int_equal(store_kv_each(mail.store, dedup_feature.kv_space, count_one, &n), 0);
	return n;
}

/* D + 3 days with a message each, the last of them yesterday. */
static void fill_days(struct buf *days)
{
	struct delivery d;
	char text[64];

	for (int i = CONFIG_DEDUP_DAYS + 3; i > 0; i--) {
		begin_day(days, (uint64_t)i);
		snprintf(text, sizeof(text), ID("<%d@x>"), i);
		assert_int_equal(deliver(inbox(), text, 2000000000, &d), HOOK_PASS);
	}
}

static void test_days_that_are_over_are_forgotten_whole(void **state)
{
	struct buf days = {0}, out = {0};
	struct delivery d;
	char text[64];

	(void)state;
	fill_days(&days);
	assert_int_equal(remembered(), CONFIG_DEDUP_DAYS + 3);
	assert_int_equal(dedup_feature.mail_start(&mail), 0);
	assert_int_equal(remembered(), CONFIG_DEDUP_DAYS);
	snprintf(text, sizeof(text), ID("<%d@x>"), CONFIG_DEDUP_DAYS);
	assert_int_equal(deliver(inbox(), text, 2000000000, &d), HOOK_DONE);
	snprintf(text, sizeof(text), ID("<%d@x>"), CONFIG_DEDUP_DAYS + 1);
	assert_int_equal(deliver(inbox(), text, 2000000000, &d), HOOK_PASS);
	assert_int_equal(store_checkpoint(mail.store), 0);
	dedup_feature.tick(&mail);
	assert_int_equal(remembered(), CONFIG_DEDUP_DAYS + 1);
	dedup_feature.metrics(&mail, &out);
	buf_addc(&out, '\0');
	snprintf(text, sizeof(text), "dedup_days %d\n", CONFIG_DEDUP_DAYS + 1);
	assert_non_null(strstr(buf_str(&out).p, text));
	buf_free(&out);
	buf_free(&days);
}

/* Off for years, or a clock that jumped: the days on which it was up are what counts. */
static void test_days_long_ago_are_remembered_while_there_are_few(void **state)
{
	struct buf days = {0};
	struct delivery d;

	(void)state;
	begin_day(&days, 4000);
	deliver(inbox(), ID("<1@x>"), 1000, &d);
	begin_day(&days, 2000);
	deliver(inbox(), ID("<2@x>"), 1000, &d);
	assert_int_equal(dedup_feature.mail_start(&mail), 0);
	assert_int_equal(remembered(), 2);
	assert_int_equal(deliver(inbox(), ID("<1@x>"), 1000, &d), HOOK_DONE);
	buf_free(&days);
}

static void test_a_clock_that_was_ahead_forgets_nothing_of_its_days(void **state)
{
	uint64_t now = (uint64_t)time(NULL);
	struct buf days = {0};
	struct delivery d;

	(void)state;
	for (uint64_t i = 0; i < CONFIG_DEDUP_DAYS + 1; i++) {
		begin_day(&days, (uint64_t)-4000 - i);
		deliver(inbox(), i ? ID("<2@x>") : ID("<1@x>"), now, &d);
	}
	assert_int_equal(dedup_feature.mail_start(&mail), 0);
	assert_int_equal(remembered(), 2);
	assert_int_equal(deliver(inbox(), ID("<1@x>"), now, &d), HOOK_DONE);
	buf_free(&days);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_the_same_message_id_is_a_duplicate_with_the_barrier_of_the_original),
		T(test_other_ids_and_other_mailboxes_are_not),
		T(test_without_an_id_all_bytes_count),
		T(test_very_long_ids_are_told_apart),
		T(test_a_clock_that_jumps_makes_no_message_new),
		T(test_by_setting_the_text_must_be_the_same_too),
		T(test_days_that_are_over_are_forgotten_whole),
		T(test_days_long_ago_are_remembered_while_there_are_few),
		T(test_a_clock_that_was_ahead_forgets_nothing_of_its_days),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
