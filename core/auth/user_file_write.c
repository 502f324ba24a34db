/* SPDX-License-Identifier: 0BSD */
#include "core/auth/user_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/lib/file.h"

static int read_back(int fd, struct buf *out)
{
	off_t size = lseek(fd, 0, SEEK_END);
	size_t at = 0;
	char *to;

	if (size < 0)
		return -1;
	/* The readers' bound, see user_file.c. */
	if (size > INT32_MAX - 4096) {
		errno = EFBIG;
		return -1;
	}
	to = buf_reserve(out, (size_t)size);
	if (!to) {
		errno = ENOMEM;
		return -1;
	}
	while (at < (size_t)size) {
		ssize_t n = pread(fd, to + at, (size_t)size - at, (off_t)at);

		if (n <= 0)
			return -1;
		at += (size_t)n;
	}
	buf_commit(out, at);
	return 0;
}

int user_file_make_start(struct user_file_maker *w)
{
	/* In memory, because TinyCDB wants a descriptor that can seek. */
	w->fd = memfd_create("satchel-users", MFD_CLOEXEC);
	if (w->fd < 0)
		return -1;
	w->failed = cdb_make_start(&w->make, w->fd) != 0;
	w->started = !w->failed;
	return 0;
}

void user_file_make_add(struct user_file_maker *w, struct str name, struct str value)
{
	if (!w->failed && cdb_make_add(&w->make, name.p, (unsigned)name.len, value.p, (unsigned)value.len))
		w->failed = true;
}

int user_file_make_finish(struct user_file_maker *w, struct str kind, struct buf *out)
{
	int rc;

	if (w->started && cdb_make_finish(&w->make))
		w->failed = true;
	rc = w->failed || read_back(w->fd, out) || user_file_seal(out, kind) ? -1 : 0;
	close(w->fd);
	return rc;
}

int user_file_replace(int dirfd, const char *file, mode_t mode, uid_t uid, gid_t gid, struct str content)
{
	struct stat st;

	if (uid == (uid_t)-1) {
		if (fstatat(dirfd, file, &st, 0) && fstat(dirfd, &st))
			return -1;
		uid = st.st_uid;
		gid = st.st_gid;
	}
	return file_replace_as(dirfd, file, mode, uid, gid, content);
}
