/* SPDX-License-Identifier: 0BSD */
/* The bytes of index files. */
#include "core/lib/crc32c.h"
#include "core/store/checkpoint.h"
#include "core/store/index.h"

#define UNIT_BITS 40

uint64_t index_name_make(uint32_t number, uint64_t unit)
{
	return (uint64_t)number << UNIT_BITS | unit;
}

uint32_t index_name_number(uint64_t name)
{
	return (uint32_t)(name >> UNIT_BITS);
}

uint64_t index_name_unit(uint64_t name)
{
	return name & (((uint64_t)1 << UNIT_BITS) - 1);
}

void index_file_head_write(struct buf *out, const struct format_key *k, uint64_t mailbox)
{
	size_t at = checkpoint_begin(out, "SATINDEX", MESSAGE_SIZE, k);

	buf_put64(out, mailbox);
	checkpoint_end(out, at, INDEX_UNIT, k);
}

uint64_t index_head_bytes(uint64_t blocks)
{
	return format_align(INDEX_HEAD_SIZE + blocks * INDEX_ENTRY_SIZE, INDEX_UNIT);
}

void index_head_write(struct buf *out, const struct format_key *k, const struct index_head *h)
{
	size_t at = checkpoint_begin(out, "SATBLOCK", INDEX_ENTRY_SIZE, k);

	buf_put64(out, h->mailbox);
	buf_put64(out, h->lsn);
	buf_put64(out, h->floor);
	buf_put64(out, h->bytes);
	buf_put64(out, h->end);
	buf_put32(out, h->live);
	buf_put32(out, h->unseen);
	buf_put32(out, h->deleted);
	buf_put32(out, h->blocks);
	buf_put32(out, h->crc);
	buf_put32(out, h->runs);
	for (unsigned i = 0; i < INDEX_RUNS; i++) {
		buf_put64(out, h->run[i].at);
		buf_put32(out, h->run[i].n);
		buf_put32(out, 0);
	}
	checkpoint_end(out, at, INDEX_HEAD_SIZE, k);
}

int index_head_read(struct cursor *c, const struct format_key *k, struct index_head *h_r)
{
	struct cursor in;
	int answer = checkpoint_take(c, INDEX_HEAD_SIZE, "SATBLOCK", k, &in);

	h_r->mailbox = cursor_u64(&in);
	h_r->lsn = cursor_u64(&in);
	h_r->floor = cursor_u64(&in);
	h_r->bytes = cursor_u64(&in);
	h_r->end = cursor_u64(&in);
	h_r->live = cursor_u32(&in);
	h_r->unseen = cursor_u32(&in);
	h_r->deleted = cursor_u32(&in);
	h_r->blocks = cursor_u32(&in);
	h_r->crc = cursor_u32(&in);
	h_r->runs = cursor_u32(&in);
	for (unsigned i = 0; i < INDEX_RUNS; i++) {
		h_r->run[i].at = cursor_u64(&in);
		h_r->run[i].n = cursor_u32(&in);
		cursor_skip(&in, 4);
	}
	return answer == 1 && h_r->runs > INDEX_RUNS ? 0 : answer;
}

void index_tomb_write(struct buf *out, const struct format_key *k, const struct index_tomb *t)
{
	size_t at = out->len;

	buf_put64(out, t->modseq);
	buf_put32(out, t->uid);
	if (!out->failed)
		buf_put32(out, crc32c(k->seed, out->data + out->off + at, INDEX_TOMB_SIZE - 4));
}

bool index_tomb_read(struct cursor *c, const struct format_key *k, struct index_tomb *t_r)
{
	struct str whole = cursor_take(c, INDEX_TOMB_SIZE);
	struct cursor in = cursor_from(whole);

	t_r->modseq = cursor_u64(&in);
	t_r->uid = cursor_u32(&in);
	return cursor_u32(&in) == crc32c(k->seed, whole.p, whole.len - 4) && !in.failed;
}

void index_block_write(struct buf *out, const struct index_block *b)
{
	buf_put32(out, b->first);
	buf_put32(out, b->place);
	buf_put16(out, b->stored);
	buf_put16(out, b->unseen);
	buf_put16(out, b->deleted);
	buf_put16(out, 0);
	buf_put64(out, b->bytes);
	buf_put64(out, b->modseq);
}

void index_block_read(struct cursor *c, struct index_block *b_r)
{
	*b_r = (struct index_block){.first = cursor_u32(c)};
	b_r->place = cursor_u32(c);
	b_r->stored = b_r->slots = b_r->live = cursor_u16(c);
	b_r->unseen = cursor_u16(c);
	b_r->deleted = cursor_u16(c);
	cursor_skip(c, 2);
	b_r->bytes = cursor_u64(c);
	b_r->modseq = cursor_u64(c);
}
