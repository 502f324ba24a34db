/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_SERVER_AUTH_ROLE_H
#define CORE_SERVER_AUTH_ROLE_H

/* The auth role's inside, open to its unit tests; srv_auth_run() is its one user otherwise. */

#include "core/auth/auth.h"
#include "core/server/server.h"

struct auth_role;

/* auth is borrowed.  NULL: out of memory. */
struct auth_role *auth_role_new(struct loop *l, struct auth *auth);
void auth_role_free(struct auth_role **r);
struct srv_child *auth_role_child(struct auth_role *r);

#endif
