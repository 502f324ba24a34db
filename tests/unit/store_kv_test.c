/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/store/kv.h"
#include "tests/unit/store_help.h"

#define KEYS  300
#define SPACE 7
#define DAILY (STORE_KV_DAILY | 3)

static char model[KEYS][40]; /* empty: not there */

static struct str key_of(unsigned i, char text[32])
{
	return (struct str){text, (size_t)snprintf(text, 32, "%u", i)};
}

static void change(struct spool *p, unsigned i, const char *value)
{
	char text[32];

	snprintf(model[i], sizeof(model[i]), "%s", value);
	assert_int_equal(store_kv_put(p->s, SPACE, key_of(i, text), *value ? str_from(value) : STR_NULL,
		NULL), 0);
}

static int count_one(void *arg, struct str key, struct str value)
{
	(void)key;
	assert_int_not_equal(value.len, 0);
	++*(unsigned *)arg;
	return 0;
}

static void compare(struct spool *p)
{
	unsigned n = 0, walked = 0;
	struct buf b = {0};
	char text[32];

	for (unsigned i = 0; i < KEYS; i++) {
		buf_clear(&b);
		assert_int_equal(store_kv_get(p->s, SPACE, key_of(i, text), &b, NULL), *model[i] ? 1 : 0);
		assert_true(str_eq(buf_str(&b), str_from(model[i])));
		n += *model[i] != 0;
	}
	assert_int_equal(store_kv_each(p->s, SPACE, count_one, &walked), 0);
	assert_int_equal(walked, n);
	buf_free(&b);
}

static unsigned files(struct spool *p, const char *ending)
{
	struct dirent *e;
	char path[100];
	unsigned n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/kv", p->dir);
	d = opendir(path);
	while ((e = readdir(d)))
		n += strlen(e->d_name) > strlen(ending) &&
			!strcmp(e->d_name + strlen(e->d_name) - strlen(ending), ending);
	closedir(d);
	return n;
}

static void test_keys_read_as_a_plain_table_would_over_checkpoints_and_restarts(void **state)
{
	struct spool *p = *state;
	unsigned seed = 1, most = 0, n, i;
	char value[40];

	memset(model, 0, sizeof(model));
	for (unsigned round = 0; round < 60; round++) {
		for (n = seed % (round % 7 ? 12 : 300); n--;) {
			seed = seed * 1103515245 + 12345;
			i = (seed >> 8) % KEYS;
			snprintf(value, sizeof(value), "%u", seed >> (seed >> 28));
			change(p, i, seed & 0x10000 ? value : "");
		}
		if (round % 3 == 0)
			compare(p);
		if (round % 11 == 10)
			help_reopen(p);
		else
			assert_int_equal(store_checkpoint(p->s), 0);
		compare(p);
		n = files(p, ".cdb");
		most = n > most ? n : most;
	}
	assert_in_range(most, 2, GENERATIONS_KEPT_MAX);
	for (i = 0; i < KEYS; i++)
		change(p, i, "");
	compare(p);
	help_reopen(p);
	compare(p);
}

static void test_lookups_see_changes_before_during_and_after_a_checkpoint(void **state)
{
	struct spool *p = *state;

	memset(model, 0, sizeof(model));
	change(p, 1, "old");
	change(p, 2, "old");
	change(p, 3, "old");
	help_settle(p);
	assert_int_equal(store_checkpoint_begin(p->s), 0);
	change(p, 1, "new");
	change(p, 2, "");
	compare(p);
	help_settle(p);
	for (int i = 0; i < 50; i++)
		loop_turn(p->loop, 1);
	compare(p);
	help_reopen(p);
	compare(p);
}

static void put_day(struct spool *p, unsigned i)
{
	char text[32];

	assert_int_equal(store_kv_put(p->s, DAILY, key_of(i, text), STR("x"), NULL), 0);
}

static int has_day(struct spool *p, unsigned i)
{
	char text[32];

	return store_kv_get(p->s, DAILY, key_of(i, text), NULL, NULL);
}

static void test_a_day_expires_at_once_and_its_files_go_at_the_next_checkpoint(void **state)
{
	struct spool *p = *state;
	uint64_t start[5];

	for (unsigned day = 0; day < 5; day++) {
		start[day] = store_last_lsn(p->s) + 1;
		assert_int_equal(store_kv_expire(p->s, DAILY, 0, start[day]), 0);
		put_day(p, day);
		store_checkpoint(p->s);
	}
	assert_int_equal(files(p, "-8003.cdb"), 5);
	store_kv_expire(p->s, DAILY, start[3], start[4]);
	for (unsigned day = 0; day < 5; day++)
		assert_int_equal(has_day(p, day), day >= 3);
	put_day(p, 9);
	store_checkpoint(p->s);
	assert_int_equal(files(p, "-8003.cdb"), 2);
	help_reopen(p);
	for (unsigned day = 0; day < 5; day++)
		assert_int_equal(has_day(p, day), day >= 3);
	assert_int_equal(has_day(p, 9), 1);
}

/* Turns a bit at `at` of the only file that ends so. */
static void damage(struct spool *p, const char *ending, off_t at)
{
	char path[400], byte;
	struct dirent *e;
	DIR *d;
	int fd;

	snprintf(path, sizeof(path), "%s/kv", p->dir);
	d = opendir(path);
	while ((e = readdir(d)))
		if (strlen(e->d_name) > strlen(ending) &&
			!strcmp(e->d_name + strlen(e->d_name) - strlen(ending), ending))
			break;
	assert_non_null(e);
	snprintf(path, sizeof(path), "%s/kv/%s", p->dir, e->d_name);
	closedir(d);
	fd = open(path, O_RDWR);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 4;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static void test_a_damaged_page_is_cannot_look_and_not_absence(void **state)
{
	struct spool *p = *state;

	log_init("test", LOG_LEVEL_ERROR, false);
	put_day(p, 1);
	store_checkpoint(p->s);
	assert_int_equal(has_day(p, 1), 1);
	damage(p, "-8003.cdb", 2060);
	errno = 0;
	assert_int_equal(has_day(p, 1), -1);
	assert_int_equal(errno, EIO);
	put_day(p, 1); /* what is newer hides it */
	assert_int_equal(has_day(p, 1), 1);
	damage(p, "-8003.cdb", 2060);
}

static uint64_t figure(struct spool *p, const char *name)
{
	struct buf b = {0};
	uint64_t n;
	char *at;

	store_stat(p->s, &b);
	buf_addc(&b, 0);
	at = strstr(b.data + b.off, name);
	assert_non_null(at);
	n = strtoull(at + strlen(name) + 1, NULL, 10);
	buf_free(&b);
	return n;
}

/* Twice as much as may be dirty, and more. */
static void test_many_changes_start_a_checkpoint_and_writers_are_slowed_not_refused(void **state)
{
	static char value[KV_VALUE_MAX];
	struct spool *p = *state;
	unsigned n = CONFIG_CHECKPOINT_DIRTY_KB / 64 * 3;
	char text[32];

	help_settle(p);
	assert_int_equal(figure(p, "checkpoint_lsn"), 0);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(store_kv_put(p->s, SPACE, key_of(i, text),
			(struct str){value, sizeof(value)}, NULL), 0);
		if (i % 16 == 0)
			loop_turn(p->loop, 0);
	}
	help_settle(p);
	assert_int_not_equal(figure(p, "checkpoint_lsn"), 0);
	for (unsigned i = 0; i < n; i += 50)
		assert_int_equal(store_kv_get(p->s, SPACE, key_of(i, text), NULL, NULL), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)
		T(test_keys_read_as_a_plain_table_would_over_checkpoints_and_restarts),
		T(test_lookups_see_changes_before_during_and_after_a_checkpoint),
		T(test_a_day_expires_at_once_and_its_files_go_at_the_next_checkpoint),
		T(test_many_changes_start_a_checkpoint_and_writers_are_slowed_not_refused),
		T(test_a_damaged_page_is_cannot_look_and_not_absence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
