/* SPDX-License-Identifier: 0BSD */
/* Reading message bytes: from memory while they are on their way to the disk, then from the log. */
#include "core/store/state.h"

#include <errno.h>
#include <unistd.h>

#include "core/lib/crc32c.h"
#include "core/lib/log.h"
#include "core/store/cold.h"
#include "core/store/large.h"

static int damaged(const struct blob *b, const char *what)
{
	log_error("damaged message", "blob", log_num((int64_t)b->node.hash), "segment",
		log_num(b->segment ? (int64_t)b->segment->first : 0), "offset",
		log_num((int64_t)b->offset), "part", what, NULL);
	errno = EPROTO;
	return -1;
}

/* Bytes that are only not there yet are no damage. */
static int failed(const struct blob *b, const char *what)
{
	return errno == EAGAIN ? -1 : damaged(b, what);
}

static uint64_t body_at(const struct blob *b)
{
	return b->offset + format_align(b->summary_len, 8);
}

/* Appends n bytes of the segment. */
static int read_disk(struct store *s, const struct blob *b, uint64_t at, size_t n, struct buf *out)
{
	int fd = b->segment ? segment_fd(s, b->segment) : -1;
	char *p = fd < 0 ? NULL : buf_reserve(out, n);

	if (!p)
		return -1;
	if (cold_read(s, fd, p, n, at, body_at(b) + b->body_len))
		return -1;
	buf_commit(out, n);
	return 0;
}

/* Bytes in memory of a blob whose batch is not written yet. */
static struct str in_memory(const struct blob *b)
{
	if (b->body)
		return buf_str(&b->body->data);
	return (struct str){b->batch->side.data + b->batch->side.off + b->offset, b->body_len};
}

/* Compares the whole body with its CRC, once for each blob: part reads cannot. */
static int verify(struct store *s, struct blob *b)
{
	char piece[16384];
	uint32_t crc = 0;
	size_t n;

	if (b->verified)
		return 0;
	if (segment_fd(s, b->segment) < 0)
		return damaged(b, "segment");
	for (uint64_t at = 0; at < b->body_len; at += n) {
		n = b->body_len - at < sizeof(piece) ? (size_t)(b->body_len - at) : sizeof(piece);
		if (cold_read(s, b->segment->fd, piece, n, body_at(b) + at, body_at(b) + b->body_len))
			return failed(b, "body");
		crc = crc32c(crc, piece, n);
	}
	if (crc != b->body_crc)
		return damaged(b, "body");
	b->verified = true;
	return 0;
}

/* Appends [offset, offset+length) of a blob's bytes; the range is inside. */
static int blob_read(struct store *s, struct blob *b, uint64_t offset, uint64_t length, struct buf *out)
{
	size_t before = out->len;
	struct str bytes;

	if (!length)
		return 0;
	if (b->kind == BLOB_LARGE)
		return large_read(s, b->node.hash, b->body_len, offset, length, out);
	if (!b->segment && !b->body && !b->batch)
		return damaged(b, "segment");
	if (!b->segment) {
		bytes = in_memory(b);
		return buf_add(out, bytes.p + offset, (size_t)length);
	}
	if (length < b->body_len && verify(s, b))
		return -1;
	if (read_disk(s, b, body_at(b) + offset, (size_t)length, out))
		return failed(b, "read");
	if (length < b->body_len)
		return 0;
	bytes = buf_str(out);
	if (crc32c(0, bytes.p + before, (size_t)length) == b->body_crc) {
		b->verified = true;
		return 0;
	}
	out->len = before;
	return damaged(b, "body");
}

/* The blob of an id and its agreement with the index entry. */
static struct blob *blob_of(struct store *s, uint64_t id, uint64_t size)
{
	struct blob *b = blob_find(s, id);

	if (b && b->body_len == size)
		return b;
	log_error("damaged message", "blob", log_num((int64_t)id), "part", "missing", NULL);
	errno = EPROTO;
	return NULL;
}

int message_read(struct store *s, const struct message *m, uint64_t offset, uint64_t length,
	struct buf *out)
{
	uint64_t from_prefix = 0;
	size_t before = out->len;
	struct blob *b;

	/* Its record in the index is damaged (index_read.c). */
	if (!m->blob)
		return blob_of(s, 0, 0) ? 0 : -1;
	if (offset >= m->size)
		return 0;
	if (length > m->size - offset)
		length = m->size - offset;
	if (offset < m->prefix_size) {
		from_prefix = m->prefix_size - offset < length ? m->prefix_size - offset : length;
		b = blob_of(s, m->prefix, m->prefix_size);
		if (!b || blob_read(s, b, offset, from_prefix, out))
			return -1;
		offset = m->prefix_size;
	}
	length -= from_prefix;
	if (!length)
		return 0;
	b = blob_of(s, m->blob, m->size - m->prefix_size);
	if (b && !blob_read(s, b, offset - m->prefix_size, length, out))
		return 0;
	out->len = before;
	return -1;
}

int message_summary(struct store *s, const struct message *m, struct buf *out,
	struct mime_summary *s_r)
{
	struct blob *b = blob_find(s, m->blob);
	size_t before = out->len;
	struct str all;

	if (!b) {
		errno = EPROTO;
		return -1;
	}
	if (!b->segment && b->body) {
		if (buf_addstr(out, buf_str(&b->body->summary)))
			return -1;
	} else if (read_disk(s, b, b->offset, b->summary_len, out)) {
		return failed(b, "summary");
	}
	all = buf_str(out);
	all.p += before;
	all.len -= before;
	if (crc32c(0, all.p, all.len) != b->summary_crc)
		return damaged(b, "summary");
	return mime_summary_read(all, s_r);
}
