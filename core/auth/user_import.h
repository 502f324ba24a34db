/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_AUTH_USER_IMPORT_H
#define CORE_AUTH_USER_IMPORT_H

/* The lines of `satchel user import`: NAME:PASSWORD, NAME:{PLAIN}PASSWORD or NAME:SECRET
 * (user_value_take()); empty lines and lines that begin with # are passed over. */

#include "core/auth/users.h"
#include "core/lib/arena.h"

struct user_line {
	struct str name;     /* clean */
	struct str password; /* or the secret's text; borrowed from the input */
	bool is_secret;
	uint64_t number;
};

struct user_lines {
	struct arena arena;
	struct user_line *v;
	size_t n, cap;
};

/* Reads all lines; each fault is a line "FILE:NUMBER: message" in errors_r (the first 100 of them).
 * 0, or -1 if there was any. */
int user_import_parse(struct user_lines *l, const char *file, struct str text, struct buf *errors_r);
void user_import_free(struct user_lines *l);

#endif
