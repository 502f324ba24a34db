/* SPDX-License-Identifier: 0BSD */
#include "core/store/format.h"

#include <errno.h>
#include <string.h>

#include "core/lib/crc32c.h"

static const char spool_magic[] = "SATSPOOL";
static const char segment_magic[] = "SATLOG\r\n";
static const char large_magic[] = "SATLARGE";
static const char batch_magic[] = "SATBATCH";

enum { KV_REMOVED = 1, KV_CARRIED = 2 }; /* flags of a KV record */

static void put16(char *p, uint16_t v)
{
	p[0] = (char)v;
	p[1] = (char)(v >> 8);
}

static void put32(char *p, uint32_t v)
{
	put16(p, (uint16_t)v);
	put16(p + 2, (uint16_t)(v >> 16));
}

static void put64(char *p, uint64_t v)
{
	put32(p, (uint32_t)v);
	put32(p + 4, (uint32_t)(v >> 32));
}

void format_key_set(struct format_key *k, const unsigned char salt[SALT_SIZE])
{
	memcpy(k->salt, salt, SALT_SIZE);
	k->seed = crc32c(0, salt, SALT_SIZE);
}

/* Starts at *c, compares the magic, tells the version.  1 / 0 / -1 newer: to be believed only with a
 * good CRC, which all versions have in the same place; otherwise one bit could close a spool. */
static int head_read(struct cursor *c, const char *magic, uint16_t *version_r)
{
	struct str found = cursor_take(c, 8);

	*version_r = cursor_u16(c);
	if (c->failed || memcmp(found.p, magic, 8))
		return 0;
	return *version_r == FORMAT_VERSION ? 1 : *version_r > FORMAT_VERSION ? -1 : 0;
}

void spool_write(struct buf *out, const struct format_key *k, uint64_t created)
{
	char p[SPOOL_SIZE] = {0};

	memcpy(p, spool_magic, 8);
	put16(p + 8, FORMAT_VERSION);
	memcpy(p + 16, k->salt, SALT_SIZE);
	put64(p + 32, created);
	put32(p + 60, crc32c(0, p, 60));
	buf_add(out, p, sizeof(p));
}

int spool_read(struct str in, struct format_key *k_r, uint16_t *version_r)
{
	struct cursor c = cursor_from(in);
	int answer = head_read(&c, spool_magic, version_r);
	struct str salt;

	if (!answer || in.len < SPOOL_SIZE)
		return 0;
	cursor_skip(&c, 6);
	salt = cursor_take(&c, SALT_SIZE);
	cursor_skip(&c, 28);
	if (cursor_u32(&c) != crc32c(0, in.p, 60) || c.failed)
		return 0;
	if (answer < 0)
		return -1;
	format_key_set(k_r, (const unsigned char *)salt.p);
	return 1;
}

void segment_header_write(struct buf *out, const struct format_key *k, uint64_t epoch,
	uint64_t first, uint64_t size)
{
	char p[SEGMENT_HEADER_SIZE] = {0};

	memcpy(p, segment_magic, 8);
	put16(p + 8, FORMAT_VERSION);
	put16(p + 10, SEGMENT_HEADER_SIZE);
	memcpy(p + 16, k->salt, SALT_SIZE);
	put64(p + 32, epoch);
	put64(p + 40, first);
	put64(p + 48, size);
	put32(p + 508, crc32c(k->seed, p, 508));
	buf_add(out, p, sizeof(p));
}

int segment_header_read(struct str in, const struct format_key *k, uint64_t *epoch_r, uint64_t *first_r)
{
	struct cursor c = cursor_from(in);
	uint16_t version;
	int answer = head_read(&c, segment_magic, &version);
	struct str salt;

	if (!answer || in.len < SEGMENT_HEADER_SIZE)
		return 0;
	cursor_skip(&c, 6);
	salt = cursor_take(&c, SALT_SIZE);
	*epoch_r = cursor_u64(&c);
	*first_r = cursor_u64(&c);
	cursor_skip(&c, 508 - 48);
	if (cursor_u32(&c) != crc32c(k->seed, in.p, 508) || c.failed || memcmp(salt.p, k->salt, SALT_SIZE))
		return 0;
	return answer;
}

void large_header_write(struct buf *out, const struct format_key *k, const struct large_header *h)
{
	char p[LARGE_HEADER_SIZE] = {0};

	memcpy(p, large_magic, 8);
	put16(p + 8, FORMAT_VERSION);
	put16(p + 10, LARGE_HEADER_SIZE);
	memcpy(p + 16, k->salt, SALT_SIZE);
	put64(p + 32, h->id);
	put64(p + 40, h->size);
	put32(p + 48, h->body_crc);
	put32(p + 52, h->blocks_crc);
	put32(p + 56, LARGE_BLOCK);
	put32(p + 508, crc32c(k->seed, p, 508));
	buf_add(out, p, sizeof(p));
}

int large_header_read(struct str in, const struct format_key *k, struct large_header *h_r)
{
	struct cursor c = cursor_from(in);
	uint16_t version;
	int answer = head_read(&c, large_magic, &version);
	struct str salt;
	uint32_t block;

	if (answer <= 0 || in.len < LARGE_HEADER_SIZE)
		return answer < 0 ? -1 : 0;
	cursor_skip(&c, 6);
	salt = cursor_take(&c, SALT_SIZE);
	h_r->id = cursor_u64(&c);
	h_r->size = cursor_u64(&c);
	h_r->body_crc = cursor_u32(&c);
	h_r->blocks_crc = cursor_u32(&c);
	block = cursor_u32(&c);
	cursor_skip(&c, 508 - 60);
	if (cursor_u32(&c) != crc32c(k->seed, in.p, 508) || c.failed || block != LARGE_BLOCK ||
		h_r->size > UINT32_MAX)
		return 0;
	return !memcmp(salt.p, k->salt, SALT_SIZE);
}

void batch_header_write(char *p, const struct format_key *k, struct batch_header *h)
{
	memset(p, 0, BATCH_HEADER_SIZE);
	memcpy(p, batch_magic, 8);
	put16(p + 8, FORMAT_VERSION);
	put16(p + 10, BATCH_HEADER_SIZE);
	put32(p + 12, h->flags);
	memcpy(p + 16, k->salt, SALT_SIZE);
	put64(p + 32, h->epoch);
	put64(p + 40, h->first);
	put32(p + 48, h->count);
	put32(p + 52, h->meta_len);
	put64(p + 56, h->bodies_len);
	put32(p + 64, h->meta_crc);
	put32(p + 68, h->prev);
	put64(p + 72, h->time);
	h->version = FORMAT_VERSION;
	h->crc = crc32c(k->seed, p, 124);
	put32(p + 124, h->crc);
}

int batch_header_read(struct str in, const struct format_key *k, struct batch_header *h_r)
{
	struct cursor c = cursor_from(in);
	int answer = head_read(&c, batch_magic, &h_r->version);
	struct str salt;

	if (!answer || in.len < BATCH_HEADER_SIZE)
		return 0;
	cursor_skip(&c, 2);
	h_r->flags = cursor_u32(&c);
	salt = cursor_take(&c, SALT_SIZE);
	h_r->epoch = cursor_u64(&c);
	h_r->first = cursor_u64(&c);
	h_r->count = cursor_u32(&c);
	h_r->meta_len = cursor_u32(&c);
	h_r->bodies_len = cursor_u64(&c);
	h_r->meta_crc = cursor_u32(&c);
	h_r->prev = cursor_u32(&c);
	h_r->time = cursor_u64(&c);
	cursor_skip(&c, 124 - 80);
	h_r->crc = cursor_u32(&c);
	if (c.failed || memcmp(salt.p, k->salt, SALT_SIZE) || h_r->crc != crc32c(k->seed, in.p, 124))
		return 0;
	if (answer < 0)
		return -1;
	/* A first LSN near the end of the numbers cannot be ours, and must not wrap below. */
	if (!h_r->first || h_r->first >> 62 || !h_r->count || h_r->meta_len > BATCH_META_MAX ||
		h_r->meta_len / RECORD_OVERHEAD < h_r->count || h_r->bodies_len > BATCH_BODIES_MAX)
		return 0;
	return 1;
}

uint64_t batch_bodies_at(const struct batch_header *h)
{
	return format_align((uint64_t)BATCH_HEADER_SIZE + h->meta_len, 8);
}

uint64_t batch_size(const struct batch_header *h)
{
	return format_align(batch_bodies_at(h) + h->bodies_len, BATCH_ALIGN);
}

size_t record_begin(struct buf *b, uint16_t type, uint16_t flags, uint64_t lsn)
{
	size_t at = b->len;

	buf_put32(b, 0);
	buf_put16(b, type);
	buf_put16(b, flags);
	buf_put64(b, lsn);
	return at;
}

void record_end(struct buf *b, size_t at, const struct format_key *k)
{
	char *p;

	if (b->failed)
		return;
	p = b->data + b->off + at;
	put32(p, (uint32_t)(b->len - at + 4));
	buf_put32(b, crc32c(k->seed, p, b->len - at));
}

int record_next(struct cursor *c, const struct format_key *k, struct record *r_r)
{
	struct cursor inner;
	struct cursor look = *c;
	struct str whole;
	uint32_t length;

	if (cursor_done(c))
		return 0;
	length = cursor_u32(&look);
	if (look.failed || length < RECORD_OVERHEAD || length > cursor_left(c))
		return -1;
	whole = cursor_take(c, length);
	inner = cursor_from(whole);
	cursor_skip(&inner, 4);
	r_r->type = cursor_u16(&inner);
	r_r->flags = cursor_u16(&inner);
	r_r->lsn = cursor_u64(&inner);
	r_r->payload = cursor_take(&inner, length - RECORD_OVERHEAD);
	if (cursor_u32(&inner) != crc32c(k->seed, whole.p, length - 4))
		return -1;
	return 1;
}

void record_add_account(struct buf *b, const struct record_account *a)
{
	buf_put64(b, a->id);
	buf_put64(b, a->modseq);
	buf_putstr(b, a->name);
}

/* The verdict on a payload that was read to its end. */
static int all_read(const struct cursor *c)
{
	if (!c->failed)
		return 0;
	errno = EPROTO;
	return -1;
}

int record_read_account(struct str payload, struct record_account *a_r)
{
	struct cursor c = cursor_from(payload);

	a_r->id = cursor_u64(&c);
	a_r->modseq = cursor_u64(&c);
	a_r->name = cursor_str(&c, ACCOUNT_NAME_MAX);
	return all_read(&c);
}

void record_add_mailbox(struct buf *b, const struct record_mailbox *m)
{
	buf_put64(b, m->id);
	buf_put64(b, m->account);
	buf_put32(b, m->uidvalidity);
	buf_put32(b, m->uidnext);
	buf_put32(b, m->flags);
	buf_put32(b, m->special_use);
	buf_put64(b, m->highestmodseq);
	buf_put64(b, m->lsn);
	buf_put64(b, m->index);
	buf_put32(b, m->recent);
	buf_put32(b, m->keywords);
	buf_put64(b, 0);
	buf_putstr(b, m->name);
	for (unsigned i = 0; i < m->keywords; i++)
		buf_putstr(b, m->keyword[i]);
}

int record_read_mailbox(struct str payload, struct record_mailbox *m_r)
{
	struct cursor c = cursor_from(payload);

	m_r->id = cursor_u64(&c);
	m_r->account = cursor_u64(&c);
	m_r->uidvalidity = cursor_u32(&c);
	m_r->uidnext = cursor_u32(&c);
	m_r->flags = cursor_u32(&c);
	m_r->special_use = cursor_u32(&c);
	m_r->highestmodseq = cursor_u64(&c);
	m_r->lsn = cursor_u64(&c);
	m_r->index = cursor_u64(&c);
	m_r->recent = cursor_u32(&c);
	m_r->keywords = cursor_u32(&c);
	cursor_skip(&c, 8);
	m_r->name = cursor_str(&c, MAILBOX_NAME_MAX);
	if (m_r->keywords > 64)
		c.failed = true;
	for (unsigned i = 0; !c.failed && i < m_r->keywords; i++)
		m_r->keyword[i] = cursor_str(&c, KEYWORD_MAX);
	return all_read(&c);
}

void record_add_blob(struct buf *b, const struct record_blob *r)
{
	buf_put16(b, r->kind);
	buf_put16(b, 0);
	buf_put32(b, r->summary_len);
	buf_put32(b, r->summary_crc);
	buf_put32(b, r->body_crc);
	buf_put64(b, r->body_len);
	buf_put64(b, r->offset);
}

int record_read_blob(struct str payload, struct record_blob *r_r)
{
	struct cursor c = cursor_from(payload);

	r_r->kind = cursor_u16(&c);
	cursor_skip(&c, 2);
	r_r->summary_len = cursor_u32(&c);
	r_r->summary_crc = cursor_u32(&c);
	r_r->body_crc = cursor_u32(&c);
	r_r->body_len = cursor_u64(&c);
	r_r->offset = cursor_u64(&c);
	if (r_r->body_len > UINT32_MAX || r_r->offset > BATCH_BODIES_MAX)
		c.failed = true;
	return all_read(&c);
}

void record_add_move(struct buf *b, uint64_t id, const struct record_blob *r)
{
	buf_put64(b, id);
	record_add_blob(b, r);
}

int record_read_move(struct str payload, uint64_t *id_r, struct record_blob *r_r)
{
	struct cursor c = cursor_from(payload);

	*id_r = cursor_u64(&c);
	return record_read_blob(cursor_take(&c, cursor_left(&c)), r_r);
}

void record_add_kv(struct buf *b, const struct record_kv *r)
{
	buf_put16(b, r->space);
	buf_put16(b, (uint16_t)((r->removed ? KV_REMOVED : 0) | (r->lsn ? KV_CARRIED : 0)));
	buf_putstr(b, r->key);
	buf_putstr(b, r->value);
	if (r->lsn)
		buf_put64(b, r->lsn);
}

int record_read_kv(struct str payload, struct record_kv *r_r)
{
	struct cursor c = cursor_from(payload);
	uint16_t flags;

	r_r->space = cursor_u16(&c);
	flags = cursor_u16(&c);
	r_r->removed = flags & KV_REMOVED;
	r_r->key = cursor_str(&c, KV_KEY_MAX);
	r_r->value = cursor_str(&c, KV_VALUE_MAX);
	r_r->lsn = flags & KV_CARRIED ? cursor_u64(&c) : 0;
	return all_read(&c);
}

void record_add_epoch(struct buf *b, uint64_t epoch, uint64_t time, uint32_t uidvalidity_last)
{
	buf_put64(b, epoch);
	buf_put64(b, time);
	buf_put32(b, uidvalidity_last);
	buf_put32(b, 0);
}

void record_add_messages(struct buf *b, uint64_t mailbox, uint32_t count)
{
	buf_put64(b, mailbox);
	buf_put32(b, count);
	buf_put32(b, MESSAGE_SIZE);
}

int record_read_messages(struct str payload, uint64_t *mailbox_r, uint32_t *count_r, struct cursor *c_r)
{
	*c_r = cursor_from(payload);
	*mailbox_r = cursor_u64(c_r);
	*count_r = cursor_u32(c_r);
	if (cursor_u32(c_r) != MESSAGE_SIZE || cursor_left(c_r) != (uint64_t)*count_r * MESSAGE_SIZE)
		c_r->failed = true;
	return all_read(c_r);
}

int message_encode(struct buf *b, const struct message *m, const struct format_key *k)
{
	char *p = buf_reserve(b, MESSAGE_SIZE);

	if (!p)
		return -1;
	memset(p, 0, MESSAGE_SIZE);
	put32(p, m->uid);
	put32(p + 4, m->flags);
	put64(p + 8, m->keywords);
	put64(p + 16, m->modseq);
	put64(p + 24, (uint64_t)m->internaldate);
	put64(p + 32, (uint64_t)m->savedate);
	put64(p + 40, m->blob);
	put64(p + 48, m->prefix);
	put64(p + 56, m->lsn);
	/* 64: room for THREADID */
	put32(p + 72, m->size);
	put32(p + 76, m->prefix_size);
	put16(p + 80, (uint16_t)m->zone);
	put32(p + 124, crc32c(k->seed, p, 124));
	buf_commit(b, MESSAGE_SIZE);
	return 0;
}

int message_decode(struct cursor *c, const struct format_key *k, struct message *m_r)
{
	struct str whole = cursor_take(c, MESSAGE_SIZE);
	struct cursor in = cursor_from(whole);

	if (whole.len != MESSAGE_SIZE)
		return 0;
	m_r->uid = cursor_u32(&in);
	m_r->flags = cursor_u32(&in);
	m_r->keywords = cursor_u64(&in);
	m_r->modseq = cursor_u64(&in);
	m_r->internaldate = (int64_t)cursor_u64(&in);
	m_r->savedate = (int64_t)cursor_u64(&in);
	m_r->blob = cursor_u64(&in);
	m_r->prefix = cursor_u64(&in);
	m_r->lsn = cursor_u64(&in);
	cursor_skip(&in, 8);
	m_r->size = cursor_u32(&in);
	m_r->prefix_size = cursor_u32(&in);
	m_r->zone = (int16_t)cursor_u16(&in);
	cursor_skip(&in, 124 - 82);
	return cursor_u32(&in) == crc32c(k->seed, whole.p, 124) && m_r->uid && m_r->uid != UINT32_MAX &&
		m_r->prefix_size <= m_r->size;
}
