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

static int find_value(struct users *u, struct str name, struct str *value_r)
{
	struct buf clean = {0};
	int rc;

	if (user_name_clean(name, &clean))
		return errno == EINVAL ? 0 : -1;
	rc = user_file_refresh(&u->file);
	if (rc == 1)
		rc = user_file_find(&u->file, buf_str(&clean), value_r);
	buf_free(&clean);
	return rc;
}

int users_find(struct users *u, struct str name, struct user_secret *secret_r)
{
	struct str value, line;
	int rc = find_value(u, name, &value);

	if (rc == 1 && (!user_value_find(value, STR("SCRAM-SHA-256"), &line) ||
			       user_secret_parse(line, secret_r))) {
		errno = EPROTO;
		rc = -1;
	}
	return rc;
}

int users_find_line(struct users *u, struct str name, const char *kind, struct buf *line)
{
	struct str value, found;
	int rc = find_value(u, name, &value);

	if (rc != 1)
		return rc;
	if (!user_value_find(value, str_from(kind), &found)) {
		if (strcmp(kind, "SCRAM-SHA-256") != 0)
			return 0;
		errno = EPROTO; /* everybody has that one */
		return -1;
	}
	return buf_addstr(line, found) ? -1 : 1;
}

int users_find_key(struct users *u, unsigned char key_r[32])
{
	struct buf key = {0};
	struct str value;
	int rc = user_file_refresh(&u->file);

	if (rc == 1)
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
	int rc = user_file_refresh(&a->file);

	a->looked = second();
	/* The file may be lost, the mailboxes are not: "no such account" would bounce mail. */
	if (rc == 0) {
		errno = ENOENT;
		rc = -1;
	}
	return rc;
}

static int find_account(struct accounts *a, struct str name)
{
	struct str value;

	if (a->file.open && a->looked == second() && user_file_find(&a->file, name, &value) == 1)
		return 1;
	if (look_again(a) != 1)
		return -1;
	return user_file_find(&a->file, name, &value);
}

int accounts_find(struct accounts *a, struct str name)
{
	struct buf clean = {0};
	int rc;

	if (user_name_clean(name, &clean))
		return errno == EINVAL ? 0 : -1;
	rc = find_account(a, buf_str(&clean));
	buf_free(&clean);
	return rc;
}
