/* SPDX-License-Identifier: 0BSD */
/* The spool that is damaged, and what must be read from it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/lib/crc32c.h"
#include "core/store/view.h"
#include "tests/power/damage.h"
#include "tests/power/power.h"

#define EXPECTED_MAX 1000
#define LARGE (60u << 10)
#define DAILY (STORE_KV_DAILY | 7)

struct store *s;
uint64_t damage_checkpoint;
static struct loop *loop;
static uint64_t random_state;
static struct expected expected[EXPECTED_MAX];
static size_t expected_n;

void damage_seed(uint64_t seed)
{
	random_state = seed * 0x9e3779b97f4a7c15u;
	damage_chance(2);
}

unsigned damage_chance(unsigned n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(random_state >> 33) % n;
}

bool damage_open(const char *dir, struct buf *error)
{
	struct store_options o = {
		.dir = dir,
		.checkpoint_interval = 3600,
		.body_budget = 64 << 20,
		.segment_bytes = 96 << 10,
		.large_bytes = LARGE,
		.keep_entries = 6,
	};

	if (!loop)
		loop = loop_new();
	buf_clear(error);
	s = store_open(loop, &o, error);
	buf_addc(error, 0);
	state_forget();
	return s != NULL;
}

void damage_close(void)
{
	store_close(&s);
	loop_turn(loop, 0);
}

/* ---- filling ---- */

static void settle(void)
{
	for (int i = 0; i < 5000 && store_durable(s) != store_last_lsn(s); i++)
		loop_turn(loop, 10);
}

static struct mailbox *box(unsigned i, const char *name)
{
	struct account *a;

	if (account_open(s, str_from(power_accounts[i]), true, &a) != 1)
		wrong("account", power_accounts[i]);
	mailbox_create(a, str_from(name), 0, NULL);
	return mailbox_find(a, str_from(name));
}

static void deliver(struct mailbox *m, unsigned lines)
{
	struct message_new v = {.prefix = STR("Delivered-To: somebody\r\n"), .internaldate = 1700000000};
	int done;

	v.body = body_new(s);
	body_expect(v.body, (uint64_t)lines * 50);
	buf_adds(body_buf(v.body), "Subject: letter\r\n\r\n");
	for (unsigned i = 0; i < lines; i++) {
		buf_addu(body_buf(v.body), damage_chance(1000000));
		buf_adds(body_buf(v.body), " is what this line says, and it goes on for a while\r\n");
	}
	while ((done = body_finish(v.body)) == 1)
		loop_turn(loop, 10);
	if (done || mailbox_append(m, &v, 1, NULL, NULL))
		wrong("append", "failed");
	body_free(&v.body);
}

static void set_key(void)
{
	struct str key = str_from(power_keys[damage_chance(KEYS)]);

	store_kv_put(s, damage_chance(2) ? KV_SPACE : DAILY, key, damage_chance(4) ? STR("value") : STR_NULL, NULL);
}

static void change(void)
{
	struct mailbox *m = box(damage_chance(ACCOUNTS), damage_chance(3) ? "INBOX" : "Work/Later");
	uint32_t uid = 1 + damage_chance(mailbox_uidnext(m));
	int keyword;

	switch (damage_chance(8)) {
	case 0:
	case 1:
		keyword = mailbox_keyword(m, damage_chance(2) ? STR("$Junk") : STR("$Forwarded"), true);
		mailbox_flag(m, &uid, 1, MESSAGE_ADD, damage_chance(32), (uint64_t)1 << keyword, NULL);
		break;
	case 2:
		mailbox_expunge(m, &uid, 1, NULL);
		break;
	case 3:
		mailbox_copy(m, &uid, 1, box(damage_chance(ACCOUNTS), "Copies"), damage_chance(3) == 0, NULL, NULL,
			NULL, NULL);
		break;
	case 4:
		set_key();
		break;
	default:
		deliver(m, damage_chance(40) ? 5 + damage_chance(60) : 1500 + damage_chance(1500));
	}
}

/* Batches of one or two changes. */
static void change_some(int n)
{
	while (n-- > 0) {
		store_begin(s);
		change();
		if (damage_chance(3) == 0)
			change();
		store_end(s);
		settle();
	}
}

static void thin_out(struct mailbox *m)
{
	uint32_t uids[600], n = 0;

	for (uint32_t uid = 1; uid < mailbox_uidnext(m) && n < 600; uid++)
		if (uid % 4)
			uids[n++] = uid;
	mailbox_expunge(m, uids, n, NULL);
	settle();
}

static void name_mailboxes(unsigned i)
{
	struct account *a = mailbox_account(box(i, "INBOX"));

	box(i, "Work/Later"), box(i, "Copies"), box(i, "Empty"), box(i, "Gone");
	mailbox_create(a, STR("Sent"), MAILBOX_SENT, NULL);
	mailbox_subscribe(a, STR("Work/Later"), true, NULL);
	mailbox_subscribe(a, STR("Elsewhere"), true, NULL);
	mailbox_rename(a, STR("Empty"), STR("Renamed"), NULL);
	mailbox_delete(a, STR("Gone"), NULL);
	settle();
}

void damage_fill(const char *dir)
{
	char command[200];
	struct buf error = {0};

	damage_seed(4711);
	if (!damage_open(dir, &error))
		wrong("open", error.data + error.off);
	for (unsigned i = 0; i < ACCOUNTS; i++)
		name_mailboxes(i);
	for (int i = 0; i < 6; i++) {
		change_some(100);
		store_checkpoint(s);
	}
	for (unsigned i = 0; i < ACCOUNTS; i += 2)
		thin_out(box(i, "INBOX"));
	store_compact(s);
	change_some(60);
	/* The mark of a quiet store: what stands before it was durable, whatever it looks like. */
	for (int i = 0; i < 150; i++)
		loop_turn(loop, 10);
	settle();
	snprintf(command, sizeof(command), "cp -a %s %s.live", dir, dir);
	if (system(command))
		wrong("command", command);
	damage_close();
	snprintf(command, sizeof(command), "rm -r %s && mv %s.live %s", dir, dir, dir);
	if (system(command))
		wrong("command", command);
	buf_free(&error);
}

/* ---- reading all mail ---- */

static struct expected *find(uint64_t mailbox, uint32_t uid)
{
	for (size_t i = 0; i < expected_n; i++)
		if (expected[i].mailbox == mailbox && expected[i].uid == uid)
			return &expected[i];
	return NULL;
}

/* 0 or -1: not readable. */
static int read_text(const struct message *msg, uint32_t *crc_r)
{
	struct buf text = {0};
	int answer = message_read(s, msg, 0, msg->size, &text);

	*crc_r = answer ? 0 : crc32c(0, text.data + text.off, text.len);
	buf_free(&text);
	return answer;
}

static uint64_t segment_of(uint64_t id)
{
	const struct blob *b = id ? blob_find(s, id) : NULL;

	return b && b->segment ? b->segment->first : 0;
}

static void learn(void *arg, const struct mailbox *m, const struct message *msg)
{
	struct expected now = {.mailbox = mailbox_id(m), .blob = msg->blob, .prefix = msg->prefix, .lsn = msg->lsn,
		.keywords = msg->keywords, .modseq = msg->modseq, .segment = segment_of(msg->blob),
		.prefix_segment = segment_of(msg->prefix), .uid = msg->uid, .flags = msg->flags};

	(void)arg;
	if (read_text(msg, &now.crc) || expected_n == EXPECTED_MAX)
		wrong("the spool itself", "not readable, or too large");
	expected[expected_n++] = now;
}

static void each_message(struct mailbox *m, void (*each)(void *arg, const struct mailbox *m,
	const struct message *msg), void *arg)
{
	struct view *v = view_open(m, false);
	struct message msg;

	for (uint32_t k = 1; v && k <= view_exists(v); k++)
		if (view_message(v, k, &msg) == 1)
			each(arg, m, &msg);
	view_close(&v);
}

static void each_mailbox(void (*each)(void *arg, const struct mailbox *m, const struct message *msg), void *arg)
{
	struct account *a;

	for (int i = 0; i < ACCOUNTS; i++) {
		if (account_open(s, str_from(power_accounts[i]), false, &a) != 1)
			continue;
		for (uint32_t j = 0; j < account_mailbox_count(a); j++)
			each_message(account_mailbox(a, j), each, arg);
	}
}

void damage_learn(void)
{
	expected_n = 0;
	damage_checkpoint = s->checkpoint_lsn;
	each_mailbox(learn, NULL);
}

size_t damage_expected(void)
{
	return expected_n;
}

struct reading {
	void (*bad)(void *arg, const struct expected *e, const char *how);
	void *arg;
};

static void compare(void *arg, const struct mailbox *m, const struct message *msg)
{
	struct expected *was = find(mailbox_id(m), msg->uid), returned;
	struct reading *r = arg;
	uint32_t crc;
	bool readable = !read_text(msg, &crc);

	if (!was) {
		returned = (struct expected){.mailbox = mailbox_id(m), .uid = msg->uid, .blob = msg->blob,
			.prefix = msg->prefix, .lsn = msg->lsn, .gone = true};
		r->bad(r->arg, &returned, "has come back");
		return;
	}
	was->met = true;
	if (readable && msg->blob != was->blob)
		wrong("another message was read", mailbox_name(m).p);
	if (readable && crc != was->crc)
		wrong("wrong bytes were read", mailbox_name(m).p);
	if (!readable)
		r->bad(r->arg, was, "cannot be read");
	else if (msg->flags != was->flags || msg->keywords != was->keywords || msg->modseq != was->modseq)
		r->bad(r->arg, was, "has other flags");
}

void damage_read(void (*bad)(void *arg, const struct expected *e, const char *how), void *arg)
{
	struct reading r = {bad, arg};

	for (size_t i = 0; i < expected_n; i++)
		expected[i].met = false;
	each_mailbox(compare, &r);
	for (size_t i = 0; i < expected_n; i++)
		if (!expected[i].met)
			bad(arg, &expected[i], "is missing");
}

/* ---- references ---- */

void damage_count_references(void)
{
	const struct blob *b;
	uint32_t refs;

	for (size_t i = 0; i < expected_n; i++) {
		refs = 0;
		for (size_t j = 0; j < expected_n; j++)
			refs += expected[j].blob == expected[i].blob;
		b = blob_find(s, expected[i].blob);
		if (!b || b->refs != refs)
			wrong("references", "not as many as messages");
	}
}
