/* SPDX-License-Identifier: 0BSD */
#include "tests/fault/io_fault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/store/io.h"

#define PATH_SIZE 512
#define RANGES_MAX 4096

/* A file as an object (it may have names or none): what the disk holds of it. */
struct file {
	dev_t dev;
	ino_t ino;
	char *bytes;         /* durable */
	uint64_t size;       /* durable */
	struct range {
		uint64_t at, n;
	} dirty[RANGES_MAX]; /* written since the last sync */
	unsigned dirty_n;
	bool whole;          /* changed in other ways, or too many ranges: sync copies all */
};

/* A name that is durable. */
struct entry {
	char path[PATH_SIZE]; /* relative to the watched directory */
	bool is_dir;
	struct file *file;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char top[PATH_SIZE];
static bool watching, cut, torn, fail_all;
static unsigned long calls, fail_at, fail_step, cut_at, syncs, renames, kill_rename, fail_rename;
static uint64_t disk, others;
static int fail_error;
static uint64_t scatter_seed;
static struct file **files;
static size_t files_n;
static struct entry *entries;
static size_t entries_n;

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

/* ---- files ---- */

static struct file *file_of(int fd)
{
	struct stat st;
	struct file *f;

	if (fstat(fd, &st))
		abort();
	for (size_t i = 0; i < files_n; i++)
		if (files[i]->dev == st.st_dev && files[i]->ino == st.st_ino)
			return files[i];
	f = must(calloc(1, sizeof(*f)));
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	f->whole = true;
	files = must(realloc(files, (files_n + 1) * sizeof(*files)));
	files[files_n++] = f;
	return f;
}

static void copy_range(struct file *f, int fd, uint64_t at, uint64_t n)
{
	ssize_t done;

	for (; n; at += (uint64_t)done, n -= (uint64_t)done) {
		done = pread(fd, f->bytes + at, n, (off_t)at);
		if (done < 0)
			abort();
		if (!done)
			return;
	}
}

/* What is in the file now is on the disk. */
static void file_synced(int fd)
{
	struct file *f = file_of(fd);
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return;
	if (f->size != (uint64_t)st.st_size) {
		f->bytes = must(realloc(f->bytes, (size_t)st.st_size + 1));
		if (f->size < (uint64_t)st.st_size)
			memset(f->bytes + f->size, 0, (size_t)st.st_size - f->size);
		f->size = (uint64_t)st.st_size;
	}
	if (f->whole)
		copy_range(f, fd, 0, f->size);
	for (unsigned i = 0; !f->whole && i < f->dirty_n; i++)
		copy_range(f, fd, f->dirty[i].at, f->dirty[i].n);
	f->dirty_n = 0;
	f->whole = false;
}

static void file_written(int fd, uint64_t at, uint64_t n)
{
	struct file *f = file_of(fd);

	if (f->dirty_n == RANGES_MAX)
		f->whole = true;
	else
		f->dirty[f->dirty_n++] = (struct range){at, n};
}

/* The first half of what was not synced arrives. */
static void tear(int fd)
{
	struct file *f = file_of(fd);
	uint64_t left = 0, n;

	if (f->whole)
		return;
	for (unsigned i = 0; i < f->dirty_n; i++)
		left += f->dirty[i].n;
	left = left / 2 / 512 * 512;
	for (unsigned i = 0; i < f->dirty_n && left; i++, left -= n) {
		n = f->dirty[i].n < left ? f->dirty[i].n : left;
		if (f->dirty[i].at + n <= f->size)
			copy_range(f, fd, f->dirty[i].at, n);
	}
}

/* ---- names ---- */

/* The path of an open directory below top; NULL if it is elsewhere. */
static const char *dir_path(int dirfd, char path[PATH_SIZE])
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", dirfd);
	n = readlink(link, path, PATH_SIZE - 1);
	if (n < 0)
		return NULL;
	path[n] = 0;
	if (strncmp(path, top, strlen(top)) || (path[strlen(top)] && path[strlen(top)] != '/'))
		return NULL;
	return path + strlen(top) + (path[strlen(top)] == '/');
}

static bool directly_in(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	if (n && (strncmp(path, dir, n) || path[n] != '/'))
		return false;
	return !strchr(path + n + (n > 0), '/');
}

/* The directory's names as they are now are on the disk. */
static void dir_synced(int fd)
{
	char buffer[PATH_SIZE], full[2 * PATH_SIZE];
	const char *dir = dir_path(fd, buffer);
	struct entry *e;
	struct dirent *d;
	struct stat st;
	size_t to = 0;
	DIR *stream;
	int file;

	if (!dir)
		return;
	for (size_t i = 0; i < entries_n; i++)
		if (!directly_in(entries[i].path, dir))
			entries[to++] = entries[i];
	entries_n = to;
	stream = opendir(buffer);
	while (stream && (d = readdir(stream))) {
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		entries = must(realloc(entries, (entries_n + 1) * sizeof(*entries)));
		e = &entries[entries_n++];
		snprintf(e->path, sizeof(e->path), "%s%s%s", dir, *dir ? "/" : "", d->d_name);
		snprintf(full, sizeof(full), "%s/%s", top, e->path);
		e->file = NULL;
		e->is_dir = !stat(full, &st) && S_ISDIR(st.st_mode);
		if (e->is_dir)
			continue;
		file = open(full, O_RDONLY);
		if (file >= 0) {
			e->file = file_of(file);
			close(file);
		}
	}
	if (stream)
		closedir(stream);
}

/* ---- control ---- */

static void forget(void)
{
	for (size_t i = 0; i < files_n; i++) {
		free(files[i]->bytes);
		free(files[i]);
	}
	free(files);
	free(entries);
	files = NULL;
	entries = NULL;
	files_n = entries_n = 0;
	watching = cut = false;
	fail_at = fail_step = cut_at = kill_rename = fail_rename = 0;
	disk = others = 0;
	scatter_seed = 0;
}

static void take_all(const char *path)
{
	char full[2 * PATH_SIZE];
	struct dirent *d;
	struct stat st;
	DIR *stream;
	int fd = open(path, O_RDONLY | O_DIRECTORY);

	dir_synced(fd);
	close(fd);
	stream = opendir(path);
	while (stream && (d = readdir(stream))) {
		snprintf(full, sizeof(full), "%s/%s", path, d->d_name);
		if (d->d_name[0] == '.' || stat(full, &st))
			continue;
		if (S_ISDIR(st.st_mode)) {
			take_all(full);
			continue;
		}
		fd = open(full, O_RDONLY);
		file_synced(fd);
		close(fd);
	}
	if (stream)
		closedir(stream);
}

void io_fault_begin(const char *dir)
{
	pthread_mutex_lock(&lock);
	forget();
	snprintf(top, sizeof(top), "%s", dir);
	calls = syncs = renames = 0;
	watching = true;
	take_all(dir);
	pthread_mutex_unlock(&lock);
}

void io_fault_fail(unsigned long nth, int error)
{
	pthread_mutex_lock(&lock);
	fail_at = nth ? calls + nth : 0;
	fail_error = error;
	fail_all = false;
	fail_step = 0;
	pthread_mutex_unlock(&lock);
}

void io_fault_fail_every(unsigned long n, int error)
{
	io_fault_fail(n, error);
	fail_step = n;
}

void io_fault_disk(uint64_t bytes)
{
	pthread_mutex_lock(&lock);
	disk = bytes;
	pthread_mutex_unlock(&lock);
}

void io_fault_others(uint64_t bytes)
{
	pthread_mutex_lock(&lock);
	others = bytes;
	pthread_mutex_unlock(&lock);
}

void io_fault_fail_from(unsigned long nth, int error)
{
	io_fault_fail(nth, error);
	fail_all = true;
}

void io_fault_cut(unsigned long nth, bool is_torn)
{
	pthread_mutex_lock(&lock);
	cut_at = calls + nth;
	torn = is_torn;
	pthread_mutex_unlock(&lock);
}

void io_fault_kill(unsigned long nth)
{
	io_fault_cut(nth, false);
}

void io_fault_fail_renamed(unsigned long nth, int error)
{
	io_fault_fail(0, error);
	pthread_mutex_lock(&lock);
	fail_rename = nth;
	pthread_mutex_unlock(&lock);
}

void io_fault_kill_renamed(unsigned long nth)
{
	pthread_mutex_lock(&lock);
	kill_rename = nth;
	pthread_mutex_unlock(&lock);
}

void io_fault_revive(void)
{
	pthread_mutex_lock(&lock);
	cut = false;
	cut_at = kill_rename = 0;
	pthread_mutex_unlock(&lock);
}

void io_fault_scatter(uint64_t seed)
{
	pthread_mutex_lock(&lock);
	scatter_seed = seed;
	pthread_mutex_unlock(&lock);
}

unsigned long io_fault_calls(void)
{
	return calls;
}

unsigned long io_fault_renames(void)
{
	return renames;
}

unsigned long io_fault_syncs(void)
{
	return syncs;
}

bool io_fault_is_cut(void)
{
	bool answer;

	pthread_mutex_lock(&lock);
	answer = cut;
	pthread_mutex_unlock(&lock);
	return answer;
}

/* ---- what arrives without a sync, by chance ---- */

#define SECTOR 512u

static bool coin(void)
{
	scatter_seed ^= scatter_seed << 13;
	scatter_seed ^= scatter_seed >> 7;
	scatter_seed ^= scatter_seed << 17;
	return scatter_seed >> 33 & 1;
}

static void file_grow(struct file *f, uint64_t size)
{
	if (f->size >= size)
		return;
	f->bytes = must(realloc(f->bytes, (size_t)size));
	memset(f->bytes + f->size, 0, (size_t)(size - f->size));
	f->size = size;
}

static void scatter_range(struct file *f, int fd, uint64_t at, uint64_t n)
{
	uint64_t end = at + n, part;

	for (; at < end; at += part) {
		part = SECTOR - at % SECTOR < end - at ? SECTOR - at % SECTOR : end - at;
		if (!coin())
			continue;
		file_grow(f, at + part);
		copy_range(f, fd, at, part);
	}
}

static void scatter_file(int fd)
{
	struct file *f = file_of(fd);
	struct stat st;

	if (fstat(fd, &st))
		abort();
	if (f->whole && f->size > (uint64_t)st.st_size && coin())
		f->size = (uint64_t)st.st_size;
	if (f->whole && coin())
		scatter_range(f, fd, 0, (uint64_t)st.st_size);
	for (unsigned i = 0; i < f->dirty_n; i++)
		scatter_range(f, fd, f->dirty[i].at, f->dirty[i].n);
}

static struct entry *entry_find(const char *path)
{
	for (size_t i = 0; i < entries_n; i++)
		if (!strcmp(entries[i].path, path))
			return &entries[i];
	return NULL;
}

static void scatter_name(const char *path, bool is_dir, struct file *f)
{
	struct entry *e = entry_find(path);

	if ((e && e->file == f) || !coin())
		return;
	if (!e) {
		entries = must(realloc(entries, (entries_n + 1) * sizeof(*entries)));
		e = &entries[entries_n++];
		snprintf(e->path, sizeof(e->path), "%s", path);
	}
	e->is_dir = is_dir;
	e->file = f;
}

/* Files and names below a directory; dir is its path below top. */
static void scatter_tree(const char *dir)
{
	char path[PATH_SIZE], full[2 * PATH_SIZE];
	struct dirent *d;
	struct file *f;
	struct stat st;
	DIR *stream;
	int fd;

	snprintf(full, sizeof(full), "%s/%s", top, dir);
	stream = opendir(full);
	while (stream && (d = readdir(stream))) {
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		if (snprintf(path, sizeof(path), "%s%s%s", dir, *dir ? "/" : "", d->d_name) >= PATH_SIZE)
			abort();
		snprintf(full, sizeof(full), "%s/%s", top, path);
		fd = open(full, O_RDONLY);
		if (fd < 0 || fstat(fd, &st))
			abort();
		f = S_ISDIR(st.st_mode) ? NULL : file_of(fd);
		if (f)
			scatter_file(fd);
		close(fd);
		scatter_name(path, !f, f);
		if (!f)
			scatter_tree(path);
	}
	if (stream)
		closedir(stream);
}

/* Names that were removed and not synced: some are gone. */
static void scatter_removed(void)
{
	char full[2 * PATH_SIZE];
	struct stat st;
	size_t to = 0;

	for (size_t i = 0; i < entries_n; i++) {
		snprintf(full, sizeof(full), "%s/%s", top, entries[i].path);
		if (!stat(full, &st) || entries[i].is_dir || !coin())
			entries[to++] = entries[i];
	}
	entries_n = to;
}

static void remove_tree(const char *path, bool itself)
{
	char full[2 * PATH_SIZE];
	struct dirent *d;
	DIR *stream = opendir(path);

	while (stream && (d = readdir(stream))) {
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		snprintf(full, sizeof(full), "%s/%s", path, d->d_name);
		if (unlink(full) && (errno == EISDIR || errno == EPERM))
			remove_tree(full, true);
	}
	if (stream)
		closedir(stream);
	if (itself)
		rmdir(path);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

void io_fault_restore(void)
{
	char full[2 * PATH_SIZE];
	int fd;

	pthread_mutex_lock(&lock);
	if (scatter_seed) {
		scatter_removed();
		scatter_tree("");
	}
	remove_tree(top, false);
	if (entries_n)
		qsort(entries, entries_n, sizeof(*entries), by_path);
	for (size_t i = 0; i < entries_n; i++) {
		snprintf(full, sizeof(full), "%s/%s", top, entries[i].path);
		if (entries[i].is_dir) {
			mkdir(full, 0700);
			continue;
		}
		/* A name whose directory is not durable is not there. */
		fd = open(full, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		if (fd < 0)
			continue;
		if (entries[i].file && entries[i].file->size &&
			pwrite(fd, entries[i].file->bytes, entries[i].file->size, 0) < 0)
			abort();
		close(fd);
	}
	forget();
	pthread_mutex_unlock(&lock);
}

void io_fault_end(void)
{
	pthread_mutex_lock(&lock);
	forget();
	pthread_mutex_unlock(&lock);
}

/* ---- a disk of some size ---- */

static uint64_t bytes_in(const char *path)
{
	char full[2 * PATH_SIZE];
	struct dirent *d;
	struct stat st;
	uint64_t n = 0;
	DIR *stream = opendir(path);

	while (stream && (d = readdir(stream))) {
		snprintf(full, sizeof(full), "%s/%s", path, d->d_name);
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, "..") || stat(full, &st))
			continue;
		n += S_ISDIR(st.st_mode) ? bytes_in(full) : (uint64_t)st.st_size;
	}
	if (stream)
		closedir(stream);
	return n;
}

static uint64_t free_bytes(void)
{
	uint64_t used;

	if (!disk)
		return UINT64_MAX / 4;
	used = bytes_in(top) + others;
	return used < disk ? disk - used : 0;
}

uint64_t io_fault_free(void)
{
	uint64_t n;

	pthread_mutex_lock(&lock);
	n = free_bytes();
	pthread_mutex_unlock(&lock);
	return n;
}

/* May the file become so long?  0 / -1 ENOSPC. */
static int room_for(int fd, uint64_t size)
{
	struct stat st;

	if (!disk || fstat(fd, &st) || (uint64_t)st.st_size >= size ||
		size - (uint64_t)st.st_size <= free_bytes())
		return 0;
	errno = ENOSPC;
	return -1;
}

/* ---- the calls ---- */

/* Counts; -1 with errno if this call fails.  The lock is held from here to leave(). */
static int enter(void)
{
	pthread_mutex_lock(&lock);
	calls++;
	if (cut_at && calls >= cut_at)
		cut = true;
	if (cut) {
		errno = EIO;
		return -1;
	}
	if (fail_at && (calls == fail_at || (fail_all && calls > fail_at))) {
		fail_at += fail_step;
		errno = fail_error;
		return -1;
	}
	return 0;
}

/* What Linux does after a failed write-back: the pages are clean, the disk never gets them, and the
 * next sync has nothing to complain about. */
static void forget_dirty(int fd)
{
	struct file *f = file_of(fd);

	f->dirty_n = 0;
	f->whole = false;
}

static int leave(int answer)
{
	int error = errno;

	pthread_mutex_unlock(&lock);
	errno = error;
	return answer;
}

int io_open(int dirfd, const char *name, int flags, mode_t mode)
{
	int fd;

	if (enter())
		return leave(-1);
	if ((flags & O_ACCMODE) == O_WRONLY)
		flags ^= O_WRONLY ^ O_RDWR; /* a sync reads it back */
	fd = openat(dirfd, name, flags | O_CLOEXEC, mode);
	if (watching && fd >= 0 && flags & O_TRUNC)
		file_of(fd)->whole = true;
	return leave(fd);
}

int io_mkdir(int dirfd, const char *name, mode_t mode)
{
	return leave(enter() ? -1 : mkdirat(dirfd, name, mode));
}

int io_pwritev(int fd, struct iovec *iov, unsigned n, uint64_t offset)
{
	bool was_cut = cut;
	int answer = enter();
	uint64_t total = 0;

	/* The write the cut interrupts reaches the page cache; a torn one reaches the disk in part. */
	if (answer && (!cut || was_cut))
		return leave(-1);
	for (unsigned i = 0; i < n; i++)
		total += iov[i].iov_len;
	if (room_for(fd, offset + total))
		return leave(-1);
	for (unsigned i = 0; i < n; i++) {
		const char *p = iov[i].iov_base;
		size_t left = iov[i].iov_len;
		ssize_t done;

		for (; left; left -= (size_t)done, p += done, offset += (uint64_t)done) {
			done = pwrite(fd, p, left, (off_t)offset);
			if (done < 0)
				return leave(-1);
			if (watching)
				file_written(fd, offset, (uint64_t)done);
		}
	}
	if (answer && torn)
		tear(fd);
	errno = EIO;
	return leave(answer);
}

int io_pwrite(int fd, const void *p, size_t n, uint64_t offset)
{
	struct iovec iov = {(void *)(uintptr_t)p, n};

	return io_pwritev(fd, &iov, 1, offset);
}

static int sync_any(int fd)
{
	bool was_cut = cut;
	struct stat st;

	if (enter()) {
		if (cut && !was_cut && torn)
			tear(fd);
		if (!cut)
			forget_dirty(fd);
		errno = cut ? EIO : fail_error;
		return leave(-1);
	}
	syncs++;
	if (!watching || fstat(fd, &st))
		return leave(0);
	if (S_ISDIR(st.st_mode))
		dir_synced(fd);
	else
		file_synced(fd);
	return leave(0);
}

int io_fdatasync(int fd)
{
	return sync_any(fd);
}

int io_fsync(int fd)
{
	return sync_any(fd);
}

int io_rename(int dirfd, const char *from, const char *to)
{
	int answer = enter() ? -1 : renameat(dirfd, from, dirfd, to);

	if (!answer && ++renames == kill_rename)
		cut_at = calls + 1;
	if (!answer && renames == fail_rename)
		fail_at = calls + 1;
	return leave(answer);
}

int io_unlink(int dirfd, const char *name)
{
	return leave(enter() ? -1 : unlinkat(dirfd, name, 0));
}

int io_ftruncate(int fd, uint64_t size)
{
	if (enter())
		return leave(-1);
	if (watching)
		file_of(fd)->whole = true;
	return leave(ftruncate(fd, (off_t)size));
}

/* What is dirty is written first, and may still be lost with the power; what a failed sync dropped is
 * not there. */
ssize_t io_pread_disk(int fd, void *p, size_t n, uint64_t offset)
{
	ssize_t got = pread(fd, p, n, (off_t)offset);
	uint64_t end = offset + (got > 0 ? (uint64_t)got : 0), at, to;
	struct file *f;

	if (!watching || got < 0)
		return got;
	pthread_mutex_lock(&lock);
	f = file_of(fd);
	if (!f->whole)
		for (at = offset; at < end; at++)
			((char *)p)[at - offset] = at < f->size ? f->bytes[at] : 0;
	for (unsigned i = 0; !f->whole && i < f->dirty_n; i++) {
		at = f->dirty[i].at > offset ? f->dirty[i].at : offset;
		to = f->dirty[i].at + f->dirty[i].n < end ? f->dirty[i].at + f->dirty[i].n : end;
		if (at < to && pread(fd, (char *)p + (at - offset), to - at, (off_t)at) < 0)
			abort();
	}
	pthread_mutex_unlock(&lock);
	return got;
}

/* What was written is read back to know what a sync makes durable: through the page cache. */
int io_direct(int fd, bool on)
{
	(void)fd, (void)on;
	errno = EINVAL;
	return -1;
}

uint64_t io_space(int fd, uint64_t *total_r)
{
	(void)fd;
	if (total_r)
		*total_r = disk ? disk : UINT64_MAX / 4;
	return io_fault_free();
}

int io_fallocate(int fd, uint64_t size)
{
	if (enter() || room_for(fd, size))
		return leave(-1);
	if (watching)
		file_of(fd)->whole = true;
	return leave(ftruncate(fd, (off_t)size));
}
