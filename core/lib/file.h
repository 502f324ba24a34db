/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_LIB_FILE_H
#define CORE_LIB_FILE_H

/* Small helpers over descriptors for files that are not the store (users.cdb, settings). */

#include <stdint.h>
#include <sys/types.h>

#include "core/lib/buf.h"

/* Reads a whole file of at most max bytes.  dirfd as in openat().  0 / -1 + errno (EFBIG). */
int file_read(int dirfd, const char *name, size_t max, struct buf *out);
/* The same from where an open file stands; fd stays the caller's. */
int file_read_fd(int fd, size_t max, struct buf *out);
/* Writes NAME.tmp, syncs it, renames it over NAME, syncs the directory.  0 / -1 + errno; on failure
 * the old file stands untouched. */
int file_replace(int dirfd, const char *name, mode_t mode, struct str content);
/* The same for a file that belongs to uid and gid ((uid_t)-1, (gid_t)-1: whoever calls). */
int file_replace_as(int dirfd, const char *name, mode_t mode, uid_t uid, gid_t gid,
	struct str content);
/* write() all, restarting.  0 / -1. */
int file_write_all(int fd, struct str s);
/* Random bytes from the kernel; never fails after boot (dies otherwise). */
void file_random(void *p, size_t n);

#endif
