/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_AUTH_USER_FILE_H
#define CORE_AUTH_USER_FILE_H

/*
 * The form shared by users.cdb, accounts.cdb and tables of features: a TinyCDB file, then one line
 * "satchel-KIND 1 XXXXXXXX\n", KIND being users or accounts, 1 the version and XXXXXXXX the CRC-32C
 * of all bytes before the line.  Reading a damaged file answers "could not look", never "no such
 * name".  For core/auth, and for features that keep such a table in the spool (KIND is theirs).
 */

#include <cdb.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "core/lib/buf.h"

#define USERS_FILE "users.cdb"
#define ACCOUNTS_FILE "accounts.cdb"

struct user_file {
	int dirfd;
	const char *name; /* in dirfd */
	struct str kind;  /* "users", "accounts" */
	bool open;
	struct cdb cdb;
	struct stat seen; /* of the open file */
};

/* Looks whether the file was replaced, and opens the new one.  1 open, 0 there is no file, -1 could
 * not look (errno; EPROTO damaged or of another kind or version). */
int user_file_refresh(struct user_file *f);
void user_file_close(struct user_file *f);
/* In the file as it is open.  1 + borrowed value, 0, -1 (EPROTO). */
int user_file_find(struct user_file *f, struct str name, struct str *value_r);
/* Walks all records; *pos starts at 0.  1, 0 at the end, -1 (EPROTO). */
int user_file_next(struct user_file *f, unsigned *pos, struct str *name_r, struct str *value_r);
/* Appends the line that ends a file to the bytes of a cdb. */
int user_file_seal(struct buf *content, struct str kind);

/* Makes a table: start, add (no name twice), finish. */
struct user_file_maker {
	int fd;
	bool started, failed;
	struct cdb_make make;
};
/* 0 / -1 + errno; then finish is due. */
int user_file_make_start(struct user_file_maker *w);
void user_file_make_add(struct user_file_maker *w, struct str name, struct str value);
/* Appends all bytes of the file.  0, or -1: something of all this failed. */
int user_file_make_finish(struct user_file_maker *w, struct str kind, struct buf *out);
/* Puts it into place, for the owner; uid (uid_t)-1: whom the old file belongs to, or else the directory.  A
 * file written by root must stay readable for the role that reads it.  0 / -1 + errno. */
int user_file_replace(int dirfd, const char *file, mode_t mode, uid_t uid, gid_t gid, struct str content);

#endif
