/* SPDX-License-Identifier: 0BSD */
/*
 * A generation with a good tail over bytes of the fuzzer's choice: page checksums are made to match,
 * so that the reader has to survive any TinyCDB at all.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/lib/crc32c.h"
#include "core/store/generation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int count(void *arg, uint16_t space, struct str key, const struct generation_value *v,
	struct str value)
{
	(void)space, (void)key, (void)v, (void)value;
	return ++*(unsigned *)arg == 1000;
}

static void whole_file(struct buf *b, const struct format_key *k, const uint8_t *data, size_t size)
{
	size_t at, tail;

	for (at = 0; at < size; at += GENERATION_PAGE)
		buf_put32(b, crc32c(0, data + at, size - at < GENERATION_PAGE ? size - at : GENERATION_PAGE));
	tail = b->len;
	buf_add(b, "SATTABLE", 8);
	buf_put16(b, FORMAT_VERSION);
	buf_put16(b, GENERATION_KEPT);
	buf_put32(b, 0);
	buf_add(b, k->salt, SALT_SIZE);
	buf_put64(b, size);
	buf_put64(b, 1);
	buf_put64(b, 1);
	buf_put32(b, crc32c(k->seed, b->data + b->off, tail));
	buf_put32(b, crc32c(k->seed, b->data + b->off + tail, GENERATION_TAIL - 4));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int dir = -1;
	static struct format_key key;
	static char path[64] = "/tmp/satchel-fuzz-generation-XXXXXX";
	struct generation_value v;
	struct generation *g;
	struct buf b = {0}, error = {0}, out = {0};
	char name[GENERATION_NAME_SIZE];
	unsigned n = 0;
	int fd;

	if (dir < 0) {
		if (!mkdtemp(path) || (dir = open(path, O_RDONLY | O_DIRECTORY)) < 0)
			abort();
		format_key_set(&key, (const unsigned char *)"0123456789abcdef");
	}
	generation_name(name, 1, GENERATION_KEPT);
	fd = openat(dir, name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	whole_file(&b, &key, data, size);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size ||
		write(fd, b.data + b.off, b.len) != (ssize_t)b.len)
		abort();
	close(fd);
	g = generation_open(dir, 1, GENERATION_KEPT, &key, &error);
	if (g) {
		generation_each(g, count, &n);
		generation_find(g, 7, STR("one"), &v, &out);
		generation_find(g, 7, STR(""), &v, &out);
		generation_find(g, 7, STR("three"), &v, NULL);
	}
	generation_free(&g);
	unlinkat(dir, name, 0);
	buf_free(&b);
	buf_free(&error);
	buf_free(&out);
	return 0;
}
