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
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/arena.h"
#include "core/lib/crc32c.h"
#include "core/lib/file.h"
#include "core/lib/log.h"

static void crc32c_has_the_known_values(void **state)
{
	char zeros[32] = {0}, ones[32];

	(void)state;
	memset(ones, 0xff, sizeof(ones));
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	/* RFC 3720 B.4 */
	assert_int_equal(crc32c(0, zeros, 32), 0x8a9136aa);
	assert_int_equal(crc32c(0, ones, 32), 0x62a8ab43);
	assert_int_equal(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
	assert_int_equal(crc32c(7, "", 0), 7);
}

static void crc32c_is_the_same_with_and_without_the_instruction(void **state)
{
	unsigned char bytes[300];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 131 + (i >> 3));
	for (size_t off = 0; off < 9; off++) {
		for (size_t n = 0; n + off <= sizeof(bytes); n++)
			assert_int_equal(crc32c(0x1234, bytes + off, n),
				crc32c_by_table(0x1234, bytes + off, n));
	}
}

static void an_arena_gives_zeroed_aligned_memory_and_keeps_its_limit(void **state)
{
	struct arena a = {.max = 300000};
	unsigned char *p;

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (size_t n = 0; n < 300; n += 7) {
			p = arena_alloc(&a, n);
			assert_non_null(p);
			assert_int_equal((uintptr_t)p % 16, 0);
			for (size_t i = 0; i < n; i++)
				assert_int_equal(p[i], 0);
			memset(p, 0xaa, n);
		}
		assert_non_null(arena_alloc(&a, 200000));
		assert_null(arena_alloc(&a, 200000));
		assert_int_equal(errno, ENOMEM);
		assert_non_null(arena_alloc(&a, 100));
		assert_null(arena_array(&a, SIZE_MAX / 2, 8));
		arena_reset(&a);
		assert_int_equal(a.used, 0);
	}
	assert_string_equal(arena_strdup(&a, STR("copy")), "copy");
	assert_true(str_eq(arena_str(&a, STR_NULL), STR("")));
	arena_free(&a);
	assert_null(a.head);
}

static void a_file_is_replaced_whole_or_not_at_all(void **state)
{
	char dir[] = "/tmp/satchel-file-XXXXXX";
	struct buf b = {0};
	struct stat st;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	assert_int_equal(file_replace(fd, "f", 0640, STR("first")), 0);
	assert_int_equal(file_replace(fd, "f", 0600, STR("second")), 0);
	assert_int_equal(fstatat(fd, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(file_read(fd, "f", 6, &b), 0);
	assert_true(str_eq(buf_str(&b), STR("second")));
	buf_clear(&b);
	assert_int_equal(file_read(fd, "f", 5, &b), -1);
	assert_int_equal(errno, EFBIG);
	assert_int_equal(file_read(fd, "absent", 5, &b), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(mkdirat(fd, "d", 0700), 0);
	assert_int_equal(file_replace(fd, "d", 0600, STR("x")), -1);
	assert_int_equal(faccessat(fd, "d.tmp", F_OK, 0), -1);
	assert_int_equal(file_replace(fd, "d/g", 0600, STR("x")), 0);
	unlinkat(fd, "d/g", 0);
	unlinkat(fd, "d", AT_REMOVEDIR);
	unlinkat(fd, "f", 0);
	close(fd);
	rmdir(dir);
	buf_free(&b);
}

static void a_client_cannot_forge_a_log_line(void **state)
{
	int pipe_fd[2], saved = dup(2);
	char text[512];
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(pipe_fd), 0);
	dup2(pipe_fd[1], 2);
	log_init("gate", LOG_LEVEL_INFO, true);
	log_info("login", "user", log_str(STR("eve\nsatchel: login\0x")), "n", log_num(INT64_MIN),
		"empty", "", NULL);
	log_debug("never seen", NULL);
	dup2(saved, 2);
	close(saved);
	n = read(pipe_fd[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_memory_equal(text, "<6>satchel gate[", 16);
	assert_non_null(strstr(text, "]: login user=\"eve\\x0asatchel: login\\x01x\" "
				     "n=-9223372036854775808 empty=\"\"\n"));
	assert_ptr_equal(strchr(text, '\n'), text + n - 1);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc32c_has_the_known_values),
		cmocka_unit_test(crc32c_is_the_same_with_and_without_the_instruction),
		cmocka_unit_test(an_arena_gives_zeroed_aligned_memory_and_keeps_its_limit),
		cmocka_unit_test(a_file_is_replaced_whole_or_not_at_all),
		cmocka_unit_test(a_client_cannot_forge_a_log_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
