/* SPDX-License-Identifier: 0BSD */
/*
 * Random operations on a store and on a simple model of it, compared after each operation, also as
 * several sessions see it; after each crash the store must be one of the models since the last
 * acknowledged operation.
 *
 *   model SEED [RUNS [OPERATIONS]]    seeds SEED, SEED + 1, ...
 *
 * Prints one line for what differs, with its seed and operation, and exits 1.
 */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/log.h"
#include "core/lib/loop.h"
#include "tests/fault/io_fault.h"
#include "tests/model/world.h"

#define SESSIONS 6
#define UIDS_MAX 600

/* An operation that may not be durable yet, and the model after it. */
struct step {
	struct store_waiter w;
	bool acked;
	struct model after;
	struct step *next;
};

static uint64_t seed, random_state;
static unsigned operation;
static const char *doing = "";
static char dir[64];
static struct loop *loop;
static struct store *s;
static struct model model;  /* what must be */
static struct model ground; /* what was durable for sure; then come the steps */
static struct step *steps, **steps_end = &steps;
static struct session *sessions[SESSIONS];
static bool cut_armed, fail_armed;
static unsigned crashes, reopened;

/* ---- chance and complaint ---- */

void world_seed(uint64_t n)
{
	random_state = n * 0x9e3779b97f4a7c15u + 0x1234567;
}

unsigned world_chance(unsigned n)
{
	uint64_t x = random_state += 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return (unsigned)((x ^ x >> 31) >> 16) % n;
}

_Noreturn void world_differs(const char *what)
{
	printf("DIFFERS seed %llu operation %u (%s): %s\n", (unsigned long long)seed, operation, doing, what);
	exit(1);
}

static void compare(enum compare_bodies bodies)
{
	struct buf why = {0};

	if (world_equal(s, &model, true, bodies, &why))
		return;
	buf_addc(&why, 0);
	world_differs(why.data + why.off);
}

/* ---- steps ---- */

static void acknowledged(struct store_waiter *w, int error)
{
	if (!error)
		((struct step *)(void *)w)->acked = true;
}

static void step_free(struct step *p)
{
	store_wait_cancel(&p->w);
	model_free(&p->after);
	free(p);
}

/* The ground moves up to the last acknowledged step. */
static void settle_steps(void)
{
	struct step *last = NULL, *p;

	for (p = steps; p; p = p->next)
		if (p->acked)
			last = p;
	while (last) {
		p = steps;
		steps = p->next;
		if (p == last) {
			model_free(&ground);
			model_copy(&ground, &p->after);
			last = NULL;
		}
		step_free(p);
	}
	if (!steps)
		steps_end = &steps;
}

static void remember(void)
{
	struct step *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	model_copy(&p->after, &model);
	p->w.done = acknowledged;
	*steps_end = p;
	steps_end = &p->next;
	store_wait(s, &p->w, store_last_lsn(s));
	settle_steps();
}

static void steps_clear(void)
{
	struct step *p;

	while ((p = steps)) {
		steps = p->next;
		step_free(p);
	}
	steps_end = &steps;
}

/* ---- opening, closing, crashes ---- */

static bool open_store(bool may_fail)
{
	struct store_options o = {
		.dir = dir,
		.checkpoint_interval = 1 + world_chance(5),
		.body_budget = 64 << 20,
		.segment_bytes = 128 << 10,
		.reserve_bytes = 64 << 10,
		.large_bytes = 64 << 10, /* an eighth of all bodies */
		.keep_entries = world_chance(2) ? 3 : 0,
		.cache_bytes = world_chance(3) ? 1 : 64 << 10, /* nearly always: forget all that may be */
	};
	struct buf error = {0};

	s = store_open(loop, &o, &error);
	buf_addc(&error, 0);
	if (!s && !may_fail)
		world_differs(error.data + error.off);
	buf_free(&error);
	return s;
}

static void close_store(void)
{
	for (int i = 0; i < SESSIONS; i++)
		session_close(&sessions[i]);
	store_close(&s);
	loop_turn(loop, 0);
}

/* The store is one of what it may be; the model becomes that. */
static void adopt(void)
{
	struct buf why = {0};
	struct step *p, *found = NULL;

	settle_steps();
	for (p = steps; p; p = p->next)
		if (world_equal(s, &p->after, false, BODIES_NONE, &why))
			found = p;
	model_free(&model);
	if (found) {
		model_copy(&model, &found->after);
	} else {
		buf_clear(&why);
		model_copy(&model, &ground);
		if (!world_equal(s, &model, false, BODIES_NONE, &why)) {
			buf_addc(&why, 0);
			world_differs(why.data + why.off);
		}
	}
	steps_clear();
	model_free(&ground);
	model_copy(&ground, &model);
	buf_free(&why);
	compare(BODIES_ALL);
}

static void arm_nothing(void)
{
	cut_armed = fail_armed = false;
}

static void crash(void)
{
	doing = "crash";
	if (!io_fault_is_cut())
		io_fault_cut(1, world_chance(2));
	close_store();
	if (world_chance(3))
		io_fault_scatter(1 + (uint64_t)world_chance(1u << 30));
	io_fault_restore();
	arm_nothing();
	for (unsigned again = world_chance(3); again; again--) {
		doing = "crash in recovery";
		io_fault_begin(dir);
		io_fault_cut(1 + world_chance(16), world_chance(2));
		if (open_store(true))
			close_store();
		if (world_chance(2))
			io_fault_scatter(1 + (uint64_t)world_chance(1u << 30));
		io_fault_restore();
	}
	doing = "recovery";
	io_fault_begin(dir);
	open_store(false);
	adopt();
	crashes++;
}

/* The process ends and comes back; the disk keeps what the page cache holds. */
static void reopen(void)
{
	doing = "reopening";
	close_store();
	io_fault_end();
	arm_nothing();
	io_fault_begin(dir);
	open_store(false);
	adopt();
	reopened++;
}

/* ---- operations ---- */

static int any_account(void)
{
	int i = (int)world_chance(MODEL_ACCOUNTS);
	struct account *a;

	if (!model.account[i].exists) {
		model_account_create(&model.account[i]);
		if (account_open(s, str_from(world_accounts[i]), true, &a) != 1)
			return -1;
	}
	return i;
}

static struct account *account(int i)
{
	struct account *a = NULL;

	account_open(s, str_from(world_accounts[i]), false, &a);
	return a;
}

static struct model_box *any_box(int i)
{
	struct model_account *a = &model.account[i];
	struct model_box *b = &a->box[world_chance(a->boxes)];

	return b->exists && world_chance(2) ? b : model_find(a, "INBOX");
}

static void any_name(char name[MODEL_NAME])
{
	static const char *const levels[] = {"a", "b", "a b", "INBOX", "inbox", "\xc3\x84", "c", "a"};
	static const char *const odd[] = {"", "/a", "a//b", "a/"};
	unsigned depth = 1 + world_chance(3);

	if (!world_chance(30)) {
		strcpy(name, odd[world_chance(4)]);
		return;
	}
	*name = 0;
	for (unsigned i = 0; i < depth; i++) {
		strcat(name, i ? "/" : "");
		strcat(name, levels[world_chance(8)]);
	}
}

static size_t some_uids(const struct model_box *b, uint32_t *uids)
{
	unsigned one_of = 1 + world_chance(world_chance(2) ? 4 : 40);
	uint32_t from = world_chance(3) ? 0 : world_chance(b->uidnext);
	size_t n = 0;

	for (uint32_t uid = from; uid < b->uidnext + 2 && n < UIDS_MAX; uid++)
		if (!world_chance(one_of))
			uids[n++] = uid;
	return n;
}

static keyword_set any_keywords(void)
{
	keyword_set set = 0;

	if (world_chance(3))
		return 0;
	for (unsigned n = world_chance(10) ? world_chance(4) : 30; n; n--)
		set |= KEYWORD(world_chance(world_chance(4) ? 10 : MODEL_KEYWORDS));
	return set;
}

/* Asks store and model for the same keywords; the store's numbers of those that found room. */
static uint64_t make_keywords(struct mailbox *box, struct model_box *b, keyword_set *set)
{
	keyword_set room = model_keywords(b, *set);
	uint64_t numbers = 0;
	char name[16];
	int number;

	for (unsigned i = 0; i < MODEL_KEYWORDS; i++) {
		if (!(*set & KEYWORD(i)))
			continue;
		number = mailbox_keyword(box, world_keyword(i, name), true);
		if ((number >= 0) != !!(room & KEYWORD(i)) && !store_failed(s))
			world_differs("whether a keyword finds room");
		if (number >= 0)
			numbers |= (uint64_t)1 << number;
	}
	*set = room;
	return numbers;
}

static struct body *make_body(uint32_t number)
{
	struct body *body = body_new(s);
	int done;

	if (!body)
		return NULL;
	world_body(body_buf(body), number);
	while ((done = body_finish(body)) == 1)
		loop_turn(loop, 10); /* its file is being synced */
	if (done)
		body_free(&body);
	return body;
}

/* One to many messages of one body. */
static void append(int i, struct model_box *b, struct body *body, uint32_t number)
{
	unsigned n = world_chance(8) ? 1 : 1 + world_chance(body_size(body) > 100 ? 4 : 150);
	struct message_new v[160];
	struct mailbox *box = world_box(s, i, b);
	struct buf prefix[2] = {0};
	uint32_t first, expected = b->uidnext;
	struct model_message m = {.body = number};
	keyword_set keywords = any_keywords();
	uint64_t numbers = make_keywords(box, b, &keywords);

	for (unsigned j = 0; j < n; j++) {
		struct buf *p = &prefix[j ? 1 : 0];

		m.prefix = world_chance(2) ? 0 : number + (j ? 1 : 0);
		m.flags = world_chance(2) ? 0 : world_chance(32);
		m.keywords = world_chance(2) ? 0 : keywords;
		m.date = 1700000000 + world_chance(1000000);
		m.zone = (int16_t)((int)world_chance(1400) - 700);
		buf_clear(p);
		world_prefix(p, number + (j ? 1 : 0));
		m.prefix_size = m.prefix ? (uint32_t)p->len : 0;
		m.size = (uint32_t)body_size(body) + m.prefix_size;
		v[j] = (struct message_new){body, m.prefix ? buf_str(p) : STR_NULL, m.flags,
			m.keywords ? numbers : 0, m.date, m.zone};
		model_append(b, &m);
	}
	if (!mailbox_append(box, v, n, &first, NULL) && first != expected)
		world_differs("the UID of an appended message");
	buf_free(&prefix[0]);
	buf_free(&prefix[1]);
}

static void deliver(void)
{
	uint32_t number = 1 + world_chance(1 << 30);
	struct body *body = make_body(number);
	int i;

	if (!body)
		return;
	for (unsigned n = 1 + world_chance(3); n; n--) {
		i = any_account();
		if (i >= 0 && !store_failed(s))
			append(i, any_box(i), body, number);
	}
	body_free(&body);
}

static void flag(int i, struct model_box *b)
{
	static const enum message_op ops[] = {MESSAGE_SET, MESSAGE_ADD, MESSAGE_REMOVE};
	enum message_op op = ops[world_chance(3)];
	uint32_t uids[UIDS_MAX], flags = world_chance(32);
	size_t n = some_uids(b, uids);
	struct mailbox *box = world_box(s, i, b);
	keyword_set keywords = any_keywords();
	uint64_t numbers = make_keywords(box, b, &keywords);

	model_flag(b, uids, n, op, flags, keywords);
	mailbox_flag(box, uids, (uint32_t)n, op, flags, numbers, NULL);
	for (int j = 0; j < SESSIONS && !store_failed(s); j++)
		if (session_has(sessions[j], i, b->id) && !world_chance(3))
			session_changed(sessions[j], uids, n);
}

static void expunge(int i, struct model_box *b)
{
	uint32_t uids[UIDS_MAX];
	size_t n = some_uids(b, uids);

	mailbox_expunge(world_box(s, i, b), uids, (uint32_t)n, NULL);
	model_expunge(b, uids, n);
}

static void copy(int i, struct model_box *b)
{
	uint32_t uids[UIDS_MAX], done[UIDS_MAX], done_n = 0, first = 0;
	size_t n = some_uids(b, uids), should;
	int j = world_chance(4) ? i : any_account();
	bool move = world_chance(2);
	struct model_box *to;
	uint32_t expected;

	if (j < 0 || store_failed(s))
		return;
	to = any_box(j);
	if (to->n > 1500)
		return expunge(j, to);
	expected = to->uidnext;
	if (mailbox_copy(world_box(s, i, b), uids, (uint32_t)n, world_box(s, j, to), move, done, &done_n,
		    &first, NULL))
		return;
	for (size_t k = 0, at = 0; k < n; k++)
		if (model_message(b, uids[k]) && (at >= done_n || done[at++] != uids[k]))
			world_differs("which messages were copied");
	should = model_copy_messages(b, uids, n, to, move);
	if (should != done_n || first != expected)
		world_differs("how many messages were copied, or where to");
}

/* Both say the same, or the store has failed. */
static void same_answer(int is, int error, int should, int should_error)
{
	if (!store_failed(s) && (is != should || (is && error != should_error)))
		world_differs("the answer to a change of names");
}

static void names(int i)
{
	struct model_account *m = &model.account[i];
	char name[MODEL_NAME], to[MODEL_NAME];
	struct account *a = account(i);
	unsigned use = world_chance(4) ? 0 : MAILBOX_SENT;
	int is, should, error;
	bool on;

	any_name(name);
	any_name(to);
	if (m->boxes + 6 > MODEL_BOXES) {
		is = mailbox_delete(a, str_from(name), NULL);
		error = errno;
		return same_answer(is, error, model_delete(m, name), errno);
	}
	switch (world_chance(7)) {
	case 0:
		is = mailbox_delete(a, str_from(name), NULL);
		error = errno;
		should = model_delete(m, name);
		break;
	case 1:
	case 2:
		is = mailbox_rename(a, str_from(name), str_from(to), NULL);
		error = errno;
		should = model_rename(m, name, to);
		break;
	case 3:
		on = world_chance(2);
		is = mailbox_subscribe(a, str_from(name), on, NULL);
		error = errno;
		should = model_subscribe(m, name, on);
		break;
	default:
		is = mailbox_create(a, str_from(name), use, NULL);
		error = errno;
		should = model_create(m, name, use);
	}
	same_answer(is, error, should, errno);
}

static void key_value(void)
{
	unsigned space = world_chance(MODEL_SPACES), key = world_chance(MODEL_KEYS);
	uint32_t number = world_chance(3) ? 1 + world_chance(1000000) : 0;
	struct buf value = {0};
	char name[16];

	world_value(&value, number);
	buf_addc(&value, 0);
	value.len--;
	store_kv_put(s, (uint16_t)(space + 1), world_key(key, name), number ? buf_str(&value) : STR_NULL,
		NULL);
	model.kv[space][key] = number;
	buf_free(&value);
}

static void change(void)
{
	int i = any_account();
	struct model_box *b;
	unsigned which = world_chance(20);

	/* After a call that failed for want of space mail is refused until the reserve is whole again. */
	for (int turns = 0; turns < 200 && !store_failed(s) && store_admits(s, 1) == ENOSPC; turns++)
		loop_turn(loop, 10);
	if (i < 0 || store_failed(s))
		return;
	b = any_box(i);
	if (b->n > 1500)
		which = 11;
	if (which < 6)
		doing = "deliver", deliver();
	else if (which < 10)
		doing = "flag", flag(i, b);
	else if (which < 12)
		doing = "expunge", expunge(i, b);
	else if (which < 15)
		doing = "copy", copy(i, b);
	else if (which < 18)
		doing = "names", names(i);
	else
		doing = "key-value", key_value();
}

static void listen(void)
{
	for (int i = 0; i < SESSIONS; i++) {
		struct session *e = sessions[i];

		if (!e)
			continue;
		session_check(e, &model);
		if (!world_chance(3))
			session_sync(e, &model, world_chance(3));
		if (!session_alive(e) || !world_chance(30))
			session_close(&sessions[i]);
	}
}

static void select_something(void)
{
	int i = (int)world_chance(MODEL_ACCOUNTS), j = (int)world_chance(SESSIONS);

	if (!model.account[i].exists || sessions[j])
		return;
	doing = "select";
	sessions[j] = session_open(s, &model, i, any_box(i));
}

static void disturb(void)
{
	switch (world_chance(cut_armed || fail_armed ? 3 : 9)) {
	case 0:
		doing = "checkpoint";
		store_checkpoint(s);
		return;
	case 1:
		store_checkpoint_begin(s);
		return;
	case 2:
		doing = "compaction";
		store_compact(s);
		return;
	case 3:
		return reopen();
	case 4:
		return crash();
	case 5:
		io_fault_fail(1 + world_chance(40), world_chance(2) ? EIO : ENOSPC);
		fail_armed = true;
		return;
	default:
		io_fault_cut(1 + world_chance(world_chance(2) ? 20 : 120), world_chance(2));
		cut_armed = true;
	}
}

/* One operation of the two worlds and what every session makes of it. */
static void operate(void)
{
	store_begin(s);
	change();
	store_end(s);
	if (store_failed(s)) {
		/* It may or may not be in the log: but then nobody saw it acknowledged. */
		return;
	}
	compare(world_chance(3) ? BODIES_NONE : BODIES_SOME);
	remember();
	listen();
	if (!world_chance(4))
		select_something();
}

static void look_after(void)
{
	if (io_fault_is_cut())
		return crash();
	if (store_failed(s))
		return reopen();
	if (!world_chance(cut_armed || fail_armed ? 30 : 14))
		disturb();
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void run(unsigned operations)
{
	world_seed(seed);
	snprintf(dir, sizeof(dir), "%s/satchel-model-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	if (!mkdtemp(dir))
		abort();
	loop = loop_new();
	io_fault_begin(dir);
	arm_nothing();
	open_store(false);
	for (operation = 1; operation <= operations; operation++) {
		operate();
		for (unsigned turns = world_chance(4); turns; turns--)
			loop_turn(loop, world_chance(8) ? 0 : 3);
		settle_steps();
		look_after();
	}
	reopen();
	close_store();
	io_fault_end();
	steps_clear();
	model_free(&model);
	model_free(&ground);
	loop_free(&loop);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int main(int argc, char **argv)
{
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	unsigned runs = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1;
	unsigned operations = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 400;

	log_init("model", getenv("MODEL_VERBOSE") ? LOG_LEVEL_DEBUG : 0, false);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (seed = first; seed < first + runs; seed++)
		run(operations);
	printf("ok: seeds %llu to %llu, %u operations each, %u crashes, %u reopened\n",
		(unsigned long long)first, (unsigned long long)(first + runs - 1), operations, crashes,
		reopened);
	return 0;
}
