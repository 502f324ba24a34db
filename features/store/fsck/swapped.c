/* SPDX-License-Identifier: 0BSD */
/*
 * Segments under names that are not their own.  They get them back in two steps, through names that
 * neither a start nor compaction knows, so that none is written over; a run that was interrupted
 * is ended by the next.
 */
#include "features/store/fsck/fsck.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/store/io.h"

#define ASIDE ".swap"
#define NAME_SIZE (SEGMENT_NAME_SIZE + sizeof(ASIDE))

static void aside_name(char name[NAME_SIZE], uint64_t first)
{
	segment_name(name, first);
	strcat(name, ASIDE);
}

static int look(struct fsck *f, uint64_t named)
{
	char name[8 + SEGMENT_NAME_SIZE] = "log/", other[SEGMENT_NAME_SIZE];
	struct scan_source src;
	struct buf text = {0};
	struct stat st;
	uint64_t first;
	int right = -1;

	segment_name(name + 4, named);
	src.fd = openat(f->logfd, name + 4, O_RDONLY | O_CLOEXEC);
	if (src.fd < 0)
		return -1;
	if (!fstat(src.fd, &st)) {
		src.size = (uint64_t)st.st_size;
		right = scan_segment_name(&src, &f->key, named, &first);
	}
	close(src.fd);
	if (right)
		return 0; /* a newer version, or one that cannot be read, is reported with its batches */
	segment_name(other, first);
	buf_addv(&text, "holds the segment ", other, NULL);
	buf_addc(&text, 0);
	if (!text.failed)
		fsck_report(f, FSCK_SWAPPED, name, 0, text.data + text.off);
	buf_free(&text);
	return vec_push(&f->swapped, ((struct fsck_name){named, first}));
}

/* Files that an interrupted run put aside. */
static int end_earlier(struct fsck *f)
{
	int fd = openat(f->logfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	char name[SEGMENT_NAME_SIZE];
	struct dirent *e;
	uint64_t first;

	while (dir && (e = readdir(dir))) {
		if (strlen(e->d_name) != NAME_SIZE - 2 || strcmp(e->d_name + SEGMENT_NAME_SIZE - 1, ASIDE))
			continue;
		memcpy(name, e->d_name, SEGMENT_NAME_SIZE - 1);
		name[SEGMENT_NAME_SIZE - 1] = 0;
		if (!segment_name_read(name, &first))
			continue;
		fsck_report(f, FSCK_SWAPPED, e->d_name, 0, "an earlier repair was interrupted");
		if (vec_push(&f->swapped, ((struct fsck_name){first, first})))
			break;
	}
	if (dir)
		closedir(dir);
	return dir ? 0 : -1;
}

int fsck_names(struct fsck *f)
{
	struct fsck list = {.dirfd = f->dirfd, .logfd = f->logfd};
	int answer = fsck_list(&list);

	for (size_t i = 0; !answer && i < list.segments.n; i++)
		answer = look(f, list.segments.v[i]);
	free(list.segments.v);
	return answer ? -1 : end_earlier(f);
}

int fsck_rename(struct fsck *f)
{
	char name[SEGMENT_NAME_SIZE], aside[NAME_SIZE];
	const struct fsck_name *n;

	for (size_t i = 0; i < f->swapped.n; i++) {
		n = &f->swapped.v[i];
		segment_name(name, n->named);
		aside_name(aside, n->right);
		if (n->named != n->right && io_rename(f->logfd, name, aside))
			return -1;
	}
	if (io_fsync(f->logfd))
		return -1;
	for (size_t i = 0; i < f->swapped.n; i++) {
		segment_name(name, f->swapped.v[i].right);
		aside_name(aside, f->swapped.v[i].right);
		errno = EEXIST; /* two files say that they are the same one: somebody must look */
		if (!faccessat(f->logfd, name, F_OK, 0) || io_rename(f->logfd, aside, name))
			return -1;
	}
	return io_fsync(f->logfd);
}
