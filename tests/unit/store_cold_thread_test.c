/* SPDX-License-Identifier: 0BSD */
/* Mail that is read by threads while the loop goes on; built with the thread sanitizer too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <dirent.h>
#include <errno.h>

#include <cmocka.h>

#include "tests/unit/store_help.h"

#define MESSAGES 200

static char text[5000];

/* Not in a memory file system, which is all page cache. */
static int set_up(void **state)
{
	struct spool *p = calloc(1, sizeof(*p));

	log_init("test", LOG_LEVEL_ERROR, false);
	snprintf(p->dir, sizeof(p->dir), "/var/tmp/satchel-cold-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	p->segment_bytes = 1 << 20;
	p->loop = loop_new();
	help_open(p);
	snprintf(text, sizeof(text), "Subject: x\r\n\r\n%0*d", 4900, 1);
	for (int i = 0; i < MESSAGES; i++)
		help_deliver(help_inbox(p, "alice"), "", text);
	help_settle(p);
	help_reopen(p); /* what is in memory until a batch is done is not asked for */
	*state = p;
	return 0;
}

static void forget(const struct spool *p)
{
	char path[400];
	struct dirent *e;
	DIR *d;
	int fd;

	snprintf(path, sizeof(path), "%s/log", p->dir);
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d))) {
		snprintf(path, sizeof(path), "%s/log/%s", p->dir, e->d_name);
		fd = open(path, O_RDONLY);
		if (e->d_name[0] != '.')
			assert_false(fsync(fd) || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
		close(fd);
	}
	closedir(d);
}

struct asked {
	struct store_reading r;
	unsigned done;
};

static void count(struct store_reading *r)
{
	((struct asked *)(void *)r)->done++;
}

static struct message message(struct spool *p, uint32_t uid)
{
	struct message m;

	assert_int_equal(mailbox_message(help_inbox(p, "alice"), uid, &m), 1);
	return m;
}

/* 0, or -1 + errno, without waiting. */
static int read_now(struct spool *p, const struct message *m, struct buf *out)
{
	int rc;

	store_read_nowait(p->s, true);
	rc = message_read(p->s, m, 0, m->size, out);
	store_read_nowait(p->s, false);
	return rc;
}

/* True: it had to be fetched first. */
static bool read_whole(struct spool *p, uint32_t uid)
{
	struct message m = message(p, uid);
	struct asked asked = {.r.done = count};
	struct buf out = {0};
	bool cold;

	buf_adds(&out, "before");
	cold = read_now(p, &m, &out);
	if (cold) {
		assert_int_equal(errno, EAGAIN);
		assert_int_equal(out.len, 6);
		assert_int_equal(store_read_wait(p->s, &asked.r), 0);
		for (int i = 0; i < 1000 && !asked.done; i++)
			loop_turn(p->loop, 10);
		assert_int_equal(asked.done, 1);
		assert_null(asked.r.job);
		assert_int_equal(read_now(p, &m, &out), 0);
	}
	assert_int_equal(out.len, 6 + strlen(text));
	assert_memory_equal(buf_str(&out).p + 6, text, strlen(text));
	buf_free(&out);
	return cold;
}

/* The kernel reads ahead as it likes, and some disks answer before it says that they were asked: but
 * neither each time. */
static void cold_mail_is_told_apart_fetched_and_then_read(void **state)
{
	struct spool *p = *state;
	unsigned cold = 0;

	for (unsigned i = 0; cold < 20; i++) {
		assert_true(i < 1000);
		forget(p);
		for (uint32_t uid = 1; uid <= MESSAGES; uid += 17)
			cold += read_whole(p, uid);
	}
	assert_int_equal(help_figure(p, "cold_reads"), cold);
}

static void who_may_wait_is_never_told_to_come_again(void **state)
{
	struct spool *p = *state;
	struct asked asked = {.r.done = count};

	forget(p);
	for (uint32_t uid = 1; uid <= MESSAGES; uid++) {
		struct message m = message(p, uid);

		help_assert_text(p->s, &m, text);
	}
	assert_int_equal(help_figure(p, "cold_reads"), 0);
	assert_int_equal(store_read_wait(p->s, &asked.r), -1);
	assert_int_equal(errno, ENOENT);
}

static void a_reading_that_is_cancelled_calls_nobody(void **state)
{
	struct spool *p = *state;
	struct asked asked = {.r.done = count};
	unsigned cancelled = 0, uid = 1;
	struct buf out = {0};

	for (unsigned i = 0; cancelled < 20; i++) {
		struct message m = message(p, uid);

		assert_true(i < 20000);
		forget(p);
		buf_clear(&out);
		uid = uid % MESSAGES + 1;
		if (!read_now(p, &m, &out))
			continue;
		assert_int_equal(store_read_wait(p->s, &asked.r), 0);
		cancelled++;
		if (i % 2)
			usleep(200);
		store_read_cancel(&asked.r);
		loop_turn(p->loop, 1);
	}
	for (int i = 0; i < 20; i++)
		loop_turn(p->loop, 5);
	assert_int_equal(asked.done, 0);
	buf_free(&out);
}

static void the_store_may_close_while_mail_is_read(void **state)
{
	struct spool *p = *state;
	struct asked asked[20] = {{.r.done = NULL}};
	struct buf out = {0};

	forget(p);
	for (uint32_t i = 0; i < 20; i++) {
		struct message m = message(p, 1 + i * 9);

		asked[i].r.done = count;
		buf_clear(&out);
		if (read_now(p, &m, &out))
			assert_int_equal(store_read_wait(p->s, &asked[i].r), 0);
	}
	help_close(p);
	for (int i = 0; i < 20; i++)
		assert_null(asked[i].r.job);
	help_open(p);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(cold_mail_is_told_apart_fetched_and_then_read, set_up, help_teardown),
		cmocka_unit_test_setup_teardown(who_may_wait_is_never_told_to_come_again, set_up, help_teardown),
		cmocka_unit_test_setup_teardown(a_reading_that_is_cancelled_calls_nobody, set_up, help_teardown),
		cmocka_unit_test_setup_teardown(the_store_may_close_while_mail_is_read, set_up, help_teardown),
	};

	return cmocka_run_group_tests_name("store_cold", tests, NULL, NULL);
}
