/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_AUTH_USERS_H
#define CORE_AUTH_USERS_H

/*
 * users.cdb: name -> secrets; accounts.cdb: the same names without secrets, for LMTP.  Both are
 * TinyCDB files, made anew at each change and renamed into place, users.cdb last.
 */

#include "core/lib/buf.h"

struct user_secret {      /* SCRAM-SHA-256 (RFC 5803, RFC 7677) */
	uint32_t iterations;
	unsigned char salt[16];
	unsigned char stored_key[32], server_key[32];
};

struct users; /* an open users.cdb that notices replacement */

struct users *users_open(int dirfd);
void users_close(struct users **u);
/* 1 found, 0 no such user, -1 could not look. */
int users_find(struct users *u, struct str name, struct user_secret *secret_r);
/* Derives a secret from a password with a fresh salt.  0 / -1. */
int user_secret_make(struct str password, uint32_t iterations, struct user_secret *secret_r);
/* Constant time.  1 the password fits, 0 it does not, -1. */
int user_secret_check(const struct user_secret *secret, struct str password);

struct accounts; /* an open accounts.cdb that notices replacement (stat, at most once a second) */
/* dirfd is kept by the caller and must stay open. */
struct accounts *accounts_open(int dirfd);
void accounts_close(struct accounts **a);
/* 1 found, 0 no such account, -1 could not look. */
int accounts_find(struct accounts *a, struct str name);

/* `satchel user add|passwd|del|list|import ...`: returns the exit status. */
int user_cli(const char *data, int argc, char **argv);

#endif
