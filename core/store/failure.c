/* SPDX-License-Identifier: 0BSD */
/*
 * After a failed write or sync.  Nobody knows what the disk holds then: the kernel may have dropped what
 * it could not write and call it clean, so a second sync succeeds and lies.  What was durable before
 * is known, though, and the mark FAILED says it: redo ends there, and what the page cache shows
 * beyond counts for nothing.  A mark that could not be written either is made up for by reading the
 * last batch from the disk itself.
 */
#include "core/store/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/lib/file.h"
#include "core/lib/log.h"
#include "core/store/io.h"

#define MARK "FAILED"
#define PIECE (1024u * 1024)

void failure_leave(struct store *s, uint64_t durable, int error)
{
	struct buf text = {0};
	int fd;

	do
		fd = io_open(s->dirfd, MARK, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	while (fd < 0 && reserve_give(s, 0));
	if (fd < 0) {
		log_error("mark", "file", MARK, "error", strerror(errno), NULL);
		return;
	}
	buf_addv(&text, "writing the log failed: ", strerror(error), "\nepoch ", NULL);
	buf_addu(&text, s->epoch);
	buf_adds(&text, " durable ");
	buf_addu(&text, durable);
	buf_adds(&text, "\n");
	if (text.failed || io_pwrite(fd, text.data + text.off, text.len, 0) || io_fsync(fd) ||
		io_fsync(s->dirfd))
		log_error("mark", "file", MARK, "error", strerror(errno), NULL);
	close(fd);
	buf_free(&text);
}

/* "WORD number" at the beginning of s. */
static uint64_t number_after(struct str *s, struct str word)
{
	struct str token;
	uint64_t n;

	str_word(s, " \n", &token);
	if (!str_eq(token, word))
		return 0;
	str_word(s, " \n", &token);
	return str_u64(token, UINT64_MAX, &n) ? 0 : n;
}

void failure_look(struct store *s)
{
	struct buf b = {0};
	struct cursor c;
	struct str rest;

	if (file_read(s->dirfd, MARK, 4096, &b))
		return;
	s->mark.there = true;
	c = cursor_from(buf_str(&b));
	cursor_take_until(&c, '\n');
	cursor_accept(&c, '\n');
	rest = cursor_take(&c, cursor_left(&c));
	s->mark.epoch = number_after(&rest, STR("epoch"));
	s->mark.durable = number_after(&rest, STR("durable"));
	log_warning("earlier failure", "file", MARK, "text", log_str(str_trim(buf_str(&b))), "remedy",
		s->readonly ? "read-only; look at the disk and the kernel's log, then restart the server" :
			"look at the disk and the kernel's log; `satchel fsck` says what is damaged", NULL);
	buf_free(&b);
}

bool failure_undone(const struct store *s, const struct batch_header *h)
{
	/* A later life has another epoch: a mark that could not be removed takes nothing from it. */
	return s->mark.there && h->epoch == s->mark.epoch && h->first > s->mark.durable;
}

int failure_over(struct store *s)
{
	if (!s->mark.there || s->readonly)
		return 0;
	s->mark.there = false;
	return io_unlink(s->dirfd, MARK) || io_fsync(s->dirfd) ? -1 : 0;
}

int failure_on_disk(const struct segment *g, uint64_t at, uint64_t end)
{
	uint64_t from = at / IO_BLOCK * IO_BLOCK;
	char *disk, *cache;
	ssize_t got, seen;
	int same = 1;

	if (posix_memalign((void **)&disk, IO_BLOCK, 2 * PIECE))
		return -1;
	cache = disk + PIECE;
	for (; from < end && same == 1; from += PIECE) {
		got = io_pread_disk(g->fd, disk, PIECE, from);
		if (got < 0) {
			same = errno == EINVAL || errno == EOPNOTSUPP ? 1 : -1;
			break;
		}
		seen = pread(g->fd, cache, PIECE, (off_t)from);
		if (seen < 0) {
			same = -1;
			break;
		}
		if ((uint64_t)seen > end - from)
			seen = (ssize_t)(end - from);
		same = got >= seen && !memcmp(disk, cache, (size_t)seen);
	}
	free(disk);
	return same;
}
