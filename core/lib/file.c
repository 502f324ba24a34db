/* SPDX-License-Identifier: 0BSD */
#include "core/lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h> /* renameat */
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/log.h"

#define NAME_MAX_BYTES 4096

static void close_keep_errno(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
}

int file_read_fd(int fd, size_t max, struct buf *out)
{
	size_t total = 0;

	for (;;) {
		size_t want = max - total < 65536 ? max - total + 1 : 65536;
		char *to = buf_reserve(out, want);
		ssize_t n;

		if (!to) {
			errno = ENOMEM;
			return -1;
		}
		n = read(fd, to, want);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -1 : 0;
		total += (size_t)n;
		if (total > max) {
			errno = EFBIG;
			return -1;
		}
		buf_commit(out, (size_t)n);
	}
}

int file_read(int dirfd, const char *name, size_t max, struct buf *out)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY), rc;

	if (fd < 0)
		return -1;
	rc = file_read_fd(fd, max, out);
	close_keep_errno(fd);
	return rc;
}

int file_write_all(int fd, struct str s)
{
	while (s.len) {
		ssize_t n = write(fd, s.p, s.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		s.p += n;
		s.len -= (size_t)n;
	}
	return 0;
}

/* The directory part of name must be synced for the rename to survive a power cut. */
static int sync_directory_of(int dirfd, const char *name)
{
	char path[NAME_MAX_BYTES];
	const char *slash = strrchr(name, '/');
	size_t n = slash ? (size_t)(slash - name) : 0;
	int fd, rc;

	memcpy(path, slash ? name : ".", slash ? n : 1);
	path[slash ? n : 1] = '\0';
	if (slash == name)
		memcpy(path, "/", 2);
	fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	rc = fsync(fd);
	close_keep_errno(fd);
	return rc;
}

/* Asks for a change only where there is one: an ordinary user may own the file already. */
static int give_to(int fd, uid_t uid, gid_t gid)
{
	struct stat st;

	if (fstat(fd, &st))
		return -1;
	if (uid == st.st_uid)
		uid = (uid_t)-1;
	if (gid == st.st_gid)
		gid = (gid_t)-1;
	return uid == (uid_t)-1 && gid == (gid_t)-1 ? 0 : fchown(fd, uid, gid);
}

int file_replace(int dirfd, const char *name, mode_t mode, struct str content)
{
	return file_replace_as(dirfd, name, mode, (uid_t)-1, (gid_t)-1, content);
}

int file_replace_as(int dirfd, const char *name, mode_t mode, uid_t uid, gid_t gid,
	struct str content)
{
	char tmp[NAME_MAX_BYTES];
	size_t n = strlen(name);
	int fd, saved;

	if (n + sizeof(".tmp") > sizeof(tmp)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(tmp, name, n);
	memcpy(tmp + n, ".tmp", sizeof(".tmp"));
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return -1;
	/* A file left by a crash keeps its old mode, and the umask may have taken bits. */
	if (give_to(fd, uid, gid) || fchmod(fd, mode) || file_write_all(fd, content) || fsync(fd)) {
		close_keep_errno(fd);
		goto remove_tmp;
	}
	if (close(fd))
		goto remove_tmp;
	if (renameat(dirfd, tmp, dirfd, name))
		goto remove_tmp;
	return sync_directory_of(dirfd, name);

remove_tmp:
	saved = errno;
	unlinkat(dirfd, tmp, 0);
	errno = saved;
	return -1;
}

void file_random(void *p, size_t n)
{
	char *to = p;

	while (n) {
		ssize_t got = getrandom(to, n < 256 ? n : 256, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			die("the kernel gives no random bytes", NULL);
		to += got;
		n -= (size_t)got;
	}
}
