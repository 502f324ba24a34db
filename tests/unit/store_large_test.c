/* SPDX-License-Identifier: 0BSD */
/* Messages in files of their own: written as they come, shared, damaged, removed. */
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
#include <unistd.h>

#include "core/store/large.h"
#include "tests/unit/store_help.h"

#define LIMIT (32 * 1024)
#define LINES 12000 /* of 18 bytes: over three blocks */
#define HEAD "Subject: large\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n"

static int setup(void **state)
{
	int answer = help_setup(state);
	struct spool *p = *state;

	p->large_bytes = LIMIT;
	help_reopen(p);
	return answer;
}

/* The line of that number. */
static void add_line(struct buf *b, unsigned i)
{
	buf_addpad(b, i, 8);
	buf_adds(b, "abcdefgh\r\n");
}

static void wait_for(struct spool *p, struct body *b, int (*what)(struct body *))
{
	int done = what(b);

	for (int i = 0; i < 1000 && done == 1; i++) {
		loop_turn(p->loop, 10);
		done = what(b);
	}
	assert_int_equal(done, 0);
}

static struct body *large_body(struct spool *p, unsigned lines)
{
	struct body *b = body_new(p->s);

	assert_non_null(b);
	buf_adds(body_buf(b), HEAD);
	for (unsigned i = 0; i < lines; i++) {
		add_line(body_buf(b), i);
		wait_for(p, b, body_added);
	}
	wait_for(p, b, body_finish);
	return b;
}

static uint32_t deliver(struct spool *p, struct mailbox *m, unsigned lines)
{
	struct body *b = large_body(p, lines);
	struct message_new v = {.body = b, .prefix = STR("Received: here\r\n")};
	uint32_t uid;

	assert_int_equal(mailbox_append(m, &v, 1, &uid, NULL), 0);
	body_free(&b);
	help_settle(p);
	return uid;
}

static struct str expected(struct buf *b, unsigned lines)
{
	buf_clear(b);
	buf_adds(b, "Received: here\r\n" HEAD);
	for (unsigned i = 0; i < lines; i++)
		add_line(b, i);
	return buf_str(b);
}

static void assert_message(struct spool *p, struct mailbox *m, uint32_t uid, unsigned lines)
{
	struct buf want = {0}, got = {0};
	struct str all = expected(&want, lines);
	struct message msg;

	assert_int_equal(mailbox_message(m, uid, &msg), 1);
	assert_int_equal(msg.size, all.len);
	assert_int_equal(message_read(p->s, &msg, 0, UINT32_MAX, &got), 0);
	assert_true(str_eq(buf_str(&got), all));
	buf_free(&want);
	buf_free(&got);
}

/* Files in a folder of the spool; name_r (of 64 bytes) gets the last. */
static int files(struct spool *p, const char *folder, char *name_r)
{
	struct dirent *e;
	char path[128];
	DIR *d;
	int n = 0;

	snprintf(path, sizeof(path), "%s/%s", p->dir, folder);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		n++;
		if (name_r)
			snprintf(name_r, 64, "%.60s", e->d_name);
	}
	if (d)
		closedir(d);
	return n;
}

/* Lets the threads do what they were told. */
static void wait_for_files(struct spool *p, int n)
{
	for (int i = 0; i < 1000 && files(p, "large", NULL) != n; i++)
		loop_turn(p->loop, 5);
	assert_int_equal(files(p, "large", NULL), n);
}

static void a_large_body_is_a_file_and_reads_back_after_a_restart(void **state)
{
	struct spool *p = *state;
	struct mime_summary summary;
	struct buf out = {0};
	struct message msg;
	char name[64];

	deliver(p, help_inbox(p, "alice"), LINES);
	assert_message(p, help_inbox(p, "alice"), 1, LINES);
	assert_int_equal(files(p, "large", name), 1);
	assert_int_equal(mailbox_message(help_inbox(p, "alice"), 1, &msg), 1);
	assert_int_equal(strtoull(name, NULL, 16), msg.blob);
	help_reopen(p);
	assert_message(p, help_inbox(p, "alice"), 1, LINES);
	assert_int_equal(message_summary(p->s, &msg, &out, &summary), 0);
	assert_int_equal(summary.header_len, sizeof(HEAD) - 1 - 7);
	assert_int_equal(summary.lines, LINES + 2);
	buf_addc(&out, 0);
	assert_non_null(strstr(summary.bodystructure.p, "\"text\" \"plain\""));
	buf_free(&out);
}

static void any_range_of_it_can_be_read(void **state)
{
	struct spool *p = *state;
	struct buf want = {0}, got = {0};
	struct str all = expected(&want, LINES);
	struct message msg;
	uint64_t n;

	deliver(p, help_inbox(p, "alice"), LINES);
	assert_int_equal(mailbox_message(help_inbox(p, "alice"), 1, &msg), 1);
	for (uint64_t at = 0; at < all.len; at += 13577) {
		buf_clear(&got);
		n = at % 3 ? 100 : 70000;
		n = n < all.len - at ? n : all.len - at;
		assert_int_equal(message_read(p->s, &msg, at, n, &got), 0);
		assert_int_equal(got.len, n);
		assert_memory_equal(buf_str(&got).p, all.p + at, n);
	}
	buf_free(&want);
	buf_free(&got);
}

static void a_body_in_its_file_takes_little_memory(void **state)
{
	struct spool *p = *state;
	struct body *b = body_new(p->s);
	size_t most = 0;

	body_expect(b, 20 << 20);
	for (unsigned i = 0; i < 300000; i++) {
		add_line(body_buf(b), i);
		wait_for(p, b, body_added);
		most = body_buf(b)->cap > most ? body_buf(b)->cap : most;
	}
	wait_for(p, b, body_finish);
	assert_int_equal(body_size(b), 300000 * 18);
	assert_true(most <= 3 * LARGE_CHUNK);
	assert_null(body_bytes(b).p);
	body_free(&b);
	wait_for_files(p, 0);
}

static void a_body_that_turns_out_small_has_no_file(void **state)
{
	struct spool *p = *state;
	struct body *b = body_new(p->s);

	body_expect(b, 20 << 20);
	buf_adds(body_buf(b), "A: b\r\n\r\nc\r\n");
	assert_int_equal(body_added(b), 0);
	assert_int_equal(body_finish(b), 0);
	assert_int_equal(body_bytes(b).len, 11);
	body_free(&b);
	assert_int_equal(files(p, "large", NULL), 0);
}

static void a_body_that_finds_no_memory_goes_to_a_file(void **state)
{
	struct spool *p = *state;
	struct body *held[20], *b;
	unsigned n = 0;

	p->s->body_budget = 200 * 1024;
	while (p->s->bodies <= p->s->body_budget && n < 20) {
		held[n] = body_new(p->s);
		for (unsigned i = 0; i < 1500; i++)
			add_line(body_buf(held[n]), i);
		body_buf(held[n++]);
	}
	b = large_body(p, 1100); /* not large, but too much for what is left */
	assert_null(body_bytes(b).p);
	assert_int_equal(body_size(b), sizeof(HEAD) - 1 + 1100 * 18);
	body_free(&b);
	p->s->body_budget = 1024;
	assert_int_equal(store_admits(p->s, 1), ENOMEM);
	assert_null(body_new(p->s));
	while (n)
		body_free(&held[--n]);
}

static void a_file_goes_with_its_last_reference_and_not_before_a_checkpoint(void **state)
{
	struct spool *p = *state;
	struct mailbox *m = help_inbox(p, "alice"), *to;
	uint32_t uid = 1;

	assert_int_equal(mailbox_create(help_account(p, "alice"), STR("Copy"), 0, NULL), 0);
	deliver(p, m, LINES);
	to = mailbox_find(help_account(p, "alice"), STR("Copy"));
	assert_int_equal(mailbox_copy(m, &uid, 1, to, false, NULL, NULL, NULL, NULL), 0);
	assert_int_equal(mailbox_expunge(m, &uid, 1, NULL), 0);
	assert_int_equal(store_checkpoint(p->s), 0);
	help_reopen(p);
	to = mailbox_find(help_account(p, "alice"), STR("Copy"));
	assert_message(p, to, 1, LINES);
	assert_int_equal(mailbox_expunge(to, &uid, 1, NULL), 0);
	help_settle(p);
	for (int i = 0; i < 10; i++)
		loop_turn(p->loop, 1);
	assert_int_equal(files(p, "large", NULL), 1);
	assert_int_equal(store_checkpoint(p->s), 0);
	wait_for_files(p, 0);
}

static void a_body_that_nobody_took_leaves_no_file(void **state)
{
	struct spool *p = *state;
	struct body *b = large_body(p, LINES);

	assert_int_equal(files(p, "large", NULL), 1);
	body_free(&b);
	wait_for_files(p, 0);
	b = body_new(p->s);
	buf_adds(body_buf(b), HEAD);
	for (unsigned i = 0; i < LINES; i++)
		add_line(body_buf(b), i);
	assert_true(body_added(b) >= 0);
	body_free(&b); /* while it is being written */
	help_close(p);
	assert_int_equal(files(p, "large", NULL), 0);
	help_open(p);
}

static void change_byte(struct spool *p, const char *name, off_t at)
{
	char path[160], byte;
	int fd;

	snprintf(path, sizeof(path), "%s/large/%s", p->dir, name);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 4;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static void damage_costs_the_block_it_hits_and_no_other_message(void **state)
{
	struct spool *p = *state;
	struct mailbox *m = help_inbox(p, "alice");
	struct buf out = {0};
	struct message msg;
	uint64_t size, offset;
	char name[64];

	deliver(p, m, LINES);
	assert_int_equal(files(p, "large", name), 1);
	deliver(p, m, 3000);
	change_byte(p, name, 512 + 65536 + 77);
	log_init("test", 0, false);
	assert_int_equal(mailbox_message(m, 1, &msg), 1);
	assert_int_equal(message_read(p->s, &msg, 0, 65536, &out), 0);
	assert_int_equal(message_read(p->s, &msg, 65536 + 100, 10, &out), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(message_read(p->s, &msg, 3 * 65536, 10, &out), 0);
	assert_message(p, m, 2, 3000);
	assert_int_equal(large_verify(p->s->largefd, &p->s->key, msg.blob, &size, &offset), 0);
	assert_int_equal(offset, 512 + 65536);
	change_byte(p, name, 40);
	assert_int_equal(message_read(p->s, &msg, 100, 1, &out), -1);
	assert_int_equal(large_verify(p->s->largefd, &p->s->key, msg.blob, &size, &offset), 0);
	assert_int_equal(offset, 0);
	assert_int_equal(unlinkat(p->s->largefd, name, 0), 0);
	assert_int_equal(message_read(p->s, &msg, 100, 1, &out), -1);
	assert_int_equal(errno, EPROTO);
	log_init("test", LOG_LEVEL_ERROR, false);
	buf_free(&out);
}

/* The spool as a crash would leave it: the log without its end mark.  b: in flight. */
static void crash(struct spool *p, struct body **b)
{
	char command[400];

	snprintf(command, sizeof(command), "cp -r %s %s.crash", p->dir, p->dir);
	assert_int_equal(system(command), 0);
	body_free(b);
	help_close(p);
	snprintf(command, sizeof(command), "rm -rf %s && mv %s.crash %s", p->dir, p->dir, p->dir);
	assert_int_equal(system(command), 0);
}

static void files_that_a_crash_left_behind_are_removed_at_the_next_start(void **state)
{
	struct spool *p = *state;
	struct body *b;

	deliver(p, help_inbox(p, "alice"), LINES);
	b = large_body(p, LINES); /* finished and not appended */
	assert_int_equal(close(openat(p->s->largefd, "00000000000000ff.tmp", O_CREAT | O_WRONLY, 0600)), 0);
	assert_int_equal(files(p, "large", NULL), 3);
	crash(p, &b);
	log_init("test", 0, false);
	help_open(p);
	log_init("test", LOG_LEVEL_ERROR, false);
	assert_int_equal(files(p, "large", NULL), 1);
	assert_message(p, help_inbox(p, "alice"), 1, LINES);
}

static void compaction_and_a_rebuild_keep_large_messages(void **state)
{
	struct spool *p = *state;
	struct mailbox *m = help_inbox(p, "alice");
	char command[400];
	uint32_t uid;

	deliver(p, m, LINES);
	for (int i = 0; i < 40; i++) {
		uid = deliver(p, m, 1700); /* below the limit: in the log */
		assert_int_equal(mailbox_expunge(m, &uid, 1, NULL), 0);
	}
	deliver(p, m, 3000);
	assert_int_equal(store_compact(p->s), 0);
	assert_true(p->s->moved_bytes > 0);
	help_reopen(p);
	assert_message(p, help_inbox(p, "alice"), 1, LINES);
	help_close(p);
	snprintf(command, sizeof(command), "rm -rf %s/idx/* %s/kv/* %s/map/* %s/checkpoint", p->dir, p->dir,
		p->dir, p->dir);
	assert_int_equal(system(command), 0);
	p->rebuild = true;
	help_open(p);
	assert_message(p, help_inbox(p, "alice"), 1, LINES);
	assert_message(p, help_inbox(p, "alice"), 42, 3000);
	assert_int_equal(files(p, "large", NULL), 2);
	p->rebuild = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_large_body_is_a_file_and_reads_back_after_a_restart, setup, help_teardown),
		cmocka_unit_test_setup_teardown(any_range_of_it_can_be_read, setup, help_teardown),
		cmocka_unit_test_setup_teardown(a_body_in_its_file_takes_little_memory, setup, help_teardown),
		cmocka_unit_test_setup_teardown(a_body_that_turns_out_small_has_no_file, setup, help_teardown),
		cmocka_unit_test_setup_teardown(a_body_that_finds_no_memory_goes_to_a_file, setup, help_teardown),
		cmocka_unit_test_setup_teardown(a_file_goes_with_its_last_reference_and_not_before_a_checkpoint, setup,
			help_teardown),
		cmocka_unit_test_setup_teardown(a_body_that_nobody_took_leaves_no_file, setup, help_teardown),
		cmocka_unit_test_setup_teardown(damage_costs_the_block_it_hits_and_no_other_message, setup, help_teardown),
		cmocka_unit_test_setup_teardown(files_that_a_crash_left_behind_are_removed_at_the_next_start, setup,
			help_teardown),
		cmocka_unit_test_setup_teardown(compaction_and_a_rebuild_keep_large_messages, setup, help_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
