/* SPDX-License-Identifier: 0BSD */
#ifndef TESTS_UNIT_SASL_TESTING_H
#define TESTS_UNIT_SASL_TESTING_H

/* A world with users.cdb (alice and bob, whose password is "wonderland") and what checks them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/auth/auth.h"
#include "core/auth/user_edit.h"
#include "core/auth/user_file.h"
#include "core/lib/file.h"
#include "core/lib/log.h"

struct world {
	char dir[40];
	int dirfd;
	struct loop *loop;
	struct auth *auth;
	int answers;
	enum prelogin_auth status;
	struct auth_client client; /* of start() and say(): IMAP, secure */
	char data[200], account[200], actor[200], mechanism[32];
};

static inline void keep(char to[200], struct str s)
{
	assert_true(s.len < 200);
	memcpy(to, s.len ? s.p : "", s.len);
	to[s.len] = '\0';
}

static inline void answered(struct auth_exchange *x, void *arg, const struct auth_answer *a)
{
	struct world *w = arg;

	(void)x;
	w->answers++;
	w->status = a->status;
	keep(w->data, a->data);
	keep(w->account, a->account);
	keep(w->actor, a->actor);
	strcpy(w->mechanism, a->mechanism);
}

/* Adds or changes a user whose password is "wonderland"; `more` (may be "") are further lines of the
 * value. */
static inline void put_user(struct world *w, const char *name, const char *more)
{
	struct buf error = {0}, text = {0};
	struct user_secret s;
	struct user_edit e;

	assert_int_equal(user_edit_begin(&e, w->dirfd, true, &error), 0);
	assert_int_equal(user_secret_make(STR("wonderland"), 4096, &s), 0);
	assert_int_equal(user_secret_format(&s, &text), 0);
	assert_int_equal(buf_adds(&text, more), 0);
	assert_int_equal(user_edit_replace(&e, str_from(name), buf_str(&text)), 0);
	assert_int_equal(user_edit_save(&e, &error), 0);
	user_edit_end(&e);
	buf_free(&text);
}

static inline void remove_user(struct world *w, const char *name)
{
	struct buf error = {0};
	struct user_edit e;

	assert_int_equal(user_edit_begin(&e, w->dirfd, true, &error), 0);
	assert_int_equal(user_edit_remove(&e, str_from(name)), 0);
	assert_int_equal(user_edit_save(&e, &error), 0);
	user_edit_end(&e);
}

static inline int begin(void **state)
{
	struct auth_options options = {.hostname = "mail.example", .cache_seconds = 600};
	static struct world w;
	struct buf error = {0};

	memset(&w, 0, sizeof(w));
	strcpy(w.dir, "/tmp/satchel-sasl-XXXXXX");
	assert_non_null(mkdtemp(w.dir));
	w.dirfd = open(w.dir, O_RDONLY | O_DIRECTORY);
	log_init("test", LOG_LEVEL_ERROR, false);
	put_user(&w, "alice", "");
	put_user(&w, "bob", "");
	w.loop = loop_new();
	w.client.secure = true;
	options.dirfd = w.dirfd;
	w.auth = auth_new(w.loop, &options, &error);
	assert_non_null(w.auth);
	*state = &w;
	return 0;
}

static inline int end(void **state)
{
	struct world *w = *state;

	auth_free(&w->auth);
	loop_free(&w->loop);
	unlinkat(w->dirfd, USERS_FILE, 0);
	unlinkat(w->dirfd, ACCOUNTS_FILE, 0);
	unlinkat(w->dirfd, "users.lock", 0);
	close(w->dirfd);
	return rmdir(w->dir);
}

static inline void wait_answer(struct world *w)
{
	int before = w->answers;

	for (int i = 0; i < 500 && w->answers == before; i++)
		loop_turn(w->loop, 20);
	assert_int_equal(w->answers, before + 1);
}

/* A message to the mechanism as its initial response (.p NULL: none); x stays open. */
static inline struct auth_exchange *start(struct world *w, const char *mechanism, struct str message)
{
	struct auth_exchange *x = auth_sasl(w->auth, &w->client, str_from(mechanism), message, answered,
		w);

	assert_non_null(x);
	wait_answer(w);
	return x;
}

static inline enum prelogin_auth say(struct world *w, const char *mechanism, struct str message)
{
	struct auth_exchange *x = start(w, mechanism, message);

	auth_end(&x);
	return w->status;
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, begin, end)

#endif
