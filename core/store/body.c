/* SPDX-License-Identifier: 0BSD */
/* Message bodies in flight: a buffer, and once complete its summary and checksums. */
#include "core/store/state.h"

#include <errno.h>
#include <stdlib.h>

#include "core/lib/crc32c.h"
#include "core/store/large.h"

#define POOL_MAX 64
#define POOL_BYTES (128 * 1024) /* buffers larger than this are not kept */

/* Above its budget a body goes to a file from so many bytes on; what is smaller costs little. */
#define SPILL_BYTES (16 * 1024)
#define ROOM_MAX (128 * 1024) /* made at once for a body whose size is known */

static void count(struct body *b)
{
	size_t now = b->data.cap + b->summary.cap + b->header.cap;

	b->store->bodies += now - b->counted;
	b->counted = now;
}

/* Twice the budget is all there is: beyond the first half bodies go to files, but pass through memory. */
static bool crowded(const struct store *s, uint64_t bytes)
{
	return s->bodies + bytes > 2 * s->body_budget;
}

struct body *body_new(struct store *s)
{
	struct body *b = s->pool;

	if (crowded(s, 0)) {
		errno = ENOMEM;
		return NULL;
	}
	if (b) {
		s->pool = (struct body *)(void *)b->blob;
		s->pooled--;
		b->blob = NULL;
	} else {
		b = calloc(1, sizeof(*b));
		if (!b)
			return NULL;
	}
	b->store = s;
	b->refs = 1;
	b->data.max = (size_t)CONFIG_MESSAGE_MAX_MB * 1024 * 1024;
	count(b);
	return b;
}

void body_expect(struct body *b, uint64_t bytes)
{
	b->spill = bytes > b->store->large_bytes;
	buf_reserve(&b->data, bytes < ROOM_MAX ? (size_t)bytes : ROOM_MAX);
	count(b);
}

struct buf *body_buf(struct body *b)
{
	count(b);
	return &b->data;
}

/* Is what came so far to go to a file? */
static bool is_large(const struct body *b)
{
	const struct store *s = b->store;

	if (b->spill)
		return b->data.len >= LARGE_CHUNK;
	return b->data.len > s->large_bytes || (b->data.len >= SPILL_BYTES && s->bodies > s->body_budget);
}

int body_added(struct body *b)
{
	int answer;

	count(b);
	errno = b->data.failed ? ENOMEM : 0;
	if (b->data.failed)
		return -1;
	if (!b->large && is_large(b) && large_begin(b))
		return -1;
	answer = b->large ? large_feed(b) : 0;
	count(b);
	return answer;
}

bool body_full(const struct body *b)
{
	return b->large && large_full(b);
}

void body_notify(struct body *b, void (*ready)(void *arg), void *arg)
{
	b->ready = ready;
	b->arg = arg;
}

static int finish_small(struct body *b)
{
	struct str text = buf_str(&b->data);

	if (mime_summary_add(&b->summary, text) || mime_summary_read(buf_str(&b->summary), &b->parsed)) {
		errno = ENOMEM;
		return -1;
	}
	b->data_crc = crc32c(0, text.p, text.len);
	b->summary_crc = crc32c(0, b->summary.data + b->summary.off, b->summary.len);
	b->finished = true;
	return 0;
}

int body_finish(struct body *b)
{
	int answer;

	if (b->finished)
		return 0;
	errno = ENOMEM;
	if (b->data.failed)
		return -1;
	if (!b->large && b->data.len > b->store->large_bytes && large_begin(b))
		return -1;
	answer = b->large ? large_finish(b) : finish_small(b);
	count(b);
	return answer;
}

uint64_t body_size(const struct body *b)
{
	return b->file ? b->size : b->data.len;
}

const struct mime_summary *body_summary(const struct body *b)
{
	return &b->parsed;
}

struct str body_header(const struct body *b)
{
	struct str all = buf_str(&b->data);

	if (b->file)
		return buf_str(&b->header);
	all.len = b->parsed.header_len < all.len ? b->parsed.header_len : all.len;
	return all;
}

struct str body_bytes(const struct body *b)
{
	return b->file ? STR_NULL : buf_str(&b->data);
}

static void forget(struct body *b)
{
	struct store *s = b->store;

	if (b->large)
		large_end(b, !b->blob);
	if (b->blob)
		blob_unpin(s, b->blob);
	b->blob = NULL;
	b->file = b->size = 0;
	b->finished = b->spill = false;
	b->ready = NULL;
	s->bodies -= b->counted;
	b->counted = 0;
	buf_clear(&b->data);
	buf_clear(&b->summary);
	buf_free(&b->header);
}

void body_free(struct body **at)
{
	struct body *b = *at;
	struct store *s;

	*at = NULL;
	if (!b || --b->refs)
		return;
	s = b->store;
	forget(b);
	if (s->pooled < POOL_MAX && b->data.cap <= POOL_BYTES && b->summary.cap <= POOL_BYTES) {
		b->blob = (struct blob *)(void *)s->pool;
		s->pool = b;
		s->pooled++;
		return;
	}
	buf_free(&b->data);
	buf_free(&b->summary);
	free(b);
}

int store_admits(const struct store *s, uint64_t bytes)
{
	if (store_writable(s))
		return errno;
	if (space_left((struct store *)(uintptr_t)s, bytes))
		return ENOSPC;
	return crowded(s, bytes < s->large_bytes ? bytes : s->large_bytes) ? ENOMEM : 0;
}
