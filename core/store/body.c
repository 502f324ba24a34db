/* SPDX-License-Identifier: 0BSD */
/* Message bodies in flight: a buffer, and once complete its summary and checksums. */
#include "core/store/state.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "core/lib/crc32c.h"

#define POOL_MAX 64
#define POOL_BYTES (128 * 1024) /* buffers larger than this are not kept */

static void count(struct body *b)
{
	size_t now = b->data.cap + b->summary.cap;

	b->store->bodies += now - b->counted;
	b->counted = now;
}

struct body *body_new(struct store *s)
{
	struct body *b = s->pool;

	if (s->bodies > s->body_budget) {
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

struct buf *body_buf(struct body *b)
{
	count(b);
	return &b->data;
}

int body_finish(struct body *b)
{
	struct str text = buf_str(&b->data);

	if (b->finished)
		return 0;
	if (b->data.failed || mime_summary_add(&b->summary, text) ||
		mime_summary_read(buf_str(&b->summary), &b->parsed)) {
		errno = ENOMEM;
		return -1;
	}
	b->data_crc = crc32c(0, text.p, text.len);
	b->summary_crc = crc32c(0, b->summary.data + b->summary.off, b->summary.len);
	b->finished = true;
	count(b);
	return 0;
}

uint64_t body_size(const struct body *b)
{
	return b->data.len;
}

const struct mime_summary *body_summary(const struct body *b)
{
	return &b->parsed;
}

void body_free(struct body **at)
{
	struct body *b = *at;
	struct store *s;

	*at = NULL;
	if (!b || --b->refs)
		return;
	s = b->store;
	if (b->blob)
		blob_unpin(s, b->blob);
	b->blob = NULL;
	b->finished = false;
	s->bodies -= b->counted;
	b->counted = 0;
	buf_clear(&b->data);
	buf_clear(&b->summary);
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

/* Asked at most every 100 ms. */
uint64_t space_free(struct store *s)
{
	uint64_t now = loop_now(s->loop);
	struct statvfs v;

	if (s->space_checked && now + 1 - s->space_checked < 100)
		return s->space;
	s->space_checked = now + 1; /* 0 = never */
	s->space = fstatvfs(s->dirfd, &v) ? UINT64_MAX : (uint64_t)v.f_bavail * v.f_frsize;
	return s->space;
}

int space_left(struct store *s, uint64_t bytes)
{
	/* What is on its way to the disk may need a new segment.  Flags, EXPUNGE and checkpoints do not
	 * ask: the reserve is theirs. */
	bytes += s->filling->bodies_len + (s->committing ? s->committing->bodies_len : 0);
	if (space_free(s) >= bytes + DISK_RESERVE)
		return 0;
	errno = ENOSPC;
	return -1;
}

int store_admits(const struct store *s, uint64_t bytes)
{
	if (store_writable(s))
		return EIO;
	if (space_left((struct store *)(uintptr_t)s, bytes))
		return ENOSPC;
	return s->bodies + bytes > s->body_budget ? ENOMEM : 0;
}
