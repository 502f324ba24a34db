/* SPDX-License-Identifier: 0BSD */
/*
 * A scripted life of a store with the power going out in it.
 *
 * After every operation the whole visible state is written down (a snapshot), and which operations
 * were acknowledged.  Then the power goes at the Nth call that touches the disk, the disk is put back
 * to what it holds, and the store is opened again.  Batches are whole or absent and in order, so the
 * state found must be exactly one of the snapshots, and none older than the last acknowledged one.
 *
 *   power count                 how many calls an undisturbed life makes
 *   power cut FROM TO STEP      cuts at those calls, plain and torn
 *   power fail FROM TO STEP     fails those calls with EIO and ENOSPC instead, alone or with all that come
 *                               after; the state found must be the one that was durable, to the letter
 *   power every FROM TO STEP    fails each such call, the one as many later, and so on, while twelve stores
 *                               are opened one after the other; then none any more
 *   power full SEED COUNT       lives on a small disk that others fill to the last byte now and then: no
 *                               store fails, expunging works, mail is taken again when there is room;
 *                               in some the power goes
 *   power random SEED COUNT     cuts lives of other seeds anywhere; what was not synced arrives or
 *                               does not, by chance; in some the process was killed before
 *
 *   power renames               kills the process after each rename and cuts a little later, in the next
 *                               life, which has believed what it found; or fails the call after it
 *
 * Prints one line for a broken invariant, naming it, and exits 1.
 */
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/log.h"
#include "core/lib/loop.h"
#include "core/store/store.h"
#include "tests/fault/io_fault.h"
#include "tests/power/power.h"

#define OPS_MAX 400
#define LARGE (60u * 1024)
#define SEGMENT (32u << 10)

struct op {
	struct store_waiter w;
	bool acked;
	char *state;
};

static struct op ops[OPS_MAX];
static int ops_n;
static struct loop *loop;
static struct store *s;
static char dir[64];
static bool small_disk;
static uint64_t refused, given; /* operations and bytes of the reserve, on it */
static const char *what;  /* the disturbance, for messages */
static unsigned long at;
static unsigned seed, life_seed = 20250101;
static uint64_t epoch_seen;
static uint32_t validity_acked;
/* What was durable when the store failed, by the operation that made it so; -2: it did not fail. */
static int undone_to;

void broken(const char *invariant, const char *detail)
{
	printf("INVARIANT %s: broken by %s at call %lu of life %u: %s\n", invariant, what, at, life_seed,
		detail);
	exit(1);
}

static unsigned chance(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed % n;
}

/* ---- operations ---- */

static void acked(struct store_waiter *w, int error)
{
	if (!error)
		((struct op *)(void *)w)->acked = true;
}

static struct account *account(int i)
{
	struct account *a;

	return account_open(s, str_from(power_accounts[i]), true, &a) == 1 ? a : NULL;
}

static struct mailbox *any_mailbox(struct account *a)
{
	struct mailbox *m = a ? account_mailbox(a, chance(account_mailbox_count(a))) : NULL;

	return m && mailbox_exists(m) ? m : NULL;
}

static void write_message(struct buf *out, int n, unsigned lines)
{
	buf_adds(out, "Subject: number ");
	buf_addu(out, (uint64_t)n);
	buf_adds(out, "\r\n\r\n");
	for (unsigned i = 0; i < lines; i++)
		buf_adds(out, "a line of the message that is delivered\r\n");
}

static struct body *coming; /* a large message that is in its file */

/* A large message comes in, and perhaps fails on the way. */
static void receive(int n)
{
	struct body *body = coming ? NULL : body_new(s);
	int done;

	if (!body)
		return;
	write_message(body_buf(body), n, 1000);
	done = body_added(body) < 0 ? -1 : 1;
	write_message(body_buf(body), n, 1000 + chance(1000));
	for (int i = 0; i < 2000 && done == 1; i++) {
		done = body_finish(body);
		loop_turn(loop, done == 1 ? 10 : 0);
	}
	if (!done && chance(4))
		coming = body;
	else
		body_free(&body);
}

/* One message for one to three accounts: an LMTP transaction. */
static void deliver(int n)
{
	struct message_new v = {.prefix = STR("Delivered-To: somebody\r\n"), .internaldate = 1700000000};
	struct body *body = coming ? coming : body_new(s);
	struct account *a;

	if (!body)
		return;
	if (!coming) {
		write_message(body_buf(body), n, chance(40));
		body_finish(body);
	}
	coming = NULL;
	v.body = body;
	for (int i = (int)chance(3); i >= 0; i--) {
		a = account(i);
		if (a && any_mailbox(a))
			mailbox_append(mailbox_find(a, STR("INBOX")), &v, 1, NULL, NULL);
	}
	body_free(&body);
}

static uint32_t some_uids(const struct mailbox *m, uint32_t *uids)
{
	uint32_t n = 0;
	struct message msg;

	for (uint32_t uid = 1; uid < mailbox_uidnext(m) && n < 64; uid++)
		if (!chance(3) && mailbox_message(m, uid, &msg) == 1)
			uids[n++] = uid;
	return n;
}

static void change_messages(struct account *a, struct mailbox *m)
{
	struct mailbox *to = any_mailbox(a);
	uint32_t uids[64], n = some_uids(m, uids);
	int keyword;

	switch (chance(4)) {
	case 0:
		keyword = mailbox_keyword(m, chance(2) ? STR("$Junk") : STR("$Forwarded"), true);
		mailbox_flag(m, uids, n, MESSAGE_ADD, MESSAGE_SEEN,
			keyword < 0 ? 0 : (uint64_t)1 << keyword, NULL);
		break;
	case 1:
		if (mailbox_expunge(m, uids, n, NULL) && small_disk && !store_failed(s))
			broken("a-full-disk-lets-mail-be-removed", strerror(errno));
		break;
	default:
		if (to)
			mailbox_copy(m, uids, n, to, chance(2), NULL, NULL, NULL, NULL);
	}
}

static void change_names(struct account *a)
{
	char name[32], other[32];

	snprintf(name, sizeof(name), "folder%u/sub%u", chance(3), chance(2));
	snprintf(other, sizeof(other), "folder%u", chance(4));
	switch (chance(5)) {
	case 0:
		mailbox_delete(a, str_from(name), NULL);
		break;
	case 1:
		if (!chance(3))
			snprintf(other, sizeof(other), "INBOX");
		mailbox_rename(a, str_from(other), chance(2) ? STR("folder3") : STR("moved/here"), NULL);
		break;
	case 2:
		mailbox_subscribe(a, str_from(name), chance(2), NULL);
		break;
	default:
		mailbox_create(a, str_from(name), 0, NULL);
	}
}

static void operate(int n)
{
	struct account *a = account((int)chance(chance(3) ? 3 : ACCOUNTS));
	struct mailbox *m = any_mailbox(a);
	char text[16];

	if (m && chance(2))
		m = mailbox_find(a, STR("INBOX"));
	if (!m || n < 3 || chance(5) < 2)
		deliver(n);
	else if (chance(3))
		change_messages(a, m);
	else
		change_names(a);
	snprintf(text, sizeof(text), "%d", n);
	store_kv_put(s, KV_SPACE, STR("last"), str_from(text), NULL);
	if (!chance(4))
		store_kv_put(s, KV_SPACE, str_from(power_keys[1 + chance(KEYS - 1)]), chance(3) ? str_from(text) : STR_NULL,
			NULL);
}

/* ---- lives ---- */

static bool open_as(bool rebuild, bool after_failure)
{
	struct store_options o = {
		.dir = dir,
		.after_failure = after_failure,
		.checkpoint_interval = 3600,
		.body_budget = 64 << 20,
		.segment_bytes = SEGMENT,
		.readonly = rebuild,
		.rebuild = rebuild,
		.large_bytes = LARGE,
		.keep_entries = 2,
		.reserve_bytes = small_disk ? 256 << 10 : 64 << 10,
		.cache_bytes = 1, /* forget all that may be */
	};
	struct buf error = {0};

	state_forget();
	s = store_open(loop, &o, &error);
	if (!s && !io_fault_is_cut() && strncmp(what, "EIO", 3) && strncmp(what, "ENOSPC", 6))
		broken("the-store-opens-after-any-crash", buf_addc(&error, 0) ? "" : error.data);
	buf_free(&error);
	return s;
}

static bool open_store(void)
{
	return open_as(false, false);
}

static uint64_t stat_number(const char *key)
{
	struct buf b = {0};
	uint64_t n = 0;
	char *line;

	store_stat(s, &b);
	buf_addc(&b, 0);
	line = strstr(b.data + b.off, key);
	if (line)
		n = strtoull(line + strlen(key), NULL, 10);
	buf_free(&b);
	return n;
}

static void close_store(void)
{
	store_close(&s);
	loop_turn(loop, 0);
}

static void one_operation(void)
{
	struct op *op = &ops[ops_n++];

	if (!chance(6))
		receive(ops_n);
	store_begin(s);
	operate(ops_n);
	store_end(s);
	if (!chance(15))
		store_checkpoint_begin(s);
	op->w.done = acked;
	op->state = state_of(s);
	store_wait(s, &op->w, store_last_lsn(s));
}

/* Everybody removes all mail. */
static void empty_all(void)
{
	struct mailbox *m;
	struct account *a;
	struct message msg;
	uint32_t uid;

	for (int i = 0; i < ACCOUNTS; i++) {
		if (account_open(s, str_from(power_accounts[i]), false, &a) != 1)
			continue;
		for (uint32_t j = 0; j < account_mailbox_count(a); j++) {
			m = account_mailbox(a, j);
			for (uid = 1; mailbox_exists(m) && mailbox_next(m, uid, &msg) == 1; uid = msg.uid + 1)
				if (mailbox_expunge(m, &msg.uid, 1, NULL) && !store_failed(s))
					broken("a-full-disk-lets-mail-be-removed", strerror(errno));
		}
	}
}

static void settle(void)
{
	for (int i = 0; i < 2000 && store_durable(s) != store_last_lsn(s) && !store_failed(s); i++)
		loop_turn(loop, 10);
}

static void one_step(void)
{
	one_operation();
	for (unsigned turns = chance(4); turns; turns--)
		loop_turn(loop, !chance(4));
	if (!chance(9))
		settle();
	if (!chance(25))
		store_checkpoint(s);
	if (!chance(12))
		store_compact(s);
}

/* A life of `n` operations, or until the store fails. */
static void live(int n)
{
	for (int i = 0; i < n && !store_failed(s); i++)
		one_step();
	settle();
	body_free(&coming);
	/* Nobody waits for ever: each was told that it is durable, or that it never will be. */
	for (int i = 0; i < ops_n; i++)
		if (ops[i].w.next)
			broken("every-waiter-is-answered", "a waiter was left");
}

static void note_failure(void)
{
	uint64_t durable = store_durable(s);

	if (!store_failed(s))
		return;
	for (undone_to = ops_n - 1; undone_to >= 0 && ops[undone_to].w.lsn > durable; undone_to--)
		;
}

/* Memory goes back to what was durable, no less and no more: who waited was told so. */
static void check_undone(void)
{
	char *now;

	if (undone_to == -2)
		return;
	now = state_of(s);
	if (undone_to >= 0 ? strcmp(now, ops[undone_to].state) : strstr(now, "account") != NULL)
		broken("a-failed-batch-is-undone", "the state is not what was durable");
	free(now);
}

/* The role that is started again shows what is durable and takes nothing. */
static void look_only(void)
{
	struct account *a;

	if (undone_to == -2 || !open_as(false, true))
		return;
	check_undone();
	if (!store_failed(s) || store_admits(s, 1) != EIO)
		broken("a-failed-store-takes-nothing", "mail is admitted");
	if (account_open(s, STR("alice"), false, &a) == 1 &&
		(!mailbox_create(a, STR("new"), 0, NULL) || errno != EIO))
		broken("a-failed-store-takes-nothing", "a mailbox was made");
	close_store();
}

static void life(int n)
{
	look_only();
	if (!open_store())
		return;
	check_undone();
	undone_to = -2;
	if (store_failed(s)) { /* so full that it could be opened to look only */
		close_store();
		return;
	}
	if (stat_number("epoch ") <= epoch_seen)
		broken("every-life-has-a-new-epoch", "the epoch was not raised");
	epoch_seen = stat_number("epoch ");
	live(n);
	note_failure();
	close_store();
}

/* ---- what must hold afterwards ---- */

static int last_acked(void)
{
	int last = -1;

	for (int i = 0; i < ops_n; i++)
		if (ops[i].acked)
			last = i;
	return last;
}

static void check_numbers(const char *acked_state)
{
	uint32_t before = state_highest_validity(s), uidnext, first;
	struct account *a = account(0);
	struct mailbox *m;
	struct body *body;
	struct message_new v = {0};

	mailbox_create(a, STR("fresh"), 0, NULL);
	m = mailbox_find(a, STR("fresh"));
	if (!m || mailbox_uidvalidity(m) <= before || mailbox_uidvalidity(m) <= validity_acked)
		broken("uidvalidity-is-never-repeated", "a new mailbox has an old number");
	m = mailbox_find(a, STR("INBOX"));
	uidnext = state_uidnext_in(acked_state, mailbox_id(m));
	body = body_new(s);
	buf_adds(body_buf(body), "Subject: after\r\n\r\n");
	body_finish(body);
	v.body = body;
	if (mailbox_append(m, &v, 1, &first, NULL) || first < uidnext)
		broken("uids-are-never-reused", "a new message has an old number");
	body_free(&body);
	mailbox_delete(a, STR("fresh"), NULL);
}

static void check_state(void)
{
	int last = last_acked(), found = -1;
	char *now = state_of(s);

	for (int i = ops_n - 1; i >= 0 && found < 0; i--)
		if (!strcmp(ops[i].state, now))
			found = i;
	if (found < 0 && last < 0 && !strstr(now, "account"))
		found = ops_n; /* nothing yet, and nothing was promised */
	if (found < 0) {
		if (getenv("POWER_VERBOSE"))
			printf("--- found\n%s\n--- acknowledged (%d)\n%s\n", now, last,
				last < 0 ? "" : ops[last].state);
		broken(strstr(now, "UNREADABLE") ? "every-listed-message-can-be-read" :
						   "a-batch-is-whole-or-absent",
			"the state is none that ever was");
	}
	if (found < last)
		broken("acknowledged-is-durable", "acknowledged operations are gone");
	free(now);
}

/* What the log alone gives, whatever the checkpoint says; nothing is changed.  NULL: no spool yet. */
static char *log_state(void)
{
	char path[80], *text;

	snprintf(path, sizeof(path), "%s/spool", dir);
	if (access(path, F_OK))
		return NULL;
	snprintf(path, sizeof(path), "%s/log", dir);
	if (access(path, F_OK) || !open_as(true, false))
		return NULL;
	text = state_of(s);
	if (stat_number("\ndamaged "))
		broken("a-crash-is-not-damage", "a rebuild reported damage");
	close_store();
	return text;
}

/* What compaction left of the log gives back all of it. */
static void check_rebuild(char *alone)
{
	char *now = state_of(s);

	if (alone && strcmp(now, alone)) {
		if (getenv("POWER_VERBOSE"))
			printf("--- with checkpoint\n%s\n--- from the log\n%s\n", now, alone);
		broken("the-log-alone-gives-back-the-state", "it gives another");
	}
	free(now);
	free(alone);
}

/* Large messages that are listed, each once however many mailboxes have it. */
static unsigned large_messages(void)
{
	uint64_t ids[256];
	unsigned n = 0, i;
	struct message msg;
	struct mailbox *m;
	struct account *a;

	for (int k = 0; k < ACCOUNTS; k++) {
		if (account_open(s, str_from(power_accounts[k]), false, &a) != 1)
			continue;
		for (uint32_t j = 0; j < account_mailbox_count(a); j++) {
			m = account_mailbox(a, j);
			for (uint32_t uid = 1; uid < mailbox_uidnext(m); uid++) {
				if (mailbox_message(m, uid, &msg) != 1 || msg.size - msg.prefix_size <= LARGE)
					continue;
				for (i = 0; i < n && ids[i] != msg.blob; i++)
					;
				if (i == n && n < 256)
					ids[n++] = msg.blob;
			}
		}
	}
	return n;
}

static unsigned large_files(void)
{
	char path[128];
	struct dirent *e;
	unsigned n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/large", dir);
	d = opendir(path);
	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

static void look(bool disturb_recovery, unsigned long n)
{
	static int round;
	char *alone;

	if (disturb_recovery) {
		/* The power goes again while the store recovers. */
		io_fault_begin(dir);
		round++;
		io_fault_cut(1 + (n + (unsigned long)round * 5) % 14, round % 2);
		if (open_store())
			close_store();
		io_fault_restore();
	}
	alone = log_state();
	if (!open_store())
		broken("the-store-opens-after-any-crash", "it does not");
	if (stat_number("epoch ") <= epoch_seen && epoch_seen && last_acked() >= 0)
		broken("every-life-has-a-new-epoch", "the epoch was not raised");
	if (stat_number("\ndamaged "))
		broken("a-crash-is-not-damage", "damage was reported");
	check_state();
	check_rebuild(alone);
	if (large_files() != large_messages())
		broken("no-file-is-left-over", "files and large messages differ");
	check_numbers(last_acked() < 0 ? "" : ops[last_acked()].state);
	close_store();
	free(log_state()); /* nothing was left that a later start would take for damage */
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void begin(void)
{
	snprintf(dir, sizeof(dir), "%s/satchel-power-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	if (!mkdtemp(dir))
		abort();
	loop = loop_new();
	seed = life_seed;
	epoch_seen = validity_acked = 0;
	undone_to = -2;
	io_fault_begin(dir);
}

static void end(void)
{
	io_fault_end();
	loop_free(&loop);
	if (!getenv("POWER_KEEP"))
		nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	for (int i = 0; i < ops_n; i++)
		free(ops[i].state);
	memset(ops, 0, sizeof(ops));
	ops_n = 0;
}

static void lives(void)
{
	life(50);
	if (!io_fault_is_cut())
		life(40);
	if (!io_fault_is_cut())
		life(10);
}

static void cut(unsigned long n, bool torn, uint64_t scatter)
{
	begin();
	at = n;
	what = scatter ? "scattered cut" : torn ? "torn cut" : "cut";
	io_fault_cut(n, torn);
	lives();
	if (last_acked() >= 0)
		validity_acked = state_validity_in(ops[last_acked()].state);
	io_fault_scatter(scatter);
	io_fault_restore();
	what = torn ? "recovery after torn cut" : "recovery after cut";
	look(true, n);
	end();
}

/* The process is killed first, at its call `first` or when as many renames have been done; the next life
 * goes on with what the page cache holds, and the power goes in that. */
static void kill_and_cut(unsigned long first, bool renamed, unsigned long n, bool torn, uint64_t scatter)
{
	begin();
	at = first;
	what = renamed ? "cut after a kill after a rename" : "cut after a kill";
	if (renamed)
		io_fault_kill_renamed(first);
	else
		io_fault_kill(first);
	lives();
	io_fault_revive();
	/* A batch that was written and not synced is still in the page cache: it may be there. */
	undone_to = -2;
	io_fault_cut(n, torn);
	life(40);
	if (last_acked() >= 0)
		validity_acked = state_validity_in(ops[last_acked()].state);
	io_fault_scatter(scatter);
	io_fault_restore();
	look(true, n);
	end();
}

/* After failed calls, and a power cut or none. */
static void look_back(unsigned long n, bool cut_after, const char *which)
{
	if (cut_after)
		io_fault_restore();
	else
		io_fault_end();
	what = which;
	look(false, n);
	end();
}

/* all: the disk stays like that until the store was closed.  cut: the power goes at the end, so that
 * what a sync was said to have brought to the disk is there, or it is not. */
static void failing(unsigned long n, int error, bool all, bool cut_after)
{
	begin();
	at = n;
	what = error == EIO ? "EIO" : "ENOSPC";
	if (all)
		io_fault_fail_from(n, error);
	else
		io_fault_fail(n, error);
	for (int left = 50; left; left = left == 50 ? 40 : left == 40 ? 10 : 0) {
		life(left);
		if (io_fault_calls() >= n)
			io_fault_fail(0, 0);
	}
	look_back(n, cut_after, "recovery after a failed call");
}

/* The call after a rename fails: what it named may be on the disk, or not. */
static void failing_renamed(unsigned long n, int error, bool cut_after)
{
	begin();
	at = n;
	what = error == EIO ? "EIO after a rename" : "ENOSPC after a rename";
	io_fault_fail_renamed(n, error);
	for (int left = 50; left; left = left == 50 ? 40 : left == 40 ? 10 : 0)
		life(left);
	look_back(n, cut_after, "recovery after a call failed that came after a rename");
}

/* What a failure undid is gone, and its LSNs are given again: nothing is to be found by them. */
static void forget_undone(void)
{
	while (undone_to > -2 && ops_n > undone_to + 1)
		free(ops[--ops_n].state);
}

/* One call of n fails in twelve short lives; later ones find all that was acknowledged. */
static void failing_every(unsigned long n, int error)
{
	begin();
	at = n;
	what = error == EIO ? "EIO, again and again" : "ENOSPC, again and again";
	io_fault_fail_every(n, error);
	for (int i = 0; i < 12; i++) {
		life(10);
		forget_undone();
	}
	io_fault_fail(0, 0);
	look_back(n, n % 2, "recovery after failed calls");
}

/* ---- a disk that is full ---- */

#define SMALL_DISK (4u << 20)

static bool is_whole(void)
{
	return stat_number("reserve_bytes ") == stat_number("reserve_wanted_bytes ");
}

/* What is known of the disk is up to 100 ms old, so it may take as long. */
static void left_alone(void)
{
	uint64_t until = loop_now(loop) + 300;
	bool full = true;

	for (; loop_now(loop) < until && full && !store_admits(s, 1); loop_turn(loop, 10))
		full = io_fault_free() < SEGMENT && !io_fault_is_cut();
	if (loop_now(loop) >= until && full && !store_admits(s, 1))
		broken("the-reserve-is-not-for-mail", "mail is taken though nothing else is left");
}

/* They take all there is only when the store has had time to take its own. */
static void others_come_and_go(void)
{
	io_fault_others(0);
	for (int i = 0; i < 100 && !is_whole() && !io_fault_is_cut(); i++)
		loop_turn(loop, 10);
	if (chance(3) && is_whole())
		io_fault_others(io_fault_free() - chance(2) * chance(200u << 10));
	left_alone();
}

static void live_full(int n)
{
	for (int i = 0; i < n && !io_fault_is_cut(); i++) {
		if (!chance(12))
			others_come_and_go();
		refused += store_admits(s, 1) == ENOSPC;
		one_step();
		if (store_failed(s) && !io_fault_is_cut())
			broken("a-full-disk-fails-no-store", "it failed");
	}
	settle();
	body_free(&coming);
}

/* Others leave: mail is taken again, without a new start. */
static void room_again(void)
{
	io_fault_others(0);
	for (int i = 0; i < 3 && stat_number("\nlive_bytes ") > SMALL_DISK / 4; i++)
		empty_all();
	for (int i = 0; i < 600 && store_admits(s, 1000) && !io_fault_is_cut(); i++)
		loop_turn(loop, 10);
	if (store_admits(s, 1000) && !io_fault_is_cut())
		broken("mail-is-taken-again", "it is refused");
}

static void full_disk(unsigned long cut_at)
{
	begin();
	at = cut_at;
	what = "a full disk";
	small_disk = true;
	io_fault_disk(SMALL_DISK);
	if (cut_at)
		io_fault_cut(cut_at, cut_at % 2);
	for (int lives_left = 2; lives_left && !io_fault_is_cut() && open_store(); lives_left--) {
		if (store_failed(s))
			broken("a-full-disk-fails-no-store", "it can be opened to look only");
		epoch_seen = stat_number("epoch ");
		live_full(120);
		room_again();
		given += stat_number("reserve_given_bytes ");
		close_store();
	}
	io_fault_restore();
	look(false, cut_at);
	small_disk = false;
	end();
}

static void full_at_random(unsigned first, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		life_seed = (first + i) * 2654435761u | 1;
		seed = life_seed;
		full_disk(i % 2 ? 1 + chance(900) : 0);
	}
	printf("ok: %u lives on a full disk from seed %u: mail refused %lu times, %lu KiB given back\n", count,
		first, (unsigned long)refused, (unsigned long)(given >> 10));
}

static void at_random(unsigned first, unsigned count, unsigned long calls)
{
	for (unsigned i = 0; i < count; i++) {
		life_seed = (first + i) * 2654435761u | 1;
		seed = life_seed;
		unsigned long n = 1 + chance((unsigned)calls);
		bool torn = chance(2);
		uint64_t scatter = chance(4) ? 1 + (uint64_t)chance(1u << 30) : 0;

		if (i % 5 == 4)
			kill_and_cut(n, false, 1 + chance(60), torn, scatter);
		else
			cut(n, torn, scatter);
	}
	printf("ok: %u random cuts from seed %u\n", count, first);
}

/* What a rename has brought is not on the disk yet, and the next life believes it. */
static void after_renames(unsigned long renames)
{
	for (unsigned long k = 1; k <= renames; k++) {
		failing_renamed(k, EIO, false);
		failing_renamed(k, EIO, true);
		failing_renamed(k, ENOSPC, true);
	}
	for (unsigned long k = 1; k <= renames; k++)
		for (unsigned long n = 1; n < 70; n += n < 12 ? 1 : 12)
			kill_and_cut(k, true, n, false, n < 12 ? 1 + k * 64 + n : 0);
	printf("ok: failures, and cuts after a kill, after each of %lu renames\n", renames);
}

int main(int argc, char **argv)
{
	unsigned long from, to, step, calls, renames;

	log_init("power", getenv("POWER_VERBOSE") ? LOG_LEVEL_DEBUG : 0, false);
	setvbuf(stdout, NULL, _IOLBF, 0);
	what = "nothing";
	begin();
	lives();
	calls = io_fault_calls();
	renames = io_fault_renames();
	end();
	if (argc == 4 && !strcmp(argv[1], "random")) {
		at_random((unsigned)strtoul(argv[2], NULL, 10), (unsigned)strtoul(argv[3], NULL, 10), calls);
		return 0;
	}
	if (argc == 4 && !strcmp(argv[1], "full")) {
		full_at_random((unsigned)strtoul(argv[2], NULL, 10), (unsigned)strtoul(argv[3], NULL, 10));
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "renames")) {
		after_renames(renames);
		return 0;
	}
	if (argc < 5) {
		printf("%lu\n", calls);
		return 0;
	}
	from = strtoul(argv[2], NULL, 10);
	to = strtoul(argv[3], NULL, 10);
	step = strtoul(argv[4], NULL, 10);
	if (!to)
		to = calls;
	for (unsigned long n = from; n <= to; n += step) {
		if (!strcmp(argv[1], "cut")) {
			cut(n, false, 0);
			cut(n, true, 0);
		} else if (!strcmp(argv[1], "every")) {
			failing_every(n, EIO);
			failing_every(n, ENOSPC);
		} else {
			failing(n, EIO, false, false);
			failing(n, EIO, false, true);
			failing(n, EIO, true, true);
			failing(n, ENOSPC, false, false);
			failing(n, ENOSPC, false, true);
			failing(n, ENOSPC, true, true);
		}
	}
	printf("ok: %s at every %lu. of %lu calls\n", argv[1], step, calls);
	return 0;
}
