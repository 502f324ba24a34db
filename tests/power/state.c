/* SPDX-License-Identifier: 0BSD */
/* The visible state of the store as text, and the numbers that stand in such a text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/lib/crc32c.h"
#include "tests/power/power.h"

#define TEXT_SHOWN 1000
#define SEEN_MAX 200
static struct seen {
	uint64_t id;
	uint32_t uidnext;
} seen[SEEN_MAX];
static size_t seen_n;

void state_forget(void)
{
	seen_n = 0;
}

/* A long text by its checksum. */
static void add_text(struct store *s, struct buf *b, const struct message *msg)
{
	static struct buf text; /* kept: a new one for each message is what took most of the time */

	buf_clear(&text);
	if (message_read(s, msg, 0, msg->size, &text)) {
		buf_adds(b, "UNREADABLE");
	} else if (text.len <= TEXT_SHOWN) {
		buf_addstr(b, buf_str(&text));
	} else {
		buf_addu(b, text.len);
		buf_adds(b, " bytes ");
		buf_addhex(b, crc32c(0, text.data + text.off, text.len), 8);
	}
}

static void add_message(struct store *s, struct buf *b, const struct mailbox *m, const struct message *msg)
{
	buf_adds(b, "  uid ");
	buf_addu(b, msg->uid);
	buf_adds(b, " flags ");
	buf_addu(b, msg->flags);
	buf_adds(b, " modseq ");
	buf_addu(b, msg->modseq);
	for (unsigned i = 0; i < 64; i++)
		if (msg->keywords >> i & 1) {
			buf_addc(b, ' ');
			buf_addstr(b, mailbox_keyword_name(m, i));
		}
	buf_adds(b, " text ");
	add_text(s, b, msg);
	buf_addc(b, '\n');
}

/* Within a life numbers only grow; what a crash may take back is judged by the snapshots. */
static void note_uidnext(const struct mailbox *m)
{
	size_t i;

	for (i = 0; i < seen_n && seen[i].id != mailbox_id(m); i++)
		;
	if (i == SEEN_MAX)
		return;
	if (i == seen_n)
		seen[seen_n++] = (struct seen){mailbox_id(m), 0};
	if (mailbox_uidnext(m) < seen[i].uidnext)
		broken("uids-are-never-reused", "UIDNEXT went back");
	seen[i].uidnext = mailbox_uidnext(m);
}

static void add_mailbox(struct store *s, struct buf *b, const struct mailbox *m)
{
	struct message msg;

	note_uidnext(m);
	buf_adds(b, " mailbox ");
	buf_addstr(b, mailbox_name(m));
	buf_adds(b, mailbox_exists(m) ? " id " : " absent ");
	buf_addu(b, mailbox_id(m));
	buf_adds(b, mailbox_subscribed(m) ? " subscribed" : "");
	buf_adds(b, " uidvalidity ");
	buf_addu(b, mailbox_uidvalidity(m));
	buf_adds(b, " uidnext ");
	buf_addu(b, mailbox_uidnext(m));
	buf_adds(b, " modseq ");
	buf_addu(b, mailbox_highestmodseq(m));
	buf_adds(b, " unseen ");
	buf_addu(b, mailbox_unseen(m));
	buf_addc(b, '\n');
	for (uint32_t uid = 1; uid < mailbox_uidnext(m); uid++)
		if (mailbox_message(m, uid, &msg) == 1)
			add_message(s, b, m, &msg);
}

const char *const power_accounts[ACCOUNTS] = {"alice", "bob", "carol", "dora", "emil", "fritz"};

const char *const power_keys[KEYS] = {"last", "one", "two", "three", "four"};

char *state_of(struct store *s)
{
	struct buf b = {0};
	struct account *a;

	for (int i = 0; i < ACCOUNTS; i++) {
		if (account_open(s, str_from(power_accounts[i]), false, &a) != 1)
			continue;
		buf_addv(&b, "account ", power_accounts[i], " modseq ", NULL);
		buf_addu(&b, account_modseq(a));
		buf_addc(&b, '\n');
		for (uint32_t j = 0; j < account_mailbox_count(a); j++)
			add_mailbox(s, &b, account_mailbox(a, j));
	}
	for (int i = 0; i < KEYS; i++) {
		buf_addv(&b, power_keys[i], " ", NULL);
		store_kv_get(s, KV_SPACE, str_from(power_keys[i]), &b, NULL);
		buf_addc(&b, '\n');
	}
	buf_addc(&b, 0);
	return b.data + b.off;
}

uint32_t state_highest_validity(struct store *s)
{
	uint32_t highest = 0;
	struct account *a;

	for (int i = 0; i < ACCOUNTS; i++) {
		if (account_open(s, str_from(power_accounts[i]), false, &a) != 1)
			continue;
		for (uint32_t j = 0; j < account_mailbox_count(a); j++)
			if (mailbox_uidvalidity(account_mailbox(a, j)) > highest)
				highest = mailbox_uidvalidity(account_mailbox(a, j));
	}
	return highest;
}

uint32_t state_validity_in(const char *text)
{
	uint32_t highest = 0, v;

	while ((text = strstr(text, " uidvalidity "))) {
		text += 13;
		v = (uint32_t)strtoul(text, NULL, 10);
		if (v > highest)
			highest = v;
	}
	return highest;
}

uint32_t state_uidnext_in(const char *text, uint64_t id)
{
	char key[40];
	const char *p;

	snprintf(key, sizeof(key), " id %llu ", (unsigned long long)id);
	p = strstr(text, key);
	return p ? (uint32_t)strtoul(strstr(p, " uidnext ") + 9, NULL, 10) : 0;
}
