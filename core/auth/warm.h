/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_AUTH_WARM_H
#define CORE_AUTH_WARM_H

/*
 * Passwords that were right a short while ago need not be hashed thousands of times again: many
 * clients log in anew for each thing they do.  Why this is safe:
 *
 * - What is kept is HMAC-SHA-256(HMAC-SHA-256(K, line), password): K is random, of this process
 *   alone, never on disk, gone with it; line is what users.cdb holds at the moment of the check.  So
 *   another password, another user's secret, or a secret that was changed is never recognised;
 *   whoever was removed or disabled has no line, and is not looked for here at all.
 * - An entry is made only after the whole check said yes.  It is good for a time counted from that
 *   check, which a recognised login does not extend.
 * - A wrong password pays the full price always, and is compared in constant time: nothing here tells
 *   a guesser anything that the answer does not.
 * - The table has a fixed size; the oldest of a few entries goes for a new one.
 * - No password is kept, and the table and K are wiped by warm_stop().  Who can read this process's
 *   memory can try guesses against a digest faster than against the user file; that one also
 *   sees the passwords that come in.
 */

#include <stdint.h>

#include "core/lib/buf.h"

/* Remembers for so many seconds from now on; 0: nothing is remembered. */
void warm_start(unsigned seconds);
/* As user_value_check(), at once for what fitted shortly before `now` (seconds of a clock that never
 * goes back).  From any thread. */
int warm_check(struct str line, struct str password, int64_t now);
/* Forgets everything. */
void warm_stop(void);

#endif
