/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/hooks.h"
#include "core/lib/file.h"
#include "core/lib/settings.h"
#include "core/session.h"

extern const struct feature proc_feature;

static struct mail mail;
static char dir[64];
static int dirfd;
static const char *last_word;

static void end(struct session *s, const char *why)
{
	(void)s;
	last_word = why;
}

static int setup(void **state)
{
	const struct setting *table[] = {&proc_feature.settings[0]};

	(void)state;
	strcpy(dir, "/tmp/satchel-proc-XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(settings_defaults(table, 1), 0);
	memset(&mail, 0, sizeof(mail));
	mail.loop = loop_new();
	last_word = NULL;
	assert_int_equal(proc_feature.mail_prepare(dir), 0);
	assert_int_equal(proc_feature.mail_start(&mail), 0);
	strcat(dir, "/proc");
	dirfd = open(dir, O_RDONLY | O_DIRECTORY);
	assert_true(dirfd >= 0);
	return 0;
}

static int teardown(void **state)
{
	char command[100] = "rm -rf ";

	(void)state;
	while (mail.sessions)
		session_finish(mail.sessions);
	proc_feature.mail_stop(&mail);
	loop_free(&mail.loop);
	close(dirfd);
	dir[strlen(dir) - strlen("/proc")] = '\0';
	free(*(char **)proc_feature.settings[0].target);
	*(char **)proc_feature.settings[0].target = NULL;
	return system(strcat(command, dir));
}

static void begin(struct session *s, const char *service, const char *user)
{
	memset(s, 0, sizeof(*s));
	assert_int_equal(session_init(s, &mail, service, STR("127.0.0.1"), true), 0);
	s->end = end;
	assert_int_equal(session_login(s, user ? str_from(user) : STR_NULL, "PLAIN"), 0);
}

static void wait_written(void)
{
	usleep(230 * 1000);
	loop_turn(mail.loop, 0);
	loop_turn(mail.loop, 0);
}

static const char *content(const char *name)
{
	static struct buf text;

	buf_clear(&text);
	if (file_read(dirfd, name, 4096, &text))
		return NULL;
	buf_addc(&text, '\0');
	return buf_str(&text).p;
}

static void test_a_file_says_what_a_session_does_until_it_ends(void **state)
{
	static struct session s;

	(void)state;
	begin(&s, "imap", "alice");
	assert_null(content("imap-1"));
	wait_written();
	assert_string_equal(content("imap-1"), "imap\t127.0.0.1\talice\t-\t-\n");
	session_select(&s, STR("a long\tmailbox\nname"));
	session_state(&s, "SEARCH");
	wait_written();
	assert_string_equal(content("imap-1"), "imap\t127.0.0.1\talice\ta long?mailbox?name\tSEARCH\n");
	session_select(&s, STR("x"));
	session_state(&s, "idle");
	wait_written();
	assert_string_equal(content("imap-1"), "imap\t127.0.0.1\talice\tx\tidle\n");
	session_finish(&s);
	assert_null(content("imap-1"));
}

static void test_a_short_session_costs_no_file(void **state)
{
	static struct session s, other;

	(void)state;
	begin(&s, "imap", "alice");
	begin(&other, "lmtp", NULL);
	session_finish(&s);
	wait_written();
	assert_null(content("imap-1"));
	assert_string_equal(content("lmtp-2"), "lmtp\t127.0.0.1\t-\t-\t-\n");
}

static void test_many_sessions_are_written_in_turns(void **state)
{
	static struct session s[600];

	(void)state;
	for (int i = 0; i < 600; i++)
		begin(&s[i], "imap", "bob");
	session_finish(&s[300]);
	wait_written();
	for (int i = 0; i < 20; i++)
		loop_turn(mail.loop, 5);
	assert_non_null(content("imap-1"));
	assert_non_null(content("imap-600"));
	assert_null(content("imap-301"));
}

static void test_the_start_sweeps_what_a_crash_left_and_nothing_else(void **state)
{
	static const char *const names[] = {"imap-7", "lmtp-123", "imap-", "imap-7x", "notes", ".imap-1"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(file_replace(dirfd, names[i], 0600, STR("x")), 0);
	assert_int_equal(proc_feature.mail_start(&mail), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(content(names[i]) != NULL, i >= 2);
}

static void test_an_impossible_path_stops_the_start(void **state)
{
	(void)state;
	assert_int_equal(proc_feature.mail_prepare("/dev/null"), -1);
	dir[strlen(dir) - strlen("/proc")] = '\0';
	assert_int_equal(proc_feature.mail_prepare(dir), 0);
	strcat(dir, "/proc");
}

static int run(const char *name, struct str args, struct buf *out)
{
	const struct control_command *c = proc_feature.control;
	int rc;

	buf_clear(out);
	while (strcmp(c->name, name))
		c++;
	rc = c->run(&mail, args, out);
	buf_addc(out, '\0');
	return rc;
}

static void test_who_prints_a_table(void **state)
{
	static struct session s, t;
	struct buf out = {0};

	(void)state;
	begin(&s, "imap", "al\xc3\xa9");
	session_select(&s, STR("INBOX"));
	session_state(&s, "FETCH");
	begin(&t, "lmtp", NULL);
	assert_int_equal(run("who", STR(""), &out), 0);
	assert_string_equal(buf_str(&out).p,
		"ID  SERVICE  LOGIN      SECONDS  HOST       USER  MAILBOX  STATE\n"
		"2   lmtp     PLAIN+TLS  0        127.0.0.1  -     -        -\n"
		"1   imap     PLAIN+TLS  0        127.0.0.1  al\xc3\xa9   INBOX    FETCH\n");
	assert_int_equal(run("who", STR("x"), &out), -1);
	buf_free(&out);
}

static void test_kick_ends_a_session(void **state)
{
	static struct session s;
	struct buf out = {0};

	(void)state;
	begin(&s, "imap", "alice");
	assert_int_equal(run("kick", STR("2"), &out), -1);
	assert_string_equal(buf_str(&out).p, "there is no session 2\n");
	assert_int_equal(run("kick", STR(""), &out), -1);
	assert_int_equal(run("kick", STR("-1"), &out), -1);
	assert_null(last_word);
	assert_int_equal(run("kick", STR("1"), &out), 0);
	assert_non_null(last_word);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_a_file_says_what_a_session_does_until_it_ends),
		T(test_a_short_session_costs_no_file),
		T(test_many_sessions_are_written_in_turns),
		T(test_the_start_sweeps_what_a_crash_left_and_nothing_else),
		T(test_an_impossible_path_stops_the_start),
		T(test_who_prints_a_table),
		T(test_kick_ends_a_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
