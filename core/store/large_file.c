/* SPDX-License-Identifier: 0BSD */
/* Files of large messages, as they are read; and those of a life that ended in a crash. */
#include "core/store/large.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/crc32c.h"
#include "core/lib/file.h"
#include "core/lib/log.h"
#include "core/store/cold.h"
#include "core/store/io.h"
#include "core/store/scan.h"

void large_name(char name[LARGE_NAME_SIZE], uint64_t id, const char *suffix)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 15; i >= 0; i--, id >>= 4)
		name[i] = digits[id & 15];
	memcpy(name + 16, suffix, strlen(suffix) + 1);
}

int large_name_read(const char *name, uint64_t *id_r)
{
	char same[LARGE_NAME_SIZE];
	uint64_t id = 0;
	int digit;

	for (const char *p = name; *p; p++) {
		digit = *p >= '0' && *p <= '9' ? *p - '0' : *p >= 'a' && *p <= 'f' ? *p - 'a' + 10 : -1;
		if (digit < 0 || p - name >= 16)
			return 0;
		id = id << 4 | (uint64_t)digit;
	}
	large_name(same, id, "");
	*id_r = id;
	return !strcmp(same, name);
}

/* ---- reading ---- */

static int damaged(uint64_t id, uint64_t offset, const char *what)
{
	char name[LARGE_NAME_SIZE];

	large_name(name, id, "");
	log_error("damaged message", "blob", log_num((int64_t)id), "file", name, "offset",
		log_num((int64_t)offset), "part", what, NULL);
	errno = EPROTO;
	return -1;
}

/* Opens a file whose header is good.  -1 + errno: EPROTO damaged. */
static int open_good(int dirfd, const struct format_key *k, uint64_t id, struct large_header *h_r)
{
	char name[LARGE_NAME_SIZE];
	struct scan_source src;
	struct buf b = {0};
	struct stat st;
	int good = 0;

	large_name(name, id, "");
	src.fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	if (src.fd < 0)
		return -1;
	src.size = fstat(src.fd, &st) ? 0 : (uint64_t)st.st_size;
	if (!scan_read(&src, 0, LARGE_HEADER_SIZE, &b))
		good = large_header_read(buf_str(&b), k, h_r);
	buf_free(&b);
	if (good == 1 && h_r->id == id)
		return src.fd;
	close(src.fd);
	errno = good < 0 ? ENOTSUP : EPROTO;
	return -1;
}

static uint64_t list_at(const struct large_header *h)
{
	return LARGE_HEADER_SIZE + format_align(h->size, 8);
}

static int read_bytes(struct store *s, int fd, const struct large_header *h, uint64_t at, uint64_t n,
	struct buf *out)
{
	char *p;

	buf_clear(out);
	p = buf_reserve(out, n);
	if (!p || cold_read(s, fd, p, n, at, LARGE_HEADER_SIZE + h->size))
		return -1;
	buf_commit(out, n);
	return 0;
}

/* One block into out (replaced), and against its CRC; for a store, or (NULL) a tool that may wait.
 * 1 / 0 / -1 + errno. */
static int read_block(struct store *s, int fd, const struct format_key *k, const struct large_header *h,
	uint64_t number, struct buf *out)
{
	struct scan_source src = {.fd = fd, .size = UINT64_MAX};
	uint64_t at = number * LARGE_BLOCK, n = h->size - at < LARGE_BLOCK ? h->size - at : LARGE_BLOCK;
	struct cursor c;

	/* The list's entry behind the block, to have both in one buffer. */
	if (scan_read(&src, list_at(h) + number * 4, 4, out))
		return errno == EPROTO ? 0 : -1;
	c = cursor_from(buf_str(out));
	number = cursor_u32(&c);
	if (s ? read_bytes(s, fd, h, LARGE_HEADER_SIZE + at, n, out)
	      : scan_read(&src, LARGE_HEADER_SIZE + at, n, out))
		return errno == EPROTO ? 0 : -1;
	return crc32c(k->seed, out->data + out->off, out->len) == number;
}

static int read_range(struct store *s, int fd, const struct large_header *h, uint64_t offset, uint64_t n,
	struct buf *out)
{
	uint64_t in_block, part;
	struct cursor c;
	struct str bytes;
	int good;

	for (; n; offset += part, n -= part) {
		good = read_block(s, fd, &s->key, h, offset / LARGE_BLOCK, &s->block);
		if (good < 0)
			return -1;
		if (!good)
			return damaged(h->id, LARGE_HEADER_SIZE + offset / LARGE_BLOCK * LARGE_BLOCK, "block");
		in_block = offset % LARGE_BLOCK;
		part = s->block.len - in_block < n ? s->block.len - in_block : n;
		c = cursor_from(buf_str(&s->block));
		cursor_skip(&c, in_block);
		bytes = cursor_take(&c, part);
		if (buf_addstr(out, bytes))
			return -1;
	}
	return 0;
}

int large_read(struct store *s, uint64_t id, uint64_t size, uint64_t offset, uint64_t n, struct buf *out)
{
	struct large_header h;
	int fd = open_good(s->largefd, &s->key, id, &h), answer;

	if (fd < 0)
		return damaged(id, 0, errno == ENOENT ? "missing" : "header");
	if (h.size == size && offset <= size && n <= size - offset)
		answer = read_range(s, fd, &h, offset, n, out);
	else
		answer = damaged(id, 0, "size");
	close(fd);
	return answer;
}

/* Blocks, their list, and that nothing else is there.  1 / 0 / -1. */
static int verify(int fd, const struct format_key *k, const struct large_header *h, uint64_t *offset_r)
{
	uint64_t blocks = (h->size + LARGE_BLOCK - 1) / LARGE_BLOCK;
	struct scan_source src = {.fd = fd, .size = UINT64_MAX};
	uint32_t crc = 0;
	struct buf b = {0};
	int good = 1;

	for (uint64_t i = 0; i < blocks && good == 1; i++) {
		*offset_r = LARGE_HEADER_SIZE + i * LARGE_BLOCK;
		good = read_block(NULL, fd, k, h, i, &b);
		if (good == 1)
			crc = crc32c(crc, b.data + b.off, b.len);
	}
	if (good == 1) {
		*offset_r = list_at(h);
		good = scan_read(&src, *offset_r, blocks * 4, &b) ? -(errno != EPROTO) :
			crc32c(k->seed, b.data + b.off, b.len) == h->blocks_crc && crc == h->body_crc;
	}
	buf_free(&b);
	return good;
}

int large_verify(int dirfd, const struct format_key *k, uint64_t id, uint64_t *size_r, uint64_t *offset_r)
{
	struct large_header h;
	int fd = open_good(dirfd, k, id, &h), good;

	*offset_r = 0;
	if (fd < 0)
		return errno == EPROTO ? 0 : -1;
	*size_r = h.size;
	good = verify(fd, k, &h, offset_r);
	close(fd);
	return good;
}

/* ---- after a crash ---- */

static int put_aside(struct store *s, const char *name)
{
	struct buf from = {0}, to = {0};
	int answer = -1;

	buf_addv(&from, "large/", name, NULL);
	buf_addv(&to, "lost/large-", name, NULL);
	if (!buf_addc(&from, 0) && !buf_addc(&to, 0) && (!io_mkdir(s->dirfd, "lost", 0700) || errno == EEXIST))
		answer = io_rename(s->dirfd, from.data + from.off, to.data + to.off);
	buf_free(&from);
	buf_free(&to);
	return answer;
}

static bool is_needed(struct store *s, const char *name)
{
	const struct blob *b;
	uint64_t id;

	if (!large_name_read(name, &id))
		return false;
	b = blob_find(s, id);
	return b && b->kind == BLOB_LARGE;
}

/* Their new names before their old ones. */
static int sync_lost(struct store *s)
{
	int fd = openat(s->dirfd, "lost", O_RDONLY | O_DIRECTORY | O_CLOEXEC), answer;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	answer = io_fsync(fd) || io_fsync(s->dirfd) ? -1 : 0;
	close(fd);
	return answer;
}

int large_sweep(struct store *s, bool keep)
{
	int fd = openat(s->largefd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), answer = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	uint64_t id, n = 0;

	if (!d)
		return -1;
	while (!answer && (e = readdir(d))) {
		if (e->d_name[0] == '.' || is_needed(s, e->d_name))
			continue;
		answer = keep && large_name_read(e->d_name, &id) ? put_aside(s, e->d_name) :
			io_unlink(s->largefd, e->d_name);
		n++;
	}
	closedir(d);
	/* After a clean end nobody looks for a name that has come back with the power. */
	if (!answer && n)
		answer = (keep && sync_lost(s)) || io_fsync(s->largefd) ? -1 : 0;
	if (n)
		log_info(keep ? "files without a message, now in lost/" : "removed files without a message", "n",
			log_num((int64_t)n), NULL);
	return answer;
}
