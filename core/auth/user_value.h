/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_AUTH_USER_VALUE_H
#define CORE_AUTH_USER_VALUE_H

/*
 * What users.cdb holds of one user: lines, each "KIND$...".  The first is the SCRAM-SHA-256 secret
 * (user_secret_format()) that every user has; the others are what compiled-in mechanisms keep.
 */

#include "core/lib/buf.h"

/* The line of that kind, borrowed.  1 found, 0 there is none. */
int user_value_find(struct str value, struct str kind, struct str *line_r);
/* Appends all that is to be kept of a password.  0, or -1 (EINVAL: as user_secret_make(); ENOMEM). */
int user_value_make(struct str password, uint32_t iterations, struct buf *out);

#endif
