/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/lib/log.h"

static int before, from;
static char text[8192];

static int setup(void **state)
{
	int fd[2];

	(void)state;
	assert_int_equal(pipe(fd), 0);
	before = dup(STDERR_FILENO);
	from = fd[0];
	dup2(fd[1], STDERR_FILENO);
	close(fd[1]);
	log_init("gate", LOG_LEVEL_INFO, false);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	log_as_json(false);
	dup2(before, STDERR_FILENO);
	close(before);
	close(from);
	return 0;
}

/* What was logged since. */
static const char *logged(void)
{
	ssize_t n = read(from, text, sizeof(text) - 1);

	assert_true(n > 0);
	text[n] = '\0';
	return text;
}

/* Behind the time and the process's number, which are another each time. */
static const char *event(const char *line)
{
	const char *at = strstr(line, ",\"event\":");

	assert_non_null(at);
	return at + 1;
}

static void a_line_is_an_object_with_time_level_role_and_event(void **state)
{
	char want[100];

	(void)state;
	log_as_json(true);
	log_error("login failed", "user", "anna", "n", log_num(-3), NULL);
	logged();
	assert_int_equal(strncmp(text, "{\"time\":\"20", 11), 0);
	assert_int_equal(strncmp(strchr(text, 'Z'), "Z\",\"level\":\"error\",\"by\":\"gate\",\"process\":", 41), 0);
	snprintf(want, sizeof(want), ",\"process\":%d,", (int)getpid());
	assert_non_null(strstr(text, want));
	assert_string_equal(event(text), "\"event\":\"login failed\",\"user\":\"anna\",\"n\":\"-3\"}\n");
}

static void no_value_breaks_out_of_its_string(void **state)
{
	(void)state;
	log_as_json(true);
	log_error("x", "a", "q\"b\\\r\n\x01\x7f", "b", "\xc3\xa4\xe2\x82\xac", "c", "\xff\xc3(\xed\xa0\x80", NULL);
	assert_string_equal(event(logged()),
		"\"event\":\"x\",\"a\":\"q\\\"b\\\\\\u000d\\u000a\\u0001\\u007f\",\"b\":\"\xc3\xa4\xe2\x82\xac\","
		"\"c\":\"\\ufffd\\ufffd(\\ufffd\\ufffd\\ufffd\"}\n");
}

static void a_long_line_loses_whole_pairs(void **state)
{
	char value[1500];

	(void)state;
	memset(value, '"', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	log_as_json(true);
	log_error("x", "short", "1", "long", value, "after", "2", NULL);
	assert_string_equal(event(logged()), "\"event\":\"x\",\"short\":\"1\"}\n");
}

static void a_remark_is_a_pair_too(void **state)
{
	(void)state;
	log_as_json(true);
	log_error("x", "only a remark", NULL, NULL);
	assert_string_equal(event(logged()), "\"event\":\"x\",\"remark\":\"only a remark\"}\n");
}

static void without_the_form_lines_stay_plain(void **state)
{
	(void)state;
	log_as_json(true);
	log_error("x", "a", "1", NULL);
	assert_non_null(strstr(logged(), "]: error: x a=1\n"));
}

static void what_is_not_asked_for_is_not_written(void **state)
{
	(void)state;
	log_debug("never", NULL);
	log_error("once", "why", "because", NULL);
	logged();
	assert_non_null(strstr(text, "]: error: once why=because\n"));
	assert_null(strstr(text, "never"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest json[] = {
		TEST(a_line_is_an_object_with_time_level_role_and_event),
		TEST(no_value_breaks_out_of_its_string),
		TEST(a_long_line_loses_whole_pairs),
		TEST(a_remark_is_a_pair_too),
		TEST(what_is_not_asked_for_is_not_written),
	};
	const struct CMUnitTest plain[] = {
		TEST(without_the_form_lines_stay_plain),
		TEST(what_is_not_asked_for_is_not_written),
	};

	return ENABLE_LOG_JSON ? cmocka_run_group_tests(json, NULL, NULL) : cmocka_run_group_tests(plain, NULL, NULL);
}
