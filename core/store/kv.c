/* SPDX-License-Identifier: 0BSD */
/* The key-value table for features. */
#include "core/store/state.h"

#include <errno.h>
#include <string.h>

static struct str kv_key(const struct kv *kv)
{
	return (struct str){kv->bytes, kv->key_len};
}

static struct str kv_value(const struct kv *kv)
{
	return (struct str){kv->bytes + kv->key_len, kv->value_len};
}

struct kv *kv_find(const struct store *s, uint16_t space, struct str key)
{
	struct hash_node *n;
	struct kv *kv;

	for (n = hash_first(&s->kvs, hash_bytes(key, space)); n; n = hash_next(n)) {
		kv = hash_owner(n, struct kv, node);
		if (kv->space == space && str_eq(kv_key(kv), key))
			return kv;
	}
	return NULL;
}

int store_kv_get(struct store *s, uint16_t space, struct str key, struct buf *out, uint64_t *lsn_r)
{
	struct kv *kv = kv_find(s, space, key);

	if (!kv)
		return 0;
	if (lsn_r)
		*lsn_r = kv->lsn;
	return out && buf_addstr(out, kv_value(kv)) ? -1 : 1;
}

int store_kv_put(struct store *s, uint16_t space, struct str key, struct str value, uint64_t *lsn_r)
{
	struct record_kv r = {space, !value.p, key, value};
	int answer;
	uint64_t lsn;
	struct buf *b;

	if (key.len > KV_KEY_MAX || value.len > KV_VALUE_MAX || space == KV_SPACE_FOREIGN) {
		errno = EINVAL;
		return -1;
	}
	if (store_writable(s) || (value.p && space_left(s, value.len)))
		return -1;
	store_begin(s);
	b = store_record_begin(s, RECORD_KV, RECORD_REQUIRED, &lsn);
	record_add_kv(b, &r);
	store_record_end(s);
	answer = kv_apply(s, &r, lsn);
	if (answer)
		b->failed = true;
	store_end(s);
	if (lsn_r)
		*lsn_r = lsn;
	return answer;
}

struct walk {
	int (*each)(void *arg, struct str key, struct str value);
	void *arg;
	uint16_t space;
};

static int walk_one(void *arg, struct hash_node *n)
{
	const struct kv *kv = hash_owner(n, struct kv, node);
	const struct walk *w = arg;

	return kv->space == w->space ? w->each(w->arg, kv_key(kv), kv_value(kv)) : 0;
}

int store_kv_each(struct store *s, uint16_t space, int (*each)(void *arg, struct str key, struct str value),
	void *arg)
{
	struct walk w = {each, arg, space};

	return hash_each(&s->kvs, walk_one, &w);
}
