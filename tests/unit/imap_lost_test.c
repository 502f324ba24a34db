/* SPDX-License-Identifier: 0BSD */
/* What IMAP clients hear when the disk fails: the real store over calls that can be told to fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/store/io.h"
#include "tests/unit/imap_help.h"

static bool disk_fails;

static int failing(void)
{
	if (disk_fails)
		errno = EIO;
	return disk_fails ? -1 : 0;
}

int io_open(int dirfd, const char *name, int flags, mode_t mode)
{
	return openat(dirfd, name, flags, mode);
}

int io_mkdir(int dirfd, const char *name, mode_t mode)
{
	return mkdirat(dirfd, name, mode);
}

int io_pwritev(int fd, struct iovec *iov, unsigned n, uint64_t offset)
{
	for (unsigned i = 0; i < n; i++) {
		if (io_pwrite(fd, iov[i].iov_base, iov[i].iov_len, offset))
			return -1;
		offset += iov[i].iov_len;
	}
	return 0;
}

int io_pwrite(int fd, const void *p, size_t n, uint64_t offset)
{
	return pwrite(fd, p, n, (off_t)offset) == (ssize_t)n ? 0 : -1;
}

int io_fdatasync(int fd)
{
	return failing() ? -1 : fdatasync(fd);
}

int io_fsync(int fd)
{
	return failing() ? -1 : fsync(fd);
}

int io_rename(int dirfd, const char *from, const char *to)
{
	return renameat(dirfd, from, dirfd, to);
}

int io_unlink(int dirfd, const char *name)
{
	return unlinkat(dirfd, name, 0);
}

int io_ftruncate(int fd, uint64_t size)
{
	return ftruncate(fd, (off_t)size);
}

int io_direct(int fd, bool on)
{
	(void)fd;
	(void)on;
	return -1;
}

ssize_t io_pread_disk(int fd, void *p, size_t n, uint64_t offset)
{
	return pread(fd, p, n, (off_t)offset);
}

int io_fallocate(int fd, uint64_t size)
{
	return ftruncate(fd, (off_t)size);
}

uint64_t io_space(int fd, uint64_t *total_r)
{
	(void)fd;
	if (total_r)
		*total_r = UINT64_MAX;
	return UINT64_MAX;
}

static int setup(void **state)
{
	disk_fails = false;
	return help_setup(state);
}

static void what_is_not_on_the_disk_is_never_confirmed(void **state)
{
	static const char *const changes[] = {
		"APPEND INBOX {8+}\r\nA: b\r\n\r\n", "CREATE x", "STORE 1 +FLAGS (\\Flagged)", "COPY 1 INBOX",
	};
	struct spool *spool = *state;

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct client c;

		connects(&c, spool, "");
		ask(&c, "APPEND INBOX {8+}\r\nA: b\r\n\r\n");
		ask(&c, "SELECT INBOX");
		buf_clear(&c.got);
		disk_fails = true;
		sends(&c, "t ", 2);
		sends(&c, changes[i], strlen(changes[i]));
		sends(&c, "\r\nu NOOP\r\n", 10);
		until(&c, "* BYE [UNAVAILABLE] ");
		for (int k = 0; k < 1000 && !c.eof; k++)
			turn(&c);
		assert_true(c.eof);
		assert_silent_on(text_of(&c), "t OK");
		assert_silent_on(text_of(&c), "EXISTS");
		leaves(&c);
		disk_fails = false;
		help_reopen(spool);
	}
}

static void a_failed_store_is_still_read(void **state)
{
	struct client writer, reader;

	connects(&writer, *state, "");
	connects(&reader, *state, "");
	assert_says(ask(&writer, "CREATE box"), "t OK");
	assert_says(ask(&writer, "APPEND box {11+}\r\nA: b\r\n\r\nxyz"), "t OK");
	assert_says(ask(&reader, "SELECT box"), "t OK");
	disk_fails = true;
	sends(&writer, "t APPEND INBOX {3+}\r\nabc\r\n", 27);
	until(&writer, "* BYE ");
	assert_says(ask(&reader, "FETCH 1 BODY.PEEK[TEXT]"), "xyz");
	assert_says(ask(&reader, "CREATE y"), "t NO [UNAVAILABLE]");
	assert_says(ask(&reader, "APPEND INBOX {3+}\r\nabc"), "t NO [UNAVAILABLE]");
	assert_says(ask(&reader, "LIST \"\" *"), "/\" box\r\nt OK");
	disk_fails = false;
	leaves(&writer);
	leaves(&reader);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_not_on_the_disk_is_never_confirmed, setup, help_teardown),
		cmocka_unit_test_setup_teardown(a_failed_store_is_still_read, setup, help_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
