/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h> /* renameat */
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/hooks.h"
#include "core/server/confine.h"

extern const struct feature landlock_feature;

static char spool_path[] = "/tmp/landlock_spool.XXXXXX", other_path[] = "/tmp/landlock_other.XXXXXX";
static int spool, other;

/* What a confined process may do, as bits. */
enum { MAKES_IN_SPOOL = 1, MAKES_ELSEWHERE = 2, RENAMES = 4, MAKES_SOCKETS = 8, CONNECTS = 16 };

static bool makes(int dir)
{
	int fd = openat(dir, "file", O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool connects(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(1),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	/* Nobody listens there: it is the permission that counts. */
	return connect(fd, (struct sockaddr *)&a, sizeof(a)) && errno != EACCES;
}

static int rights(void)
{
	int can = 0;

	if (makes(spool))
		can |= MAKES_IN_SPOOL;
	if (makes(other))
		can |= MAKES_ELSEWHERE;
	if (mkdirat(spool, "sub", 0700) == 0 && renameat(spool, "file", spool, "sub/file") == 0)
		can |= RENAMES;
	unlinkat(spool, "sub/file", 0);
	unlinkat(spool, "sub", AT_REMOVEDIR);
	if (mknodat(spool, "socket", S_IFSOCK | 0600, 0) == 0)
		can |= MAKES_SOCKETS;
	unlinkat(spool, "socket", 0);
	if (connects())
		can |= CONNECTS;
	return can;
}

/* In a process of its own: it is for good. */
static int rights_of(enum srv_role role, int with_spool, const int *dirs, size_t n_dirs)
{
	struct confine c = {.role = role, .spool = with_spool, .dirs = dirs, .n_dirs = n_dirs};
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		_exit(landlock_feature.confine_files(&c) ? 255 : rights());
	}
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_nothing_is_denied_before(void **state)
{
	(void)state;
	assert_int_equal(rights(), MAKES_IN_SPOOL | MAKES_ELSEWHERE | RENAMES | MAKES_SOCKETS | CONNECTS);
}

static void test_the_gate_has_nothing(void **state)
{
	(void)state;
	assert_int_equal(rights_of(SRV_GATE, -1, NULL, 0), 0);
}

static void test_auth_only_reads(void **state)
{
	(void)state;
	assert_int_equal(rights_of(SRV_AUTH, spool, NULL, 0), 0);
}

static void test_mail_works_in_the_spool_alone(void **state)
{
	(void)state;
	assert_int_equal(rights_of(SRV_MAIL, spool, NULL, 0), MAKES_IN_SPOOL | RENAMES);
}

static void test_mail_keeps_directories_that_features_opened(void **state)
{
	(void)state;
	assert_int_equal(rights_of(SRV_MAIL, spool, &other, 1), MAKES_IN_SPOOL | MAKES_ELSEWHERE | RENAMES);
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(spool_path) || !mkdtemp(other_path))
		return -1;
	spool = open(spool_path, O_RDONLY | O_DIRECTORY);
	other = open(other_path, O_RDONLY | O_DIRECTORY);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlinkat(spool, "file", 0);
	unlinkat(other, "file", 0);
	return rmdir(spool_path) || rmdir(other_path) ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_denied_before),
		cmocka_unit_test(test_the_gate_has_nothing),
		cmocka_unit_test(test_auth_only_reads),
		cmocka_unit_test(test_mail_works_in_the_spool_alone),
		cmocka_unit_test(test_mail_keeps_directories_that_features_opened),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
