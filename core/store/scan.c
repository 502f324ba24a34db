/* SPDX-License-Identifier: 0BSD */
#include "core/store/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/lib/crc32c.h"
#include "core/store/io.h"

#define PIECE 65536

static bool inside(const struct scan_source *src, uint64_t at, uint64_t n)
{
	return at <= src->size && n <= src->size - at;
}

static int read_file(int fd, char *p, size_t n, uint64_t at)
{
	ssize_t done;

	while (n) {
		done = pread(fd, p, n, (off_t)at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) {
			if (!done)
				errno = EPROTO;
			return -1;
		}
		p += done;
		at += (uint64_t)done;
		n -= (size_t)done;
	}
	return 0;
}

int scan_read(const struct scan_source *src, uint64_t at, uint64_t n, struct buf *out)
{
	char *p;

	buf_clear(out);
	if (!inside(src, at, n)) {
		errno = EPROTO;
		return -1;
	}
	if (src->fd < 0)
		return buf_add(out, src->mem.p + at, (size_t)n);
	p = buf_reserve(out, (size_t)n);
	if (!p || read_file(src->fd, p, (size_t)n, at))
		return -1;
	buf_commit(out, (size_t)n);
	return 0;
}

int scan_header(const struct scan_source *src, const struct format_key *k, uint64_t at,
	struct batch_header *h_r)
{
	char head[BATCH_HEADER_SIZE];
	struct str in = {head, sizeof(head)};
	int answer;

	if (!inside(src, at, sizeof(head)))
		return 0;
	if (src->fd < 0)
		in.p = src->mem.p + at;
	else if (read_file(src->fd, head, sizeof(head), at))
		return -1;
	answer = batch_header_read(in, k, h_r);
	if (answer < 0)
		errno = ENOTSUP;
	return answer;
}

int scan_batch(const struct scan_source *src, const struct format_key *k, uint64_t at,
	struct batch_header *h_r, struct buf *meta)
{
	int answer = scan_header(src, k, at, h_r);

	if (answer <= 0)
		return answer;
	if (!inside(src, at, batch_size(h_r)))
		return 0;
	if (scan_read(src, at + BATCH_HEADER_SIZE, h_r->meta_len, meta))
		return -1;
	return crc32c(k->seed, meta->data + meta->off, meta->len) == h_r->meta_crc;
}

int scan_next(const struct scan_source *src, const struct format_key *k, uint64_t *at,
	struct batch_header *h_r)
{
	struct buf piece = {0}, meta = {0};
	uint64_t from, n;
	int answer = 0;

	/* Headers stand at aligned offsets: look for the magic in large reads, then read properly. */
	for (from = *at; !answer && from < src->size; from += n) {
		n = src->size - from < PIECE ? src->size - from : PIECE;
		if (scan_read(src, from, n, &piece)) {
			answer = -1;
			break;
		}
		for (uint64_t i = 0; !answer && i + 8 <= n; i += BATCH_ALIGN) {
			if (memcmp(piece.data + piece.off + i, "SATBATCH", 8))
				continue;
			answer = scan_batch(src, k, from + i, h_r, &meta);
			*at = from + i;
		}
	}
	buf_free(&piece);
	buf_free(&meta);
	return answer;
}

/* Could a record with such a number begin here?  Asked before its CRC, which is long to reckon. */
static bool plausible(struct cursor c, uint64_t from, uint64_t to)
{
	uint64_t left = cursor_left(&c), lsn;
	uint32_t length = cursor_u32(&c);

	cursor_skip(&c, 4);
	lsn = cursor_u64(&c);
	return !c.failed && length >= RECORD_OVERHEAD && length <= left && lsn >= from && lsn < to;
}

int scan_record(struct cursor *c, const struct format_key *k, uint64_t from, uint64_t to, struct record *r_r)
{
	struct cursor look;

	for (; !cursor_done(c); cursor_skip(c, 1)) {
		look = *c;
		if (!plausible(look, from, to) || record_next(&look, k, r_r) != 1)
			continue;
		*c = look;
		return 1;
	}
	return 0;
}

int scan_segment_name(const struct scan_source *src, const struct format_key *k, uint64_t named, uint64_t *first_r)
{
	uint64_t epoch;
	struct buf b = {0};
	int answer = 0;

	if (!scan_read(src, 0, SEGMENT_HEADER_SIZE, &b))
		answer = segment_header_read(buf_str(&b), k, &epoch, first_r);
	else if (errno != EPROTO)
		answer = -1;
	else
		answer = 0;
	buf_free(&b);
	if (answer < 0)
		return -1;
	return !answer || *first_r == named;
}

static int range_crc(const struct scan_source *src, uint64_t at, uint64_t n, uint32_t *crc_r)
{
	struct buf piece = {0};
	uint64_t take;
	int answer = 0;

	for (*crc_r = 0; n && !answer; n -= take, at += take) {
		take = n < PIECE ? n : PIECE;
		answer = scan_read(src, at, take, &piece);
		if (!answer)
			*crc_r = crc32c(*crc_r, piece.data + piece.off, piece.len);
	}
	buf_free(&piece);
	return answer;
}

int scan_blob(const struct scan_source *src, uint64_t bodies_at, const struct record_blob *b)
{
	uint64_t at = bodies_at + b->offset;
	uint32_t summary, body;

	if (range_crc(src, at, b->summary_len, &summary) ||
		range_crc(src, at + format_align(b->summary_len, 8), record_blob_bytes(b), &body))
		return errno == EPROTO ? 0 : -1;
	return summary == b->summary_crc && (b->kind == BLOB_LARGE || body == b->body_crc);
}

/* Where the last byte that is not zero ends; most of what is asked is zero, so words first. */
static size_t nonzero_end(const char *p, size_t n)
{
	uint64_t word;

	for (; n >= sizeof(word); n -= sizeof(word)) {
		memcpy(&word, p + n - sizeof(word), sizeof(word));
		if (word)
			break;
	}
	while (n && !p[n - 1])
		n--;
	return n;
}

uint64_t scan_content_end(const struct scan_source *src, uint64_t at)
{
	struct buf piece = {0};
	uint64_t end = at, n;
	size_t last;

	for (; at < src->size; at += n) {
		n = src->size - at < PIECE ? src->size - at : PIECE;
		if (scan_read(src, at, n, &piece))
			break;
		n = piece.len;
		last = nonzero_end(piece.data + piece.off, piece.len);
		if (last)
			end = at + last;
	}
	buf_free(&piece);
	return end;
}

int scan_copy(const struct scan_source *src, uint64_t at, uint64_t n, int dirfd, const char *name)
{
	int fd = io_open(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	struct buf piece = {0};
	uint64_t done, take;
	int answer = 0;

	if (fd < 0)
		return -1;
	for (done = 0; done < n && !answer; done += take) {
		take = n - done < PIECE ? n - done : PIECE;
		answer = scan_read(src, at + done, take, &piece) ||
			io_pwrite(fd, piece.data + piece.off, piece.len, done) ? -1 : 0;
	}
	if (!answer)
		answer = io_fsync(fd);
	close(fd);
	buf_free(&piece);
	return answer;
}
