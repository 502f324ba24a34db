/* SPDX-License-Identifier: 0BSD */
/*
 * The log reader.  The bytes are read twice: as they are, as a segment; and as a list of records
 * (u8 type, u8 flags, u16 length, payload) that get good frames and checksums, so that the fuzzer
 * reaches what stands behind them: payload readers and redo into the tables.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/lib/crc32c.h"
#include "core/lib/log.h"
#include "core/store/scan.h"
#include "core/store/state.h"

#define RECORDS_MAX 200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct format_key key;

static void read_as_segment(struct str in)
{
	struct scan_source src = {.fd = -1, .mem = in, .size = in.len};
	struct buf meta = {0};
	struct batch_header h;
	uint64_t at = 0;

	while (scan_next(&src, &key, &at, &h) == 1) {
		if (scan_batch(&src, &key, at, &h, &meta) != 1)
			abort(); /* scan_next() said it is valid */
		at += BATCH_ALIGN;
	}
	scan_content_end(&src, 0);
	buf_free(&meta);
}

static void put_crc(char *image)
{
	uint32_t crc = crc32c(key.seed, image, 124);

	for (int i = 0; i < 4; i++)
		image[124 + i] = (char)(crc >> 8 * i);
}

/* Frames the records and makes one batch of them. */
static void build(struct cursor *c, struct buf *batch)
{
	struct batch_header h = {.epoch = 1, .first = 1};
	uint8_t type, flags;
	struct str payload;
	size_t at, start;

	buf_reserve(batch, BATCH_HEADER_SIZE);
	buf_commit(batch, BATCH_HEADER_SIZE);
	while (!cursor_done(c) && h.count < RECORDS_MAX) {
		type = cursor_u8(c);
		flags = cursor_u8(c);
		payload = cursor_take(c, cursor_u16(c));
		if (c->failed)
			break;
		at = record_begin(batch, type, flags & 1, 1 + h.count++);
		start = batch->len;
		buf_addstr(batch, payload);
		for (size_t i = 16; type == RECORD_MESSAGES && i + MESSAGE_SIZE <= payload.len; i += MESSAGE_SIZE)
			put_crc(batch->data + batch->off + start + i);
		record_end(batch, at, &key);
	}
	if (!h.count)
		return;
	h.meta_len = (uint32_t)(batch->len - BATCH_HEADER_SIZE);
	h.meta_crc = crc32c(key.seed, batch->data + BATCH_HEADER_SIZE, h.meta_len);
	batch_header_write(batch->data, &key, &h);
	while (batch->len % BATCH_ALIGN)
		buf_addc(batch, 0);
}

static void redo(struct store *s, struct str image)
{
	struct scan_source src = {.fd = -1, .mem = image, .size = image.len};
	struct segment g = {.fd = -1};
	struct batch_header h;
	struct buf meta = {0};
	struct record r;
	struct cursor c;

	if (scan_batch(&src, &key, 0, &h, &meta) != 1)
		return;
	for (int twice = 0; twice < 2; twice++) {
		c = cursor_from(buf_str(&meta));
		while (record_next(&c, &key, &r) == 1)
			(void)record_apply(s, &r, &g, batch_bodies_at(&h));
	}
	blob_sweep(s);
	buf_free(&meta);
}

/* The head of a large message's file: as it is, and what its numbers make when they are written. */
static void read_as_large(struct str in)
{
	struct cursor c = cursor_from(in);
	struct large_header h = {0}, again = {0};
	struct buf out = {0};
	int good;

	large_header_read(in, &key, &h);
	h = (struct large_header){cursor_u64(&c), cursor_u64(&c), cursor_u32(&c), cursor_u32(&c)};
	large_header_write(&out, &key, &h);
	good = large_header_read(buf_str(&out), &key, &again);
	if (good != (h.size <= UINT32_MAX) || (good && memcmp(&h, &again, sizeof(h))))
		abort();
	if (out.len) {
		out.data[out.off + in.len % out.len] ^= 1;
		if (large_header_read(buf_str(&out), &key, &again) == 1)
			abort();
	}
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = {(const char *)data, size};
	struct cursor c = cursor_from(in);
	struct buf batch = {0};
	struct store *s;

	if (size > 65536)
		return 0;
	log_init("fuzz", 0, false);
	format_key_set(&key, (const unsigned char *)"0123456789abcdef");
	read_as_segment(in);
	read_as_large(in);
	s = calloc(1, sizeof(*s));
	if (!s)
		return 0;
	s->key = key;
	s->redoing = true;
	blob_init(s);
	accounts_init(s, 0);
	build(&c, &batch);
	redo(s, buf_str(&batch));
	tables_free(s);
	free(s->images.v);
	free(s->garbage.v);
	free(s);
	buf_free(&batch);
	return 0;
}
