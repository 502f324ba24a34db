/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/hooks.h"
#include "tests/unit/store_help.h"

extern const struct feature dump_feature;

/* Runs `satchel dump` with its output in a file of the spool; returns its exit status. */
static int dump(struct spool *p, int argc, char *text, size_t size)
{
	char *argv[] = {"dump", "surplus", NULL};
	int out = dup(STDOUT_FILENO), fd, status;
	char path[80];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/out", p->dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	dup2(fd, STDOUT_FILENO);
	status = dump_feature.cli[0].run(p->dir, argc, argv);
	dup2(out, STDOUT_FILENO);
	n = pread(fd, text, size - 1, 0);
	text[n > 0 ? n : 0] = 0;
	close(out);
	close(fd);
	return status;
}

static void every_record_has_a_line(void **state)
{
	struct spool *p = *state;
	char text[8192];

	help_deliver(help_inbox(p, "alice"), "P: q\r\n", "A: b\r\n\r\nc\r\n");
	help_settle(p);
	assert_int_equal(dump(p, 1, text, sizeof(text)), 0);
	assert_non_null(strstr(text, " EPOCH epoch=1 "));
	assert_non_null(strstr(text, " ACCOUNT name=alice\n"));
	assert_non_null(strstr(text, " name=INBOX "));
	assert_non_null(strstr(text, " kind=prefix size=6 "));
	assert_non_null(strstr(text, " MESSAGES "));
}

static void a_surplus_word_is_wrong_usage(void **state)
{
	char text[64];

	assert_int_equal(dump(*state, 2, text, sizeof(text)), 2);
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_record_has_a_line, help_setup, help_teardown),
		cmocka_unit_test_setup_teardown(a_surplus_word_is_wrong_usage, help_setup, help_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
