/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_LIB_SETTINGS_H
#define CORE_LIB_SETTINGS_H

/*
 * satchel.conf: `key: value` lines, `#` comments.  Every key of every part stands in one table
 * (core/server/settings_table.c joins core's and the features'), from which the parser,
 * `satchel config` and satchel.conf(5) are made.
 */

#include <stddef.h>
#include <stdint.h>

#include "core/lib/buf.h"

enum setting_type {
	SETTING_STRING, /* const char * (never NULL: "" when unset) */
	SETTING_NUMBER, /* uint64_t, min..max */
	SETTING_BOOL,   /* bool: yes/no */
};

struct setting {
	const char *key;      /* one without a target may end in '*': all keys that begin so */
	enum setting_type type;
	const char *value;    /* the default, as text */
	uint64_t min, max;    /* of a number */
	void *target;         /* char **, uint64_t * or bool *; NULL: known but not in this binary */
	const char *help;     /* one paragraph for satchel.conf(5) */
	const char *symbol;   /* NULL, or the CONFIG_ symbol that brings it */
};

/* Sets every target to its default.  0 / -1 ENOMEM. */
int settings_defaults(const struct setting *const *table, size_t n);
/* Parses a whole file's text; keys that it does not name get their defaults.  On an error appends
 * "NAME:LINE: message" lines to errors_r (all of them, not just the first), returns -1, and leaves
 * every target as it was. */
int settings_parse(const struct setting *const *table, size_t n, const char *name, struct str text,
	struct buf *errors_r);
/* Appends the present values, one `key: value` per line. */
void settings_print(const struct setting *const *table, size_t n, struct buf *out);

#endif
