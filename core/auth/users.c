/* SPDX-License-Identifier: 0BSD */
#include "core/auth/users.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/auth/user_file.h"
#include "core/auth/user_value.h"
#include "core/lib/text.h"

struct users {
	struct user_file file;
};

struct accounts {
	struct user_file file;
	time_t looked; /* monotonic second of the last stat */
};

struct users *users_open(int dirfd)
{
	struct users *u = calloc(1, sizeof(*u));

	if (u)
		u->file = (struct user_file){
			.dirfd = dirfd, .name = USERS_FILE, .kind = STR("users")};
	return u;
}

void users_close(struct users **u)
{
	if (!*u)
		return;
	user_file_close(&(*u)->file);
	free(*u);
	*u = NULL;
}

/* A file that went away is no answer: nobody was removed. */
static int refresh(struct user_file *f)
{
	int rc = user_file_refresh(f);

	if (rc == 0)
		errno = ENOENT;
	return rc == 1 ? 0 : -1;
}

static int find_value(struct users *u, struct str name, struct str *value_r)
{
	struct buf clean = {0};
	int rc;

	rc = refresh(&u->file);
	if (rc)
		return rc;
	if (user_name_clean(name, &clean))
		return errno == EINVAL ? 0 : -1;
	rc = user_file_find(&u->file, buf_str(&clean), value_r);
	buf_free(&clean);
	return rc;
}

/* Of somebody who may log in. */
static int find_enabled(struct users *u, struct str name, struct str *value_r)
{
	int rc = find_value(u, name, value_r);

	return rc == 1 && user_value_flags(*value_r) & USER_DISABLED ? 0 : rc;
}

static int damaged(void)
{
	errno = EPROTO;
	return -1;
}

int users_find_password(struct users *u, struct str name, struct buf *line)
{
	struct str value, found;
	int rc = find_enabled(u, name, &value);

	if (rc != 1)
		return rc;
	/* Everybody has one; a kind of another build is nothing to be judged by. */
	if (!user_value_password(value, &found))
		return damaged();
	return buf_addstr(line, found) ? -1 : 1;
}

int users_find_line(struct users *u, struct str name, const char *kind, struct buf *line)
{
	struct str value, found;
	int rc = find_enabled(u, name, &value);

	if (rc != 1)
		return rc;
	if (!user_value_find(value, str_from(kind), &found))
		return 0;
	return buf_addstr(line, found) ? -1 : 1;
}

int users_find_flags(struct users *u, struct str name, unsigned *flags_r)
{
	struct str value;
	int rc = find_value(u, name, &value);

	if (rc == 1)
		*flags_r = user_value_flags(value);
	return rc;
}

int users_find_key(struct users *u, unsigned char key_r[32])
{
	struct buf key = {0};
	struct str value;
	int rc = refresh(&u->file);

	if (!rc)
		rc = user_file_find(&u->file, STR(USER_KEY_NAME), &value);
	if (rc == 1 && (text_base64_decode(&key, value, true) || key.len != 32)) {
		errno = EPROTO;
		rc = -1;
	}
	if (rc == 1)
		memcpy(key_r, buf_str(&key).p, 32);
	buf_wipe(&key);
	return rc;
}

struct accounts *accounts_open(int dirfd)
{
	struct accounts *a = calloc(1, sizeof(*a));

	if (a)
		a->file = (struct user_file){
			.dirfd = dirfd, .name = ACCOUNTS_FILE, .kind = STR("accounts")};
	return a;
}

void accounts_close(struct accounts **a)
{
	if (!*a)
		return;
	user_file_close(&(*a)->file);
	free(*a);
	*a = NULL;
}

static time_t second(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

static int look_again(struct accounts *a)
{
	a->looked = second();
	/* The file may be lost, the mailboxes are not: "no such account" would bounce mail. */
	return refresh(&a->file);
}

static int find_account(struct accounts *a, struct str name, struct str *words_r)
{
	if (a->file.open && a->looked == second() && user_file_find(&a->file, name, words_r) == 1)
		return 1;
	if (look_again(a))
		return -1;
	return user_file_find(&a->file, name, words_r);
}

int accounts_words(struct accounts *a, struct str name, struct buf *out)
{
	struct buf clean = {0};
	struct str words;
	int rc;

	if (user_name_clean(name, &clean))
		return errno == EINVAL ? 0 : -1;
	rc = find_account(a, buf_str(&clean), &words);
	if (rc == 1 && out && words.len && buf_addstr(out, words))
		rc = -1;
	buf_free(&clean);
	return rc;
}

int accounts_find(struct accounts *a, struct str name)
{
	return accounts_words(a, name, NULL);
}
