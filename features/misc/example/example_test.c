/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/hooks.h"
#include "core/lib/settings.h"
#include "core/lmtp/delivery.h"
#include "core/session.h"

extern const struct feature example_feature;

static void test_it_is_in_the_table_once(void **state)
{
	unsigned found = 0;

	(void)state;
	FEATURE_EACH (f)
		found += f == &example_feature;
	assert_int_equal(found, 1);
}

static void test_no_place_is_left_out(void **state)
{
	const struct feature *f = &example_feature;

	(void)state;
	assert_non_null(f->imap_commands);
	assert_non_null(f->imap_capabilities);
	assert_non_null(f->settings);
	assert_non_null(f->cli);
	assert_non_null(f->control);
	assert_non_null(f->check_settings);
	assert_non_null(f->gate_accept);
	assert_non_null(f->gate_preface);
	assert_non_null(f->calls);
	assert_non_null(f->confine_files);
	assert_non_null(f->confine_calls);
	assert_true(f->session_size > 0);
	assert_non_null(f->mail_prepare);
	assert_non_null(f->mail_start);
	assert_non_null(f->mail_stop);
	assert_non_null(f->tick);
	assert_non_null(f->metrics);
	assert_non_null(f->on_login);
	assert_non_null(f->on_select);
	assert_non_null(f->on_state);
	assert_non_null(f->on_logout);
	assert_non_null(f->deliver_check);
	assert_non_null(f->deliver_done);
	assert_non_null(f->imap_pending);
	assert_non_null(f->imap_enables);
	assert_non_null(f->imap_modifiers);
	assert_non_null(f->imap_status_items);
	assert_non_null(f->imap_fetch_words);
	assert_non_null(f->imap_search_words);
	assert_non_null(f->imap_enabled);
	assert_non_null(f->imap_opened);
	assert_non_null(f->imap_created);
	assert_non_null(f->imap_selected);
	assert_non_null(f->imap_fetch);
	assert_non_null(f->imap_progress);
	assert_non_null(f->imap_told);
	assert_non_null(f->imap_expunges);
	assert_non_null(f->imap_removed);
	assert_non_null(f->lmtp_words);
	assert_non_null(f->lmtp_commands);
	assert_non_null(f->lmtp_params);
	assert_non_null(f->lmtp_domain);
	assert_non_null(f->lmtp_alias);
	assert_non_null(f->lmtp_rcpt);
	assert_non_null(f->deliver_route);
}

static uint64_t reached(struct mail *m)
{
	struct buf out = {0};
	struct cursor c;
	uint64_t n;

	example_feature.metrics(m, &out);
	c = cursor_from(buf_str(&out));
	assert_true(cursor_accept_word(&c, STR("example_reached ")));
	n = cursor_number(&c, UINT64_MAX);
	assert_true(cursor_accept(&c, '\n') && cursor_done(&c));
	buf_free(&out);
	return n;
}

static void test_a_session_passes_every_observer(void **state)
{
	struct mail m = {0};
	struct session s = {0};
	uint64_t before;

	(void)state;
	m.loop = loop_new(); /* other features watch too */
	before = reached(&m);
	assert_int_equal(session_init(&s, &m, "imap", STR("::1"), false), 0);
	session_login(&s, STR("demo"), "PLAIN");
	session_select(&s, STR("INBOX"));
	session_state(&s, "NOOP");
	/* Its memory in the session holds a count of states. */
	assert_int_equal(*(unsigned *)feature_slot(&s, &example_feature), 1);
	session_finish(&s);
	assert_int_equal(reached(&m) - before, 4);
	loop_free(&m.loop);
}

static void test_it_decides_nothing(void **state)
{
	struct mail m = {0};
	struct delivery d = {0};
	struct buf errors = {0};
	const char *why = NULL;

	(void)state;
	assert_int_equal(example_feature.gate_accept("127.0.0.1:143", NULL), HOOK_PASS);
	assert_int_equal(example_feature.gate_preface(STR("a"), NULL, &why), -1);
	example_feature.check_settings("FILE", &errors);
	assert_int_equal(errors.len, 0);
	assert_null(example_feature.confine_files(NULL));
	assert_null(example_feature.confine_calls(NULL));
	assert_int_equal(example_feature.mail_prepare("/nowhere"), 0);
	assert_int_equal(example_feature.mail_start(&m), 0);
	assert_int_equal(example_feature.deliver_check(&d), HOOK_PASS);
	example_feature.deliver_done(&d);
	assert_int_equal(d.lsn, 0);
	assert_int_equal(example_feature.imap_pending(NULL), HOOK_PASS);
	example_feature.tick(&m);
	example_feature.mail_stop(&m);
}

static void test_its_request_speaks_of_its_setting(void **state)
{
	const struct setting *table[] = {&example_feature.settings[0]};
	struct mail m = {0};
	struct buf out = {0};

	(void)state;
	assert_int_equal(settings_defaults(table, 1), 0);
	assert_int_equal(example_feature.control[0].run(&m, STR(""), &out), 0);
	assert_true(str_istarts(buf_str(&out), STR("does nothing, reached ")));
	buf_free(&out);
	free(*(char **)table[0]->target);
	*(char **)table[0]->target = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_is_in_the_table_once),
		cmocka_unit_test(test_no_place_is_left_out),
		cmocka_unit_test(test_a_session_passes_every_observer),
		cmocka_unit_test(test_it_decides_nothing),
		cmocka_unit_test(test_its_request_speaks_of_its_setting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
