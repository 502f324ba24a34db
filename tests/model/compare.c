/* SPDX-License-Identifier: 0BSD */
#include <stdio.h>
#include <string.h>

#include "tests/model/world.h"

#define LARGE_TEXT (3u << 20)

const char *const world_accounts[MODEL_ACCOUNTS] = {"alice", "bob", "carol", "dora"};

/* ---- texts ---- */

void world_body(struct buf *b, uint32_t number)
{
	static const unsigned lines[8] = {0, 1, 3, 10, 40, 40, 150, 2500};
	uint32_t x = number | 1;
	unsigned n = lines[number & 7];
	char line[64];
	size_t len = (size_t)snprintf(line, sizeof(line), "line of the message %10u: 00000000\r\n", number);

	if ((number & 0xff) == 0xff)
		n = LARGE_TEXT / 42;
	buf_adds(b, "Subject: number ");
	buf_addu(b, number);
	buf_adds(b, "\r\n\r\n");
	for (unsigned i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		for (unsigned j = 0; j < 8; j++)
			line[len - 3 - j] = "0123456789abcdef"[x >> 4 * j & 15];
		buf_add(b, line, len);
	}
}

void world_prefix(struct buf *b, uint32_t number)
{
	if (!number)
		return;
	buf_adds(b, "Return-Path: <sender");
	buf_addu(b, number);
	buf_adds(b, "@example.org>\r\nDelivered-To: somebody\r\n");
}

void world_value(struct buf *b, uint32_t number)
{
	for (uint32_t i = 0; i < (number % 7 ? number % 97 : 20000 + number % 1000); i++)
		buf_addc(b, (char)('a' + (i + number) % 26));
}

struct str world_keyword(unsigned i, char name[16])
{
	snprintf(name, 16, "$Key%u", i);
	return str_from(name);
}

struct str world_key(unsigned i, char name[16])
{
	snprintf(name, 16, "key-%u", i);
	return str_from(name);
}

/* ---- comparison ---- */

struct comparison {
	struct store *s;
	struct model *m;
	bool learn;
	enum compare_bodies bodies;
	struct buf *why;
	uint64_t modseq; /* of the account, before the operation */
	uint32_t validity;
	const char *where;
};

static bool differs(struct comparison *c, const char *what, uint64_t number, uint64_t is, uint64_t should)
{
	char text[300];

	snprintf(text, sizeof(text), "%s: %s (%llu): the store says %llu, the model %llu\n", c->where, what,
		(unsigned long long)number, (unsigned long long)is, (unsigned long long)should);
	buf_adds(c->why, text);
	return false;
}

#define SAME(what, number, is, should)                                                             \
	do {                                                                                       \
		if ((is) != (should))                                                              \
			return differs(c, what, number, (uint64_t)(is), (uint64_t)(should));       \
	} while (0)

static bool same_text(struct comparison *c, const struct model_message *m, const struct message *msg)
{
	struct buf should = {0}, is = {0};
	uint32_t from = world_chance(3) ? 0 : world_chance(m->size + 1);
	uint32_t n = from ? world_chance(m->size - from + 1) : m->size;
	bool same, read;

	world_prefix(&should, m->prefix);
	world_body(&should, m->body);
	read = !message_read(c->s, msg, from, n, &is);
	same = read && is.len == n && should.len == m->size &&
		(!n || !memcmp(is.data + is.off, should.data + should.off + from, n));
	buf_free(&should);
	buf_free(&is);
	return same || differs(c, read ? "text" : "unreadable text", m->uid, is.len, n);
}

static bool same_summary(struct comparison *c, const struct message *msg)
{
	struct buf out = {0};
	struct mime_summary summary;
	int answer = message_summary(c->s, msg, &out, &summary);

	buf_free(&out);
	return !answer || differs(c, "summary", msg->uid, 0, 1);
}

static keyword_set keywords_of(const struct mailbox *box, const struct message *msg)
{
	keyword_set set = 0;
	struct str name;
	char text[32];
	unsigned n;

	for (unsigned i = 0; i < 64; i++) {
		if (!(msg->keywords >> i & 1))
			continue;
		name = mailbox_keyword_name(box, i);
		snprintf(text, sizeof(text), "%.*s", (int)name.len, name.len ? name.p : "");
		if (sscanf(text, "$Key%u", &n) == 1 && n < MODEL_KEYWORDS)
			set |= KEYWORD(n);
		else
			set = ~(keyword_set)0;
	}
	return set;
}

static bool same_message(struct comparison *c, const struct mailbox *box, const struct model_box *b,
	struct model_message *m, const struct message *msg)
{
	if (c->learn && !m->modseq) {
		if (msg->modseq <= c->modseq)
			return differs(c, "MODSEQ of a changed message", m->uid, msg->modseq, c->modseq);
		m->modseq = msg->modseq;
	}
	if (c->learn && !m->blob)
		m->blob = msg->blob;
	SAME("UID", m->uid, msg->uid, m->uid);
	SAME("flags", m->uid, msg->flags, m->flags);
	SAME("keywords", m->uid, keywords_of(box, msg), m->keywords);
	SAME("MODSEQ", m->uid, msg->modseq, m->modseq);
	SAME("size", m->uid, msg->size, m->size);
	SAME("prefix size", m->uid, msg->prefix_size, m->prefix_size);
	SAME("INTERNALDATE", m->uid, msg->internaldate, m->date);
	SAME("zone", m->uid, msg->zone, m->zone);
	SAME("blob", m->uid, msg->blob, m->blob);
	if (msg->modseq > mailbox_highestmodseq(box))
		return differs(c, "HIGHESTMODSEQ is too low", m->uid, mailbox_highestmodseq(box),
			msg->modseq);
	if (c->bodies == BODIES_ALL ||
		(c->bodies == BODIES_SOME && !world_chance(8 + 2 * (unsigned)b->n)))
		return same_text(c, m, msg) && (world_chance(4) || same_summary(c, msg));
	return true;
}

static bool same_messages(struct comparison *c, const struct mailbox *box, struct model_box *b)
{
	uint32_t unseen = 0, deleted = 0;
	uint64_t bytes = 0;
	struct message msg;
	size_t at = 0;

	for (uint32_t uid = 1; uid <= b->uidnext; uid++) {
		bool there = at < b->n && b->v[at].uid == uid;

		/* Of holes only some: there are many. */
		if (!there && world_chance(4))
			continue;
		SAME("message there", uid, mailbox_message(box, uid, &msg), there);
		if (!there)
			continue;
		if (!same_message(c, box, b, &b->v[at], &msg))
			return false;
		unseen += !(b->v[at].flags & MESSAGE_SEEN);
		deleted += !!(b->v[at].flags & MESSAGE_DELETED);
		bytes += b->v[at++].size;
	}
	SAME("messages", 0, mailbox_messages(box), b->n);
	SAME("unseen", 0, mailbox_unseen(box), unseen);
	SAME("deleted", 0, mailbox_deleted(box), deleted);
	SAME("bytes", 0, mailbox_bytes(box), bytes);
	return true;
}

static bool same_table(struct comparison *c, struct mailbox *box, const struct model_box *b)
{
	char name[16];

	for (unsigned i = 0; i < MODEL_KEYWORDS; i++)
		SAME("keyword in the table", i, mailbox_keyword(box, world_keyword(i, name), false) >= 0,
			!!(b->table & KEYWORD(i)));
	return true;
}

static bool same_box(struct comparison *c, struct mailbox *box, struct model_box *b)
{
	struct str name = mailbox_name(box);
	uint32_t validity = mailbox_uidvalidity(box);

	c->where = b->name;
	if (!str_eq(name, str_from(b->name)))
		return differs(c, "name", 0, name.len, strlen(b->name));
	SAME("existence", 0, mailbox_exists(box), b->exists);
	SAME("subscription", 0, mailbox_subscribed(box), b->subscribed);
	SAME("special use", 0, mailbox_special_use(box), b->use);
	if (c->learn && !b->id) {
		if (b->exists && validity <= c->validity)
			return differs(c, "UIDVALIDITY is not new", 0, validity, c->validity);
		b->id = mailbox_id(box);
		b->validity = validity;
		if (c->m->validity < validity)
			c->m->validity = validity;
	}
	SAME("id", 0, mailbox_id(box), b->id);
	SAME("UIDVALIDITY", 0, validity, b->validity);
	if (!b->exists)
		return true;
	SAME("UIDNEXT", 0, mailbox_uidnext(box), b->uidnext);
	if (c->learn && b->raised) {
		if (mailbox_highestmodseq(box) <= c->modseq)
			return differs(c, "HIGHESTMODSEQ did not rise", 0, mailbox_highestmodseq(box),
				c->modseq);
		b->modseq = mailbox_highestmodseq(box);
		b->raised = false;
	}
	SAME("HIGHESTMODSEQ", 0, mailbox_highestmodseq(box), b->modseq);
	return same_table(c, box, b) && same_messages(c, box, b);
}

static bool same_account(struct comparison *c, int i)
{
	struct model_account *m = &c->m->account[i];
	struct account *a = NULL;
	uint64_t highest = 0;

	c->where = world_accounts[i];
	c->modseq = m->modseq;
	SAME("existence", 0, account_open(c->s, str_from(world_accounts[i]), false, &a), m->exists);
	if (!m->exists)
		return true;
	SAME("mailboxes", 0, account_mailbox_count(a), m->boxes);
	for (unsigned j = 0; j < m->boxes; j++) {
		if (!same_box(c, account_mailbox(a, j), &m->box[j]))
			return false;
		if (highest < m->box[j].modseq)
			highest = m->box[j].modseq;
	}
	c->where = world_accounts[i];
	if (account_modseq(a) < highest || (c->learn && account_modseq(a) < m->modseq))
		return differs(c, "MODSEQ went back", 0, account_modseq(a), m->modseq);
	if (c->learn)
		m->modseq = account_modseq(a);
	SAME("MODSEQ", 0, account_modseq(a), m->modseq);
	return true;
}

static bool same_key(struct comparison *c, unsigned space, unsigned key)
{
	uint32_t number = c->m->kv[space][key];
	struct buf is = {0}, should = {0};
	char name[16];
	int answer = store_kv_get(c->s, (uint16_t)(space + 1), world_key(key, name), &is, NULL);
	bool same;

	world_value(&should, number);
	same = answer == !!number && (!number || str_eq(buf_str(&is), buf_str(&should)));
	buf_free(&is);
	buf_free(&should);
	c->where = "key-value";
	return same || differs(c, "key", key, (uint64_t)answer, number);
}

static int count_key(void *arg, struct str key, struct str value)
{
	(void)key, (void)value;
	++*(unsigned *)arg;
	return 0;
}

static bool same_keys(struct comparison *c)
{
	for (unsigned i = 0; i < MODEL_SPACES; i++) {
		unsigned is = 0, should = 0;

		for (unsigned j = 0; j < MODEL_KEYS; j++) {
			if (!same_key(c, i, j))
				return false;
			should += !!c->m->kv[i][j];
		}
		store_kv_each(c->s, (uint16_t)(i + 1), count_key, &is);
		SAME("keys of a space", i, is, should);
	}
	return true;
}

bool world_equal(struct store *s, struct model *m, bool learn, enum compare_bodies bodies,
	struct buf *why)
{
	struct comparison c = {s, m, learn, bodies, why, 0, m->validity, ""};

	for (int i = 0; i < MODEL_ACCOUNTS; i++)
		if (!same_account(&c, i))
			return false;
	return same_keys(&c);
}

struct mailbox *world_box(struct store *s, int account, const struct model_box *b)
{
	struct account *a;

	if (account_open(s, str_from(world_accounts[account]), false, &a) != 1)
		return NULL;
	return mailbox_find(a, str_from(b->name));
}
