/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_AUTH_WARM_H
#define CORE_AUTH_WARM_H

/*
 * Passwords that were right a short while ago need not be hashed thousands of times again: many
 * clients log in anew for each thing they do.  Kept is a digest under a key of this process,
 * of the password and the secret it fitted, so a changed password is not known any more.  A wrong
 * password is never known and always pays the full price.
 */

#include "core/auth/users.h"

/* As user_secret_check(), at once for what fitted within CONFIG_LOGIN_CACHE_SECONDS before `now`
 * (seconds of a clock that never goes back).  From any thread. */
int warm_secret_check(const struct user_secret *secret, struct str password, int64_t now);
/* Forgets everything. */
void warm_forget(void);

#endif
