/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_STORE_IO_H
#define CORE_STORE_IO_H

/*
 * Every change the store makes to a disk goes through these functions, so that tests can put a
 * fault layer in their place (a failing Nth call, a power cut).  They behave as the system calls of
 * the same name: -1 + errno; EINTR is retried.  A quota that is used up (EDQUOT) is a full disk: ENOSPC.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* What a file system reads to have a part of it written, unless it is cached: aligned writes of so
 * many bytes never wait for a read. */
#define IO_BLOCK 4096u

/* Opens for writing or creates; plain reads use open(2) itself. */
int io_open(int dirfd, const char *name, int flags, mode_t mode);
int io_mkdir(int dirfd, const char *name, mode_t mode);
/* Writes everything (several calls if need be); *iov is used up on the way.  0 / -1. */
int io_pwritev(int fd, struct iovec *iov, unsigned n, uint64_t offset);
int io_pwrite(int fd, const void *p, size_t n, uint64_t offset);
int io_fdatasync(int fd);
int io_fsync(int fd);
int io_rename(int dirfd, const char *from, const char *to);
int io_unlink(int dirfd, const char *name);
int io_ftruncate(int fd, uint64_t size);
/* Lets writes pass the page cache by, or no longer: they come from memory aligned to IO_BLOCK and are
 * of such size and place.  -1 + errno: this file system cannot. */
int io_direct(int fd, bool on);
/* What the disk holds, whatever the page cache says: p, n and offset aligned to IO_BLOCK.  Bytes read,
 * fewer only at the end of the file; -1 + errno, EINVAL: this file system cannot. */
ssize_t io_pread_disk(int fd, void *p, size_t n, uint64_t offset);
/* Reserves disk blocks for [0, size) and sets the size.  On failure it may have some of them. */
int io_fallocate(int fd, uint64_t size);
/* Free bytes of the disk that fd is on, 0 if it can have no more files; total_r (may be NULL) gets its
 * size.  UINT64_MAX: it does not say. */
uint64_t io_space(int fd, uint64_t *total_r);

#endif
