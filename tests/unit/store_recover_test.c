/* SPDX-License-Identifier: 0BSD */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/lib/crc32c.h"
#include "core/store/format.h"
#include "core/store/scan.h"
#include "core/store/store.h"
#include "tests/unit/store_help.h"

#define LETTER "Subject: x\r\n\r\nbody\r\n"

/* A copy of the spool as it stands now: what a kill -9 leaves. */
static void crash(struct spool *p)
{
	char command[256];

	help_settle(p);
	snprintf(command, sizeof(command), "rm -rf %s.copy && cp -a %s %s.copy", p->dir, p->dir, p->dir);
	assert_int_equal(system(command), 0);
	help_close(p);
	snprintf(command, sizeof(command), "rm -rf %s && mv %s.copy %s", p->dir, p->dir, p->dir);
	assert_int_equal(system(command), 0);
}

static uint64_t stat_of(struct spool *p, const char *key)
{
	struct buf b = {0};
	char *line;
	uint64_t n;

	store_stat(p->s, &b);
	buf_addc(&b, 0);
	line = strstr(b.data, key);
	assert_non_null(line);
	n = strtoull(line + strlen(key), NULL, 10);
	buf_free(&b);
	return n;
}

struct place {
	char path[512];
	int fd;
	struct scan_source src;
	struct format_key key;
};

/* Opens the newest segment that holds mail. */
static void open_log(struct spool *p, struct place *l)
{
	char path[128], best[256] = "";
	unsigned char salt[64];
	uint64_t first;
	struct dirent *e;
	struct stat st;
	uint16_t version;
	DIR *d;
	int fd;

	snprintf(path, sizeof(path), "%s/spool", p->dir);
	fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, salt, sizeof(salt)), 64);
	close(fd);
	assert_int_equal(spool_read((struct str){(char *)salt, 64}, &l->key, &version), 1);
	snprintf(path, sizeof(path), "%s/log", p->dir);
	d = opendir(path);
	while ((e = readdir(d)))
		if (strlen(e->d_name) == 20 && sscanf(e->d_name, "%16lx", &first) == 1 &&
			strcmp(e->d_name, best) > 0)
			snprintf(best, sizeof(best), "%s", e->d_name);
	closedir(d);
	snprintf(l->path, sizeof(l->path), "%s/%s", path, best);
	l->fd = open(l->path, O_RDWR);
	assert_true(l->fd >= 0 && !fstat(l->fd, &st));
	l->src = (struct scan_source){.fd = l->fd, .size = (uint64_t)st.st_size};
}

/* Offset and header of the nth batch (0 = first) of that segment. */
static uint64_t batch_at(struct place *l, unsigned n, struct batch_header *h)
{
	uint64_t at = SEGMENT_HEADER_SIZE;

	for (;; at += batch_size(h)) {
		assert_int_equal(scan_header(&l->src, &l->key, at, h), 1);
		if (!n--)
			return at;
	}
}

static void spoil(struct place *l, uint64_t at)
{
	char byte;

	assert_int_equal(pread(l->fd, &byte, 1, (off_t)at), 1);
	byte ^= 0x40;
	assert_int_equal(pwrite(l->fd, &byte, 1, (off_t)at), 1);
}

/* Batches 1, 2, 3 of the segment: one delivery each; batch 0 begins the epoch. */
static void three_deliveries(struct spool *p)
{
	help_reopen(p); /* a segment of its own; the account is there */
	for (int i = 0; i < 3; i++) {
		help_deliver(help_inbox(p, "alice"), "P: q\r\n", LETTER);
		help_settle(p);
	}
}

static void spoil_batch(struct spool *p, unsigned batch, bool body)
{
	struct batch_header h;
	struct place l;
	uint64_t at;

	help_account(p, "alice");
	three_deliveries(p);
	crash(p);
	open_log(p, &l);
	at = batch_at(&l, batch, &h);
	spoil(&l, body ? at + batch_bodies_at(&h) + h.bodies_len - 16 : at + BATCH_HEADER_SIZE + 30);
	close(l.fd);
	help_open(p);
}

static void a_torn_last_batch_is_cut_whole_and_kept_in_lost(void **state)
{
	struct spool *p = *state;
	char path[128];

	spoil_batch(p, 3, false);
	assert_int_equal(mailbox_messages(help_inbox(p, "alice")), 2);
	assert_int_equal(stat_of(p, "damaged "), 0);
	assert_int_equal(stat_of(p, "tails_cut "), 1);
	snprintf(path, sizeof(path), "%s/lost", p->dir);
	assert_int_equal(access(path, F_OK), 0);
}

static void a_last_batch_whose_body_did_not_arrive_is_cut_too(void **state)
{
	struct spool *p = *state;

	spoil_batch(p, 3, true);
	assert_int_equal(mailbox_messages(help_inbox(p, "alice")), 2);
	assert_int_equal(stat_of(p, "tails_cut "), 1);
	assert_int_equal(mailbox_uidnext(help_inbox(p, "alice")), 3);
	help_deliver(help_inbox(p, "alice"), "", LETTER);
	help_reopen(p);
	assert_int_equal(mailbox_messages(help_inbox(p, "alice")), 3);
}

static void a_bad_batch_with_a_successor_is_damage_and_the_rest_stays(void **state)
{
	struct spool *p = *state;
	struct message msg;

	spoil_batch(p, 2, false);
	assert_true(stat_of(p, "damaged ") >= 1);
	assert_int_equal(stat_of(p, "tails_cut "), 0);
	assert_int_equal(mailbox_message(help_inbox(p, "alice"), 1, &msg), 1);
	assert_int_equal(mailbox_message(help_inbox(p, "alice"), 3, &msg), 1);
	help_assert_text(p->s, &msg, "P: q\r\n" LETTER);
	assert_int_equal(mailbox_uidnext(help_inbox(p, "alice")), 4);
}

static void a_damaged_body_costs_that_message_alone(void **state)
{
	struct spool *p = *state;
	struct buf b = {0};
	struct message msg;

	log_init("test", LOG_LEVEL_ERROR, false);
	spoil_batch(p, 1, true);
	assert_int_equal(mailbox_messages(help_inbox(p, "alice")), 3);
	for (uint32_t uid = 2; uid <= 3; uid++) {
		mailbox_message(help_inbox(p, "alice"), uid, &msg);
		help_assert_text(p->s, &msg, "P: q\r\n" LETTER);
	}
	mailbox_message(help_inbox(p, "alice"), 1, &msg);
	errno = 0;
	assert_int_equal(message_read(p->s, &msg, 0, msg.size, &b), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(message_read(p->s, &msg, 2, 5, &b), -1);
	buf_free(&b);
}

/* 64 messages in one batch, each a copy of the log at another alignment, so that in one of them the
 * copied batches stand where a batch may stand. */
static void deliver_log(struct spool *p, const char *to)
{
	struct message_new v = {0};
	struct buf segment = {0};
	struct place l;

	open_log(p, &l);
	assert_int_equal(scan_read(&l.src, 0, 16384, &segment), 0);
	close(l.fd);
	for (int pad = 0; pad < 512; pad += 8) {
		v.body = body_new(p->s);
		for (int i = 0; i < pad; i++)
			buf_addc(body_buf(v.body), 'x');
		buf_addstr(body_buf(v.body), buf_str(&segment));
		assert_int_equal(body_finish(v.body), 0);
		assert_int_equal(mailbox_append(help_inbox(p, to), &v, 1, NULL, NULL), 0);
		body_free(&v.body);
	}
	buf_free(&segment);
}

static void a_message_that_contains_a_log_is_not_obeyed(void **state)
{
	struct spool *p = *state;
	struct account *a;
	struct place l;

	help_account(p, "alice");
	three_deliveries(p);
	deliver_log(p, "mallory");
	crash(p);
	help_open(p);
	assert_int_equal(mailbox_messages(help_inbox(p, "alice")), 3);
	assert_int_equal(mailbox_messages(help_inbox(p, "mallory")), 64);
	/* Nor when the search for a successor goes through its bytes, because its batch is torn. */
	deliver_log(p, "trudy");
	crash(p);
	open_log(p, &l);
	spoil(&l, SEGMENT_HEADER_SIZE + BATCH_HEADER_SIZE + 20);
	close(l.fd);
	help_open(p);
	assert_int_equal(stat_of(p, "damaged "), 0);
	assert_int_equal(stat_of(p, "tails_cut "), 1);
	assert_int_equal(account_open(p->s, STR("trudy"), false, &a), 0);
	assert_int_equal(mailbox_messages(help_inbox(p, "alice")), 3);
	assert_int_equal(mailbox_messages(help_inbox(p, "mallory")), 64);
}

static void a_copied_batch_behind_a_torn_one_brings_nothing_back(void **state)
{
	struct spool *p = *state;
	struct buf old = {0};
	struct batch_header h;
	struct place l;
	uint64_t at;

	/* The tail is torn, and behind it lies an old batch of this spool: valid, but of the past. */
	help_account(p, "alice");
	three_deliveries(p);
	crash(p);
	open_log(p, &l);
	at = batch_at(&l, 1, &h);
	assert_int_equal(scan_read(&l.src, at, batch_size(&h), &old), 0);
	at = batch_at(&l, 3, &h);
	spoil(&l, at + BATCH_HEADER_SIZE + 3);
	assert_int_equal(pwrite(l.fd, old.data, old.len, (off_t)(at + batch_size(&h))), (ssize_t)old.len);
	close(l.fd);
	help_open(p);
	assert_int_equal(mailbox_messages(help_inbox(p, "alice")), 2);
	assert_int_equal(stat_of(p, "damaged "), 0);
	assert_int_equal(stat_of(p, "tails_cut "), 1);
	buf_free(&old);
}

static void every_opening_raises_the_epoch(void **state)
{
	struct spool *p = *state;
	uint64_t epoch = stat_of(p, "epoch ");

	help_reopen(p);
	assert_int_equal(stat_of(p, "epoch "), epoch + 1);
	crash(p);
	help_open(p);
	assert_int_equal(stat_of(p, "epoch "), epoch + 2);
}

static void a_newer_version_is_refused_by_name_and_not_touched(void **state)
{
	struct spool *p = *state;
	struct store_options o = {.dir = p->dir};
	struct buf error = {0};
	char path[128], command[400];

	help_close(p);
	snprintf(path, sizeof(path), "%s/spool", p->dir);
	snprintf(command, sizeof(command), "cp %s %s.old", path, path);
	assert_int_equal(system(command), 0);
	help_raise_version(p, path, 0, 64);
	assert_null(store_open(p->loop, &o, &error));
	buf_addc(&error, 0);
	assert_non_null(strstr(error.data, "newer version"));
	snprintf(command, sizeof(command), "mv %s.old %s", path, path);
	assert_int_equal(system(command), 0);
	buf_free(&error);
	help_open(p);
}

/* Appends a batch with one record to the log by hand: what another program may have left. */
static void write_foreign(struct spool *p, uint16_t type, uint16_t flags)
{
	struct batch_header last = {0}, h = {0};
	struct buf b = {0};
	struct place l;
	uint64_t at = SEGMENT_HEADER_SIZE;

	open_log(p, &l);
	while (scan_header(&l.src, &l.key, at, &h) == 1) {
		last = h;
		at += batch_size(&h);
	}
	buf_reserve(&b, BATCH_HEADER_SIZE);
	buf_commit(&b, BATCH_HEADER_SIZE);
	record_end(&b, (record_begin(&b, type, flags, last.first + last.count)), &l.key);
	h = (struct batch_header){.epoch = last.epoch, .first = last.first + last.count, .count = 1,
		.meta_len = (uint32_t)(b.len - BATCH_HEADER_SIZE), .prev = last.crc};
	h.meta_crc = crc32c(l.key.seed, b.data + BATCH_HEADER_SIZE, h.meta_len);
	batch_header_write(b.data, &l.key, &h);
	assert_int_equal(pwrite(l.fd, b.data, b.len, (off_t)at), (ssize_t)b.len);
	assert_int_equal(ftruncate(l.fd, (off_t)(at + batch_size(&h))), 0);
	close(l.fd);
	buf_free(&b);
}

static void an_unknown_required_record_refuses_the_spool(void **state)
{
	struct spool *p = *state;
	struct store_options o = {.dir = p->dir};
	struct buf error = {0};
	char command[128];

	crash(p);
	write_foreign(p, 999, RECORD_REQUIRED);
	assert_null(store_open(p->loop, &o, &error));
	buf_addc(&error, 0);
	assert_non_null(strstr(error.data, "record type 999"));
	buf_free(&error);
	snprintf(command, sizeof(command), "rm -rf %s/log", p->dir);
	assert_int_equal(system(command), 0);
	help_open(p);
}

static void a_lost_identity_cuts_nothing(void **state)
{
	struct spool *p = *state;
	struct store_options o = {.dir = p->dir};
	struct buf error = {0};
	char command[256];

	help_deliver(help_inbox(p, "alice"), "", LETTER);
	help_close(p);
	snprintf(command, sizeof(command), "mv %s/spool %s/kept", p->dir, p->dir);
	assert_int_equal(system(command), 0);
	assert_null(store_open(p->loop, &o, &error));
	buf_addc(&error, 0);
	assert_non_null(strstr(error.data, "spool: missing"));
	snprintf(command, sizeof(command), "mv %s/kept %s/spool", p->dir, p->dir);
	assert_int_equal(system(command), 0);
	buf_free(&error);
	help_open(p);
	assert_int_equal(mailbox_messages(help_inbox(p, "alice")), 1);
}

static int count_key(void *arg, struct str key, struct str value)
{
	(void)value;
	*(int *)arg += key.len == 12;
	return 0;
}

static void an_unknown_optional_record_is_carried_along(void **state)
{
	struct spool *p = *state;
	int n = 0;

	crash(p);
	write_foreign(p, 2000, 0);
	help_open(p);
	assert_int_equal(store_checkpoint(p->s), 0);
	help_reopen(p);
	store_kv_each(p->s, 0xffff, count_key, &n);
	assert_int_equal(n, 1);
}

static uint64_t clock_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void a_start_that_redoes_much_measures_how_fast_and_that_is_kept(void **state)
{
	struct spool *p = *state;
	uint64_t records, rate, took;

	help_deliver(help_inbox(p, "alice"), "", LETTER);
	crash(p);
	help_open(p);
	assert_int_equal(stat_of(p, "redo_rate_measured"), 0); /* too few */
	for (int i = 0; i < 2600; i++)
		help_deliver(help_inbox(p, "alice"), "", LETTER);
	help_settle(p);
	records = stat_of(p, "redo_records");
	assert_true(records > 5000);
	assert_int_equal(stat_of(p, "redo_ms"), records * 1000 / stat_of(p, "redo_rate")); /* a guess */
	crash(p);
	took = clock_us();
	help_open(p);
	took = clock_us() - took;
	assert_int_equal(stat_of(p, "redo_rate_measured"), 1);
	rate = stat_of(p, "redo_rate");
	/* Redo is a part of opening; with what is measured beside it, it would be most of it again. */
	assert_true(rate >= (records - 10) * 1000000 / took);
	assert_true(stat_of(p, "redo_ms") <= took / 1000 + 1);
	assert_true(stat_of(p, "redo_ms") >= took / 10000);
	assert_int_equal(store_checkpoint(p->s), 0);
	help_reopen(p);
	assert_int_equal(stat_of(p, "redo_rate"), rate);
	help_deliver(help_inbox(p, "alice"), "", LETTER);
	crash(p);
	help_open(p);
	assert_int_equal(stat_of(p, "redo_rate"), rate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)
		T(a_torn_last_batch_is_cut_whole_and_kept_in_lost),
		T(a_last_batch_whose_body_did_not_arrive_is_cut_too),
		T(a_bad_batch_with_a_successor_is_damage_and_the_rest_stays),
		T(a_damaged_body_costs_that_message_alone),
		T(a_message_that_contains_a_log_is_not_obeyed),
		T(a_copied_batch_behind_a_torn_one_brings_nothing_back),
		T(every_opening_raises_the_epoch),
		T(a_newer_version_is_refused_by_name_and_not_touched),
		T(an_unknown_required_record_refuses_the_spool),
		T(an_unknown_optional_record_is_carried_along),
		T(a_lost_identity_cuts_nothing),
		T(a_start_that_redoes_much_measures_how_fast_and_that_is_kept),
	};

	return cmocka_run_group_tests_name("store_recover", tests, NULL, NULL);
}
