/* SPDX-License-Identifier: 0BSD */
/* Every byte of the messages that have files of their own. */
#include "features/store/fsck/fsck.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/store/large.h"

struct names {
	char (*v)[LARGE_NAME_SIZE];
	size_t n, cap;
};

static int list(int dirfd, struct names *names)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), answer = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	size_t n;

	if (!d)
		return -1;
	while (!answer && (e = readdir(d))) {
		n = strlen(e->d_name);
		if (e->d_name[0] == '.' || n >= LARGE_NAME_SIZE)
			continue;
		answer = vec_grow(&names->v, &names->cap, names->n + 1, sizeof(*names->v));
		if (!answer)
			memcpy(names->v[names->n++], e->d_name, n + 1);
	}
	closedir(d);
	return answer;
}

static int look_at(struct fsck *f, struct store *state, const char *name)
{
	char path[8 + LARGE_NAME_SIZE] = "large/";
	uint64_t id = 0, size = 0, offset;
	const struct blob *b = NULL;
	struct fsck_bad bad;
	int good;

	memcpy(path + 6, name, strlen(name) + 1);
	if (large_name_read(name, &id))
		b = blob_find(state, id);
	if (!b || b->kind != BLOB_LARGE) {
		fsck_report(f, FSCK_ORPHAN, path, 0, "no message refers to it");
		return 0;
	}
	f->blobs++;
	bad = (struct fsck_bad){id, b->segment ? b->segment->first : 0, b->offset};
	good = large_verify(state->largefd, &f->key, id, &size, &offset);
	if (good == 1 && size == b->body_len)
		return 0;
	if (good < 0 && errno == ENOTSUP)
		fsck_report(f, FSCK_NEWER, path, 0, "written by a newer version");
	else if (good < 0)
		fsck_report(f, FSCK_LARGE, path, 0, strerror(errno));
	else
		fsck_report(f, FSCK_LARGE, path, offset, good ? "not as long as its record says" :
			offset ? "bytes do not match their checksum" : "the header is damaged");
	return vec_push(&f->bad, bad);
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int fsck_large(struct fsck *f, struct store *state)
{
	struct names names = {0};
	int answer = state->largefd < 0 ? 0 : list(state->largefd, &names);

	for (size_t i = 0; !answer && i < names.n; i++) {
		fsck_progress(f, "large", i, names.n);
		answer = look_at(f, state, names.v[i]);
	}
	if (f->bad.n)
		qsort(f->bad.v, f->bad.n, sizeof(*f->bad.v), by_number);
	free(names.v);
	return answer;
}
