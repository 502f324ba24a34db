/* SPDX-License-Identifier: 0BSD */
#include "core/hooks.h"

#include <mbedtls/sha256.h>

#include "core/lib/date.h"
#include "core/lib/log.h"
#include "core/lib/settings.h"
#include "core/lmtp/command.h"
#include "core/lmtp/delivery.h"
#include "core/mime/header.h"
#include "core/store/days.h"

#define SPACE_DAYS    1                    /* where each day began in the log */
#define SPACE         (STORE_KV_DAILY | 1) /* what was delivered */
#define ID_MAX        900 /* a longer Message-ID is digested: keys of the store end at 1000 */

static uint64_t duplicates;
static bool check_body;

/* Of the delivery that was checked last, for when it is done. */
static struct {
	struct buf key;
	bool has_digest;
	unsigned char digest[32];
} now;

/* What is remembered of a delivery. */
struct original {
	uint64_t when;   /* wall clock seconds */
	uint32_t uid;    /* 0: not known */
	struct str body; /* SHA-256, or empty */
};

static struct store_days days;

/* The Message-ID between its angle brackets, or what else stands there; empty if there is none. */
static struct str message_id(struct str header)
{
	struct header_field f;
	struct cursor c;
	struct str id;

	if (header_find(header, STR("Message-ID"), &f) <= 0)
		return STR("");
	c = cursor_from(f.value);
	cursor_take_until(&c, '<');
	if (cursor_accept(&c, '<')) {
		id = cursor_take_until(&c, '>');
		if (cursor_accept(&c, '>'))
			return str_trim(id);
	}
	return str_trim(f.value);
}

static int digest(struct str text, unsigned char out[32])
{
	return mbedtls_sha256((const unsigned char *)text.p, text.len, out, 0);
}

static int add_digest(struct buf *key, struct str text)
{
	unsigned char bytes[32];

	if (digest(text, bytes))
		return -1;
	buf_addc(key, 'D');
	return buf_add(key, bytes, sizeof(bytes));
}

static int add_id(struct buf *key, const struct mailbox *m, struct str id)
{
	buf_put64(key, mailbox_id(m));
	if (id.len > ID_MAX)
		return add_digest(key, id);
	buf_addc(key, 'I');
	return buf_addstr(key, id);
}

/* Empty: this message cannot be recognised. */
static int make_key(const struct delivery *d, struct buf *key)
{
	struct str id = message_id(d->header), all = body_bytes(d->body);

	if (!all.p && (!id.len || check_body))
		return 0;
	if (id.len)
		return add_id(key, d->mailbox, id);
	buf_put64(key, mailbox_id(d->mailbox));
	return add_digest(key, all);
}

/* What is behind the header: each transfer agent adds to that. */
static int digest_body(const struct delivery *d, unsigned char out[32])
{
	struct cursor c = cursor_from(body_bytes(d->body));

	cursor_skip(&c, d->header.len);
	return digest(cursor_take(&c, cursor_left(&c)), out);
}

static struct original read_original(struct str value)
{
	struct cursor c = cursor_from(value);
	struct original o = {.when = cursor_u64(&c)};

	if (cursor_left(&c)) /* binaries of before noted the time alone */
		o.uid = cursor_u32(&c);
	if (cursor_left(&c))
		o.body = cursor_take(&c, sizeof(now.digest));
	return o;
}

/* The setting may ask for more than the same Message-ID.  1, 0, -1. */
static int same_body(const struct delivery *d, const struct original *o)
{
	if (!check_body)
		return 1;
	if (digest_body(d, now.digest))
		return -1;
	now.has_digest = true;
	return str_eq(o->body, (struct str){(const char *)now.digest, sizeof(now.digest)});
}

static void explain(const struct delivery *d, const struct original *o)
{
	log_info("is a duplicate", "user", log_str(d->user), "mailbox", log_str(mailbox_name(d->mailbox)), "uid",
		log_num(o->uid), "delivered", log_num((int64_t)o->when), "message_id",
		log_str(message_id(d->header)), NULL);
}

static enum hook_result dedup_check(struct delivery *d)
{
	struct buf value = {0};
	struct original o;
	uint64_t lsn = 0;
	int rc = -1;

	buf_clear(&now.key);
	now.has_digest = false;
	if (make_key(d, &now.key) == 0)
		rc = now.key.len ? store_kv_get(d->store, SPACE, buf_str(&now.key), &value, &lsn) : 0;
	o = read_original(buf_str(&value));
	if (rc > 0)
		rc = same_body(d, &o);
	if (rc > 0) {
		/* The original may still be on its way to the disk: this answer waits for it too. */
		d->lsn = lsn;
		d->note = "duplicate";
		duplicates++;
		explain(d, &o);
	}
	buf_free(&value);
	return rc > 0 ? HOOK_DONE : rc ? HOOK_FAIL : HOOK_PASS;
}

static void dedup_done(struct delivery *d)
{
	struct buf value = {0};
	uint64_t lsn;
	int bad = 0;

	if (!now.key.len)
		return;
	if (check_body && !now.has_digest)
		bad = digest_body(d, now.digest);
	buf_put64(&value, d->now);
	buf_put32(&value, d->uid);
	if (check_body)
		buf_add(&value, now.digest, sizeof(now.digest));
	/* Forgetting is the lesser evil: the message itself is accepted. */
	if (bad || value.failed || store_kv_put(d->store, SPACE, buf_str(&now.key), buf_str(&value), &lsn))
		log_warning("duplicate suppression cannot remember a message", NULL);
	else
		d->lsn = lsn;
	buf_free(&value);
}

/* ---- forgetting: whole days, by their place in the log ---- */

static void forget(struct store *s)
{
	uint64_t before = store_days_look(s, SPACE_DAYS, &days, CONFIG_DEDUP_DAYS);

	if (days.n)
		store_kv_expire(s, SPACE, before, days.v[days.n - 1].lsn);
}

static int dedup_start(struct mail *m)
{
	if (store_days_load(m->store, SPACE_DAYS, &days))
		return -1;
	forget(m->store);
	return 0;
}

static void dedup_tick(struct mail *m)
{
	forget(m->store);
}

static void dedup_metrics(struct mail *m, struct buf *out)
{
	(void)m;
	buf_adds(out, "dedup_duplicates ");
	buf_addu(out, duplicates);
	buf_adds(out, "\ndedup_days ");
	buf_addu(out, days.n);
	buf_addc(out, '\n');
}

/* ---- for the admin ---- */

#define LISTED_MAX 1000
#define WALK_MAX   100000 /* entries looked at: the loop waits meanwhile */

static void add_original(struct buf *out, const struct mailbox *m, struct str what, struct str value)
{
	struct original o = read_original(value);

	buf_addstr(out, mailbox_name(m));
	buf_adds(out, "\t");
	buf_addu(out, o.uid);
	buf_adds(out, "\t");
	date_add_5322(out, (int64_t)o.when, 0);
	buf_adds(out, "\t");
	lmtp_add_clean(out, what);
	buf_addc(out, '\n');
}

struct walk {
	struct account *account;
	struct buf *out;
	unsigned listed, seen;
};

static int list_one(void *arg, struct str key, struct str value)
{
	struct walk *w = arg;
	struct cursor c = cursor_from(key);
	uint64_t id = cursor_u64(&c);
	bool by_id = cursor_get(&c) == 'I';

	for (uint32_t i = 0; i < account_mailbox_count(w->account); i++) {
		struct mailbox *m = account_mailbox(w->account, i);

		if (mailbox_id(m) != id)
			continue;
		add_original(w->out, m, by_id ? cursor_take(&c, cursor_left(&c)) : STR("(digest)"), value);
		w->listed++;
	}
	return w->listed >= LISTED_MAX || ++w->seen >= WALK_MAX;
}

/* Each mailbox that remembers the id; forget: does so no longer.  How many, or -1. */
static int each_mailbox(struct mail *m, struct account *a, struct str id, bool forget, struct buf *out)
{
	struct buf key = {0}, value = {0};
	int found = 0, rc = 0;

	for (uint32_t i = 0; rc >= 0 && i < account_mailbox_count(a); i++) {
		struct mailbox *box = account_mailbox(a, i);

		buf_clear(&key);
		buf_clear(&value);
		rc = add_id(&key, box, id);
		if (!rc)
			rc = store_kv_get(m->store, SPACE, buf_str(&key), &value, NULL);
		if (rc <= 0)
			continue;
		found++;
		add_original(out, box, id, buf_str(&value));
		if (forget)
			rc = store_kv_put(m->store, SPACE, buf_str(&key), STR_NULL, NULL);
	}
	buf_free(&key);
	buf_free(&value);
	return rc < 0 ? -1 : found;
}

static int dedup_list(struct mail *m, struct account *a, struct str id, struct buf *out)
{
	struct walk w = {.account = a, .out = out};
	int rc;

	if (id.len)
		return each_mailbox(m, a, id, false, out) < 0 ? -1 : 0;
	rc = store_kv_each(m->store, SPACE, list_one, &w);
	if (rc > 0)
		buf_adds(out, "there may be more: name a Message-ID\n");
	return rc < 0 ? -1 : 0;
}

static int dedup_control(struct mail *m, struct str args, struct buf *out)
{
	struct str verb, user, id;
	struct account *a;
	bool forget;

	if (!str_word(&args, " ", &verb) || !str_word(&args, " ", &user))
		goto usage;
	forget = str_eq(verb, STR("forget"));
	id = str_trim(args);
	if (id.len > 2 && id.p[0] == '<' && id.p[id.len - 1] == '>')
		id = (struct str){id.p + 1, id.len - 2};
	if ((!forget && !str_eq(verb, STR("list"))) || (forget && !id.len))
		goto usage;
	if (account_open(m->store, user, false, &a) <= 0) {
		buf_adds(out, "dedup: there is no mail of that user\n");
		return -1;
	}
	if (!forget)
		return dedup_list(m, a, id, out);
	if (each_mailbox(m, a, id, true, out) > 0)
		return 0;
	buf_adds(out, "dedup: nothing of that Message-ID is remembered\n");
	return -1;
usage:
	buf_adds(out, "usage: dedup list USER [MESSAGE-ID], dedup forget USER MESSAGE-ID\n");
	return -1;
}

static const struct control_command control[] = {
	{"dedup", dedup_control, "list|forget USER [MESSAGE-ID]", "what duplicate suppression remembers of a user"},
	{0},
};

static void dedup_stop(struct mail *m)
{
	(void)m;
	buf_free(&now.key);
	store_days_free(&days);
}

static const struct setting settings[] = {
	{"dedup_body", SETTING_BOOL, "no", 0, 0, &check_body,
		"Whether a message is a duplicate only if its text is the same too, and not its Message-ID alone: "
		"then no message is lost to an id that was used twice, and copies that a mailing list changed "
		"are kept.",
		"CONFIG_DEDUP"},
	{NULL, SETTING_STRING, NULL, 0, 0, NULL, NULL, NULL},
};

const struct feature dedup_feature = {
	.name = "dedup",
	.kv_space = SPACE,
	.settings = settings,
	.control = control,
	.deliver_check = dedup_check,
	.deliver_done = dedup_done,
	.mail_start = dedup_start,
	.mail_stop = dedup_stop,
	.tick = dedup_tick,
	.metrics = dedup_metrics,
};
