/* SPDX-License-Identifier: 0BSD */
#include "core/hooks.h"

#include <mbedtls/sha256.h>
#include <time.h>

#include "core/lib/log.h"
#include "core/lib/loop.h"
#include "core/lmtp/delivery.h"
#include "core/mime/header.h"
#include "core/store/store.h"

#define SPACE         1
#define DAY           86400u
#define ID_MAX        900 /* a longer Message-ID is digested: keys of the store end at 1000 */
#define FORGET_MAX    1000
#define WALK_EVERY_MS (3600u * 1000)
/* An appliance without a battery starts in 1970; its clock says nothing about age. */
#define BELIEVABLE    1704067200u

static struct {
	uint64_t duplicates, forgotten;
	uint64_t next_walk; /* loop time */
} count;

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

static int make_key(const struct delivery *d, struct buf *key)
{
	struct str id = message_id(d->header);

	buf_put64(key, mailbox_id(d->mailbox));
	if (!id.len)
		return add_digest(key, buf_str(body_buf(d->body)));
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
		rc = store_kv_get(d->store, SPACE, buf_str(&key), &value, &lsn);
	if (rc > 0 && fresh(d->now, buf_str(&value))) {
		/* The original may still be on its way to the disk: this answer waits for it too. */
		d->lsn = lsn;
		d->note = "duplicate";
		count.duplicates++;
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

	/* Forgetting is the lesser evil: the message itself is accepted. */
	if (make_key(d, &key) || buf_put64(&value, d->now) ||
		store_kv_put(d->store, SPACE, buf_str(&key), buf_str(&value), &lsn))
		log_warning("duplicate suppression cannot remember a message", NULL);
	else
		d->lsn = lsn;
	buf_free(&key);
	buf_free(&value);
}

struct old {
	struct buf keys; /* u32 length and bytes each */
	unsigned n;
	uint64_t now;
};

static int note_old(void *arg, struct str key, struct str value)
{
	struct old *o = arg;

	if (fresh(o->now, value))
		return 0;
	return buf_putstr(&o->keys, key) || ++o->n == FORGET_MAX;
}

static void forget(struct store *s, struct old *o)
{
	struct cursor c = cursor_from(buf_str(&o->keys));

	store_begin(s);
	while (!cursor_done(&c)) {
		struct str key = cursor_str(&c, UINT32_MAX);

		if (c.failed || store_kv_put(s, SPACE, key, STR_NULL, NULL))
			break;
		count.forgotten++;
	}
	store_end(s);
}

static void dedup_tick(struct mail *m)
{
	struct old o = {.now = (uint64_t)time(NULL)};

	if (o.now < BELIEVABLE || loop_now(m->loop) < count.next_walk)
		return;
	/* More may be left: then the next tick goes on. */
	if (!store_kv_each(m->store, SPACE, note_old, &o))
		count.next_walk = loop_now(m->loop) + WALK_EVERY_MS;
	if (o.n)
		forget(m->store, &o);
	buf_free(&o.keys);
}

static void dedup_metrics(struct mail *m, struct buf *out)
{
	(void)m;
	buf_adds(out, "dedup_duplicates ");
	buf_addu(out, count.duplicates);
	buf_adds(out, "\ndedup_forgotten ");
	buf_addu(out, count.forgotten);
	buf_addc(out, '\n');
}

const struct feature dedup_feature = {
	.name = "dedup",
	.kv_space = SPACE,
	.deliver_check = dedup_check,
	.deliver_done = dedup_done,
	.tick = dedup_tick,
	.metrics = dedup_metrics,
};
