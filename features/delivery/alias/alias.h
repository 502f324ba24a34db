/* SPDX-License-Identifier: 0BSD */
#ifndef FEATURES_DELIVERY_ALIAS_ALIAS_H
#define FEATURES_DELIVERY_ALIAS_ALIAS_H

/* What the files of the alias feature share. */

#include "core/auth/user_file.h"
#include "core/hooks.h"

#define ALIAS_FILE "aliases.cdb"
#define ALIAS_KIND STR("aliases")
#define ALIAS_MAX  500 /* bytes of an address */

/* Appends an address in the form in which it is kept: letters small, without spaces or control characters.
 * key: "local", "local@domain" or "@domain", without detail; else a target, which may have one.  0, or -1: it
 * is none. */
int alias_clean(struct str address, bool key, struct buf *out);
/* The next "ADDRESS TARGET" of a text, clean ("ADDRESS:" too); # begins a comment.  *number counts lines.
 * 1, 0 at the end, -1 malformed. */
int alias_line(struct cursor *c, unsigned *number, struct buf *address, struct buf *target);

extern const struct cli_command alias_cli[];

#endif
