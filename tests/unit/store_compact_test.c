/* SPDX-License-Identifier: 0BSD */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/store/compact.h"
#include "tests/unit/store_help.h"

#define SPACE 77

static void make_text(char *text, size_t size, int n)
{
	memset(text, 'a' + n % 26, size);
	snprintf(text, size, "Subject: number %d\r\n\r\n", n);
	text[strlen(text)] = 'x';
	text[size - 1] = 0;
}

static void deliver(struct spool *p, int from, int to)
{
	char text[20000];

	for (int i = from; i <= to; i++) {
		make_text(text, sizeof(text), i);
		help_deliver(help_inbox(p, "alice"), "Delivered-To: a\r\n", text);
		help_settle(p);
	}
}

static void assert_read(struct spool *p, struct mailbox *m, uint32_t uid, int n)
{
	char text[20000 + 32] = "Delivered-To: a\r\n";
	struct message msg;

	make_text(text + strlen(text), 20000, n);
	assert_int_equal(mailbox_message(m, uid, &msg), 1);
	help_assert_text(p->s, &msg, text);
}

/* Expunges all of 1..n but every tenth. */
static void thin_out(struct spool *p, int n)
{
	uint32_t uids[1000], count = 0;

	for (int i = 1; i <= n; i++)
		if (i % 10)
			uids[count++] = (uint32_t)i;
	assert_int_equal(mailbox_expunge(help_inbox(p, "alice"), uids, count, NULL), 0);
	help_settle(p);
}

static uint64_t log_bytes(struct spool *p)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < p->s->segments.n; i++)
		bytes += p->s->segments.v[i]->size;
	return bytes;
}

static void assert_thinned(struct spool *p, int n)
{
	struct mailbox *m = help_inbox(p, "alice");
	struct message msg;

	assert_int_equal(mailbox_messages(m), n / 10);
	for (int i = 1; i <= n; i++) {
		if (i % 10)
			assert_int_equal(mailbox_message(m, (uint32_t)i, &msg), 0);
		else
			assert_read(p, m, (uint32_t)i, i);
	}
}

static void a_mostly_dead_log_shrinks_and_keeps_every_message(void **state)
{
	struct spool *p = *state;
	uint64_t before;

	deliver(p, 1, 300);
	before = log_bytes(p);
	thin_out(p, 300);
	assert_int_equal(store_compact(p->s), 0);
	assert_true(log_bytes(p) < before / 2);
	assert_thinned(p, 300);
	help_reopen(p);
	assert_thinned(p, 300);
	assert_int_equal(blob_count(p->s), 60);
	assert_int_equal(p->s->damaged, 0);
}

static void a_crash_after_the_moves_finds_the_messages_at_their_new_place(void **state)
{
	struct spool *p = *state;

	deliver(p, 1, 200);
	thin_out(p, 200);
	assert_int_equal(store_checkpoint(p->s), 0);
	assert_int_equal(compact_now(p->s), 0);
	p->s->failed = true; /* as after a crash: the checkpoint is from before the moves */
	help_reopen(p);
	assert_thinned(p, 200);
	assert_int_equal(p->s->damaged, 0);
	assert_int_equal(store_compact(p->s), 0);
	assert_true(log_bytes(p) < (uint64_t)200 * 20000 / 2);
	assert_thinned(p, 200);
}

static void rebuild(struct spool *p)
{
	struct store_options o = {
		.dir = p->dir,
		.checkpoint_interval = 3600,
		.segment_bytes = p->segment_bytes,
		.rebuild = true,
	};
	struct buf error = {0};

	help_close(p);
	p->s = store_open(p->loop, &o, &error);
	assert_non_null(p->s);
	buf_free(&error);
}

static void the_log_alone_gives_back_flags_names_and_numbers_after_compaction(void **state)
{
	struct spool *p = *state;
	struct mailbox *m = help_inbox(p, "alice");
	struct account *a = mailbox_account(m);
	uint32_t uid = 20, validity, next;
	struct buf value = {0};
	struct message msg;
	int keyword;

	mailbox_create(a, STR("Kept"), 0, NULL);
	mailbox_create(a, STR("Gone"), 0, NULL);
	store_kv_put(p->s, SPACE, STR("key"), STR("value"), NULL);
	store_kv_put(p->s, SPACE, STR("removed"), STR("value"), NULL);
	deliver(p, 1, 200);
	keyword = mailbox_keyword(m, STR("$Junk"), true);
	mailbox_flag(m, &uid, 1, MESSAGE_ADD, MESSAGE_FLAGGED, (uint64_t)1 << keyword, NULL);
	mailbox_copy(m, &uid, 1, mailbox_find(a, STR("Kept")), false, NULL, NULL, NULL, NULL);
	mailbox_delete(a, STR("Gone"), NULL);
	store_kv_put(p->s, SPACE, STR("removed"), STR_NULL, NULL);
	thin_out(p, 200);
	deliver(p, 201, 220);
	validity = mailbox_uidvalidity(m);
	next = mailbox_uidnext(m);
	for (int i = 0; i < 3; i++)
		assert_int_equal(store_compact(p->s), 0);
	assert_true(p->s->segments.v[0]->first > 1);
	rebuild(p);
	a = help_account(p, "alice");
	m = help_inbox(p, "alice");
	assert_int_equal(p->s->damaged, 0);
	assert_int_equal(mailbox_uidvalidity(m), validity);
	assert_int_equal(mailbox_uidnext(m), next);
	assert_int_equal(mailbox_messages(m), 40);
	for (int i = 10; i <= 200; i += 10)
		assert_read(p, m, (uint32_t)i, i);
	assert_int_equal(mailbox_message(m, uid, &msg), 1);
	assert_int_equal(msg.flags, MESSAGE_FLAGGED);
	assert_int_equal(msg.keywords, (uint64_t)1 << keyword);
	assert_read(p, mailbox_find(a, STR("Kept")), 1, 20);
	assert_null(mailbox_find(a, STR("Gone")));
	assert_int_equal(store_kv_get(p->s, SPACE, STR("key"), &value, NULL), 1);
	assert_int_equal(store_kv_get(p->s, SPACE, STR("removed"), &value, NULL), 0);
	buf_free(&value);
}

static void a_segment_with_a_damaged_message_stays(void **state)
{
	struct spool *p = *state;
	struct mailbox *m = help_inbox(p, "alice");
	struct message msg;
	struct segment *g;
	struct blob *b;
	char name[SEGMENT_NAME_SIZE + 4] = "", byte = 'Z';
	char path[160];
	FILE *f;

	deliver(p, 1, 200);
	thin_out(p, 200);
	assert_int_equal(mailbox_message(m, 10, &msg), 1);
	b = blob_find(p->s, msg.blob);
	g = b->segment;
	segment_name(name, g->first);
	snprintf(path, sizeof(path), "%s/log/%s", p->dir, name);
	f = fopen(path, "r+");
	fseek(f, (long)(b->offset + b->summary_len + 1000), SEEK_SET);
	fwrite(&byte, 1, 1, f);
	fclose(f);
	assert_int_equal(store_compact(p->s), 0);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(blob_find(p->s, msg.blob)->segment->first, g->first);
	for (int i = 20; i <= 200; i += 10)
		assert_read(p, m, (uint32_t)i, i);
}

/* Writes over bytes of a file of the spool. */
static void overwrite(struct spool *p, const char *file, uint64_t at, const char *bytes, size_t n)
{
	char path[160];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", p->dir, file);
	f = fopen(path, "r+");
	assert_non_null(f);
	fseek(f, (long)at, SEEK_SET);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	fclose(f);
}

/* All messages that a mailbox had are there after a rebuild. */
static void assert_rebuilt(struct spool *p, int n)
{
	rebuild(p);
	assert_thinned(p, n);
}

static void what_a_damaged_index_says_nothing_of_is_not_dropped_from_the_log(void **state)
{
	struct spool *p = *state;
	struct mailbox *m;
	char name[64], path[80];
	const char zeros[64] = {0};

	log_init("test", 0, false);
	deliver(p, 1, 200);
	thin_out(p, 200);
	assert_int_equal(store_checkpoint(p->s), 0);
	help_reopen(p);
	m = help_inbox(p, "alice");
	index_name(name, mailbox_id(m), index_name_number(m->index));
	snprintf(path, sizeof(path), "idx/%s", name);
	overwrite(p, path, INDEX_UNIT + 3 * MESSAGE_SIZE, zeros, sizeof(zeros)); /* the fourth record */
	for (int i = 0; i < 3; i++)
		assert_int_equal(store_compact(p->s), 0);
	log_init("test", LOG_LEVEL_ERROR, false);
	assert_rebuilt(p, 200);
}

static void a_segment_with_a_damaged_batch_stays(void **state)
{
	struct spool *p = *state;
	struct segment *g;
	char name[SEGMENT_NAME_SIZE + 4] = "log/", path[160];

	deliver(p, 1, 200);
	thin_out(p, 200);
	g = p->s->segments.v[1];
	segment_name(name + 4, g->first);
	overwrite(p, name, SEGMENT_HEADER_SIZE + 4, "damage", 6);
	log_init("test", 0, false);
	for (int i = 0; i < 3; i++)
		store_compact(p->s);
	log_init("test", LOG_LEVEL_ERROR, false);
	snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	assert_int_equal(access(path, F_OK), 0);
	assert_true(p->s->moved_bytes > 0); /* others were carried over */
	/* Nor is it read again and again. */
	help_reopen(p);
	g = segment_find(p->s, strtoull(name + 4, NULL, 16));
	assert_non_null(g);
	assert_int_equal(g->stuck, STUCK_BATCH);
	assert_int_equal(store_compact(p->s), 0);
	assert_thinned(p, 200);
}

static void a_damaged_message_that_is_expunged_frees_its_segment(void **state)
{
	struct spool *p = *state;
	struct mailbox *m = help_inbox(p, "alice");
	struct message msg;
	uint32_t uid = 10;
	struct blob *b;
	char name[SEGMENT_NAME_SIZE + 4] = "log/", path[160];

	deliver(p, 1, 200);
	thin_out(p, 200);
	assert_int_equal(mailbox_message(m, uid, &msg), 1);
	b = blob_find(p->s, msg.blob);
	segment_name(name + 4, b->segment->first);
	overwrite(p, name, b->offset + b->summary_len + 1000, "Z", 1);
	log_init("test", 0, false);
	assert_int_equal(store_compact(p->s), 0);
	log_init("test", LOG_LEVEL_ERROR, false);
	snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	assert_int_equal(access(path, F_OK), 0);
	help_reopen(p);
	assert_int_equal(mailbox_expunge(help_inbox(p, "alice"), &uid, 1, NULL), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(store_compact(p->s), 0);
	assert_int_equal(access(path, F_OK), -1);
}

static void nothing_is_carried_that_the_disk_has_no_room_for(void **state)
{
	struct spool *p = *state;
	uint64_t before;

	deliver(p, 1, 200);
	thin_out(p, 200);
	before = log_bytes(p);
	p->s->reserve->space = 1 << 20; /* as if the disk were full, */
	p->s->reserve->checked = loop_now(p->loop) + 1; /* and asked just now, */
	p->s->reserve->held = 0; /* and the reserve gone */
	assert_int_equal(store_compact(p->s), 0);
	assert_int_equal(log_bytes(p), before);
	assert_int_equal(p->s->moved_bytes, 0);
	p->s->reserve->checked = 0;
	assert_int_equal(store_compact(p->s), 0);
	assert_true(log_bytes(p) < before / 2);
	assert_thinned(p, 200);
}

static void compaction_keeps_to_its_rate(void **state)
{
	struct spool *p = *state;
	uint64_t rate = (uint64_t)CONFIG_COMPACT_MB_PER_SECOND << 20, began, moved, ms;

	deliver(p, 1, 200);
	thin_out(p, 200);
	began = loop_now(p->loop);
	assert_int_equal(store_checkpoint(p->s), 0);
	for (int i = 0; i < 20 && p->s->compaction->g; i++) {
		loop_turn(p->loop, 5);
		moved = p->s->moved_bytes;
		ms = loop_now(p->loop) - began + 1;
		/* A slice is at most what 20 ms are worth, and the blob that went beyond. */
		assert_true(moved <= (ms + 40) * rate / 1000 + 65536 + 20000);
	}
}

static void a_modseq_outlives_the_mailbox_that_used_it(void **state)
{
	struct spool *p = *state;
	struct account *a = help_account(p, "alice");
	uint32_t uid = 1;
	uint64_t modseq;

	mailbox_create(a, STR("Gone"), 0, NULL);
	help_deliver(mailbox_find(a, STR("Gone")), "", "Subject: x\r\n\r\n");
	for (int i = 0; i < 20; i++)
		mailbox_flag(mailbox_find(a, STR("Gone")), &uid, 1, i % 2 ? MESSAGE_ADD : MESSAGE_REMOVE,
			MESSAGE_FLAGGED | MESSAGE_SEEN, 0, NULL);
	modseq = account_modseq(a);
	mailbox_delete(a, STR("Gone"), NULL);
	deliver(p, 1, 100);
	thin_out(p, 100);
	modseq = account_modseq(a);
	for (int i = 0; i < 3; i++)
		assert_int_equal(store_compact(p->s), 0);
	assert_true(p->s->segments.v[0]->first > 1);
	rebuild(p);
	assert_int_equal(account_modseq(help_account(p, "alice")), modseq);
}

static void compaction_runs_by_itself_beside_deliveries_and_ends(void **state)
{
	struct spool *p = *state;

	deliver(p, 1, 200);
	thin_out(p, 200);
	assert_int_equal(store_checkpoint(p->s), 0);
	for (int i = 0; i < 3000 && p->s->compaction->g; i++)
		loop_turn(p->loop, 10);
	assert_null(p->s->compaction->g);
	assert_int_equal(store_checkpoint(p->s), 0);
	assert_true(log_bytes(p) < (uint64_t)200 * 20000 / 2);
	assert_thinned(p, 200);
	assert_int_equal(store_checkpoint(p->s), 0);
}

static void flags_alone_do_not_make_compaction_chase_its_own_tail(void **state)
{
	struct spool *p = *state;
	struct mailbox *m = help_inbox(p, "alice");
	uint32_t uids[600];
	uint64_t records;

	for (uint32_t i = 0; i < 600; i++) {
		uids[i] = i + 1;
		help_deliver(m, "", "Subject: x\r\n\r\n");
	}
	for (int i = 0; i < 60; i++) {
		mailbox_flag(m, uids, 600, i % 2 ? MESSAGE_ADD : MESSAGE_REMOVE, MESSAGE_SEEN, 0, NULL);
		help_settle(p);
	}
	for (int i = 0; i < 6; i++)
		assert_int_equal(store_compact(p->s), 0);
	records = store_last_lsn(p->s);
	assert_int_equal(store_compact(p->s), 0);
	assert_int_equal(store_last_lsn(p->s), records);
	assert_int_equal(mailbox_unseen(m), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)
		T(a_mostly_dead_log_shrinks_and_keeps_every_message),
		T(a_crash_after_the_moves_finds_the_messages_at_their_new_place),
		T(the_log_alone_gives_back_flags_names_and_numbers_after_compaction),
		T(a_segment_with_a_damaged_message_stays),
		T(what_a_damaged_index_says_nothing_of_is_not_dropped_from_the_log),
		T(a_segment_with_a_damaged_batch_stays),
		T(a_damaged_message_that_is_expunged_frees_its_segment),
		T(nothing_is_carried_that_the_disk_has_no_room_for),
		T(compaction_keeps_to_its_rate),
		T(a_modseq_outlives_the_mailbox_that_used_it),
		T(compaction_runs_by_itself_beside_deliveries_and_ends),
		T(flags_alone_do_not_make_compaction_chase_its_own_tail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
