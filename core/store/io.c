/* SPDX-License-Identifier: 0BSD */
#include "core/store/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define IOV_ONCE 1024 /* IOV_MAX of Linux */

static int answered(int answer)
{
	if (answer < 0 && errno == EDQUOT)
		errno = ENOSPC;
	return answer;
}

int io_open(int dirfd, const char *name, int flags, mode_t mode)
{
	return answered(openat(dirfd, name, flags | O_CLOEXEC, mode));
}

int io_mkdir(int dirfd, const char *name, mode_t mode)
{
	return answered(mkdirat(dirfd, name, mode));
}

/* Drops `done` bytes from the front of the vector. */
static void iov_advance(struct iovec **iov, unsigned *n, size_t done)
{
	while (*n && done >= (*iov)->iov_len) {
		done -= (*iov)->iov_len;
		++*iov;
		--*n;
	}
	if (*n) {
		(*iov)->iov_base = (char *)(*iov)->iov_base + done;
		(*iov)->iov_len -= done;
	}
}

int io_pwritev(int fd, struct iovec *iov, unsigned n, uint64_t offset)
{
	ssize_t done;

	for (iov_advance(&iov, &n, 0); n; iov_advance(&iov, &n, (size_t)done)) {
		done = pwritev(fd, iov, (int)(n < IOV_ONCE ? n : IOV_ONCE), (off_t)offset);
		if (done < 0 && errno == EINTR)
			done = 0;
		if (done < 0)
			return answered(-1);
		offset += (uint64_t)done;
	}
	return 0;
}

int io_pwrite(int fd, const void *p, size_t n, uint64_t offset)
{
	struct iovec iov = {(void *)(uintptr_t)p, n};

	return io_pwritev(fd, &iov, 1, offset);
}

int io_fdatasync(int fd)
{
	return answered(fdatasync(fd));
}

int io_fsync(int fd)
{
	return answered(fsync(fd));
}

int io_rename(int dirfd, const char *from, const char *to)
{
	return answered(renameat(dirfd, from, dirfd, to));
}

int io_unlink(int dirfd, const char *name)
{
	return unlinkat(dirfd, name, 0);
}

int io_ftruncate(int fd, uint64_t size)
{
	return ftruncate(fd, (off_t)size);
}

int io_direct(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -1;
	return fcntl(fd, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT);
}

ssize_t io_pread_disk(int fd, void *p, size_t n, uint64_t offset)
{
	ssize_t got;
	int error;

	if (io_direct(fd, true))
		return -1;
	do
		got = pread(fd, p, n, (off_t)offset);
	while (got < 0 && errno == EINTR);
	error = errno;
	io_direct(fd, false);
	errno = error;
	return got;
}

int io_fallocate(int fd, uint64_t size)
{
	int error = posix_fallocate(fd, 0, (off_t)size);

	if (!error)
		return 0;
	errno = error;
	return answered(-1);
}

uint64_t io_space(int fd, uint64_t *total_r)
{
	struct statvfs v;

	if (fstatvfs(fd, &v))
		return UINT64_MAX;
	if (total_r)
		*total_r = (uint64_t)v.f_blocks * v.f_frsize;
	if (v.f_files && !v.f_favail)
		return 0;
	return (uint64_t)v.f_bavail * v.f_frsize;
}
