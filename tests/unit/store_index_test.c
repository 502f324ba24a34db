/* SPDX-License-Identifier: 0BSD */
/* The index of a mailbox beside a simple list, through checkpoints that run, fail and are read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/store/state.h"
#include "core/store/view.h"
#include "tests/unit/store_help.h"

#define MODEL_MAX 6000

struct model {
	struct {
		uint32_t uid, flags;
	} v[MODEL_MAX];
	uint32_t n;
	uint64_t random;
};

static uint32_t rnd(struct model *w, uint32_t below)
{
	w->random = w->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(w->random >> 33) % below;
}

static void append(struct spool *p, struct model *w, uint32_t n)
{
	struct mailbox *m = help_inbox(p, "anna");
	struct body *b = help_body(p->s, "Subject: x\r\n\r\nhello\r\n");
	uint32_t uid;

	for (uint32_t i = 0; i < n && w->n < MODEL_MAX; i++) {
		struct message_new v = {.body = b, .flags = rnd(w, 2) ? MESSAGE_SEEN : 0};

		assert_int_equal(mailbox_append(m, &v, 1, &uid, NULL), 0);
		w->v[w->n].uid = uid;
		w->v[w->n++].flags = v.flags;
	}
	body_free(&b);
}

static void flag(struct spool *p, struct model *w, uint32_t n)
{
	struct mailbox *m = help_inbox(p, "anna");
	uint32_t i, bit;

	while (w->n && n--) {
		i = rnd(w, w->n);
		bit = rnd(w, 2) ? MESSAGE_SEEN : MESSAGE_DELETED;
		assert_int_equal(mailbox_flag(m, &w->v[i].uid, 1,
			w->v[i].flags & bit ? MESSAGE_REMOVE : MESSAGE_ADD, bit, 0, NULL), 0);
		w->v[i].flags ^= bit;
	}
}

static void expunge(struct spool *p, struct model *w, uint32_t n)
{
	struct mailbox *m = help_inbox(p, "anna");
	uint32_t at, uids[200], some;

	if (n > 200)
		n = 200;
	if (!w->n)
		return;
	at = rnd(w, w->n);
	some = n < w->n - at ? n : w->n - at;
	for (uint32_t i = 0; i < some; i++)
		uids[i] = w->v[at + i].uid;
	assert_int_equal(mailbox_expunge(m, uids, some, NULL), 0);
	w->n -= some;
	memmove(w->v + at, w->v + at + some, (w->n - at) * sizeof(*w->v));
}

static void compare(struct spool *p, const struct model *w)
{
	struct mailbox *m = help_inbox(p, "anna");
	uint32_t unseen = 0, deleted = 0, uid = 0;
	struct message msg;

	assert_int_equal(mailbox_messages(m), w->n);
	for (uint32_t i = 0; i < w->n; i++, uid = msg.uid + 1) {
		assert_int_equal(index_next(m, uid, &msg), 1);
		assert_int_equal(msg.uid, w->v[i].uid);
		assert_int_equal(msg.flags, w->v[i].flags);
		unseen += !(msg.flags & MESSAGE_SEEN);
		deleted += !!(msg.flags & MESSAGE_DELETED);
		assert_int_equal(index_rank(m, msg.uid), i);
		assert_int_equal(index_rank(m, msg.uid + 1), i + 1);
		if (i % 7)
			continue;
		assert_int_equal(index_at(m, i, &msg), 1);
		assert_int_equal(msg.uid, w->v[i].uid);
	}
	assert_int_equal(index_next(m, uid, &msg), 0);
	assert_int_equal(mailbox_unseen(m), unseen);
	assert_int_equal(mailbox_deleted(m), deleted);
	assert_int_equal(mailbox_bytes(m), w->n * 21);
}

/* A checkpoint that cannot replace the file `checkpoint`. */
static void fail_checkpoint(struct spool *p)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/checkpoint.tmp", p->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	log_init("test", LOG_LEVEL_ERROR + 1, false);
	assert_int_equal(store_checkpoint(p->s), -1);
	log_init("test", LOG_LEVEL_ERROR, false);
	assert_int_equal(rmdir(path), 0);
}

static void step(struct spool *p, struct model *w)
{
	switch (rnd(w, 12)) {
	case 0 ... 3:
		append(p, w, rnd(w, 90));
		break;
	case 4 ... 5:
		flag(p, w, rnd(w, 40));
		break;
	case 6:
		expunge(p, w, rnd(w, 150));
		break;
	case 7:
		expunge(p, w, rnd(w, 4));
		break;
	case 8:
		assert_int_equal(store_checkpoint(p->s), 0);
		break;
	case 9:
		/* Goes on while the next steps change things. */
		assert_int_equal(store_checkpoint_begin(p->s), 0);
		break;
	case 10:
		/* One that still runs would have a checkpoint.tmp of its own. */
		assert_int_equal(store_checkpoint(p->s), 0);
		append(p, w, 1);
		help_settle(p);
		fail_checkpoint(p);
		break;
	default:
		help_reopen(p);
	}
}

static void test_random(void **state)
{
	struct spool *p = *state;
	struct model *w = calloc(1, sizeof(*w));

	w->random = 20260101;
	for (int i = 0; i < 250; i++) {
		step(p, w);
		if (i % 3 == 0)
			loop_turn(p->loop, 0);
		compare(p, w);
	}
	help_reopen(p);
	compare(p, w);
	free(w);
}

static void test_nothing_read(void **state)
{
	struct spool *p = *state;
	struct model *w = calloc(1, sizeof(*w));
	struct mailbox *m;

	append(p, w, 1000);
	help_reopen(p);
	m = help_inbox(p, "anna");
	assert_null(m->ix);
	compare(p, w);
	assert_non_null(m->ix);
	assert_true(index_unload(m));
	compare(p, w);
	flag(p, w, 1);
	assert_false(index_unload(m));
	free(w);
}

static off_t index_size(struct spool *p, struct mailbox *m)
{
	char path[160], name[64];
	struct stat st;

	snprintf(name, sizeof(name), "%016llx-%016llx", (unsigned long long)m->id,
		(unsigned long long)index_name_number(m->index));
	snprintf(path, sizeof(path), "%s/idx/%s", p->dir, name);
	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

static void test_changed_blocks_only(void **state)
{
	struct spool *p = *state;
	struct model *w = calloc(1, sizeof(*w));
	struct mailbox *m = help_inbox(p, "anna");
	off_t before;

	append(p, w, 5000);
	assert_int_equal(store_checkpoint(p->s), 0);
	before = index_size(p, m);
	flag(p, w, 1);
	assert_int_equal(store_checkpoint(p->s), 0);
	/* One block of 64 and the directory: 79 blocks of 32 bytes. */
	assert_true(index_size(p, m) - before <= 64 * 128 + 256 + 80 * 32 + 128);
	for (int i = 0; i < 200; i++) {
		flag(p, w, 1);
		assert_int_equal(store_checkpoint(p->s), 0);
	}
	assert_true(index_size(p, m) <= 2 * before + 128 * 1024);
	compare(p, w);
	free(w);
}

struct tombs {
	uint32_t n, last;
	uint64_t modseq;
};

static void each_tomb(void *arg, uint32_t uid, uint64_t modseq)
{
	struct tombs *t = arg;

	assert_true(modseq >= t->modseq);
	t->modseq = modseq;
	t->last = uid;
	t->n++;
}

static void test_history(void **state)
{
	struct spool *p = *state;
	struct model *w = calloc(1, sizeof(*w));
	struct tombs t = {0};
	uint64_t floor;
	uint32_t gone = 0;

	append(p, w, 3000);
	for (int i = 0; i < 12; i++) {
		uint32_t before = w->n;

		expunge(p, w, 30);
		gone += before - w->n;
		assert_int_equal(store_checkpoint(p->s), 0);
		if (i % 5 == 4)
			help_reopen(p);
	}
	assert_int_equal(index_expunged(help_inbox(p, "anna"), 0, each_tomb, &t, &floor), 0);
	assert_int_equal(t.n, gone);
	assert_int_equal(floor, 0);
	free(w);
}

static void flip(struct spool *p, struct mailbox *m, off_t at)
{
	char path[160], name[64], byte;
	FILE *f;

	snprintf(name, sizeof(name), "%016llx-%016llx", (unsigned long long)m->id,
		(unsigned long long)index_name_number(m->index));
	snprintf(path, sizeof(path), "%s/idx/%s", p->dir, name);
	f = fopen(path, "r+");
	assert_non_null(f);
	fseek(f, at, SEEK_SET);
	byte = (char)(fgetc(f) ^ 4);
	fseek(f, at, SEEK_SET);
	fputc(byte, f);
	fclose(f);
}

static void test_damaged_record(void **state)
{
	struct spool *p = *state;
	struct model *w = calloc(1, sizeof(*w));
	struct message msg;
	struct buf out = {0};
	struct mailbox *m;

	append(p, w, 300);
	assert_int_equal(store_checkpoint(p->s), 0);
	help_reopen(p);
	m = help_inbox(p, "anna");
	flip(p, m, 128 * 101 + 60); /* the record of the 101st message */
	log_init("test", LOG_LEVEL_ERROR + 1, false);
	assert_int_equal(mailbox_messages(m), 300);
	for (uint32_t i = 0; i < 300; i++) {
		assert_int_equal(index_at(m, i, &msg), 1);
		assert_int_equal(msg.uid, w->v[i].uid);
		buf_clear(&out);
		assert_int_equal(message_read(p->s, &msg, 0, 100, &out), i == 100 ? -1 : 0);
	}
	log_init("test", LOG_LEVEL_ERROR, false);
	buf_free(&out);
	free(w);
}

static void test_damaged_directory(void **state)
{
	struct spool *p = *state;
	struct model *w = calloc(1, sizeof(*w));
	struct message_new v = {0};
	struct mailbox *m;
	off_t size;

	append(p, w, 300);
	help_reopen(p);
	m = help_inbox(p, "anna");
	size = index_size(p, m);
	flip(p, m, size - 128 - 10);
	log_init("test", LOG_LEVEL_ERROR + 1, false);
	assert_null(view_open(m, false));
	v.body = help_body(p->s, "Subject: x\r\n\r\n");
	assert_int_equal(mailbox_append(m, &v, 1, NULL, NULL), -1);
	assert_int_equal(mailbox_append(help_inbox(p, "bert"), &v, 1, NULL, NULL), 0);
	body_free(&v.body);
	log_init("test", LOG_LEVEL_ERROR, false);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{"the index says what a simple list says, whatever checkpoints do", test_random, help_setup,
			help_teardown, NULL},
		{"opening a spool reads no index", test_nothing_read, help_setup, help_teardown, NULL},
		{"a checkpoint writes the blocks that changed, and files do not grow without end",
			test_changed_blocks_only, help_setup, help_teardown, NULL},
		{"expunged messages are remembered over checkpoints", test_history, help_setup,
			help_teardown, NULL},
		{"a damaged record costs one message and no other its number", test_damaged_record, help_setup,
			help_teardown, NULL},
		{"a damaged directory closes its mailbox and no other", test_damaged_directory, help_setup,
			help_teardown, NULL},
	};

	return cmocka_run_group_tests_name("store index", tests, NULL, NULL);
}
