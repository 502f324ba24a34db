/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/hooks.h"
#include "core/store/view.h"
#include "tests/unit/store_help.h"

extern const struct feature fsck_feature;

#define LETTER "Subject: letter\r\n\r\nHello, this is a letter of some length, so that bits find it.\r\n"
#define MESSAGES 90 /* so that one mailbox has an index file */

static char report[65536];

static int fsck(struct spool *p, const char *option, const char *more)
{
	char *argv[] = {"fsck", (char *)(uintptr_t)option, (char *)(uintptr_t)more, NULL};
	int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO), fd, status;
	char path[80];
	ssize_t n;

	snprintf(path, sizeof(path), "%s.out", p->dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	status = fsck_feature.cli[0].run(p->dir, more ? 3 : option ? 2 : 1, argv);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	n = pread(fd, report, sizeof(report) - 1, 0);
	report[n > 0 ? n : 0] = 0;
	close(out);
	close(err);
	close(fd);
	unlink(path);
	return status;
}

#define assert_said(text)                                                                          \
	do {                                                                                       \
		if (!strstr(report, text))                                                         \
			fail_msg("\"%s\" is not in:\n%s", text, report);                          \
	} while (0)

#define assert_clean(p)                                                                            \
	do {                                                                                       \
		if (fsck(p, NULL, NULL))                                                           \
			fail_msg("not clean:\n%s", report);                                        \
	} while (0)

/* Mail, flags, an expunge, keys, before a checkpoint and after it; then closed. */
static void fill(struct spool *p)
{
	struct mailbox *m = help_inbox(p, "alice"), *n = help_inbox(p, "bob");
	uint32_t seen[] = {2, 3}, gone[] = {5}, copied[] = {7, 8};
	uint64_t lsn;

	for (int i = 0; i < MESSAGES; i++) {
		help_deliver(i % 3 ? m : n, "Received: here\r\n", LETTER);
		if (i == MESSAGES / 2) {
			help_settle(p);
			assert_int_equal(store_checkpoint(p->s), 0);
		}
	}
	assert_int_equal(mailbox_flag(m, seen, 2, MESSAGE_ADD, MESSAGE_SEEN, 0, &lsn), 0);
	assert_int_equal(mailbox_expunge(m, gone, 1, &lsn), 0);
	assert_int_equal(mailbox_copy(m, copied, 2, n, false, NULL, NULL, NULL, &lsn), 0);
	assert_int_equal(store_kv_put(p->s, 1, STR("key"), STR("value"), &lsn), 0);
	assert_int_equal(mailbox_create(help_account(p, "alice"), STR("Sent"), MAILBOX_SENT, &lsn), 0);
	help_settle(p);
	help_close(p);
}

static void path_of(struct spool *p, const char *dir, size_t number, char *path, size_t size)
{
	struct dirent **v;
	int n;

	snprintf(path, size, "%s/%s", p->dir, dir);
	n = scandir(path, &v, NULL, alphasort);
	assert_true(n > 2 + (int)number);
	snprintf(path, size, "%s/%s/%s", p->dir, dir, v[2 + number]->d_name);
	while (n--)
		free(v[n]);
	free(v);
}

static void remove_all(struct spool *p, const char *dir)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -rf %s/%s/*", p->dir, dir);
	assert_int_equal(system(command), 0);
}

static void flip(const char *path, off_t at, unsigned char bits)
{
	int fd = open(path, O_RDWR);
	unsigned char c;

	assert_int_equal(pread(fd, &c, 1, at), 1);
	c ^= bits;
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
	close(fd);
}

/* Where a text stands in a file. */
static off_t find(const char *path, const char *text)
{
	static char bytes[1 << 20];
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, bytes, sizeof(bytes));
	char *at = n > 0 ? memmem(bytes, (size_t)n, text, strlen(text)) : NULL;

	close(fd);
	assert_non_null(at);
	return at - bytes;
}

/* How many of the messages that fill() left can be read. */
static unsigned readable(struct spool *p)
{
	const char *names[] = {"alice", "bob"};
	struct message msg;
	unsigned good = 0;
	struct buf b = {0};
	struct view *v;

	for (int i = 0; i < 2; i++) {
		v = view_open(help_inbox(p, names[i]), false);
		for (uint32_t k = 1; k <= view_exists(v); k++) {
			buf_clear(&b);
			good += view_message(v, k, &msg) == 1 && !message_read(p->s, &msg, 0, msg.size, &b);
		}
		view_close(&v);
	}
	buf_free(&b);
	return good;
}

static void a_whole_spool_is_clean(void **state)
{
	struct spool *p = *state;

	fill(p);
	assert_clean(p);
	assert_said("91 messages: clean\n");
	assert_said(" MiB in reserve of ");
	help_open(p);
}

static void a_spool_after_a_crash_is_clean_too(void **state)
{
	struct spool *p = *state;
	char command[256];

	help_deliver(help_inbox(p, "alice"), "", LETTER);
	help_settle(p);
	snprintf(command, sizeof(command), "cp -a %s %s.crash", p->dir, p->dir);
	assert_int_equal(system(command), 0);
	help_close(p);
	snprintf(command, sizeof(command), "rm -r %s && mv %s.crash %s", p->dir, p->dir, p->dir);
	assert_int_equal(system(command), 0);
	assert_clean(p);
	help_open(p);
}

static void an_open_spool_is_refused(void **state)
{
	assert_int_equal(fsck(*state, NULL, NULL), 8);
	assert_said("a server has this spool open");
}

static void wrong_words_are_wrong_usage(void **state)
{
	assert_int_equal(fsck(*state, "--fix", NULL), 16);
}

static void all_files_are_made_anew_after_all_were_deleted(void **state)
{
	struct spool *p = *state;
	uint32_t uidvalidity, uidnext;
	struct message before, after;
	uint64_t modseq;

	fill(p);
	help_open(p);
	uidvalidity = mailbox_uidvalidity(help_inbox(p, "alice"));
	uidnext = mailbox_uidnext(help_inbox(p, "alice"));
	modseq = mailbox_highestmodseq(help_inbox(p, "alice"));
	assert_int_equal(mailbox_message(help_inbox(p, "alice"), 2, &before), 1);
	help_close(p);
	remove_all(p, "idx");
	remove_all(p, "kv");
	remove_all(p, "map");
	assert_int_equal(fsck(p, NULL, NULL), 4);
	assert_said("checkpoint: ");
	assert_said("fsck --repair");
	assert_int_equal(fsck(p, "--repair", NULL), 1);
	assert_said("repaired\n");
	assert_clean(p);
	help_open(p);
	assert_int_equal(mailbox_uidvalidity(help_inbox(p, "alice")), uidvalidity);
	assert_int_equal(mailbox_uidnext(help_inbox(p, "alice")), uidnext);
	assert_int_equal(mailbox_highestmodseq(help_inbox(p, "alice")), modseq);
	assert_int_equal(mailbox_message(help_inbox(p, "alice"), 2, &after), 1);
	assert_int_equal(after.flags, MESSAGE_SEEN);
	assert_int_equal(after.modseq, before.modseq);
	assert_int_equal(mailbox_message(help_inbox(p, "alice"), 5, &after), 0);
	assert_int_equal(readable(p), MESSAGES + 1);
}

static void a_damaged_checkpoint_is_made_anew(void **state)
{
	struct spool *p = *state;
	char path[160];

	fill(p);
	snprintf(path, sizeof(path), "%s/checkpoint", p->dir);
	flip(path, 30, 4);
	assert_int_equal(fsck(p, "--repair", "--explain"), 1);
	assert_said("checkpoint: ");
	assert_said("--repair makes them anew");
	assert_clean(p);
	help_open(p);
	assert_int_equal(readable(p), MESSAGES + 1);
}

static void a_lost_identity_is_found_in_the_segments(void **state)
{
	struct spool *p = *state;
	char path[160];

	fill(p);
	snprintf(path, sizeof(path), "%s/spool", p->dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(fsck(p, NULL, NULL), 4);
	assert_said("the segments name the salt");
	assert_int_equal(fsck(p, "--repair", NULL), 1);
	assert_clean(p);
	help_open(p);
	assert_int_equal(readable(p), MESSAGES + 1);
}

static void a_damaged_body_is_named_kept_and_then_known(void **state)
{
	struct spool *p = *state;
	char path[400];

	fill(p);
	path_of(p, "log", 0, path, sizeof(path));
	flip(path, find(path, "Hello"), 1);
	assert_int_equal(fsck(p, "--repair", NULL), 4);
	assert_said("body: log/");
	assert_said(": offset ");
	assert_said("/INBOX: UID 1: its bytes are damaged");
	path_of(p, "lost", 0, path, sizeof(path));
	assert_int_equal(find(path, "ello"), find(path, "Iello") + 1);
	help_open(p);
	assert_int_equal(readable(p), MESSAGES);
}

static void a_newer_version_is_named_and_nothing_is_touched(void **state)
{
	struct spool *p = *state;
	char path[160], command[400];

	fill(p);
	snprintf(path, sizeof(path), "%s/spool", p->dir);
	snprintf(command, sizeof(command), "cp %s %s.old", path, path);
	assert_int_equal(system(command), 0);
	help_raise_version(p, path, 0, 64);
	assert_int_equal(fsck(p, "--repair", NULL), 4);
	assert_said("newer version");
	snprintf(command, sizeof(command), "mv %s.old %s", path, path);
	assert_int_equal(system(command), 0);
	assert_clean(p);
	help_open(p);
}

/* One bit at a time over all files: a start must do without at most one message, or say what to do. */
static void a_flipped_bit_costs_one_message_at_most(void **state)
{
	struct spool *p = *state;
	const char *dirs[] = {"log", "idx", "kv", "map"};
	char path[400], command[256];
	unsigned good;

	fill(p);
	snprintf(command, sizeof(command), "rm -rf %s.copy; cp -a %s %s.copy", p->dir, p->dir, p->dir);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "rm -rf %s; cp -a %s.copy %s", p->dir, p->dir, p->dir);
	srand(7);
	for (int i = 0; i < 80; i++) {
		struct stat st;

		if (i % 5 == 4)
			snprintf(path, sizeof(path), "%s/%s", p->dir, i % 10 == 4 ? "spool" : "checkpoint");
		else
			path_of(p, dirs[i % 4], 0, path, sizeof(path));
		assert_int_equal(stat(path, &st), 0);
		if (st.st_size > 40000)
			st.st_size = 40000;
		flip(path, rand() % st.st_size, (unsigned char)(1 << rand() % 8));
		fsck(p, "--repair", NULL);
		help_open(p);
		good = readable(p);
		if (good + 2 < MESSAGES + 1)
			fail_msg("%s: %u messages left:\n%s", path, good, report);
		help_close(p);
		assert_int_equal(system(command), 0);
	}
	snprintf(command, sizeof(command), "rm -rf %s.copy", p->dir);
	assert_int_equal(system(command), 0);
	help_open(p);
}

static void deliver_large(struct spool *p)
{
	struct message_new v = {.body = body_new(p->s)};
	int done;

	for (int i = 0; i < 10000; i++)
		buf_adds(body_buf(v.body), "0123456789abcdef\r\n");
	while ((done = body_finish(v.body)) == 1)
		loop_turn(p->loop, 10);
	assert_int_equal(done, 0);
	assert_int_equal(mailbox_append(help_inbox(p, "alice"), &v, 1, NULL, NULL), 0);
	body_free(&v.body);
	help_settle(p);
}

static void large_messages_are_read_and_files_without_one_are_told(void **state)
{
	struct spool *p = *state;
	char path[160], name[64] = "", byte = '#';
	struct dirent *e;
	DIR *d;
	int fd;

	p->large_bytes = 20000;
	help_reopen(p);
	deliver_large(p);
	help_close(p);
	assert_clean(p);
	snprintf(path, sizeof(path), "%s/large", p->dir);
	d = opendir(path);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			snprintf(name, sizeof(name), "%.60s", e->d_name);
	closedir(d);
	snprintf(path, sizeof(path), "%s/large/00000000000fffff", p->dir);
	assert_true((fd = open(path, O_CREAT | O_WRONLY, 0600)) >= 0);
	close(fd);
	assert_int_equal(fsck(p, NULL, NULL), 0);
	assert_said("orphan: large/00000000000fffff: no message refers to it");
	assert_int_equal(fsck(p, "--repair", NULL), 0);
	assert_int_equal(access(path, F_OK), -1);
	snprintf(path, sizeof(path), "%s/large/%s", p->dir, name);
	assert_true((fd = open(path, O_RDWR)) >= 0);
	assert_int_equal(pwrite(fd, &byte, 1, 512 + 65536 + 5), 1);
	close(fd);
	assert_int_equal(fsck(p, "--explain", NULL), 4);
	assert_said("large message: large/");
	assert_said("offset 66048: bytes do not match their checksum");
	assert_said("alice/INBOX: UID 1: its bytes are damaged");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(fsck(p, NULL, NULL), 4);
	assert_said("alice/INBOX: UID 1: cannot be read");
	help_open(p);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)
	const struct CMUnitTest tests[] = {
		T(a_whole_spool_is_clean),
		T(a_spool_after_a_crash_is_clean_too),
		T(an_open_spool_is_refused),
		T(wrong_words_are_wrong_usage),
		T(all_files_are_made_anew_after_all_were_deleted),
		T(a_damaged_checkpoint_is_made_anew),
		T(a_lost_identity_is_found_in_the_segments),
		T(a_damaged_body_is_named_kept_and_then_known),
		T(a_newer_version_is_named_and_nothing_is_touched),
		T(a_flipped_bit_costs_one_message_at_most),
		cmocka_unit_test_setup_teardown(large_messages_are_read_and_files_without_one_are_told, help_setup,
			help_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
