/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_AUTH_USER_PASSWORD_H
#define CORE_AUTH_USER_PASSWORD_H

#include "core/lib/buf.h"

/* Asks for a new password: twice without echo if standard input is a terminal, else its first line.
 * Appends it to out (wipe it).  0, or -1 with a message. */
int user_password_ask(struct buf *out, struct buf *error_r);

#endif
