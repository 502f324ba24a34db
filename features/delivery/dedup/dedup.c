/* SPDX-License-Identifier: 0BSD */
#include "core/hooks.h"

#include <mbedtls/sha256.h>
#include <string.h>
#include <time.h>

#include "core/lib/log.h"
#include "core/lmtp/delivery.h"
#include "core/mime/header.h"
#include "core/store/store.h"

#define SPACE_DAYS    1                    /* where each day began in the log */
#define SPACE         (STORE_KV_DAILY | 1) /* what was delivered */
#define DAY           86400u
#define ID_MAX        900 /* a longer Message-ID is digested: keys of the store end at 1000 */
#define DAYS_MAX      64
/* An appliance without a battery starts in 1970; its clock says nothing about age. */
#define BELIEVABLE    1704067200u

static uint64_t duplicates;

/* Days since 1970 on which the store was up, ascending, and the LSN at which each began. */
static struct {
	struct day {
		uint64_t number, lsn;
	} v[DAYS_MAX];
	size_t n;
} days;

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

static int add_digest(struct buf *key, struct str text)
{
	unsigned char digest[32];

	if (mbedtls_sha256((const unsigned char *)text.p, text.len, digest, 0))
		return -1;
	buf_addc(key, 'D');
	return buf_add(key, digest, sizeof(digest));
}

/* Empty: this message cannot be recognised. */
static int make_key(const struct delivery *d, struct buf *key)
{
	struct str id = message_id(d->header), all = body_bytes(d->body);

	if (!id.len && !all.p)
		return 0;
	buf_put64(key, mailbox_id(d->mailbox));
	if (!id.len)
		return add_digest(key, all);
	if (id.len > ID_MAX)
		return add_digest(key, id);
	buf_addc(key, 'I');
	return buf_addstr(key, id);
}

static bool fresh(uint64_t now, struct str value)
{
	struct cursor c = cursor_from(value);
	uint64_t then = cursor_u64(&c);

	return !c.failed && (then > now || now - then < CONFIG_DEDUP_DAYS * DAY);
}

static enum hook_result dedup_check(struct delivery *d)
{
	enum hook_result result = HOOK_PASS;
	struct buf key = {0}, value = {0};
	uint64_t lsn = 0;
	int rc = -1;

	if (make_key(d, &key) == 0)
		rc = key.len ? store_kv_get(d->store, SPACE, buf_str(&key), &value, &lsn) : 0;
	if (rc > 0 && fresh(d->now, buf_str(&value))) {
		/* The original may still be on its way to the disk: this answer waits for it too. */
		d->lsn = lsn;
		d->note = "duplicate";
		duplicates++;
		result = HOOK_DONE;
	} else if (rc < 0) {
		result = HOOK_FAIL;
	}
	buf_free(&key);
	buf_free(&value);
	return result;
}

static void dedup_done(struct delivery *d)
{
	struct buf key = {0}, value = {0};
	uint64_t lsn;
	int bad = make_key(d, &key);

	if (!bad && !key.len)
		return;
	/* Forgetting is the lesser evil: the message itself is accepted. */
	if (bad || buf_put64(&value, d->now) ||
		store_kv_put(d->store, SPACE, buf_str(&key), buf_str(&value), &lsn))
		log_warning("duplicate suppression cannot remember a message", NULL);
	else
		d->lsn = lsn;
	buf_free(&key);
	buf_free(&value);
}

/* ---- forgetting: whole days, by their place in the log ---- */

static void load_days(struct store *s)
{
	struct buf b = {0};
	struct cursor c;
	struct day d;

	days.n = 0;
	if (store_kv_get(s, SPACE_DAYS, STR("days"), &b, NULL) > 0) {
		c = cursor_from(buf_str(&b));
		while (days.n < DAYS_MAX && cursor_left(&c) >= 16) {
			d.number = cursor_u64(&c);
			d.lsn = cursor_u64(&c);
			days.v[days.n++] = d;
		}
	}
	buf_free(&b);
}

static void save_days(struct store *s)
{
	struct buf b = {0};

	for (size_t i = 0; i < days.n; i++) {
		buf_put64(&b, days.v[i].number);
		buf_put64(&b, days.v[i].lsn);
	}
	if (b.failed || store_kv_put(s, SPACE_DAYS, STR("days"), buf_str(&b), NULL))
		log_warning("duplicate suppression cannot note the day", NULL);
	buf_free(&b);
}

/* Takes the first n days off the list. */
static void drop_days(size_t n)
{
	days.n -= n;
	memmove(days.v, days.v + n, days.n * sizeof(*days.v));
}

/* What was delivered before the last day that is over for all is forgotten.  A clock that jumps ahead
 * can make it forget at most the days before the one it jumped from. */
static void expire(struct store *s, uint64_t today)
{
	size_t old = 0;

	while (old + 1 < days.n && days.v[old + 1].number + CONFIG_DEDUP_DAYS < today)
		old++;
	drop_days(old);
	store_kv_expire(s, SPACE, days.v[0].number + CONFIG_DEDUP_DAYS < today ? days.v[0].lsn : 0,
		days.v[days.n - 1].lsn);
}

static void look_at_day(struct store *s)
{
	uint64_t now = (uint64_t)time(NULL), today = now / DAY;
	bool changed = false;

	if (now < BELIEVABLE)
		return;
	while (days.n && days.v[days.n - 1].number > today) {
		days.n--; /* the clock was wrong then, or is now */
		changed = true;
	}
	if (!days.n || days.v[days.n - 1].number != today) {
		if (days.n == DAYS_MAX)
			drop_days(1);
		days.v[days.n++] = (struct day){today, store_last_lsn(s) + 1};
		changed = true;
	}
	expire(s, today);
	if (changed)
		save_days(s);
}

static int dedup_start(struct mail *m)
{
	load_days(m->store);
	look_at_day(m->store);
	return 0;
}

static void dedup_tick(struct mail *m)
{
	look_at_day(m->store);
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

const struct feature dedup_feature = {
	.name = "dedup",
	.kv_space = SPACE,
	.deliver_check = dedup_check,
	.deliver_done = dedup_done,
	.mail_start = dedup_start,
	.tick = dedup_tick,
	.metrics = dedup_metrics,
};
