/* SPDX-License-Identifier: 0BSD */
/* The thread's part of a checkpoint: files to the disk. */
#include <cdb.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/lib/crc32c.h"
#include "core/store/checkpoint.h"
#include "core/store/io.h"

static int open_dir(const struct store *s, const char *name)
{
	return openat(s->dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int write_file(int dirfd, const char *name, const struct buf *b)
{
	int fd = io_open(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600), answer;

	if (fd < 0)
		return -1;
	answer = io_pwrite(fd, b->data + b->off, b->len, 0) || io_fsync(fd) ? -1 : 0;
	close(fd);
	return answer;
}

static int write_indexes(struct checkpoint_job *job)
{
	char name[CHECKPOINT_NAME_MAX];
	int dir = open_dir(job->s, "idx"), answer = 0;

	if (dir < 0)
		return -1;
	for (size_t i = 0; i < job->files.n && !answer; i++) {
		index_name(name, job->files.v[i].mailbox, job->head.files);
		answer = write_file(dir, name, &job->files.v[i].bytes);
		buf_free(&job->files.v[i].bytes);
	}
	if (!answer)
		answer = io_fsync(dir);
	close(dir);
	return answer;
}

static int write_map(struct checkpoint_job *job, int dir)
{
	char name[CHECKPOINT_NAME_MAX];

	table_name(name, job->head.files, ".map");
	job->head.map_size = job->map.len;
	job->head.map_crc = crc32c(job->s->key.seed, job->map.data + job->map.off, job->map.len);
	return write_file(dir, name, &job->map);
}

static int fill_table(struct checkpoint_job *job, int fd)
{
	struct cursor c = cursor_from(buf_str(&job->table));
	struct str key, value;
	struct cdb_make make;

	if (cdb_make_start(&make, fd))
		return -1;
	while (!cursor_done(&c)) {
		key = cursor_str(&c, UINT32_MAX);
		value = cursor_str(&c, UINT32_MAX);
		if (cdb_make_add(&make, key.p, (unsigned)key.len, value.p, (unsigned)value.len)) {
			cdb_make_finish(&make);
			return -1;
		}
	}
	return cdb_make_finish(&make);
}

/* TinyCDB has no checksum of its own. */
static int file_crc(int fd, uint32_t seed, uint64_t *size_r, uint32_t *crc_r)
{
	char piece[16384];
	ssize_t n;

	*crc_r = seed;
	for (*size_r = 0; (n = pread(fd, piece, sizeof(piece), (off_t)*size_r)) > 0; *size_r += (uint64_t)n)
		*crc_r = crc32c(*crc_r, piece, (size_t)n);
	return (int)n;
}

static int write_table(struct checkpoint_job *job, int dir)
{
	char name[CHECKPOINT_NAME_MAX];
	int fd, answer;

	table_name(name, job->head.files, ".cdb");
	if (job->table.len > TABLE_BYTES_MAX) {
		errno = EFBIG;
		return -1;
	}
	fd = io_open(dir, name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		return -1;
	answer = fill_table(job, fd) || io_fsync(fd) ||
		file_crc(fd, job->s->key.seed, &job->head.table_size, &job->head.table_crc) ? -1 : 0;
	close(fd);
	return answer;
}

int checkpoint_write_files(struct checkpoint_job *job)
{
	int dir = open_dir(job->s, "kv"), answer;

	if (dir < 0)
		return errno;
	answer = write_indexes(job) || write_map(job, dir) || write_table(job, dir) || io_fsync(dir) ?
		errno : 0;
	close(dir);
	return answer;
}

int checkpoint_write_head(struct checkpoint_job *job)
{
	struct buf b = {0};
	int answer;

	checkpoint_head_write(&b, &job->s->key, &job->head);
	errno = ENOMEM;
	answer = b.failed || store_replace(job->s->dirfd, "checkpoint", "checkpoint.tmp", buf_str(&b)) ?
		errno : 0;
	buf_free(&b);
	return answer;
}

/* Nothing names these any more; a name that stays behind is removed at the next start. */
void checkpoint_remove_old(struct checkpoint_job *job)
{
	char name[CHECKPOINT_NAME_MAX];
	int dir = open_dir(job->s, "idx");

	for (size_t i = 0; dir >= 0 && i < job->files.n; i++) {
		if (!job->files.v[i].replaced)
			continue;
		index_name(name, job->files.v[i].mailbox, job->files.v[i].replaced);
		io_unlink(dir, name);
	}
	for (size_t i = 0; dir >= 0 && i < job->garbage.n; i++)
		io_unlink(dir, job->garbage.v[i]);
	if (dir >= 0)
		close(dir);
	dir = job->old ? open_dir(job->s, "kv") : -1;
	if (dir < 0)
		return;
	table_name(name, job->old, ".cdb");
	io_unlink(dir, name);
	table_name(name, job->old, ".map");
	io_unlink(dir, name);
	close(dir);
}
