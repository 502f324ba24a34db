/* SPDX-License-Identifier: 0BSD */
/* `satchel quota`: limits of one user, kept among the flags in users.cdb. */
#include "features/store/quota/quota.h"

#include <fcntl.h>
#include <unistd.h>

#include "core/auth/user_edit.h"
#include "core/auth/user_value.h"
#include "core/lib/file.h"

static const char usage[] =
	"usage: satchel [--data DIR] quota NAME [STORAGE [MESSAGES]]\n"
	"STORAGE is a number with K, M or G behind it; 0 is no limit, - what the settings say.\n";

enum { DONE = 0, FAILED = 1, USAGE = 2 };

/* "500M" in KiB, "-" as "".  0 / -1 it is neither. */
static int read_limit(const char *text, bool storage, struct buf *out)
{
	struct cursor c = cursor_from(str_from(text));
	uint64_t n;

	if (cursor_accept(&c, '-'))
		return cursor_done(&c) ? 0 : -1;
	n = cursor_number(&c, storage ? 1u << 30 : UINT32_MAX);
	if (storage && cursor_accept(&c, 'G'))
		n <<= 20;
	else if (storage && cursor_accept(&c, 'M'))
		n <<= 10;
	else if (storage && n && !cursor_accept(&c, 'K'))
		return -1;
	buf_addu(out, n);
	return c.failed || !cursor_done(&c) ? -1 : 0;
}

/* Replaces one word of the flags; limit NULL: it stays. */
static int set(struct buf *value, const char *prefix, const char *limit, struct buf *error)
{
	struct buf number = {0}, fresh = {0}, word = {0};
	int rc = 0;

	if (!limit)
		return 0;
	rc = read_limit(limit, prefix[0] == 's', &number);
	if (rc)
		buf_addv(error, limit, " is no limit", NULL);
	if (!rc && number.len) {
		buf_adds(&word, prefix);
		buf_addstr(&word, buf_str(&number));
	}
	if (!rc && (word.failed || user_value_set_word(buf_str(value), str_from(prefix), buf_str(&word), &fresh))) {
		buf_adds(error, "out of memory");
		rc = -1;
	}
	if (!rc) {
		buf_wipe(value);
		*value = fresh;
		fresh = (struct buf){0};
	}
	buf_wipe(&fresh);
	buf_free(&number);
	buf_free(&word);
	return rc;
}

static void print_one(const char *name, bool given, uint64_t value, struct buf *out)
{
	buf_addv(out, name, " ", NULL);
	if (!given)
		buf_adds(out, "as the settings say");
	else if (value)
		buf_addu(out, value);
	else
		buf_adds(out, "unlimited");
	buf_addc(out, '\n');
}

static int print(struct str value)
{
	uint64_t limit[QUOTA_RESOURCES] = {UINT64_MAX, UINT64_MAX};
	struct buf out = {0};
	int rc;

	quota_limits_parse(user_value_flag_words(value), limit);
	print_one("storage_kib", limit[QUOTA_STORAGE] != UINT64_MAX, limit[QUOTA_STORAGE] / 1024, &out);
	print_one("messages", limit[QUOTA_MESSAGE] != UINT64_MAX, limit[QUOTA_MESSAGE], &out);
	rc = file_write_all(STDOUT_FILENO, buf_str(&out)) ? FAILED : DONE;
	buf_free(&out);
	return rc;
}

static int run(int dirfd, struct str name, int argc, char **argv, struct buf *error)
{
	bool write = argc > 1;
	struct buf value = {0};
	struct user_edit e;
	struct str old;
	int rc = FAILED;

	if (user_edit_begin(&e, dirfd, write, error))
		goto end_edit;
	old = user_edit_get(&e, name);
	if (!old.p) {
		buf_addv(error, "no user is named ", argv[0], NULL);
	} else if (!write) {
		rc = print(old);
	} else if (buf_addstr(&value, old) == 0 && !set(&value, "storage=", argv[1], error) &&
		   !set(&value, "messages=", argc > 2 ? argv[2] : NULL, error) &&
		   !user_edit_replace(&e, name, buf_str(&value))) {
		rc = user_edit_save(&e, error) ? FAILED : DONE;
	}
end_edit:
	user_edit_end(&e);
	buf_wipe(&value);
	return rc;
}

static int quota_run(const char *data, int argc, char **argv)
{
	struct buf name = {0}, error = {0};
	int dirfd, rc = FAILED;

	argc--;
	argv++;
	if (argc < 1 || argc > 3 || user_name_clean(str_from(argv[0]), &name)) {
		(void)file_write_all(STDERR_FILENO, STR(usage));
		buf_free(&name);
		return USAGE;
	}
	dirfd = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		buf_addv(&error, "cannot open ", data, NULL);
	else
		rc = run(dirfd, buf_str(&name), argc, argv, &error);
	if (rc) {
		buf_addc(&error, '\n');
		(void)file_write_all(STDERR_FILENO, STR("satchel: "));
		(void)file_write_all(STDERR_FILENO, buf_str(&error));
	}
	if (dirfd >= 0)
		close(dirfd);
	buf_free(&name);
	buf_free(&error);
	return rc;
}

const struct cli_command quota_cli[] = {
	{"quota", "NAME [STORAGE [MESSAGES]]", "prints or sets the limits of a user", quota_run},
	{0},
};
