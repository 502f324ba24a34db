/* SPDX-License-Identifier: 0BSD */
/* The bytes of checkpoint files. */
#include "core/store/checkpoint.h"

#include <string.h>

#include "core/lib/crc32c.h"

/* Magic, version, record size, salt: how all these files begin.  32 bytes. */
size_t checkpoint_begin(struct buf *out, const char *magic, uint16_t record, const struct format_key *k)
{
	size_t at = out->len;

	buf_add(out, magic, 8);
	buf_put16(out, FORMAT_VERSION);
	buf_put16(out, record);
	buf_put32(out, 0);
	buf_add(out, k->salt, SALT_SIZE);
	return at;
}

/* Zeros up to the CRC in the last 4 of `size` bytes. */
void checkpoint_end(struct buf *out, size_t at, size_t size, const struct format_key *k)
{
	while (!out->failed && out->len - at < size - 4)
		buf_put8(out, 0);
	if (!out->failed)
		buf_put32(out, crc32c(k->seed, out->data + out->off + at, size - 4));
}

/* Is the last u32 the CRC of what stands before it? */
static int crc_ends(struct str whole, const struct format_key *k)
{
	struct cursor c = cursor_from(whole);

	cursor_skip(&c, whole.len - 4);
	return cursor_u32(&c) == crc32c(k->seed, whole.p, whole.len - 4);
}

/* Takes a header of `size` bytes; c_r then stands after the salt.  1 / 0 / -1 newer. */
int checkpoint_take(struct cursor *c, size_t size, const char *magic, const struct format_key *k,
	struct cursor *c_r)
{
	struct str whole = cursor_take(c, size), found, salt;
	uint16_t version;

	*c_r = cursor_from(whole);
	found = cursor_take(c_r, 8);
	version = cursor_u16(c_r);
	if (c_r->failed || memcmp(found.p, magic, 8))
		return 0;
	cursor_skip(c_r, 6);
	salt = cursor_take(c_r, SALT_SIZE);
	if (c_r->failed || memcmp(salt.p, k->salt, SALT_SIZE) || !crc_ends(whole, k))
		return 0;
	return version == FORMAT_VERSION ? 1 : version > FORMAT_VERSION ? -1 : 0;
}

void checkpoint_head_write(struct buf *out, const struct format_key *k, const struct checkpoint_head *h)
{
	size_t at = checkpoint_begin(out, "SATCHECK", 0, k);

	buf_put64(out, h->lsn);
	buf_put64(out, h->files);
	buf_put64(out, h->epoch);
	buf_put64(out, h->time);
	buf_put64(out, h->map_size);
	buf_put32(out, h->map_crc);
	buf_put32(out, h->uidvalidity_last);
	buf_put32(out, h->generations);
	buf_put32(out, 0);
	buf_put64(out, h->messages);
	for (uint32_t i = 0; i < h->generations; i++) {
		buf_put64(out, h->generation[i].number);
		buf_put16(out, h->generation[i].class);
	}
	for (uint32_t i = h->generations; i < GENERATIONS_MAX; i++) {
		buf_put64(out, 0);
		buf_put16(out, 0);
	}
	buf_put64(out, h->accounts);
	buf_put64(out, h->mailboxes);
	buf_put32(out, h->redo_rate);
	buf_put32(out, h->redo_rest_us);
	checkpoint_end(out, at, CHECKPOINT_SIZE, k);
}

int checkpoint_head_read(struct str in, const struct format_key *k, struct checkpoint_head *h_r)
{
	struct cursor whole = cursor_from(in), c;
	int answer = checkpoint_take(&whole, CHECKPOINT_SIZE, "SATCHECK", k, &c);

	h_r->lsn = cursor_u64(&c);
	h_r->files = cursor_u64(&c);
	h_r->epoch = cursor_u64(&c);
	h_r->time = cursor_u64(&c);
	h_r->map_size = cursor_u64(&c);
	h_r->map_crc = cursor_u32(&c);
	h_r->uidvalidity_last = cursor_u32(&c);
	h_r->generations = cursor_u32(&c);
	cursor_skip(&c, 4);
	h_r->messages = cursor_u64(&c);
	if (h_r->generations > GENERATIONS_MAX) {
		h_r->generations = 0;
		return answer < 0 ? -1 : 0;
	}
	for (uint32_t i = 0; i < h_r->generations; i++) {
		h_r->generation[i].number = cursor_u64(&c);
		h_r->generation[i].class = cursor_u16(&c);
	}
	cursor_skip(&c, (GENERATIONS_MAX - h_r->generations) * 10);
	h_r->accounts = cursor_u64(&c);
	h_r->mailboxes = cursor_u64(&c);
	h_r->redo_rate = cursor_u32(&c);
	h_r->redo_rest_us = cursor_u32(&c);
	return answer;
}

void map_head_write(struct buf *out, const struct format_key *k, const char *magic, uint64_t number,
	uint64_t count, uint64_t segments)
{
	size_t at = checkpoint_begin(out, magic, MAP_ENTRY_SIZE, k);

	buf_put64(out, number);
	buf_put64(out, count);
	buf_put64(out, segments);
	checkpoint_end(out, at, MAP_HEADER_SIZE, k);
}

int map_head_read(struct cursor *c, const struct format_key *k, const char *magic, uint64_t *number_r,
	uint64_t *count_r, uint64_t *segments_r)
{
	struct cursor in;
	int answer = checkpoint_take(c, MAP_HEADER_SIZE, magic, k, &in);

	*number_r = cursor_u64(&in);
	*count_r = cursor_u64(&in);
	if (segments_r)
		*segments_r = cursor_u64(&in);
	return answer;
}

void map_entry_write(struct buf *out, const struct format_key *k, const struct map_entry *e)
{
	size_t at = out->len;

	buf_put64(out, e->id);
	buf_put64(out, e->segment);
	buf_put64(out, e->offset);
	buf_put64(out, e->blob.body_len);
	buf_put32(out, e->blob.summary_len);
	buf_put32(out, e->blob.summary_crc);
	buf_put32(out, e->blob.body_crc);
	buf_put16(out, e->blob.kind);
	buf_put16(out, e->flags);
	buf_put32(out, e->refs);
	checkpoint_end(out, at, MAP_ENTRY_SIZE, k);
}

/* Takes 64 bytes that end with their CRC. */
static bool take_line(struct cursor *c, const struct format_key *k, struct cursor *in_r)
{
	struct str whole = cursor_take(c, MAP_ENTRY_SIZE);

	*in_r = cursor_from(whole);
	return whole.len == MAP_ENTRY_SIZE && crc_ends(whole, k);
}

int map_entry_read(struct cursor *c, const struct format_key *k, struct map_entry *e_r)
{
	struct cursor in;
	bool good = take_line(c, k, &in);

	e_r->id = cursor_u64(&in);
	e_r->segment = cursor_u64(&in);
	e_r->offset = cursor_u64(&in);
	e_r->blob.body_len = cursor_u64(&in);
	e_r->blob.summary_len = cursor_u32(&in);
	e_r->blob.summary_crc = cursor_u32(&in);
	e_r->blob.body_crc = cursor_u32(&in);
	e_r->blob.kind = cursor_u16(&in);
	e_r->flags = cursor_u16(&in);
	e_r->refs = cursor_u32(&in);
	return good && e_r->blob.body_len <= UINT32_MAX;
}

void map_run_write(struct buf *out, const struct format_key *k, uint64_t number, uint64_t count)
{
	size_t at = out->len;

	buf_put64(out, number);
	buf_put64(out, count);
	checkpoint_end(out, at, MAP_ENTRY_SIZE, k);
}

int map_run_read(struct cursor *c, const struct format_key *k, uint64_t *number_r, uint64_t *count_r)
{
	struct cursor in;
	bool good = take_line(c, k, &in);

	*number_r = cursor_u64(&in);
	*count_r = cursor_u64(&in);
	return good;
}

void map_segment_write(struct buf *out, const struct format_key *k, const struct map_segment *m)
{
	size_t at = out->len;

	buf_put64(out, m->first);
	buf_put64(out, m->live);
	buf_put64(out, m->blobs);
	buf_put64(out, m->kept);
	buf_put32(out, m->stuck);
	checkpoint_end(out, at, MAP_ENTRY_SIZE, k);
}

int map_segment_read(struct cursor *c, const struct format_key *k, struct map_segment *m_r)
{
	struct cursor in;
	bool good = take_line(c, k, &in);

	m_r->first = cursor_u64(&in);
	m_r->live = cursor_u64(&in);
	m_r->blobs = cursor_u64(&in);
	m_r->kept = cursor_u64(&in);
	m_r->stuck = cursor_u32(&in);
	return good;
}

static size_t add_hex(char *p, uint64_t v)
{
	for (int i = 15; i >= 0; i--, v >>= 4)
		p[i] = "0123456789abcdef"[v & 15];
	return 16;
}

void index_name(char name[CHECKPOINT_NAME_MAX], uint64_t mailbox, uint32_t number)
{
	size_t n = add_hex(name, mailbox);

	name[n++] = '-';
	n += add_hex(name + n, number);
	name[n] = 0;
}

void table_name(char name[CHECKPOINT_NAME_MAX], uint64_t lsn, const char *suffix)
{
	size_t n = add_hex(name, lsn);

	memcpy(name + n, suffix, strlen(suffix) + 1);
}
