/* SPDX-License-Identifier: 0BSD */
/* The key-value tables as the loop sees them. */
#include "core/store/state.h"

#include <errno.h>
#include <string.h>

#include "core/lib/log.h"

/* ---- tables ---- */

unsigned kv_class(uint16_t space)
{
	return space & STORE_KV_DAILY && space < KV_SPACE_FIRST ? space : GENERATION_KEPT;
}

struct str kv_key(const struct kv *kv)
{
	return (struct str){kv->bytes, kv->key_len};
}

struct str kv_value(const struct kv *kv)
{
	return (struct str){kv->bytes + kv->key_len, kv->value_len};
}

struct kv *kv_table_find(const struct kv_table *t, uint16_t space, struct str key)
{
	struct hash_node *n;
	struct kv *kv;

	for (n = hash_first(&t->hash, hash_bytes(key, space)); n; n = hash_next(n)) {
		kv = hash_owner(n, struct kv, node);
		if (kv->space == space && str_eq(kv_key(kv), key))
			return kv;
	}
	return NULL;
}

static struct kv *add(struct kv_table *t, uint16_t space, struct str key, size_t room)
{
	struct kv *kv = arena_alloc(&t->arena, sizeof(*kv) + key.len + room);

	if (!kv)
		return NULL;
	kv->space = space;
	kv->key_len = (uint16_t)key.len;
	kv->room = (uint32_t)room;
	memcpy(kv->bytes, key.p, key.len);
	return hash_add(&t->hash, &kv->node, hash_bytes(key, space)) ? NULL : kv;
}

int kv_table_put(struct kv_table *t, uint16_t space, struct str key, struct str value, bool removed,
	uint64_t lsn)
{
	struct kv *old = kv_table_find(t, space, key), *kv = old;
	size_t len = removed ? 0 : value.len;

	if (old && old->lsn > lsn)
		return 0;
	if (!old || old->room < len) {
		kv = add(t, space, key, len);
		if (!kv)
			return -1;
		if (old)
			hash_remove(&t->hash, &old->node);
	}
	kv->lsn = lsn;
	kv->removed = removed;
	kv->value_len = (uint32_t)len;
	if (len)
		memcpy(kv->bytes + kv->key_len, value.p, len);
	return 0;
}

void kv_table_free(struct kv_table *t)
{
	hash_free(&t->hash);
	arena_free(&t->arena);
}

void kv_free_all(struct store *s)
{
	struct kv_stack none = {.n = 0};

	kv_table_free(&s->kv);
	kv_stack_release(&s->generations, &none);
	s->generations.n = 0;
}

uint64_t kv_count(const struct store *s)
{
	uint64_t n = s->kv.hash.n + (s->kv_frozen ? s->kv_frozen->hash.n : 0);

	for (size_t i = 0; i < s->generations.n; i++)
		n += s->generations.v[i]->entries;
	return n;
}

/* ---- one key ---- */

uint64_t kv_horizon_of(const struct kv_horizon *v, size_t n, uint16_t space)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].space == space)
			return v[i].before;
	return 0;
}

static int report(const struct generation *g)
{
	char name[GENERATION_NAME_SIZE];

	if (errno != EPROTO)
		return -1;
	generation_name(name, g->number, g->class);
	log_error("key-value file damaged", "dir", "kv", "file", log_str(str_from(name)), "remedy",
		"stop the server and run satchel fsck --repair", NULL);
	errno = EIO;
	return -1;
}

/* The newest entry of the key, removed ones too; its bytes go to out if they are wanted. */
static int look(struct store *s, uint16_t space, struct str key, struct generation_value *v_r,
	struct buf *out)
{
	const struct kv *kv = kv_table_find(&s->kv, space, key);
	int answer;

	if (!kv && s->kv_frozen)
		kv = kv_table_find(s->kv_frozen, space, key);
	if (kv) {
		*v_r = (struct generation_value){kv->lsn, kv->removed};
		return out && buf_addstr(out, kv_value(kv)) ? -1 : 1;
	}
	for (size_t i = 0; i < s->generations.n; i++) {
		if (s->generations.v[i]->class != kv_class(space))
			continue;
		answer = generation_find(s->generations.v[i], space, key, v_r, out);
		if (answer)
			return answer > 0 ? 1 : report(s->generations.v[i]);
	}
	return 0;
}

int kv_get(struct store *s, uint16_t space, struct str key, struct buf *out, uint64_t *lsn_r)
{
	struct generation_value v;
	size_t before = out ? out->len : 0;
	int answer = look(s, space, key, &v, out);

	if (answer <= 0)
		return answer;
	if (v.removed || v.lsn < kv_horizon_of(s->horizons.v, s->horizons.n, space)) {
		if (out)
			out->len = before;
		return 0;
	}
	if (lsn_r)
		*lsn_r = v.lsn;
	return 1;
}

int kv_set(struct store *s, uint16_t space, struct str key, struct str value, bool rm, uint64_t lsn)
{
	return kv_table_put(&s->kv, space, key, value, rm, lsn);
}

int kv_apply(struct store *s, const struct record_kv *r, uint64_t lsn)
{
	struct generation_value v;
	int answer;

	/* A checkpoint holds more than its LSN promises. */
	if (s->redoing && lsn <= s->checkpoint_files) {
		answer = look(s, r->space, r->key, &v, NULL);
		if (answer < 0 || (answer && v.lsn >= lsn))
			return answer < 0 ? -1 : 0;
	}
	return kv_table_put(&s->kv, r->space, r->key, r->value, r->removed, lsn);
}

/* ---- for features ---- */

int store_kv_get(struct store *s, uint16_t space, struct str key, struct buf *out, uint64_t *lsn_r)
{
	return kv_get(s, space, key, out, lsn_r);
}

int store_kv_put(struct store *s, uint16_t space, struct str key, struct str value, uint64_t *lsn_r)
{
	struct record_kv r = {.space = space, .removed = !value.p, .key = key, .value = value};
	int answer;
	uint64_t lsn;
	struct buf *b;

	if (key.len > KV_KEY_MAX || value.len > KV_VALUE_MAX || space >= KV_SPACE_FIRST) {
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

int store_kv_expire(struct store *s, uint16_t space, uint64_t before, uint64_t day)
{
	struct kv_horizon h = {space, before, day};

	for (size_t i = 0; i < s->horizons.n; i++)
		if (s->horizons.v[i].space == space) {
			s->horizons.v[i] = h;
			return 0;
		}
	return vec_push(&s->horizons, h);
}

/* ---- all keys of a space ---- */

struct walk {
	struct store *s;
	int (*each)(void *arg, struct str key, struct str value);
	void *arg;
	uint16_t space;
	uint64_t before;
	size_t depth; /* 0 the table, 1 the frozen one, then generations */
};

/* Does something newer speak of the key? */
static int hidden(const struct walk *w, struct str key)
{
	const struct kv_stack *g = &w->s->generations;
	struct generation_value v;
	int answer = 0;

	if (w->depth > 0 && kv_table_find(&w->s->kv, w->space, key))
		return 1;
	if (w->depth > 1 && w->s->kv_frozen && kv_table_find(w->s->kv_frozen, w->space, key))
		return 1;
	for (size_t i = 0; !answer && i + 2 < w->depth; i++)
		if (g->v[i]->class == kv_class(w->space))
			answer = generation_find(g->v[i], w->space, key, &v, NULL);
	return answer;
}

static int walk_entry(void *arg, uint16_t space, struct str key, const struct generation_value *v,
	struct str value)
{
	struct walk *w = arg;
	int answer;

	if (space != w->space || v->removed || v->lsn < w->before)
		return 0;
	answer = hidden(w, key);
	if (answer)
		return answer < 0 ? -1 : 0;
	return w->each(w->arg, key, value);
}

static int walk_kv(void *arg, struct hash_node *n)
{
	const struct kv *kv = hash_owner(n, struct kv, node);
	const struct generation_value v = {kv->lsn, kv->removed};

	return walk_entry(arg, kv->space, kv_key(kv), &v, kv_value(kv));
}

int store_kv_each(struct store *s, uint16_t space, int (*each)(void *arg, struct str key, struct str value),
	void *arg)
{
	struct walk w = {s, each, arg, space, kv_horizon_of(s->horizons.v, s->horizons.n, space), 0};
	int answer = hash_each(&s->kv.hash, walk_kv, &w);

	w.depth = 1;
	if (!answer && s->kv_frozen)
		answer = hash_each(&s->kv_frozen->hash, walk_kv, &w);
	for (size_t i = 0; !answer && i < s->generations.n; i++) {
		w.depth = i + 2;
		if (s->generations.v[i]->class == kv_class(space))
			answer = generation_each(s->generations.v[i], walk_entry, &w);
	}
	return answer;
}
