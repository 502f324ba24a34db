/* SPDX-License-Identifier: 0BSD */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/store/store.h"
#include "tests/unit/store_help.h"

static void a_new_account_has_an_inbox(void **state)
{
	struct spool *p = *state;
	struct account *a = help_account(p, "alice");

	assert_int_equal(account_mailbox_count(a), 1);
	assert_non_null(mailbox_find(a, STR("inbox")));
	assert_int_equal(account_open(p->s, STR("nobody"), false, &a), 0);
}

static void a_delivered_message_reads_back_before_and_after_the_sync(void **state)
{
	struct spool *p = *state;
	struct mailbox *m = help_inbox(p, "alice");
	struct message msg;

	help_deliver(m, "Return-Path: <x@y>\r\n", "Subject: one\r\n\r\nbody\r\n");
	assert_int_equal(mailbox_message(m, 1, &msg), 1);
	help_assert_text(p->s, &msg, "Return-Path: <x@y>\r\nSubject: one\r\n\r\nbody\r\n");
	help_settle(p);
	assert_int_equal(store_durable(p->s), store_last_lsn(p->s));
	help_assert_text(p->s, &msg, "Return-Path: <x@y>\r\nSubject: one\r\n\r\nbody\r\n");
}

static void part_of_a_message_spans_prefix_and_body(void **state)
{
	struct spool *p = *state;
	struct mailbox *m = help_inbox(p, "alice");
	struct message msg;
	struct buf b = {0};

	help_deliver(m, "A: b\r\n", "C: d\r\n\r\nbody\r\n");
	help_settle(p);
	mailbox_message(m, 1, &msg);
	assert_int_equal(message_read(p->s, &msg, 4, 5, &b), 0);
	assert_true(str_eq(buf_str(&b), STR("\r\nC: ")));
	buf_clear(&b);
	assert_int_equal(message_read(p->s, &msg, 16, 1000, &b), 0);
	assert_true(str_eq(buf_str(&b), STR("dy\r\n")));
	buf_clear(&b);
	assert_int_equal(message_read(p->s, &msg, 1000, 1, &b), 0);
	assert_int_equal(b.len, 0);
	buf_free(&b);
}

static void everything_is_there_after_reopening(void **state)
{
	struct spool *p = *state;
	struct mailbox *m = help_inbox(p, "alice");
	uint32_t uids[] = {1, 3}, validity;
	struct message msg;
	uint64_t modseq;

	for (int i = 0; i < 5; i++)
		help_deliver(m, "P: q\r\n", "Subject: x\r\n\r\nbody\r\n");
	mailbox_flag(m, uids, 2, MESSAGE_ADD, MESSAGE_SEEN, 0, NULL);
	mailbox_expunge(m, uids + 1, 1, NULL);
	mailbox_create(mailbox_account(m), STR("Work/2024"), 0, NULL);
	mailbox_subscribe(mailbox_account(m), STR("Ghost"), true, NULL);
	validity = mailbox_uidvalidity(m);
	modseq = account_modseq(mailbox_account(m));
	help_reopen(p);
	m = help_inbox(p, "alice");
	assert_int_equal(mailbox_messages(m), 4);
	assert_int_equal(mailbox_unseen(m), 3);
	assert_int_equal(mailbox_uidnext(m), 6);
	assert_int_equal(mailbox_uidvalidity(m), validity);
	assert_int_equal(account_modseq(mailbox_account(m)), modseq);
	assert_int_equal(mailbox_message(m, 3, &msg), 0);
	assert_int_equal(mailbox_message(m, 1, &msg), 1);
	assert_int_equal(msg.flags, MESSAGE_SEEN);
	help_assert_text(p->s, &msg, "P: q\r\nSubject: x\r\n\r\nbody\r\n");
	assert_int_equal(account_mailbox_count(mailbox_account(m)), 4);
	assert_non_null(mailbox_find(mailbox_account(m), STR("Work")));
	assert_null(mailbox_find(mailbox_account(m), STR("Ghost")));
}

static void one_body_for_many_recipients_is_stored_once(void **state)
{
	struct spool *p = *state;
	struct body *b = help_body(p->s, "Subject: all\r\n\r\nhello\r\n");
	struct message_new v = {.body = b, .prefix = STR("Delivered-To: x\r\n")};
	struct message one, two;

	mailbox_append(help_inbox(p, "alice"), &v, 1, NULL, NULL);
	mailbox_append(help_inbox(p, "bob"), &v, 1, NULL, NULL);
	body_free(&b);
	mailbox_message(help_inbox(p, "alice"), 1, &one);
	mailbox_message(help_inbox(p, "bob"), 1, &two);
	assert_int_equal(one.blob, two.blob);
	assert_int_not_equal(one.prefix, two.prefix);
	/* It stays as long as one of them needs it. */
	mailbox_expunge(help_inbox(p, "alice"), &one.uid, 1, NULL);
	help_settle(p);
	help_assert_text(p->s, &two, "Delivered-To: x\r\nSubject: all\r\n\r\nhello\r\n");
	help_reopen(p);
	mailbox_message(help_inbox(p, "bob"), 1, &two);
	help_assert_text(p->s, &two, "Delivered-To: x\r\nSubject: all\r\n\r\nhello\r\n");
}

static void copy_and_move_keep_flags_and_keywords_by_name(void **state)
{
	struct spool *p = *state;
	struct mailbox *m = help_inbox(p, "alice"), *to;
	uint32_t uids[] = {1, 2, 9}, done[3], n, first;
	struct message msg;
	int here;

	mailbox_create(mailbox_account(m), STR("Archive"), MAILBOX_ARCHIVE, NULL);
	to = mailbox_find(mailbox_account(m), STR("Archive"));
	mailbox_keyword(to, STR("other"), true);
	help_deliver(m, "", "a: b\r\n\r\n1\r\n");
	help_deliver(m, "", "a: b\r\n\r\n2\r\n");
	here = mailbox_keyword(m, STR("$Junk"), true);
	mailbox_flag(m, uids, 1, MESSAGE_ADD, MESSAGE_FLAGGED, (uint64_t)1 << here, NULL);
	assert_int_equal(mailbox_copy(m, uids, 3, to, true, done, &n, &first, NULL), 0);
	assert_int_equal(n, 2);
	assert_int_equal(first, 1);
	assert_int_equal(done[1], 2);
	help_reopen(p);
	m = help_inbox(p, "alice");
	to = mailbox_find(mailbox_account(m), STR("Archive"));
	assert_int_equal(mailbox_special_use(to), MAILBOX_ARCHIVE);
	assert_int_equal(mailbox_messages(m), 0);
	assert_int_equal(mailbox_messages(to), 2);
	mailbox_message(to, 1, &msg);
	assert_int_equal(msg.flags, MESSAGE_FLAGGED);
	assert_int_equal(msg.keywords, (uint64_t)1 << mailbox_keyword(to, STR("$junk"), false));
	help_assert_text(p->s, &msg, "a: b\r\n\r\n1\r\n");
	assert_int_equal(mailbox_uidnext(m), 3);
}

static void renaming_takes_the_children_along(void **state)
{
	struct spool *p = *state;
	struct account *a = help_account(p, "alice");
	uint64_t id;

	mailbox_create(a, STR("a/b/c"), 0, NULL);
	mailbox_create(a, STR("ab"), 0, NULL);
	id = mailbox_id(mailbox_find(a, STR("a/b/c")));
	assert_int_equal(mailbox_rename(a, STR("a"), STR("x/y"), NULL), 0);
	help_reopen(p);
	a = help_account(p, "alice");
	assert_non_null(mailbox_find(a, STR("x/y/b/c")));
	assert_int_equal(mailbox_id(mailbox_find(a, STR("x/y/b/c"))), id);
	assert_null(mailbox_find(a, STR("a/b")));
	assert_non_null(mailbox_find(a, STR("ab")));
	assert_non_null(mailbox_find(a, STR("x")));
}

static void renaming_inbox_moves_its_messages(void **state)
{
	struct spool *p = *state;
	struct mailbox *m = help_inbox(p, "alice");

	help_deliver(m, "", "a: b\r\n\r\n1\r\n");
	assert_int_equal(mailbox_rename(mailbox_account(m), STR("INBOX"), STR("old"), NULL), 0);
	assert_int_equal(mailbox_messages(m), 0);
	assert_int_equal(mailbox_messages(mailbox_find(mailbox_account(m), STR("old"))), 1);
}

static void names_that_cannot_be_are_refused(void **state)
{
	struct spool *p = *state;
	struct account *a = help_account(p, "alice");
	static const struct {
		struct str name;
		int error;
	} bad[] = {
		{STR(""), EINVAL}, {STR("/a"), EINVAL}, {STR("a//b"), EINVAL}, {STR("a\nb"), EINVAL},
		{STR("\xff"), EINVAL}, {STR("InBox"), EEXIST},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		errno = 0;
		assert_int_equal(mailbox_create(a, bad[i].name, 0, NULL), -1);
		assert_int_equal(errno, bad[i].error);
	}
	mailbox_create(a, STR("p/c"), 0, NULL);
	assert_int_equal(mailbox_delete(a, STR("p"), NULL), -1);
	assert_int_equal(errno, ENOTEMPTY);
	assert_int_equal(mailbox_delete(a, STR("INBOX"), NULL), -1);
	assert_int_equal(errno, EBUSY);
	assert_int_equal(mailbox_delete(a, STR("none"), NULL), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(mailbox_rename(a, STR("p"), STR("p/q"), NULL), -1);
	assert_int_equal(errno, EINVAL);
}

static void uidvalidity_and_ids_are_never_used_twice(void **state)
{
	struct spool *p = *state;
	struct account *a = help_account(p, "alice");
	uint32_t validity;
	uint64_t id;

	for (int i = 0; i < 4; i++) {
		assert_int_equal(mailbox_create(a, STR("m"), 0, NULL), 0);
		validity = mailbox_uidvalidity(mailbox_find(a, STR("m")));
		id = mailbox_id(mailbox_find(a, STR("m")));
		assert_int_equal(mailbox_delete(a, STR("m"), NULL), 0);
		if (i % 2) {
			help_reopen(p);
			a = help_account(p, "alice");
		}
		assert_int_equal(mailbox_create(a, STR("m"), 0, NULL), 0);
		assert_true(mailbox_uidvalidity(mailbox_find(a, STR("m"))) > validity);
		assert_true(mailbox_id(mailbox_find(a, STR("m"))) > id);
		mailbox_delete(a, STR("m"), NULL);
	}
}

static void a_subscription_outlives_its_mailbox(void **state)
{
	struct spool *p = *state;
	struct account *a = help_account(p, "alice");

	mailbox_create(a, STR("m"), 0, NULL);
	mailbox_subscribe(a, STR("m"), true, NULL);
	mailbox_delete(a, STR("m"), NULL);
	assert_null(mailbox_find(a, STR("m")));
	assert_int_equal(account_mailbox_count(a), 2);
	assert_true(mailbox_subscribed(account_mailbox(a, 1)));
	assert_false(mailbox_exists(account_mailbox(a, 1)));
	mailbox_create(a, STR("m"), 0, NULL);
	assert_true(mailbox_subscribed(mailbox_find(a, STR("m"))));
	mailbox_subscribe(a, STR("m"), false, NULL);
	mailbox_delete(a, STR("m"), NULL);
	assert_int_equal(account_mailbox_count(a), 1);
}

static int count_each(void *arg, struct str key, struct str value)
{
	(void)key;
	*(size_t *)arg += value.len;
	return 0;
}

static void keys_and_values_come_back(void **state)
{
	struct spool *p = *state;
	struct buf b = {0};
	size_t total = 0;

	assert_int_equal(store_kv_put(p->s, 7, STR("one"), STR("1"), NULL), 0);
	assert_int_equal(store_kv_put(p->s, 7, STR("two"), STR("22"), NULL), 0);
	assert_int_equal(store_kv_put(p->s, 8, STR("one"), STR("other"), NULL), 0);
	assert_int_equal(store_kv_put(p->s, 7, STR("one"), STR("1111"), NULL), 0);
	assert_int_equal(store_kv_put(p->s, 7, STR("two"), STR_NULL, NULL), 0);
	help_reopen(p);
	assert_int_equal(store_kv_get(p->s, 7, STR("one"), &b, NULL), 1);
	assert_true(str_eq(buf_str(&b), STR("1111")));
	assert_int_equal(store_kv_get(p->s, 7, STR("two"), &b, NULL), 0);
	assert_int_equal(store_kv_each(p->s, 7, count_each, &total), 0);
	assert_int_equal(total, 4);
	buf_free(&b);
}

static void a_second_process_is_kept_out(void **state)
{
	struct spool *p = *state;
	struct store_options o = {.dir = p->dir};
	struct buf error = {0};

	assert_null(store_open(p->loop, &o, &error));
	assert_true(error.len > 0);
	buf_free(&error);
}

static void waiters_hear_of_their_lsn_and_not_before(void **state)
{
	struct spool *p = *state;
	struct help_waiter w = {.w.done = help_waited, .error = -1};
	uint64_t lsn;

	mailbox_create(help_account(p, "alice"), STR("m"), 0, &lsn);
	store_wait(p->s, &w.w, lsn);
	assert_int_equal(w.error, -1);
	assert_true(store_durable(p->s) < lsn);
	help_settle(p);
	assert_int_equal(w.error, 0);
	w.error = -1;
	store_wait(p->s, &w.w, lsn);
	assert_int_equal(w.error, 0);
}

static void an_operation_is_not_cut_in_two(void **state)
{
	struct spool *p = *state;
	uint64_t lsn;

	help_settle(p);
	store_begin(p->s);
	store_kv_put(p->s, 7, STR("a"), STR("1"), &lsn);
	for (int i = 0; i < 5; i++)
		loop_turn(p->loop, 5);
	assert_true(store_durable(p->s) < lsn);
	store_end(p->s);
	help_settle(p);
	assert_true(store_durable(p->s) >= lsn);
}

static void large_bodies_get_a_segment_of_their_own(void **state)
{
	struct spool *p = *state;
	struct message_new v = {0};
	struct buf out = {0};
	struct message msg;
	struct mailbox *m;
	struct body *b;

	p->large_bytes = 64 << 20; /* not into files */
	help_reopen(p);
	m = help_inbox(p, "alice");
	b = v.body = body_new(p->s);
	buf_adds(body_buf(b), "Subject: big\r\n\r\n");
	for (int i = 0; i < 300000; i++)
		buf_adds(body_buf(b), "0123456789abcdef\r\n");
	assert_int_equal(body_finish(b), 0);
	assert_int_equal(mailbox_append(m, &v, 1, NULL, NULL), 0);
	body_free(&b);
	help_settle(p);
	help_deliver(m, "", "a: b\r\n\r\nafter\r\n");
	help_reopen(p);
	m = help_inbox(p, "alice");
	assert_int_equal(mailbox_message(m, 1, &msg), 1);
	assert_int_equal(message_read(p->s, &msg, 0, UINT32_MAX, &out), 0);
	assert_int_equal(out.len, 16 + 300000 * 18);
	assert_int_equal(mailbox_message(m, 2, &msg), 1);
	help_assert_text(p->s, &msg, "a: b\r\n\r\nafter\r\n");
	buf_free(&out);
}

static void many_batches_go_through_many_segments(void **state)
{
	struct spool *p = *state;
	char text[30000] = "Subject: x\r\n\r\n";
	struct message msg;

	memset(text + strlen(text), 'y', sizeof(text) - strlen(text) - 1);
	for (int i = 0; i < 200; i++) {
		help_deliver(help_inbox(p, "alice"), "", text);
		help_settle(p);
	}
	help_reopen(p);
	assert_int_equal(mailbox_messages(help_inbox(p, "alice")), 200);
	for (uint32_t uid = 1; uid <= 200; uid++) {
		assert_int_equal(mailbox_message(help_inbox(p, "alice"), uid, &msg), 1);
		help_assert_text(p->s, &msg, text);
	}
}

static size_t files_in(struct spool *p, const char *name)
{
	char path[128];
	struct dirent *e;
	size_t n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void a_checkpoint_between_changes_loses_none(void **state)
{
	struct spool *p = *state;
	struct mailbox *m;
	struct message msg;
	char text[40];

	for (uint32_t i = 1; i <= 40; i++) {
		m = help_inbox(p, i % 2 ? "alice" : "bob");
		snprintf(text, sizeof(text), "a: b\r\n\r\n%u\r\n", (unsigned)i);
		help_deliver(m, "p: q\r\n", text);
		if (i % 10 == 3)
			assert_int_equal(mailbox_expunge(m, &(uint32_t){i / 2}, 1, NULL), 0);
		if (i % 7 == 0)
			assert_int_equal(store_checkpoint(p->s), 0);
		if (i % 9 == 0)
			help_reopen(p);
	}
	help_reopen(p);
	for (uint32_t i = 1; i <= 40; i++) {
		m = help_inbox(p, i % 2 ? "alice" : "bob");
		if (!mailbox_message(m, (i + 1) / 2, &msg))
			continue;
		snprintf(text, sizeof(text), "p: q\r\na: b\r\n\r\n%u\r\n", (unsigned)i);
		help_assert_text(p->s, &msg, text);
	}
	assert_int_equal(mailbox_messages(help_inbox(p, "alice")) +
			mailbox_messages(help_inbox(p, "bob")), 36);
	assert_int_equal(mailbox_uidnext(help_inbox(p, "bob")), 21);
}

static void segments_without_live_mail_are_removed(void **state)
{
	struct spool *p = *state;
	char text[30000] = "Subject: x\r\n\r\n";
	uint32_t uids[300];
	struct message msg;

	memset(text + strlen(text), 'y', sizeof(text) - strlen(text) - 1);
	for (uint32_t i = 0; i < 300; i++) {
		uids[i] = i + 1;
		help_deliver(help_inbox(p, "alice"), "", text);
		help_settle(p);
	}
	assert_true(files_in(p, "log") >= 8);
	mailbox_expunge(help_inbox(p, "alice"), uids, 299, NULL);
	assert_int_equal(store_compact(p->s), 0);
	assert_true(files_in(p, "log") <= 4);
	help_reopen(p);
	assert_int_equal(mailbox_message(help_inbox(p, "alice"), 300, &msg), 1);
	help_assert_text(p->s, &msg, text);
	assert_int_equal(mailbox_uidnext(help_inbox(p, "alice")), 301);
	assert_int_equal(files_in(p, "idx"), 1);
	assert_int_equal(files_in(p, "kv"), 1);
	assert_true(files_in(p, "map") >= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)
		T(a_new_account_has_an_inbox),
		T(a_delivered_message_reads_back_before_and_after_the_sync),
		T(part_of_a_message_spans_prefix_and_body),
		T(everything_is_there_after_reopening),
		T(one_body_for_many_recipients_is_stored_once),
		T(copy_and_move_keep_flags_and_keywords_by_name),
		T(renaming_takes_the_children_along),
		T(renaming_inbox_moves_its_messages),
		T(names_that_cannot_be_are_refused),
		T(uidvalidity_and_ids_are_never_used_twice),
		T(a_subscription_outlives_its_mailbox),
		T(keys_and_values_come_back),
		T(a_second_process_is_kept_out),
		T(waiters_hear_of_their_lsn_and_not_before),
		T(an_operation_is_not_cut_in_two),
		T(large_bodies_get_a_segment_of_their_own),
		T(many_batches_go_through_many_segments),
		T(a_checkpoint_between_changes_loses_none),
		T(segments_without_live_mail_are_removed),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
