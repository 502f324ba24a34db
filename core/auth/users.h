/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_AUTH_USERS_H
#define CORE_AUTH_USERS_H

/*
 * users.cdb: name -> secrets; accounts.cdb: the same names with their flags and without secrets, for mail.  Both are
 * TinyCDB files with a line of our own at the end (version and checksum), made anew at each change
 * and renamed into place, users.cdb last (docs/users.md).
 */

#include <stdbool.h>
#include <sys/types.h>

#include "core/lib/buf.h"

#define USER_NAME_MAX 255
#define USER_PASSWORD_MAX 1024
#define USER_SALT_MAX 64
#define USER_ITERATIONS_MIN 4096 /* RFC 7677 4 */
#define USER_ITERATIONS_MAX 1000000
/* The longest text of a secret, see user_secret_format(). */
#define USER_SECRET_TEXT_MAX 256
/* A key of users.cdb that no user can have: a random number of this installation, in base64. */
#define USER_KEY_NAME "/key"

struct user_secret {      /* SCRAM-SHA-256 (RFC 5803, RFC 7677) */
	uint32_t iterations;
	uint32_t salt_len;    /* ours are 16 bytes long */
	unsigned char salt[USER_SALT_MAX];
	unsigned char stored_key[32], server_key[32];
};

/* The one form of a name: ASCII letters small.  Appends it to out.  0, or -1 (EINVAL): empty, over
 * USER_NAME_MAX bytes, not UTF-8, or with a control character, '/', ':', or a space at either end;
 * then nothing is appended.  Whoever takes a name from outside and makes an account's name of it
 * passes it through here. */
int user_name_clean(struct str name, struct buf *out);

struct users; /* an open users.cdb that notices replacement */

/* dirfd is kept by the caller and must stay open.  NULL + errno (ENOMEM); a file that is not there
 * or cannot be read is the business of users_find(). */
struct users *users_open(int dirfd);
void users_close(struct users **u);
/* These are not to be called by two threads at once.  1 found, 0 no such user (also: not a name at
 * all), -1 could not look (errno; ENOENT: there is no file, which must not look like an answer;
 * EPROTO: it is damaged).  A user who is disabled is no user to the first two. */
/* Appends the line that a shown password is checked against (user_value_password()). */
int users_find_password(struct users *u, struct str name, struct buf *line);
/* Appends the line of that kind (core/auth/user_value.h); 0 also where the user has none. */
int users_find_line(struct users *u, struct str name, const char *kind, struct buf *line);
/* Flags (enum user_flag) of a user, disabled or not. */
int users_find_flags(struct users *u, struct str name, unsigned *flags_r);
/* The random number kept under USER_KEY_NAME, for what must differ between installations and stay
 * the same over restarts.  1, 0 there is none, -1 as above. */
int users_find_key(struct users *u, unsigned char key_r[32]);

/* Derives a secret from a password with a fresh salt.  0, or -1 (EINVAL: password empty, over
 * USER_PASSWORD_MAX, or with a NUL in it; iterations out of range). */
int user_secret_make(struct str password, uint32_t iterations, struct user_secret *secret_r);
/* Constant time.  1 the password fits, 0 it does not, -1 (EINVAL: no secret of ours). */
int user_secret_check(const struct user_secret *secret, struct str password);
/* Derives with a given salt: what user_secret_make() does after choosing one. */
void user_secret_derive(struct str password, uint32_t iterations, struct str salt,
	struct user_secret *secret_r);
/* "SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY" (RFC 5803 2), the last three in base64. */
int user_secret_format(const struct user_secret *secret, struct buf *out);
/* 0, or -1 EINVAL. */
int user_secret_parse(struct str text, struct user_secret *secret_r);
/* PBKDF2-HMAC-SHA-256 (RFC 8018 5.2), 32 bytes. */
void user_pbkdf2(struct str password, struct str salt, uint32_t iterations, unsigned char key_r[32]);
/* HMAC-SHA-256 (RFC 2104). */
void user_hmac(const unsigned char key[32], struct str text, unsigned char out[32]);

struct accounts; /* an open accounts.cdb that notices replacement */
/* dirfd is kept by the caller and must stay open. */
struct accounts *accounts_open(int dirfd);
void accounts_close(struct accounts **a);
/* 1 found, 0 no such account, -1 could not look (also when there is no accounts.cdb: a lost file
 * must not bounce mail).  The file is looked at (stat) before every 0, and at most once a second
 * while names are found. */
int accounts_find(struct accounts *a, struct str name);
/* The same, and appends the words of the user's flags (core/auth/user_value.h); out may be NULL. */
int accounts_words(struct accounts *a, struct str name, struct buf *out);

/* Whom the two files shall belong to; (uid_t)-1: to whom the old file belongs, or else the
 * directory. */
struct user_owners {
	uid_t users_uid, accounts_uid;
	gid_t users_gid, accounts_gid;
};

/* `satchel --data DIR user add|passwd|del|list|import ...`: argv[0] is the subcommand (or "user" in
 * front of it).  Makes DIR if it is missing.  owners may be NULL.  Returns the exit status: 0, 1 failed, 2 usage. */
int user_cli(const char *data, const struct user_owners *owners, int argc, char **argv);

#endif
