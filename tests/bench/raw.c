/* SPDX-License-Identifier: 0BSD */
/*
 * What the disk itself can do: append 4 KiB GROUP times to a preallocated, zero-written file, call
 * fdatasync, again and again.   raw DIR GROUP SECONDS   prints one line of JSON.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 4096, FILE_BYTES = 64 << 20, TMPFS = 0x01021994 };

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fatal(const char *what)
{
	perror(what);
	exit(1);
}

static int file_new(const char *dir)
{
	char name[4096];
	static char zero[1 << 20];
	snprintf(name, sizeof(name), "%s/raw.XXXXXX", dir);
	int fd = mkstemp(name);
	if (fd < 0)
		fatal(name);
	unlink(name);
	for (int i = 0; i < FILE_BYTES / (int)sizeof(zero); i++)
		if (write(fd, zero, sizeof(zero)) != (ssize_t)sizeof(zero))
			fatal("write");
	if (fsync(fd))
		fatal("fsync");
	return fd;
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: raw DIR GROUP SECONDS\n");
		return 2;
	}
	struct statfs fs;
	if (statfs(argv[1], &fs))
		fatal(argv[1]);
	if (fs.f_type == TMPFS) {
		fprintf(stderr, "%s: a tmpfs says nothing about a disk\n", argv[1]);
		return 1;
	}
	size_t group = (size_t)atoi(argv[2]) * BLOCK;
	char *data = malloc(group);
	if (!data)
		fatal("malloc");
	memset(data, 'x', group);
	int fd = file_new(argv[1]);
	double from = now(), until = from + atof(argv[3]);
	uint64_t blocks = 0, syncs = 0;
	off_t at = 0;
	while (now() < until) {
		if (at + (off_t)group > FILE_BYTES)
			at = 0;
		if (pwrite(fd, data, group, at) != (ssize_t)group || fdatasync(fd))
			fatal("append");
		at += (off_t)group;
		blocks += group / BLOCK;
		syncs++;
	}
	double took = now() - from;
	printf("{\"group\": %s, \"blocks_per_second\": %.0f, \"syncs_per_second\": %.0f}\n", argv[2],
		(double)blocks / took, (double)syncs / took);
	return 0;
}
