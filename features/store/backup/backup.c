/* SPDX-License-Identifier: 0BSD */
/*
 * Backup beside a running server.  Files of a checkpoint and sealed segments are never changed and
 * only removed after `checkpoint` was replaced: if it is the same before and after, the copy is whole.
 * The last segment is copied as far as its batches go at that moment; what follows would be a torn
 * tail at best, and a hole in the log at worst.
 */
#include "features/store/backup/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/file.h"
#include "core/store/io.h"
#include "core/store/scan.h"
#include "core/store/state.h"

#define TRIES 50

/* Taken backwards.  The log must reach as far as the files of the checkpoint, and files of large messages
 * must reach as far as the log. */
static const char *const folders[] = {"large", "log", "idx", "kv", "map"};
enum { LOG = 1 };
static const char *const singles[] = {"users.cdb", "accounts.cdb", "aliases.cdb", "spool"};

#define FOLDERS (sizeof(folders) / sizeof(folders[0]))
#define SINGLES (sizeof(singles) / sizeof(singles[0]))

struct names {
	char (*v)[64];
	size_t n, cap;
};

struct backup {
	int from, to;
	struct format_key key;
	struct names names[FOLDERS];
	struct backup_figures figures;
	bool link; /* may files be shared by hard links? */
};

static int open_folder(int dir, const char *name)
{
	return openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* ---- files ---- */

/* Copies n bytes under a name of its own, syncs and renames.  0 / -1 + errno. */
static int copy_bytes(int fd, const struct stat *st, uint64_t n, int to, const char *name)
{
	struct scan_source src = {.fd = fd, .size = n};
	int copy, answer = scan_copy(&src, 0, n, to, "copy.tmp");

	if (answer)
		return -1;
	copy = openat(to, "copy.tmp", O_WRONLY | O_CLOEXEC);
	if (copy >= 0) {
		/* Only root may give files away; for all others they are their own already. */
		if (!fchown(copy, st->st_uid, st->st_gid))
			answer = fchmod(copy, st->st_mode & 07777);
		close(copy);
	}
	return answer || io_rename(to, "copy.tmp", name) ? -1 : 0;
}

/* end: copy only so much of it; 0 = all, which may be linked. */
static int take_file(struct backup *b, int from, int to, const char *name, uint64_t end)
{
	struct stat st, have;
	int fd = openat(from, name, O_RDONLY | O_CLOEXEC), answer = -1;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st))
		goto close_fd;
	answer = 0;
	if (!end && !fstatat(to, name, &have, 0) && have.st_size == st.st_size) {
		b->figures.kept++; /* names are not used twice, and what is complete never changes */
		goto close_fd;
	}
	if (!end && b->link && (!unlinkat(to, name, 0) || errno == ENOENT) && !linkat(from, name, to, name, 0)) {
		b->figures.linked++;
		goto close_fd;
	}
	answer = copy_bytes(fd, &st, end ? end : (uint64_t)st.st_size, to, name);
	b->figures.copied++;
close_fd:
	close(fd);
	return answer;
}

/* Where the batches of a segment end now. */
static uint64_t batches_end(const struct backup *b, int dir, const char *name)
{
	struct scan_source src = {.fd = openat(dir, name, O_RDONLY | O_CLOEXEC)};
	uint64_t at = SEGMENT_HEADER_SIZE;
	struct batch_header h;
	struct buf meta = {0};
	struct stat st;

	if (src.fd < 0)
		return at;
	if (!fstat(src.fd, &st)) {
		src.size = (uint64_t)st.st_size;
		while (scan_batch(&src, &b->key, at, &h, &meta) == 1)
			at += batch_size(&h);
	}
	close(src.fd);
	buf_free(&meta);
	return at;
}

/* ---- folders ---- */

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int list(int dir, struct names *names)
{
	int fd = open_folder(dir, "."), answer = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	size_t n;

	names->n = 0;
	if (!d)
		return -1;
	while (!answer && (e = readdir(d))) {
		n = strlen(e->d_name);
		if (e->d_name[0] == '.' || n >= sizeof(*names->v) || strstr(e->d_name, ".tmp"))
			continue;
		answer = vec_grow(&names->v, &names->cap, names->n + 1, sizeof(*names->v));
		if (!answer)
			memcpy(names->v[names->n++], e->d_name, n + 1);
	}
	closedir(d);
	if (names->n)
		qsort(names->v, names->n, sizeof(*names->v), by_name);
	return answer;
}

static int take_names(struct backup *b, size_t i, int from, int to)
{
	struct names *names = &b->names[i];
	int answer = list(from, names);
	bool last;

	for (size_t k = 0; !answer && k < names->n; k++) {
		last = i == LOG && k + 1 == names->n;
		answer = take_file(b, from, to, names->v[k], last ? batches_end(b, from, names->v[k]) : 0);
	}
	return answer || fsync(to) ? -1 : 0;
}

static int take_folder(struct backup *b, size_t i)
{
	int from = open_folder(b->from, folders[i]), to, answer = -1;

	b->names[i].n = 0;
	if (from < 0)
		return errno == ENOENT ? 0 : -1;
	if (mkdirat(b->to, folders[i], 0700) && errno != EEXIST)
		goto close_from;
	to = open_folder(b->to, folders[i]);
	if (to < 0)
		goto close_from;
	answer = take_names(b, i, from, to);
	close(to);
close_from:
	close(from);
	return answer;
}

/* Removes from the backup what the spool no longer has. */
static void forget_folder(struct backup *b, size_t i)
{
	int to = open_folder(b->to, folders[i]);
	struct names had = {0}, *now = &b->names[i];

	if (to < 0)
		return;
	if (!list(to, &had))
		for (size_t k = 0; k < had.n; k++)
			if (!now->n || !bsearch(had.v[k], now->v, now->n, sizeof(*now->v), by_name))
				unlinkat(to, had.v[k], 0);
	close(to);
	free(had.v);
}

/* ---- the whole ---- */

static int read_key(struct backup *b)
{
	struct buf text = {0};
	uint16_t version;
	int good = 0;

	if (!file_read(b->from, "spool", 4096, &text))
		good = spool_read(buf_str(&text), &b->key, &version);
	buf_free(&text);
	return good == 1 ? 0 : -1;
}

static int read_checkpoint(const struct backup *b, struct buf *out)
{
	buf_clear(out);
	return file_read(b->from, "checkpoint", 4096, out) && errno != ENOENT ? -1 : 0;
}

/* 1: done; 0: a checkpoint came in between; -1 + errno. */
static int try_once(struct backup *b, struct buf *before, struct buf *after)
{
	if (read_checkpoint(b, before))
		return -1;
	for (size_t i = FOLDERS; i-- > 0;)
		if (take_folder(b, i))
			return errno == ENOENT ? 0 : -1;
	if (read_checkpoint(b, after))
		return -1;
	return str_eq(buf_str(before), buf_str(after));
}

static int take_all(struct backup *b)
{
	struct buf before = {0}, after = {0};
	int done = 0, answer;

	for (int i = 0; i < TRIES && !done; i++)
		done = try_once(b, &before, &after);
	answer = done == 1 ? 0 : -1;
	if (!done)
		errno = EAGAIN;
	for (size_t i = 0; !answer && i < SINGLES; i++) {
		unlinkat(b->to, singles[i], 0);
		if (take_file(b, b->from, b->to, singles[i], 0) && errno != ENOENT)
			answer = -1;
	}
	if (!answer && before.len)
		answer = file_replace(b->to, "checkpoint", 0600, buf_str(&before));
	for (size_t i = 0; !answer && i < FOLDERS; i++)
		forget_folder(b, i);
	if (!answer)
		answer = fsync(b->to);
	buf_free(&before);
	buf_free(&after);
	return answer;
}

int backup_complain(const char *what, const char *which)
{
	struct buf b = {0};

	buf_addv(&b, "satchel: ", what, which, "\n", NULL);
	file_write_all(STDERR_FILENO, buf_str(&b));
	buf_free(&b);
	return 1;
}

int backup_copy(const char *from, const char *to, bool link, struct backup_figures *figures_r)
{
	struct backup b = {.link = link};
	int answer = 1;

	if (mkdir(to, 0700) && errno != EEXIST)
		return backup_complain(to, ": cannot be made");
	b.from = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	b.to = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b.from < 0 || read_key(&b))
		backup_complain(from, ": not a spool that this program can read");
	else if (b.to < 0)
		backup_complain(to, ": cannot be opened");
	else if (take_all(&b))
		backup_complain(errno == EAGAIN ? "checkpoints come faster than files are copied: " :
			"copy: ", strerror(errno));
	else
		answer = 0;
	*figures_r = b.figures;
	for (size_t i = 0; i < FOLDERS; i++)
		free(b.names[i].v);
	if (b.from >= 0)
		close(b.from);
	if (b.to >= 0)
		close(b.to);
	return answer;
}
