/* SPDX-License-Identifier: 0BSD */
/* Accounts in key-value: an account with all its mailboxes is one value, read at its first use. */
#include "core/store/state.h"

#include <errno.h>

static void put_boxes(const struct account *a, struct buf *value)
{
	struct record_mailbox r;
	struct buf one = {0};

	for (size_t i = 0; i < a->boxes.n; i++) {
		mailbox_image(a->boxes.v[i], &r);
		record_add_mailbox(&one, &r);
		buf_putstr(value, buf_str(&one));
		if (one.failed)
			value->failed = true;
		buf_clear(&one);
	}
	buf_free(&one);
}

int account_put(struct store *s, struct account *a, uint64_t lsn)
{
	struct record_account r = {.id = a->id, .name = account_name(a)};
	struct buf key = {0}, value = {0}, one = {0};
	int answer = -1;

	buf_put64(&key, a->id);
	buf_put64(&value, a->modseq);
	buf_put64(&value, a->lsn);
	record_add_account(&one, &r);
	buf_putstr(&value, buf_str(&one));
	put_boxes(a, &value);
	if (!key.failed && !value.failed && !one.failed)
		answer = kv_set(s, KV_SPACE_ACCOUNT, buf_str(&key), buf_str(&value), false, lsn);
	buf_free(&key);
	buf_free(&value);
	buf_free(&one);
	return answer;
}

static int take_boxes(struct store *s, struct cursor *c)
{
	struct record_mailbox r;
	struct mailbox *m;

	while (!cursor_done(c)) {
		if (record_read_mailbox(cursor_str(c, UINT32_MAX), &r))
			return -1;
		m = mailbox_apply(s, &r, r.lsn);
		if (!m)
			return -1;
		m->index = r.index;
	}
	return 0;
}

struct account *account_take(struct store *s, struct str value)
{
	struct cursor c = cursor_from(value);
	uint64_t modseq = cursor_u64(&c), lsn = cursor_u64(&c);
	struct record_account r;
	struct account *a = NULL;
	bool before = s->loading;

	s->loading = true;
	if (!record_read_account(cursor_str(&c, UINT32_MAX), &r))
		a = account_add(s, &r);
	if (a && take_boxes(s, &c))
		account_free(&a);
	s->loading = before;
	if (!a)
		return NULL;
	a->modseq = modseq;
	a->lsn = lsn;
	account_place(a);
	return a;
}

static int number(struct str value, uint64_t *n_r)
{
	struct cursor c = cursor_from(value);

	*n_r = cursor_u64(&c);
	if (!c.failed)
		return 1;
	errno = EIO;
	return -1;
}

/* The u64 under a key.  1 / 0 / -1. */
static int get_number(struct store *s, uint16_t space, struct str key, uint64_t *n_r)
{
	struct buf b = {0};
	int answer = kv_get(s, space, key, &b, NULL);

	if (answer > 0)
		answer = number(buf_str(&b), n_r);
	buf_free(&b);
	return answer;
}

int account_get(struct store *s, uint64_t id, struct account **a_r)
{
	struct buf key = {0}, value = {0};
	int answer = -1;

	*a_r = account_by_id(s, id);
	if (*a_r) {
		account_used(*a_r);
		return 1;
	}
	if (!buf_put64(&key, id))
		answer = kv_get(s, KV_SPACE_ACCOUNT, buf_str(&key), &value, NULL);
	if (answer > 0) {
		*a_r = account_take(s, buf_str(&value));
		answer = *a_r ? 1 : -1;
	}
	buf_free(&key);
	buf_free(&value);
	return answer;
}

int account_get_name(struct store *s, struct str name, struct account **a_r)
{
	uint64_t id;
	int answer;

	for (struct hash_node *n = hash_first(&s->accounts, hash_bytes(name, 0)); n; n = hash_next(n)) {
		*a_r = hash_owner(n, struct account, by_name);
		if (str_eq(account_name(*a_r), name)) {
			account_used(*a_r);
			return 1;
		}
	}
	*a_r = NULL;
	answer = get_number(s, KV_SPACE_NAME, name, &id);
	return answer > 0 ? account_get(s, id, a_r) : answer;
}

int mailbox_get(struct store *s, uint64_t id, struct mailbox **m_r)
{
	struct account *a;
	struct buf key = {0};
	uint64_t account;
	int answer = -1;

	*m_r = mailbox_by_id(s, id);
	if (*m_r)
		return 1;
	if (!buf_put64(&key, id))
		answer = get_number(s, KV_SPACE_BOX, buf_str(&key), &account);
	buf_free(&key);
	if (answer > 0)
		answer = account_get(s, account, &a);
	if (answer > 0)
		*m_r = mailbox_by_id(s, id);
	return answer > 0 ? *m_r != NULL : answer;
}
