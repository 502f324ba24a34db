/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_AUTH_USER_EDIT_H
#define CORE_AUTH_USER_EDIT_H

/*
 * Changing the user files: everything is read under a lock, changed in memory, and both files are
 * written anew.  For the command line alone; it may wait.
 */

#include <stdbool.h>

#include "core/auth/users.h"
#include "core/lib/arena.h"

struct user_entry {
	struct str name;   /* clean, see user_name_clean() */
	struct str value;  /* core/auth/user_value.h; .p NULL = removed */
	size_t turn;       /* the latest entry of a name counts */
	bool keeps_flags;  /* those of the entry before */
};

struct user_edit {
	int dirfd, lock_fd;
	struct user_owners owners; /* nobody in particular after user_edit_begin() */
	struct arena arena;
	struct user_entry *v;
	size_t n, cap;
	struct str key; /* the installation's, kept from the old file or made by user_edit_save() */
};

/* Takes the lock if `write` (waiting for at most 10 s), and loads what is there.  dirfd must stay
 * open.  0, or -1 with a message in error_r; user_edit_end() is due in both cases. */
int user_edit_begin(struct user_edit *e, int dirfd, bool write, struct buf *error_r);
/* `name` must be clean in these. */
/* The user's value, borrowed until the next change; .p NULL: there is no such user. */
struct str user_edit_get(const struct user_edit *e, struct str name);
/* A new user, or another password: the flags stay what they were.  0 / -1 ENOMEM. */
int user_edit_put(struct user_edit *e, struct str name, struct str value);
/* The same, with the value's own flags. */
int user_edit_replace(struct user_edit *e, struct str name, struct str value);
int user_edit_remove(struct user_edit *e, struct str name);
/* Sorts by name and leaves one entry for each; done by user_edit_save() too.  0 / -1 ENOMEM. */
int user_edit_settle(struct user_edit *e);
/* Writes accounts.cdb, then users.cdb.  0, or -1 with a message. */
int user_edit_save(struct user_edit *e, struct buf *error_r);
void user_edit_end(struct user_edit *e);

#endif
