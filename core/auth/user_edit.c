/* SPDX-License-Identifier: 0BSD */
#include "core/auth/user_edit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "core/auth/user_file.h"
#include "core/auth/user_value.h"
#include "core/lib/file.h"
#include "core/lib/text.h"
#include "core/lib/vec.h"

#define LOCK_FILE "users.lock"
#define LOCK_WAIT_MS 10000
#define LOCK_TRY_MS 20

static int fail(struct buf *error_r, const char *what, const char *file)
{
	buf_addv(error_r, what, " ", file, ": ", strerror(errno), NULL);
	return -1;
}

static int take_lock(struct user_edit *e, struct buf *error_r)
{
	const struct timespec pause = {.tv_nsec = LOCK_TRY_MS * 1000000L};

	e->lock_fd = openat(e->dirfd, LOCK_FILE, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (e->lock_fd < 0)
		return fail(error_r, "cannot open", LOCK_FILE);
	for (int waited = 0; flock(e->lock_fd, LOCK_EX | LOCK_NB); waited += LOCK_TRY_MS) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return fail(error_r, "cannot lock", LOCK_FILE);
		if (waited >= LOCK_WAIT_MS) {
			buf_adds(error_r, "another process is changing the users");
			return -1;
		}
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int add_entry(struct user_edit *e, struct str name, struct str value, bool keeps_flags)
{
	struct user_entry entry = {.turn = e->n, .keeps_flags = keeps_flags};

	entry.name = arena_str(&e->arena, name);
	if (value.p)
		entry.value = arena_str(&e->arena, value);
	if (!entry.name.p || (value.p && !entry.value.p) || vec_push(e, entry)) {
		errno = ENOMEM;
		return -1;
	}
	return 0;
}

static int load_one(struct user_edit *e, struct str name, struct str value)
{
	if (!str_eq(name, STR(USER_KEY_NAME)))
		return add_entry(e, name, value, false);
	e->key = arena_str(&e->arena, value);
	return e->key.p ? 0 : -1;
}

static int make_key(struct user_edit *e)
{
	struct buf text = {0};
	char bytes[32];

	file_random(bytes, sizeof(bytes));
	if (!text_base64_encode(&text, (struct str){bytes, sizeof(bytes)}))
		e->key = arena_str(&e->arena, buf_str(&text));
	explicit_bzero(bytes, sizeof(bytes));
	buf_wipe(&text);
	if (e->key.p)
		return 0;
	errno = ENOMEM;
	return -1;
}

static int load(struct user_edit *e, struct buf *error_r)
{
	struct user_file f = {.dirfd = e->dirfd, .name = USERS_FILE, .kind = STR("users")};
	struct str name, value;
	unsigned pos = 0;
	int rc = user_file_refresh(&f);

	while (rc == 1) {
		rc = user_file_next(&f, &pos, &name, &value);
		if (rc == 1 && load_one(e, name, value))
			rc = -1;
	}
	if (rc < 0 && errno == EPROTO)
		buf_adds(error_r, USERS_FILE " is damaged, or of another version");
	else if (rc < 0)
		fail(error_r, "cannot read", USERS_FILE);
	user_file_close(&f);
	return rc;
}

int user_edit_begin(struct user_edit *e, int dirfd, bool write, struct buf *error_r)
{
	const struct user_owners nobody = {(uid_t)-1, (uid_t)-1, (gid_t)-1, (gid_t)-1};

	*e = (struct user_edit){.dirfd = dirfd, .lock_fd = -1, .owners = nobody};
	if (write && take_lock(e, error_r))
		return -1;
	return load(e, error_r);
}

struct str user_edit_get(const struct user_edit *e, struct str name)
{
	for (size_t i = e->n; i-- > 0;)
		if (str_eq(e->v[i].name, name))
			return e->v[i].value;
	return STR_NULL;
}

int user_edit_put(struct user_edit *e, struct str name, struct str value)
{
	return add_entry(e, name, value, true);
}

int user_edit_replace(struct user_edit *e, struct str name, struct str value)
{
	return add_entry(e, name, value, false);
}

int user_edit_remove(struct user_edit *e, struct str name)
{
	return add_entry(e, name, STR_NULL, false);
}

static int by_name(const void *a, const void *b)
{
	const struct user_entry *x = a, *y = b;
	int order = str_cmp(x->name, y->name);

	if (order)
		return order;
	return x->turn < y->turn ? -1 : x->turn > y->turn;
}

/* before: the entry that `after` takes the place of. */
static int inherit(struct user_edit *e, const struct user_entry *before, struct user_entry *after)
{
	struct buf value = {0};
	int rc;

	if (!after->keeps_flags || !after->value.p || !before->value.p)
		return 0;
	rc = user_value_take_flags(after->value, before->value, &value);
	if (!rc)
		after->value = arena_str(&e->arena, buf_str(&value));
	buf_wipe(&value);
	return rc || !after->value.p ? -1 : 0;
}

int user_edit_settle(struct user_edit *e)
{
	size_t kept = 0;

	if (!e->n)
		return 0;
	qsort(e->v, e->n, sizeof(*e->v), by_name);
	for (size_t i = 0; i < e->n; i++) {
		if (i + 1 < e->n && str_eq(e->v[i].name, e->v[i + 1].name)) {
			if (inherit(e, &e->v[i], &e->v[i + 1]))
				return -1;
			continue;
		}
		if (e->v[i].value.p)
			e->v[kept++] = e->v[i];
	}
	e->n = kept;
	for (size_t i = 0; i < e->n; i++)
		e->v[i].turn = i;
	return 0;
}

/* The bytes of a whole file. */
static int build(const struct user_edit *e, bool with_secrets, struct str kind, struct buf *out)
{
	struct user_file_maker w;

	if (user_file_make_start(&w))
		return -1;
	for (size_t i = 0; i < e->n; i++) {
		struct str value = e->v[i].value;

		user_file_make_add(&w, e->v[i].name, with_secrets ? value : user_value_flag_words(value));
	}
	if (with_secrets)
		user_file_make_add(&w, STR(USER_KEY_NAME), e->key);
	return user_file_make_finish(&w, kind, out);
}

static int write_accounts(const struct user_edit *e, struct buf *error_r)
{
	struct buf content = {0};
	int rc = 0;

	if (build(e, false, STR("accounts"), &content) ||
			user_file_replace(e->dirfd, ACCOUNTS_FILE, 0640, e->owners.accounts_uid,
				e->owners.accounts_gid, buf_str(&content)))
		rc = fail(error_r, "cannot write", ACCOUNTS_FILE);
	buf_free(&content);
	return rc;
}

static int write_users(const struct user_edit *e, struct buf *error_r)
{
	struct buf content = {0};
	int rc = 0;

	if (build(e, true, STR("users"), &content) ||
			user_file_replace(e->dirfd, USERS_FILE, 0600, e->owners.users_uid,
				e->owners.users_gid, buf_str(&content)))
		rc = fail(error_r, "cannot write", USERS_FILE);
	buf_wipe(&content);
	return rc;
}

int user_edit_save(struct user_edit *e, struct buf *error_r)
{
	if (user_edit_settle(e))
		return fail(error_r, "cannot write", USERS_FILE);
	if (!e->key.p && make_key(e))
		return fail(error_r, "cannot write", USERS_FILE);
	/* In this order a crash in between leaves mail accepted for somebody who cannot read it
	 * yet, or refused for somebody who is being deleted: a new login never lacks its mail. */
	return write_accounts(e, error_r) ? -1 : write_users(e, error_r);
}

void user_edit_end(struct user_edit *e)
{
	if (e->lock_fd >= 0)
		close(e->lock_fd);
	arena_wipe(&e->arena);
	free(e->v);
	*e = (struct user_edit){.lock_fd = -1};
}
