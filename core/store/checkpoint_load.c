/* SPDX-License-Identifier: 0BSD */
/* Reading a checkpoint at start, and removing files that none names. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/lib/file.h"
#include "core/store/checkpoint.h"
#include "core/store/io.h"

#define FILE_MAX ((size_t)8 << 30)

const struct checkpoint_part *const checkpoint_parts[CHECKPOINT_PARTS] = {
	&checkpoint_kv, &checkpoint_map, &checkpoint_index,
};

int checkpoint_refuse(struct buf *error, const char *dir, const char *name, const char *why)
{
	buf_addv(error, dir, name, ": ", why, NULL);
	return -1;
}

int checkpoint_unreadable(struct buf *error, const char *dir, const char *name)
{
	int why = errno;

	checkpoint_refuse(error, dir, name, why == EPROTO || why == EBADMSG ?
		"damaged; `satchel fsck --repair` makes it anew from the log" : why == ENOTSUP ?
		"written by a newer version of this program; not touched" : strerror(why));
	errno = why;
	return -1;
}

int checkpoint_open_dir(const struct store *s, const char *dir)
{
	return openat(s->dirfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int checkpoint_read(const struct store *s, const char *dir, const char *name, struct buf *out)
{
	int fd = checkpoint_open_dir(s, dir), answer;

	if (fd < 0)
		return -1;
	answer = file_read(fd, name, FILE_MAX, out);
	close(fd);
	return answer;
}

static bool named(const struct store *s, const struct checkpoint_head *h, const char *dir, const char *file)
{
	for (size_t i = 0; i < CHECKPOINT_PARTS; i++)
		if (checkpoint_parts[i]->names && checkpoint_parts[i]->names(s, h, dir, file))
			return true;
	return false;
}

static void remove_unnamed(struct store *s, const char *dir, const struct checkpoint_head *h)
{
	int fd = checkpoint_open_dir(s, dir);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	while (d && !s->readonly && (e = readdir(d)))
		if (e->d_name[0] != '.' && !named(s, h, dir, e->d_name))
			io_unlink(dirfd(d), e->d_name);
	if (d)
		closedir(d);
}

static void remove_all_unnamed(struct store *s, const struct checkpoint_head *h)
{
	remove_unnamed(s, "kv", h);
	remove_unnamed(s, "map", h);
}

static int load_files(struct store *s, const struct checkpoint_head *h, struct buf *error)
{
	for (size_t i = 0; i < CHECKPOINT_PARTS; i++)
		if (checkpoint_parts[i]->load(s, h, error))
			return -1;
	s->checkpoint_lsn = h->lsn;
	s->checkpoint_files = h->files;
	s->checkpoint_time = h->time;
	s->redo_rate = h->redo_rate;
	s->redo_rest_us = h->redo_rest_us;
	s->epoch = h->epoch;
	if (s->uidvalidity_last < h->uidvalidity_last)
		s->uidvalidity_last = h->uidvalidity_last;
	return 0;
}

/* Redo makes the state; the numbers that the checkpoint used are not used again. */
static void pass_over(struct store *s, const struct checkpoint_head *h)
{
	s->lsn_floor = h->files > h->lsn ? h->files : h->lsn;
	s->epoch_floor = h->epoch;
	if (s->uidvalidity_last < h->uidvalidity_last)
		s->uidvalidity_last = h->uidvalidity_last;
}

int checkpoint_load(struct store *s, struct buf *error)
{
	struct checkpoint_head h = {0};
	struct buf b = {0};
	int answer;

	for (size_t i = 0; i < s->segments.n; i++)
		s->segments.v[i]->blobs = s->segments.v[i]->live = s->segments.v[i]->kept = 0;
	if (file_read(s->dirfd, "checkpoint", 4096, &b)) {
		/* Not there yet, or lost: what kv/ and map/ hold goes when there is one that does not name it. */
		return errno == ENOENT ? 0 : checkpoint_unreadable(error, "", "checkpoint");
	}
	answer = checkpoint_head_read(buf_str(&b), &s->key, &h);
	buf_free(&b);
	if (s->rebuild && answer >= 0) {
		if (answer)
			pass_over(s, &h);
		return 0;
	}
	errno = answer < 0 ? ENOTSUP : EPROTO;
	if (answer <= 0)
		return checkpoint_unreadable(error, "", "checkpoint");
	if (load_files(s, &h, error))
		return -1;
	/* A process that was killed may have replaced `checkpoint` and not synced that: the files of the
	 * one before go when it cannot come back. */
	if (!s->readonly && io_fsync(s->dirfd))
		return checkpoint_unreadable(error, "", "checkpoint");
	remove_all_unnamed(s, &h);
	return 0;
}
