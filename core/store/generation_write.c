/* SPDX-License-Identifier: 0BSD */
/* Writing generations. */
#include <cdb.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/lib/crc32c.h"
#include "core/store/generation.h"
#include "core/store/io.h"

struct generation_writer {
	int fd;
	uint16_t class;
	uint64_t entries, last, bytes;
	struct cdb_make make;
	struct buf key, value;
};

struct generation_writer *generation_create(int dirfd, uint64_t number, unsigned class)
{
	struct generation_writer *w = calloc(1, sizeof(*w));
	char name[GENERATION_NAME_SIZE];

	if (!w)
		return NULL;
	generation_name(name, number, class);
	w->class = (uint16_t)class;
	w->bytes = 4096;
	w->fd = io_open(dirfd, name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (w->fd >= 0 && !cdb_make_start(&w->make, w->fd))
		return w;
	if (w->fd >= 0)
		close(w->fd);
	free(w);
	return NULL;
}

int generation_add(struct generation_writer *w, uint16_t space, struct str key,
	const struct generation_value *v, struct str value)
{
	buf_clear(&w->key);
	buf_clear(&w->value);
	buf_put16(&w->key, space);
	buf_addstr(&w->key, key);
	buf_put64(&w->value, v->lsn | (uint64_t)v->removed << 63);
	buf_addstr(&w->value, value);
	if (w->key.failed || w->value.failed) {
		errno = ENOMEM;
		return -1;
	}
	w->bytes += 24 + w->key.len + w->value.len;
	if (w->bytes > GENERATION_BYTES_MAX) {
		errno = EFBIG;
		return -1;
	}
	w->entries++;
	if (w->last < v->lsn)
		w->last = v->lsn;
	return cdb_make_add(&w->make, w->key.data + w->key.off, (unsigned)w->key.len,
		w->value.data + w->value.off, (unsigned)w->value.len);
}

/* Reads back what TinyCDB wrote (it has no checksum of its own). */
static int sum_pages(int fd, uint64_t *size_r, struct buf *list)
{
	char page[GENERATION_PAGE];
	ssize_t n;

	for (*size_r = 0;; *size_r += (uint64_t)n) {
		n = pread(fd, page, sizeof(page), (off_t)*size_r);
		if (n <= 0)
			return n ? -1 : list->failed ? -1 : 0;
		buf_put32(list, crc32c(0, page, (size_t)n));
		if (n < (ssize_t)sizeof(page)) {
			*size_r += (uint64_t)n;
			return list->failed ? -1 : 0;
		}
	}
}

static int add_tail(struct generation_writer *w, const struct format_key *k)
{
	struct buf b = {0};
	uint64_t size;
	uint32_t list;
	size_t at;
	int answer = -1;

	if (sum_pages(w->fd, &size, &b))
		goto free_buf;
	list = crc32c(k->seed, b.data + b.off, b.len);
	at = b.len;
	buf_add(&b, "SATTABLE", 8);
	buf_put16(&b, FORMAT_VERSION);
	buf_put16(&b, w->class);
	buf_put32(&b, 0);
	buf_add(&b, k->salt, SALT_SIZE);
	buf_put64(&b, size);
	buf_put64(&b, w->entries);
	buf_put64(&b, w->last);
	buf_put32(&b, list);
	if (b.failed)
		goto free_buf;
	buf_put32(&b, crc32c(k->seed, b.data + b.off + at, GENERATION_TAIL - 4));
	answer = b.failed || io_pwrite(w->fd, b.data + b.off, b.len, size) || io_fsync(w->fd) ? -1 : 0;
free_buf:
	buf_free(&b);
	return answer;
}

static void writer_free(struct generation_writer **at)
{
	struct generation_writer *w = *at;

	*at = NULL;
	buf_free(&w->key);
	buf_free(&w->value);
	close(w->fd);
	free(w);
}

int generation_finish(struct generation_writer **w, const struct format_key *k)
{
	int answer = cdb_make_finish(&(*w)->make) || add_tail(*w, k) ? -1 : 0, error = errno;

	writer_free(w);
	errno = error;
	return answer;
}

void generation_abandon(struct generation_writer **w)
{
	int error = errno;

	if (!*w)
		return;
	cdb_make_finish(&(*w)->make); /* frees its lists */
	writer_free(w);
	errno = error;
}
