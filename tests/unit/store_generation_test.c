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

#include "core/store/generation.h"
#include "tests/unit/store_help.h"

#define NUMBER 0x1234
#define KEYS 500

struct place {
	char dir[64];
	int fd;
	struct format_key key;
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	unsigned char salt[SALT_SIZE] = "a salt of tests";

	snprintf(p->dir, sizeof(p->dir), "/tmp/satchel-generation-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	p->fd = open(p->dir, O_RDONLY | O_DIRECTORY);
	format_key_set(&p->key, salt);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	close(p->fd);
	nftw(p->dir, help_remove, 16, FTW_DEPTH | FTW_PHYS);
	free(p);
	return 0;
}

static struct str key_of(unsigned i, char text[32])
{
	return (struct str){text, (size_t)snprintf(text, 32, "key %u", i)};
}

/* Values of all lengths up to three pages; every seventh key is removed. */
static size_t length_of(unsigned i)
{
	return i % 7 ? i * 37 % 9000 : 0;
}

static void make(struct place *p)
{
	struct generation_writer *w = generation_create(p->fd, NUMBER, GENERATION_KEPT);
	struct generation_value v;
	char text[32], bytes[9000];

	assert_non_null(w);
	for (unsigned i = 0; i < KEYS; i++) {
		v = (struct generation_value){i + 10, i % 7 == 0};
		memset(bytes, (int)i, sizeof(bytes));
		assert_int_equal(generation_add(w, 7, key_of(i, text), &v,
			(struct str){bytes, length_of(i)}), 0);
	}
	assert_int_equal(generation_finish(&w, &p->key), 0);
}

static struct generation *open_it(struct place *p)
{
	struct buf error = {0};
	struct generation *g = generation_open(p->fd, NUMBER, GENERATION_KEPT, &p->key, &error);

	buf_free(&error);
	return g;
}

/* 1 found and right, 0 not found, -1 + errno. */
static int look(const struct generation *g, unsigned i)
{
	struct generation_value v;
	struct buf out = {0};
	char text[32];
	int answer = generation_find(g, 7, key_of(i, text), &v, &out);

	if (answer == 1) {
		assert_int_equal(v.lsn, i + 10);
		assert_int_equal(v.removed, i % 7 == 0);
		assert_int_equal(out.len, length_of(i));
		for (size_t at = 0; at < out.len; at++)
			assert_int_equal((unsigned char)buf_str(&out).p[at], i & 255);
	}
	buf_free(&out);
	return answer;
}

static void test_every_key_is_found_with_its_value_and_no_other(void **state)
{
	struct generation *g;

	make(*state);
	g = open_it(*state);
	assert_non_null(g);
	assert_int_equal(g->entries, KEYS);
	assert_int_equal(g->last, KEYS + 9);
	for (unsigned i = 0; i < 2 * KEYS; i++)
		assert_int_equal(look(g, i), i < KEYS);
	generation_free(&g);
}

struct seen {
	unsigned n;
};

static int see(void *arg, uint16_t space, struct str key, const struct generation_value *v,
	struct str value)
{
	struct seen *s = arg;
	char text[32];

	assert_int_equal(space, 7);
	assert_true(str_eq(key, key_of(s->n, text)));
	assert_int_equal(v->lsn, s->n + 10);
	assert_int_equal(value.len, length_of(s->n));
	return ++s->n == 400 ? 5 : 0;
}

static void test_a_walk_sees_all_in_the_order_of_writing_until_it_is_told_to_stop(void **state)
{
	struct generation *g;
	struct seen s = {0};

	make(*state);
	g = open_it(*state);
	assert_int_equal(generation_each(g, see, &s), 5);
	assert_int_equal(s.n, 400);
	generation_free(&g);
}

static void test_an_empty_one_finds_nothing(void **state)
{
	struct place *p = *state;
	struct generation_writer *w = generation_create(p->fd, NUMBER, GENERATION_KEPT);
	struct generation *g;
	struct seen s = {0};

	assert_int_equal(generation_finish(&w, &p->key), 0);
	g = open_it(p);
	assert_non_null(g);
	assert_int_equal(look(g, 1), 0);
	assert_int_equal(generation_each(g, see, &s), 0);
	generation_free(&g);
}

static off_t size_of(struct place *p, int fd)
{
	struct stat st;

	(void)p;
	assert_int_equal(fstat(fd, &st), 0);
	return st.st_size;
}

/* Whatever bit is turned, a lookup answers rightly or says that it cannot. */
static void test_a_flipped_bit_never_gives_a_wrong_answer(void **state)
{
	struct place *p = *state;
	char name[GENERATION_NAME_SIZE], byte, other;
	unsigned refused = 0, unreadable = 0;
	struct generation *g;
	off_t size;
	int fd;

	make(p);
	generation_name(name, NUMBER, GENERATION_KEPT);
	fd = openat(p->fd, name, O_RDWR);
	size = size_of(p, fd);
	for (off_t at = 0, step; at < size; at += step) {
		/* Here and there, then all of the end. */
		step = at >= size - 300 ? 1 : at + 9973 < size - 300 ? 9973 : size - 300 - at;
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		other = (char)(byte ^ 1 << at % 8);
		assert_int_equal(pwrite(fd, &other, 1, at), 1);
		g = open_it(p);
		refused += !g;
		for (unsigned i = 0; g && i < KEYS; i += 3) {
			switch (look(g, i)) {
			case 0:
				fail_msg("key %u vanished with byte %ld", i, (long)at);
				break;
			case -1:
				assert_int_equal(errno, EPROTO);
				unreadable++;
			}
		}
		generation_free(&g);
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	close(fd);
	assert_true(refused > 60);
	assert_true(unreadable > 60);
}

/* Gives it a later version, with a good checksum: without one it would be a flipped bit. */
static void newer(struct place *p, int fd)
{
	off_t at = size_of(p, fd) - (off_t)GENERATION_TAIL;
	unsigned char tail[GENERATION_TAIL];
	uint32_t crc;

	assert_int_equal(pread(fd, tail, sizeof(tail), at), sizeof(tail));
	tail[8] = tail[9] = 0xff;
	crc = crc32c(p->key.seed, tail, sizeof(tail) - 4);
	for (unsigned i = 0; i < 4; i++)
		tail[sizeof(tail) - 4 + i] = (unsigned char)(crc >> 8 * i);
	assert_int_equal(pwrite(fd, tail, sizeof(tail), at), sizeof(tail));
}

static void test_a_cut_strange_or_later_file_is_refused_by_name(void **state)
{
	struct place *p = *state;
	struct format_key other;
	unsigned char salt[SALT_SIZE] = "some other salt";
	char name[GENERATION_NAME_SIZE];
	struct buf error = {0};
	int fd;

	make(p);
	format_key_set(&other, salt);
	assert_null(generation_open(p->fd, NUMBER, GENERATION_KEPT, &other, &error));
	assert_null(generation_open(p->fd, NUMBER + 1, GENERATION_KEPT, &p->key, &error));
	generation_name(name, NUMBER, GENERATION_KEPT);
	fd = openat(p->fd, name, O_RDWR);
	buf_clear(&error);
	newer(p, fd);
	assert_null(generation_open(p->fd, NUMBER, GENERATION_KEPT, &p->key, &error));
	buf_addc(&error, 0);
	assert_non_null(strstr(buf_str(&error).p, "kv/0000000000001234.cdb: written by a newer"));
	assert_int_equal(ftruncate(fd, size_of(p, fd) - 1), 0);
	buf_clear(&error);
	assert_null(generation_open(p->fd, NUMBER, GENERATION_KEPT, &p->key, &error));
	buf_addc(&error, 0);
	assert_non_null(strstr(buf_str(&error).p, "fsck --repair"));
	buf_free(&error);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_every_key_is_found_with_its_value_and_no_other),
		T(test_a_walk_sees_all_in_the_order_of_writing_until_it_is_told_to_stop),
		T(test_an_empty_one_finds_nothing),
		T(test_a_flipped_bit_never_gives_a_wrong_answer),
		T(test_a_cut_strange_or_later_file_is_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
