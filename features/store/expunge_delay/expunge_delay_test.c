/* SPDX-License-Identifier: 0BSD */
/* When what was kept goes for good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <time.h>

#include "core/hooks.h"
#include "core/lib/settings.h"
#include "core/session.h"
#include "tests/unit/store_help.h"

#define KEEP 3

extern const struct feature expunge_delay_feature;
static struct mail mail;

static int setup(void **state)
{
	uint64_t *days = expunge_delay_feature.settings[0].target;
	int rc = help_setup(state);

	*days = KEEP;
	mail = (struct mail){.store = ((struct spool *)*state)->s};
	return rc;
}

static void start(void)
{
	assert_int_equal(expunge_delay_feature.mail_start(&mail), 0);
}

static void stop(void)
{
	expunge_delay_feature.mail_stop(&mail);
}

/* As if the store had been up on the day that began `ago` days ago, at this place of its log. */
static void begin_day(struct buf *days, int ago)
{
	buf_put64(days, (uint64_t)time(NULL) / 86400 - (uint64_t)ago);
	buf_put64(days, store_last_lsn(mail.store) + 1);
	assert_int_equal(store_kv_put(mail.store, expunge_delay_feature.kv_space, STR("days"), buf_str(days), NULL), 0);
}

static void expunge_one(struct mailbox *m)
{
	uint32_t uid = mailbox_uidnext(m);

	help_deliver(m, "", "Subject: x\r\n\r\ntext\r\n");
	assert_int_equal(mailbox_expunge(m, &uid, 1, NULL), 0);
	assert_int_equal(mailbox_messages(m), 0);
}

static uint32_t kept(struct spool *p)
{
	return mailbox_messages(help_inbox(p, "/undelete/demo"));
}

/* A message on each of KEEP + 3 days, the last of them yesterday. */
static void fill(struct spool *p)
{
	struct buf days = {0};

	start();
	for (int ago = KEEP + 3; ago > 0; ago--) {
		begin_day(&days, ago);
		expunge_one(help_inbox(p, "demo"));
	}
	buf_free(&days);
	stop();
	assert_int_equal(kept(p), KEEP + 3);
}

static void test_mail_goes_after_its_days_and_not_before(void **state)
{
	struct spool *p = *state;

	fill(p);
	start();
	expunge_delay_feature.tick(&mail);
	assert_int_equal(kept(p), KEEP);
	expunge_delay_feature.tick(&mail);
	assert_int_equal(kept(p), KEEP);
	stop();
}

static void test_ages_and_owners_are_known_after_a_restart_and_a_checkpoint(void **state)
{
	struct spool *p = *state;

	fill(p);
	assert_int_equal(store_checkpoint(p->s), 0);
	help_reopen(p);
	mail.store = p->s;
	start();
	expunge_delay_feature.tick(&mail);
	assert_int_equal(kept(p), KEEP);
	stop();
}

static int count(void *arg, struct str key, struct str value)
{
	(void)value;
	*(int *)arg += key.p[0] == 'a';
	return 0;
}

static void test_an_account_with_nothing_left_is_looked_at_no_more(void **state)
{
	struct spool *p = *state;
	struct account *a = help_account(p, "demo");
	struct buf days = {0};
	uint32_t uid = 1;
	int owners = 0;

	assert_int_equal(mailbox_create(a, STR("a/b"), 0, NULL), 0);
	start();
	begin_day(&days, KEEP + 1);
	help_deliver(mailbox_find(a, STR("a/b")), "", "Subject: x\r\n\r\n");
	assert_int_equal(mailbox_expunge(mailbox_find(a, STR("a/b")), &uid, 1, NULL), 0);
	assert_non_null(mailbox_find(help_account(p, "/undelete/demo"), STR("a/b")));
	for (int ago = KEEP; ago > 0; ago--)
		begin_day(&days, ago);
	stop();
	start();
	expunge_delay_feature.tick(&mail);
	assert_null(mailbox_find(help_account(p, "/undelete/demo"), STR("a/b")));
	assert_null(mailbox_find(help_account(p, "/undelete/demo"), STR("a")));
	assert_int_equal(store_kv_each(p->s, expunge_delay_feature.kv_space, count, &owners), 0);
	assert_int_equal(owners, 0);
	/* and again when there is something */
	expunge_one(help_inbox(p, "demo"));
	assert_int_equal(kept(p), 1);
	stop();
	buf_free(&days);
}

static void test_with_the_setting_off_nothing_is_kept_and_the_old_goes(void **state)
{
	uint64_t *days = expunge_delay_feature.settings[0].target;
	struct spool *p = *state;

	fill(p);
	*days = 0;
	start();
	expunge_one(help_inbox(p, "demo"));
	expunge_delay_feature.tick(&mail);
	assert_int_equal(kept(p), 1); /* yesterday's */
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, help_teardown)
		T(test_mail_goes_after_its_days_and_not_before),
		T(test_ages_and_owners_are_known_after_a_restart_and_a_checkpoint),
		T(test_an_account_with_nothing_left_is_looked_at_no_more),
		T(test_with_the_setting_off_nothing_is_kept_and_the_old_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
