/* SPDX-License-Identifier: 0BSD */
/* What is read from user files: names, secrets, lines of an import, and whole users.cdb files. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/auth/user_file.h"
#include "core/auth/user_import.h"
#include "core/auth/users.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool holds)
{
	if (!holds)
		abort();
}

/* What is taken for a secret is written again as one, and read back the same. */
static void try_secret(struct str s)
{
	struct user_secret first, again;
	struct buf text = {0};

	if (user_secret_parse(s, &first))
		return;
	need(first.iterations >= USER_ITERATIONS_MIN && first.iterations <= USER_ITERATIONS_MAX);
	need(first.salt_len >= 1 && first.salt_len <= USER_SALT_MAX);
	need(!user_secret_format(&first, &text) && text.len <= USER_SECRET_TEXT_MAX);
	need(!user_secret_parse(buf_str(&text), &again));
	need(again.iterations == first.iterations && again.salt_len == first.salt_len);
	buf_free(&text);
}

/* Cleaning a clean name changes nothing. */
static void try_name(struct str s)
{
	struct buf once = {0}, twice = {0};

	if (!user_name_clean(s, &once)) {
		need(!user_name_clean(buf_str(&once), &twice));
		need(str_eq(buf_str(&once), buf_str(&twice)));
	}
	buf_free(&once);
	buf_free(&twice);
}

static void try_import(struct str s)
{
	struct user_lines lines = {0};
	struct buf errors = {0};
	int rc = user_import_parse(&lines, "f", s, &errors);

	need(rc ? errors.len > 0 : errors.len == 0);
	for (size_t i = 0; !rc && i < lines.n; i++)
		need(lines.v[i].name.len && lines.v[i].password.len);
	user_import_free(&lines);
	buf_free(&errors);
}

/* The checksum is made right, so that what lies behind it is reached. */
static void try_file(struct str s)
{
	char path[32] = "/proc/self/fd/";
	struct user_file f = {.dirfd = AT_FDCWD, .name = path, .kind = STR("users")};
	struct str name, value;
	struct buf content = {0}, number = {0};
	unsigned pos = 0;
	int fd = memfd_create("users", MFD_CLOEXEC);

	need(fd >= 0);
	buf_addstr(&content, s);
	user_file_seal(&content, f.kind);
	need(write(fd, buf_str(&content).p, content.len) == (ssize_t)content.len);
	buf_addu(&number, (unsigned)fd);
	for (size_t i = 0; i < number.len; i++)
		path[14 + i] = buf_str(&number).p[i];
	if (user_file_refresh(&f) == 1) {
		(void)user_file_find(&f, STR("alice"), &value);
		for (int i = 0; i < 1000 && user_file_next(&f, &pos, &name, &value) == 1; i++)
			try_secret(value);
	}
	user_file_close(&f);
	close(fd);
	buf_free(&content);
	buf_free(&number);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = {(const char *)data + 1, size - 1};

	if (!size)
		return 0;
	switch (data[0] % 4) {
	case 0:
		try_secret(s);
		break;
	case 1:
		try_name(s);
		break;
	case 2:
		try_import(s);
		break;
	default:
		try_file(s);
	}
	return 0;
}
