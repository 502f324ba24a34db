/* SPDX-License-Identifier: 0BSD */
#ifndef TESTS_UNIT_STORE_HELP_H
#define TESTS_UNIT_STORE_HELP_H

/* A spool in a directory of its own, and short words for what tests of the store do all the time.
 * Included after cmocka.h by one file per program, hence static. */

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/lib/crc32c.h"
#include "core/lib/log.h"
#include "core/lib/loop.h"
#include "core/store/store.h"

struct spool {
	char dir[64];
	struct loop *loop;
	struct store *s;
	uint64_t segment_bytes, large_bytes, cache_bytes;
	bool rebuild;
};

struct help_waiter {
	struct store_waiter w;
	int error;
};

__attribute__((unused)) static void help_waited(struct store_waiter *w, int error)
{
	((struct help_waiter *)(void *)w)->error = error;
}

static void help_open(struct spool *p)
{
	struct store_options o = {
		.dir = p->dir,
		.checkpoint_interval = 3600,
		.body_budget = 64 << 20,
		.segment_bytes = p->segment_bytes,
		.large_bytes = p->large_bytes,
		.rebuild = p->rebuild,
		.cache_bytes = p->cache_bytes,
	};
	struct buf error = {0};

	p->s = store_open(p->loop, &o, &error);
	if (!p->s)
		fprintf(stderr, "store_open: %.*s\n", (int)error.len, error.data + error.off);
	assert_non_null(p->s);
	buf_free(&error);
}

/* A number of store_stat(). */
__attribute__((unused)) static uint64_t help_figure(const struct spool *p, const char *key)
{
	struct buf b = {0};
	struct cursor c;
	struct str line, name;
	uint64_t n = UINT64_MAX;
	bool ended;

	store_stat(p->s, &b);
	c = cursor_from(buf_str(&b));
	while (!cursor_done(&c)) {
		line = cursor_take_line(&c, &ended);
		str_word(&line, " ", &name);
		if (str_eq(name, str_from(key)))
			n = strtoull(line.p, NULL, 10);
	}
	buf_free(&b);
	assert_true(n != UINT64_MAX);
	return n;
}

/* Runs the loop until everything is durable. */
__attribute__((unused)) static void help_settle(struct spool *p)
{
	for (int i = 0; i < 5000; i++) {
		if (store_durable(p->s) == store_last_lsn(p->s) || store_failed(p->s))
			return;
		loop_turn(p->loop, 10);
	}
	fail_msg("the store does not become durable");
}

/* Makes a header of a newer version, with a good CRC at its end, of one that stands in a file at `at`. */
__attribute__((unused)) static void help_raise_version(struct spool *p, const char *path, long at, size_t size)
{
	unsigned char salt[64], b[512];
	char spool[96];
	bool seeded = !strstr(path, "/spool") || strlen(strstr(path, "/spool")) > 6;
	uint32_t crc;
	int fd;

	snprintf(spool, sizeof(spool), "%s/spool", p->dir);
	fd = open(spool, O_RDONLY);
	assert_int_equal(pread(fd, salt, sizeof(salt), 0), 64);
	close(fd);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0 && size <= sizeof(b));
	at += at < 0 ? lseek(fd, 0, SEEK_END) : 0;
	assert_int_equal(pread(fd, b, size, at), size);
	b[8]++;
	crc = crc32c(seeded ? crc32c(0, salt + 16, 16) : 0, b, size - 4);
	for (int i = 0; i < 4; i++)
		b[size - 4 + (size_t)i] = (unsigned char)(crc >> 8 * i);
	assert_int_equal(pwrite(fd, b, size, at), size);
	close(fd);
}

static int help_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

__attribute__((unused)) static int help_setup(void **state)
{
	struct spool *p = calloc(1, sizeof(*p));

	log_init("test", LOG_LEVEL_ERROR, false);
	snprintf(p->dir, sizeof(p->dir), "%s/satchel-store-XXXXXX",
		access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	assert_non_null(mkdtemp(p->dir));
	p->segment_bytes = 1 << 20;
	p->loop = loop_new();
	help_open(p);
	*state = p;
	return 0;
}

static void help_close(struct spool *p)
{
	store_close(&p->s);
	loop_turn(p->loop, 0);
}

__attribute__((unused)) static int help_teardown(void **state)
{
	struct spool *p = *state;

	help_close(p);
	loop_free(&p->loop);
	nftw(p->dir, help_remove, 16, FTW_DEPTH | FTW_PHYS);
	free(p);
	return 0;
}

__attribute__((unused)) static void help_reopen(struct spool *p)
{
	help_close(p);
	help_open(p);
}

__attribute__((unused)) static struct account *help_account(struct spool *p, const char *name)
{
	struct account *a = NULL;

	assert_int_equal(account_open(p->s, str_from(name), true, &a), 1);
	return a;
}

__attribute__((unused)) static struct mailbox *help_inbox(struct spool *p, const char *name)
{
	return mailbox_find(help_account(p, name), STR("INBOX"));
}

__attribute__((unused)) static struct body *help_body(struct store *s, const char *text)
{
	struct body *b = body_new(s);

	assert_non_null(b);
	buf_adds(body_buf(b), text);
	assert_int_equal(body_finish(b), 0);
	return b;
}

/* Returns the LSN that must be durable. */
__attribute__((unused)) static uint64_t help_deliver(struct mailbox *m, const char *prefix, const char *text)
{
	struct body *b = help_body(account_store(mailbox_account(m)), text);
	struct message_new v = {.body = b, .prefix = str_from(prefix), .internaldate = 1700000000};
	uint64_t lsn = 0;

	assert_int_equal(mailbox_append(m, &v, 1, NULL, &lsn), 0);
	body_free(&b);
	return lsn;
}

__attribute__((unused)) static void help_assert_text(struct store *s, const struct message *m, const char *text)
{
	struct buf b = {0};

	assert_int_equal(m->size, strlen(text));
	assert_int_equal(message_read(s, m, 0, m->size, &b), 0);
	assert_int_equal(b.len, strlen(text));
	assert_memory_equal(b.data + b.off, text, b.len);
	buf_free(&b);
}

#endif
