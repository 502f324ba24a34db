/* SPDX-License-Identifier: 0BSD */
/*
 * Two states of one spool, both made by the store's own code: what a start would give (checkpoint
 * and the log after it), and what the whole log gives.  Where records of the log are damaged or missing
 * the second knows less, and may not judge the first.
 */
#include "features/store/fsck/fsck.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/lib/loop.h"
#include "core/store/kv.h"
#include "core/store/view.h"

#define WHOLE_MAX (1u << 20) /* larger messages are verified by asking for one byte of them */

struct ids {
	uint64_t *v;
	size_t n, cap;
};

struct compare {
	struct fsck *f;
	struct store *state, *log;
	struct account *a, *b; /* the same account in both; b may be NULL */
	struct buf text, bytes;
	uint16_t space;
	unsigned references; /* messages whose bytes have others than the log says */
};

static void say(struct compare *c, enum fsck_kind kind, const struct mailbox *m, uint32_t uid,
	const char *what)
{
	buf_clear(&c->text);
	buf_addstr(&c->text, account_name(c->a));
	if (m) {
		buf_addc(&c->text, '/');
		buf_addstr(&c->text, mailbox_name(m));
	}
	if (uid) {
		buf_adds(&c->text, ": UID ");
		buf_addu(&c->text, uid);
	}
	buf_addc(&c->text, 0);
	if (!c->text.failed)
		fsck_report(c->f, kind, c->text.data + c->text.off, 0, what);
}

/* The log has lost it, and --repair will tell it again; but nothing that a damaged index seems to say. */
static void lack(struct compare *c, const struct mailbox *m, const struct message *msg, const char *what)
{
	if (m && m->ix && m->ix->damaged) {
		say(c, FSCK_INDEX, m, msg ? msg->uid : 0, what);
		return;
	}
	say(c, FSCK_LACKING, m, msg ? msg->uid : 0, what);
	fsck_lack(c->f, c->a, m, msg);
}

/* ---- messages ---- */

/* Is the copy of it that counts one of those that the log's reader found damaged? */
static bool known_bad(const struct compare *c, uint64_t id)
{
	const struct fsck *f = c->f;
	const struct blob *b = id && f->bad.n ? blob_find(c->state, id) : NULL;
	size_t lo = 0, hi = f->bad.n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (f->bad.v[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; b && b->segment && lo < f->bad.n && f->bad.v[lo].id == id; lo++)
		if (f->bad.v[lo].segment == b->segment->first && f->bad.v[lo].at == b->offset)
			return true;
	return false;
}

static void read_message(struct compare *c, const struct mailbox *m, const struct message *msg)
{
	struct mime_summary summary;
	int bad;

	if (known_bad(c, msg->blob) || known_bad(c, msg->prefix)) {
		say(c, FSCK_MESSAGE, m, msg->uid, "its bytes are damaged");
		return;
	}
	buf_clear(&c->bytes);
	if (msg->size <= WHOLE_MAX)
		bad = message_read(c->state, msg, 0, msg->size, &c->bytes);
	else
		bad = message_read(c->state, msg, 0, msg->prefix_size, &c->bytes) ||
			message_read(c->state, msg, msg->size - 1, 1, &c->bytes);
	buf_clear(&c->bytes);
	if (bad || message_summary(c->state, msg, &c->bytes, &summary))
		say(c, FSCK_MESSAGE, m, msg->uid, "cannot be read");
}

static bool same_message(const struct message *x, const struct message *y)
{
	return x->uid == y->uid && x->flags == y->flags && x->keywords == y->keywords &&
		x->modseq == y->modseq && x->internaldate == y->internaldate &&
		x->savedate == y->savedate && x->zone == y->zone && x->size == y->size &&
		x->prefix_size == y->prefix_size && x->blob == y->blob && x->prefix == y->prefix;
}

/* How many index entries name a blob: kept by checkpoints, counted anew by redo of the whole log.
 * false: the log does not know it. */
static bool compare_references(struct compare *c, uint64_t id)
{
	const struct blob *b = id ? blob_find(c->state, id) : NULL;
	uint32_t refs = b ? b->refs : 0; /* before the next look-up */

	if (!b)
		return true;
	b = blob_find(c->log, id);
	c->references += b && b->refs != refs;
	return b != NULL;
}

static void compare_message(struct compare *c, const struct mailbox *m, const struct mailbox *n,
	const struct message *msg)
{
	struct message other;
	bool known, found;

	c->f->messages++;
	read_message(c, m, msg);
	known = compare_references(c, msg->blob);
	known &= compare_references(c, msg->prefix);
	found = n && mailbox_message(n, msg->uid, &other) == 1;
	if (!known || !found || (!c->f->complete && !same_message(msg, &other)))
		lack(c, m, msg, "is not in the log, or not as it is");
	else if (!same_message(msg, &other))
		say(c, FSCK_INDEX, m, msg->uid, "differs from the log");
}

static int compare_messages(struct compare *c, struct mailbox *m, struct mailbox *n)
{
	struct view *v = view_open(m, false);
	struct message msg;

	if (!v)
		return -1;
	for (uint32_t i = 1; i <= view_exists(v); i++)
		if (view_message(v, i, &msg) == 1)
			compare_message(c, m, n, &msg);
	view_close(&v);
	return 0;
}

/* What the log has and the index has not: of a log that has lost records, maybe that it was expunged. */
static int missing_messages(struct compare *c, struct mailbox *m, struct mailbox *n)
{
	struct view *v = view_open(n, false);
	struct message msg, other;

	if (!v)
		return -1;
	for (uint32_t i = 1; i <= view_exists(v); i++)
		if (view_message(v, i, &msg) == 1 && !mailbox_message(m, msg.uid, &other)) {
			msg.flags |= MESSAGE_EXPUNGED;
			msg.modseq = mailbox_highestmodseq(m);
			if (c->f->complete && !c->f->found[FSCK_LACKING])
				say(c, FSCK_INDEX, m, msg.uid, "is in the log and not in the index");
			else
				lack(c, m, &msg, "is in the log, which has lost that it was expunged");
		}
	view_close(&v);
	return 0;
}

/* ---- mailboxes ---- */

static bool same_keywords(const struct mailbox *m, const struct mailbox *n)
{
	for (unsigned i = 0; i < 64; i++) {
		struct str x = mailbox_keyword_name(m, i), y = mailbox_keyword_name(n, i);

		if (!x.p != !y.p || (x.p && !str_eq(x, y)))
			return false;
		if (!x.p)
			return true;
	}
	return true;
}

/* Of what a record of the mailbox says. */
static bool same_mailbox(const struct mailbox *m, const struct mailbox *n)
{
	return mailbox_uidvalidity(m) == mailbox_uidvalidity(n) && mailbox_uidnext(m) == mailbox_uidnext(n) &&
		mailbox_highestmodseq(m) == mailbox_highestmodseq(n) &&
		mailbox_exists(m) == mailbox_exists(n) && mailbox_subscribed(m) == mailbox_subscribed(n) &&
		mailbox_special_use(m) == mailbox_special_use(n) && same_keywords(m, n);
}

static bool same_counts(const struct mailbox *m, const struct mailbox *n)
{
	return mailbox_messages(m) == mailbox_messages(n) && mailbox_unseen(m) == mailbox_unseen(n) &&
		mailbox_deleted(m) == mailbox_deleted(n) && mailbox_bytes(m) == mailbox_bytes(n);
}

/* The mailbox of that id and name in the other state. */
static struct mailbox *twin(const struct account *a, const struct mailbox *m)
{
	for (uint32_t i = 0; a && i < account_mailbox_count(a); i++) {
		struct mailbox *n = account_mailbox(a, i);

		if (mailbox_id(n) == mailbox_id(m) && str_eq(mailbox_name(n), mailbox_name(m)))
			return n;
	}
	return NULL;
}

static int compare_mailbox(struct compare *c, struct mailbox *m)
{
	struct mailbox *n = twin(c->b, m);
	unsigned lacking = c->f->found[FSCK_LACKING];

	if (!n || (!c->f->complete && !same_mailbox(m, n)))
		lack(c, m, NULL, "is not in the log, or not as it is");
	fsck_index_file(c->f, m);
	if (m->index_bad)
		return 0;
	if (compare_messages(c, m, n) || (n && missing_messages(c, m, n)))
		return -1;
	if (c->f->found[FSCK_LACKING] == lacking && (!same_mailbox(m, n) || !same_counts(m, n)))
		say(c, FSCK_INDEX, m, 0, "numbers differ from the log");
	return 0;
}

static int compare_account(struct compare *c)
{
	struct mailbox *n;
	int answer = 0;
	bool same;

	c->b = NULL;
	if (account_open(c->log, account_name(c->a), false, &c->b) < 0)
		return -1;
	same = c->b && account_id(c->a) == account_id(c->b) && account_modseq(c->a) == account_modseq(c->b);
	if (!c->b || (!c->f->complete && !same))
		lack(c, NULL, NULL, "is not in the log, or not as it is");
	else if (!same)
		say(c, FSCK_INDEX, NULL, 0, "numbers differ from the log");
	for (uint32_t i = 0; !answer && i < account_mailbox_count(c->a); i++)
		answer = compare_mailbox(c, account_mailbox(c->a, i));
	for (uint32_t i = 0; !answer && c->b && c->f->complete && i < account_mailbox_count(c->b); i++) {
		n = account_mailbox(c->b, i);
		if (!twin(c->a, n))
			say(c, FSCK_INDEX, n, 0, "is in the log and nowhere else");
	}
	return answer;
}

/* ---- which accounts there are: those in memory, and those in the key-value files ---- */

static int each_loaded(void *arg, struct hash_node *node)
{
	struct ids *ids = arg;

	return vec_push(ids, hash_owner(node, struct account, by_name)->id);
}

static int each_stored(void *arg, struct str key, struct str value)
{
	struct cursor c = cursor_from(key);
	struct ids *ids = arg;
	uint64_t id = cursor_u64(&c);

	(void)value;
	return c.failed ? 0 : vec_push(ids, id);
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int list_accounts(struct store *s, struct ids *ids)
{
	size_t to = 0;

	if (hash_each(&s->accounts, each_loaded, ids) || store_kv_each(s, KV_SPACE_ACCOUNT, each_stored, ids))
		return -1;
	if (ids->n)
		qsort(ids->v, ids->n, sizeof(*ids->v), by_number);
	for (size_t i = 0; i < ids->n; i++)
		if (!i || ids->v[i] != ids->v[i - 1])
			ids->v[to++] = ids->v[i];
	ids->n = to;
	return 0;
}

static int compare_accounts(struct compare *c)
{
	struct ids ids = {0};
	int answer = list_accounts(c->state, &ids), found;

	for (size_t i = 0; !answer && i < ids.n; i++) {
		fsck_progress(c->f, "accounts", i, ids.n);
		store_forget(c->state);
		found = account_get(c->state, ids.v[i], &c->a);
		if (found > 0)
			answer = compare_account(c);
		else
			fsck_report(c->f, FSCK_KEY, "kv", 0, "an account cannot be read");
	}
	free(ids.v);
	return answer;
}

/* Accounts that only the log knows. */
static int accounts_in_log(struct compare *c)
{
	struct account *other;
	struct ids ids = {0};
	int answer = list_accounts(c->log, &ids), found;

	for (size_t i = 0; !answer && i < ids.n; i++) {
		if (account_get(c->log, ids.v[i], &c->a) != 1)
			continue;
		found = account_open(c->state, account_name(c->a), false, &other);
		if (!found && c->f->complete)
			say(c, FSCK_INDEX, NULL, 0, "is in the log and nowhere else");
	}
	free(ids.v);
	return answer;
}

/* ---- keys ---- */

static void say_key(struct compare *c, enum fsck_kind kind, struct str key, const char *what)
{
	buf_clear(&c->text);
	buf_adds(&c->text, "space ");
	buf_addu(&c->text, c->space);
	buf_adds(&c->text, " key ");
	for (size_t i = 0; i < key.len; i++)
		buf_addhex(&c->text, (unsigned char)key.p[i], 2);
	buf_addc(&c->text, 0);
	if (!c->text.failed)
		fsck_report(c->f, kind, c->text.data + c->text.off, 0, what);
}

static int each_key(void *arg, struct str key, struct str value)
{
	struct compare *c = arg;
	uint64_t lsn;
	int found;

	buf_clear(&c->bytes);
	found = store_kv_get(c->log, c->space, key, &c->bytes, &lsn);
	if (found < 0)
		return -1;
	if (found && str_eq(value, buf_str(&c->bytes)))
		return 0;
	if (found && c->f->complete) {
		say_key(c, FSCK_KEY, key, "differs from the log");
		return 0;
	}
	say_key(c, FSCK_LACKING, key, "is not in the log, or not as it is");
	fsck_lack_key(c->f, c->space, key);
	return 0;
}

static int each_key_in_log(void *arg, struct str key, struct str value)
{
	struct compare *c = arg;
	uint64_t lsn;
	int found;

	(void)value;
	buf_clear(&c->bytes);
	found = store_kv_get(c->state, c->space, key, &c->bytes, &lsn);
	/* Spaces that expire by the day drop entries that the log still has. */
	if (found || kv_class(c->space) != kv_class(KV_SPACE_FOREIGN))
		return found < 0 ? -1 : 0;
	say_key(c, c->f->complete ? FSCK_KEY : FSCK_LACKING, key, "is in the log and nowhere else");
	if (!c->f->complete)
		fsck_lack_key(c->f, c->space, key);
	return 0;
}

static int compare_keys(struct compare *c)
{
	for (unsigned space = 0; space < 65536; space++) {
		if (!(c->f->spaces[space / 8] >> space % 8 & 1) && space != KV_SPACE_FOREIGN)
			continue;
		c->space = (uint16_t)space;
		if (store_kv_each(c->state, c->space, each_key, c) ||
			store_kv_each(c->log, c->space, each_key_in_log, c))
			return -1;
	}
	return 0;
}

/* ---- what compaction goes by ---- */

/* Where the log lacks something both must differ. */
static void compare_numbers(struct compare *c)
{
	char name[8 + SEGMENT_NAME_SIZE] = "log/";
	const struct segment *g, *h;

	if (!c->f->complete || c->f->found[FSCK_LACKING])
		return;
	if (c->references)
		fsck_report(c->f, FSCK_MAP, "map", 0, "how many messages refer to some bytes is not counted right");
	for (size_t i = 0; i < c->state->segments.n; i++) {
		g = c->state->segments.v[i];
		h = segment_find(c->log, g->first);
		if (!h || (g->live == h->live && g->blobs == h->blobs))
			continue;
		segment_name(name + 4, g->first);
		fsck_report(c->f, FSCK_MAP, name, 0, "the bytes in it that are of use are not counted right");
	}
}

/* ---- both ---- */

static struct store *look(struct fsck *f, struct loop *l, bool rebuild)
{
	struct store_options o = {.dir = f->dir, .checkpoint_interval = 86400, .readonly = true,
		.rebuild = rebuild};
	struct buf error = {0};
	struct store *s = store_open(l, &o, &error);

	buf_addc(&error, 0);
	if (!s && !error.failed)
		fsck_report(f, strstr(error.data + error.off, "newer version") ? FSCK_NEWER :
			rebuild ? FSCK_BATCH : FSCK_CHECKPOINT, f->dir, 0, error.data + error.off);
	buf_free(&error);
	return s;
}

/* The log's reader cannot tell a lost segment from one that compaction removed; the checkpoint can. */
static void note_missing(struct fsck *f, const struct store *state)
{
	char name[8 + SEGMENT_NAME_SIZE] = "log/";

	for (size_t i = 0; i < state->missing.n; i++) {
		f->complete = false;
		segment_name(name + 4, state->missing.v[i]);
		fsck_report(f, FSCK_MISSING, name, 0, "the checkpoint names it, and it is not there");
	}
}

int fsck_compare(struct fsck *f)
{
	struct compare c = {.f = f};
	struct loop *l = loop_new();
	int answer = 0;

	if (!l)
		return -1;
	c.state = look(f, l, false);
	if (c.state) {
		note_missing(f, c.state);
		c.log = look(f, l, true);
	}
	if (c.state && c.log) {
		answer = fsck_large(f, c.state) || fsck_files(f, c.state) || compare_accounts(&c) ||
			accounts_in_log(&c) || compare_keys(&c) ? -1 : 0;
		compare_numbers(&c);
	}
	store_close(&c.log);
	store_close(&c.state);
	loop_turn(l, 0);
	loop_free(&l);
	buf_free(&c.text);
	buf_free(&c.bytes);
	return answer;
}
