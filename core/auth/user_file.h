/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_AUTH_USER_FILE_H
#define CORE_AUTH_USER_FILE_H

/*
 * The form shared by users.cdb and accounts.cdb: a TinyCDB file, then one line
 * "satchel-KIND 1 XXXXXXXX\n", KIND being users or accounts, 1 the version and XXXXXXXX the CRC-32C
 * of all bytes before the line.  Reading a damaged file answers "could not look", never "no such
 * name".  Inside core/auth only.
 */

#include <cdb.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "core/lib/buf.h"

#define USERS_FILE "users.cdb"
#define ACCOUNTS_FILE "accounts.cdb"

struct user_file {
	int dirfd;
	const char *name; /* USERS_FILE or ACCOUNTS_FILE */
	struct str kind;  /* "users" or "accounts" */
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

#endif
