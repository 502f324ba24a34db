/* SPDX-License-Identifier: 0BSD */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/store/view.h"
#include "tests/unit/store_help.h"

#define LETTER "Subject: x\r\n\r\nbody\r\n"

/* A client that believes what it is told. */
struct client {
	struct view *v;
	uint32_t uids[4096]; /* 0 = not known */
	uint32_t n;
	char told[4096];
	int woken;
};

static void told_expunge(void *arg, uint32_t seq, uint32_t uid)
{
	struct client *c = arg;

	assert_in_range(seq, 1, c->n);
	assert_int_equal(c->uids[seq - 1], uid);
	memmove(c->uids + seq - 1, c->uids + seq, (c->n - seq) * sizeof(*c->uids));
	c->n--;
	snprintf(c->told + strlen(c->told), 64, "E%u ", (unsigned)seq);
}

static void told_exists(void *arg, uint32_t exists, uint32_t recent)
{
	struct client *c = arg;

	assert_true(exists >= c->n);
	while (c->n < exists) {
		c->uids[c->n] = view_uid(c->v, c->n + 1);
		c->n++;
	}
	snprintf(c->told + strlen(c->told), 64, "X%u/%u ", (unsigned)exists, (unsigned)recent);
}

static void told_flags(void *arg, uint32_t seq, const struct message *m)
{
	struct client *c = arg;

	assert_in_range(seq, 1, c->n);
	assert_int_equal(c->uids[seq - 1], m->uid);
	snprintf(c->told + strlen(c->told), 64, "F%u=%u ", (unsigned)seq, (unsigned)m->flags);
}

static const struct view_events events = {told_expunge, told_exists, told_flags};

static void client_open(struct client *c, struct mailbox *m, bool recent)
{
	memset(c, 0, sizeof(*c));
	c->v = view_open(m, recent);
	assert_non_null(c->v);
	for (c->n = 0; c->n < view_exists(c->v); c->n++)
		c->uids[c->n] = view_uid(c->v, c->n + 1);
}

static const char *sync_client(struct client *c, bool expunge)
{
	c->told[0] = 0;
	view_sync(c->v, expunge, &events, c);
	/* What the client believes is what the view numbers. */
	assert_int_equal(c->n, view_exists(c->v));
	for (uint32_t i = 0; i < c->n; i++) {
		assert_int_equal(view_uid(c->v, i + 1), c->uids[i]);
		assert_int_equal(view_seq(c->v, c->uids[i]), i + 1);
	}
	return c->told;
}

static void deliver(struct mailbox *m, int n)
{
	while (n--)
		help_deliver(m, "", LETTER);
}

static void expunge(struct mailbox *m, uint32_t uid)
{
	assert_int_equal(mailbox_expunge(m, &uid, 1, NULL), 0);
}

static void numbers_stay_until_the_session_is_told(void **state)
{
	struct mailbox *m = help_inbox(*state, "alice");
	struct client c;
	struct message msg;

	deliver(m, 5);
	client_open(&c, m, true);
	assert_int_equal(view_recent(c.v), 5);
	expunge(m, 2);
	expunge(m, 4);
	deliver(m, 1);
	assert_int_equal(view_exists(c.v), 5);
	assert_int_equal(view_uid(c.v, 2), 2);
	assert_int_equal(view_uid(c.v, 5), 5);
	assert_int_equal(view_seq(c.v, 4), 4);
	assert_int_equal(view_seq(c.v, 6), 0);
	assert_int_equal(view_seq_from(c.v, 4), 4);
	assert_int_equal(view_message(c.v, 2, &msg), 0);
	assert_int_equal(view_message(c.v, 3, &msg), 1);
	assert_int_equal(msg.uid, 3);
	assert_string_equal(sync_client(&c, false), "X6/6 ");
	assert_string_equal(sync_client(&c, true), "E4 E2 ");
	assert_false(view_pending(c.v));
	view_close(&c.v);
}

static void flag_changes_of_others_are_told_once(void **state)
{
	struct mailbox *m = help_inbox(*state, "alice");
	struct client a, b;
	uint32_t uids[] = {1, 2, 3};

	deliver(m, 3);
	client_open(&a, m, true);
	client_open(&b, m, true);
	mailbox_flag(m, uids, 2, MESSAGE_ADD, MESSAGE_SEEN, 0, NULL);
	view_forget_flags(a.v, 1);
	view_forget_flags(a.v, 2);
	assert_string_equal(sync_client(&a, true), "");
	assert_string_equal(sync_client(&b, true), "F1=1 F2=1 ");
	assert_string_equal(sync_client(&b, true), "");
	/* A later change of somebody else is told, although an earlier one was our own. */
	mailbox_flag(m, uids, 1, MESSAGE_ADD, MESSAGE_FLAGGED, 0, NULL);
	view_forget_flags(a.v, 1);
	mailbox_flag(m, uids, 1, MESSAGE_ADD, MESSAGE_DRAFT, 0, NULL);
	assert_string_equal(sync_client(&a, true), "F1=21 ");
	/* No change, no word. */
	mailbox_flag(m, uids, 1, MESSAGE_ADD, MESSAGE_DRAFT, 0, NULL);
	assert_false(view_pending(a.v));
	view_close(&a.v);
	view_close(&b.v);
}

static void a_session_that_sleeps_through_many_changes_hears_all(void **state)
{
	struct mailbox *m = help_inbox(*state, "alice");
	struct client c;
	uint32_t uid;

	deliver(m, 20);
	client_open(&c, m, false);
	for (int i = 0; i < 3000; i++) {
		uid = 1 + (uint32_t)i % 10;
		mailbox_flag(m, &uid, 1, i / 10 % 2 ? MESSAGE_REMOVE : MESSAGE_ADD, MESSAGE_SEEN, 0, NULL);
	}
	uid = 3;
	mailbox_flag(m, &uid, 1, MESSAGE_SET, MESSAGE_DRAFT, 0, NULL);
	sync_client(&c, true);
	assert_non_null(strstr(c.told, "F1=0 "));
	assert_non_null(strstr(c.told, "F3=16 "));
	assert_null(strstr(c.told, "F11="));
	view_close(&c.v);
}

/* The ring of changes grows under whoever lags behind, from any place in it. */
static void who_lags_behind_hears_each_change_once(void **state)
{
	struct mailbox *m = help_inbox(*state, "alice");
	struct client up, late;
	char word[16];

	deliver(m, 120);
	client_open(&up, m, false);
	client_open(&late, m, false);
	for (uint32_t n = 1; n <= 120; n += 17) {
		for (uint32_t uid = 1; uid <= n; uid++) {
			mailbox_flag(m, &uid, 1, MESSAGE_SET, n % 2 ? MESSAGE_SEEN : MESSAGE_DRAFT, 0, NULL);
			snprintf(word, sizeof(word), "F%u=%u ", (unsigned)uid, n % 2 ? MESSAGE_SEEN : MESSAGE_DRAFT);
			assert_string_equal(sync_client(&up, true), word);
		}
		sync_client(&late, true);
		for (uint32_t seq = 1; seq <= late.n; seq++) {
			snprintf(word, sizeof(word), "F%u=", (unsigned)seq);
			assert_true(!strstr(late.told, word) == (seq > n));
		}
	}
	view_close(&up.v);
	view_close(&late.v);
}

static void a_recent_message_belongs_to_one_session(void **state)
{
	struct mailbox *m = help_inbox(*state, "alice");
	struct client a, b, c;

	deliver(m, 2);
	client_open(&c, m, false); /* EXAMINE claims nothing */
	assert_int_equal(view_recent(c.v), 0);
	assert_int_equal(mailbox_recent(m), 2);
	client_open(&a, m, true);
	client_open(&b, m, true);
	assert_int_equal(view_recent(a.v), 2);
	assert_int_equal(view_recent(b.v), 0);
	assert_int_equal(mailbox_recent(m), 0);
	deliver(m, 1);
	assert_string_equal(sync_client(&b, true), "X3/1 ");
	assert_string_equal(sync_client(&a, true), "X3/2 ");
	assert_true(view_is_recent(b.v, 3));
	assert_false(view_is_recent(a.v, 3));
	view_close(&a.v);
	view_close(&b.v);
	view_close(&c.v);
}

static void the_first_unseen_is_found(void **state)
{
	struct mailbox *m = help_inbox(*state, "alice");
	struct client c;
	uint32_t uids[] = {1, 2, 3, 4};

	deliver(m, 4);
	client_open(&c, m, true);
	assert_int_equal(view_first_unseen(c.v), 1);
	mailbox_flag(m, uids, 3, MESSAGE_ADD, MESSAGE_SEEN, 0, NULL);
	assert_int_equal(view_first_unseen(c.v), 4);
	mailbox_flag(m, uids + 1, 1, MESSAGE_REMOVE, MESSAGE_SEEN, 0, NULL);
	assert_int_equal(view_first_unseen(c.v), 2);
	mailbox_flag(m, uids, 4, MESSAGE_ADD, MESSAGE_SEEN, 0, NULL);
	assert_int_equal(view_first_unseen(c.v), 0);
	view_close(&c.v);
}

static void wake(void *arg)
{
	((struct client *)arg)->woken++;
}

static void a_waiting_session_is_woken(void **state)
{
	struct spool *p = *state;
	struct mailbox *m = help_inbox(p, "alice");
	struct client c;

	client_open(&c, m, true);
	view_notify(c.v, wake, &c);
	deliver(m, 2);
	assert_int_equal(c.woken, 1);
	assert_string_equal(sync_client(&c, true), "X2/2 ");
	expunge(m, 1);
	assert_int_equal(c.woken, 2);
	sync_client(&c, true);
	mailbox_create(mailbox_account(m), STR("m"), 0, NULL);
	view_close(&c.v);
	client_open(&c, mailbox_find(mailbox_account(m), STR("m")), true);
	view_notify(c.v, wake, &c);
	mailbox_delete(mailbox_account(m), STR("m"), NULL);
	assert_int_equal(c.woken, 1);
	assert_false(view_alive(c.v));
	view_close(&c.v);
}

static void what_a_client_believes_stays_true_over_random_changes(void **state)
{
	struct mailbox *m = help_inbox(*state, "alice");
	static struct client c[3];
	uint32_t uids[64], n;

	srand(1);
	deliver(m, 50);
	for (int i = 0; i < 3; i++)
		client_open(&c[i], m, i);
	for (int round = 0; round < 600; round++) {
		n = 0;
		for (uint32_t uid = 1; uid < mailbox_uidnext(m) && n < 64; uid++)
			if (rand() % 20 == 0)
				uids[n++] = uid;
		switch (rand() % 4) {
		case 0:
			deliver(m, rand() % 4);
			break;
		case 1:
			mailbox_expunge(m, uids, n > 4 ? 4 : n, NULL);
			break;
		default:
			mailbox_flag(m, uids, n, rand() % 2, (uint32_t)rand() % 32, 0, NULL);
		}
		for (int i = 0; i < 3; i++)
			if (rand() % (2 + 3 * i) == 0)
				sync_client(&c[i], rand() % 2);
	}
	for (int i = 0; i < 3; i++) {
		sync_client(&c[i], true);
		assert_int_equal(c[i].n, mailbox_messages(m));
		view_close(&c[i].v);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)
		T(numbers_stay_until_the_session_is_told),
		T(flag_changes_of_others_are_told_once),
		T(a_session_that_sleeps_through_many_changes_hears_all),
		T(who_lags_behind_hears_each_change_once),
		T(a_recent_message_belongs_to_one_session),
		T(the_first_unseen_is_found),
		T(a_waiting_session_is_woken),
		T(what_a_client_believes_stays_true_over_random_changes),
	};

	return cmocka_run_group_tests_name("store_view", tests, NULL, NULL);
}
