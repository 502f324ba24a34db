/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_AUTH_USER_VALUE_H
#define CORE_AUTH_USER_VALUE_H

/*
 * What users.cdb holds of one user: lines, each "KIND$...", in any order: what a shown password is
 * checked against (SCRAM-SHA-256, user_secret_format(); or a kind that a feature brings, struct
 * password_scheme), what mechanisms keep (struct sasl_kept), and FLAGS.
 */

#include "core/lib/buf.h"

/* "FLAGS$word,word": words that this build does not know are kept and mean nothing. */
enum user_flag {
	USER_DISABLED = 1, /* "disabled": cannot log in; mail still comes in */
	USER_ADMIN = 2,    /* "admin": may act for any user (RFC 4422 2) */
	USER_LMTP = 4,     /* "lmtp": may deliver where `lmtp_auth` asks for a login */
};

/* 0: no flag has that name. */
unsigned user_flag_named(struct str word);
/* The words as they are kept, "" without any. */
struct str user_value_flag_words(struct str value);
/* Appends the value with `word` in place of the words that begin with `prefix`, as "storage=1024" and
 * "storage="; an empty one takes them away.  0 / -1 ENOMEM. */
int user_value_set_word(struct str value, struct str prefix, struct str word, struct buf *out);
/* The flags of a user. */
unsigned user_value_flags(struct str value);
/* Appends the value with flags set and taken away; what is in neither stays.  0 / -1 ENOMEM. */
int user_value_set_flags(struct str value, unsigned set, unsigned clear, struct buf *out);
/* Appends the value with the flags of `from` in place of its own, unknown words too.  0 / -1 ENOMEM. */
int user_value_take_flags(struct str value, struct str from, struct buf *out);

/* The line of that kind, borrowed.  1 found, 0 there is none. */
int user_value_find(struct str value, struct str kind, struct str *line_r);
/* The line that a shown password is checked against, borrowed.  1, 0 there is none. */
int user_value_password(struct str value, struct str *line_r);
/* Does the password fit such a line?  As user_secret_check(). */
int user_value_check(struct str line, struct str password);
/* Appends all that is to be kept of a password.  0, or -1 (EINVAL: as user_secret_make(); ENOMEM). */
int user_value_make(struct str password, uint32_t iterations, struct buf *out);
/* Appends what is to be kept of a secret that was made elsewhere: "SCRAM-SHA-256$...",
 * "{SCRAM-SHA-256}ITERATIONS,SALT,STOREDKEY,SERVERKEY", or "{KIND}TEXT" of a struct
 * password_scheme.  NULL, or what is wrong with it. */
const char *user_value_take(struct str secret, struct buf *out);
/* Whether text is meant for user_value_take(): a password does not look like that. */
bool user_value_is_secret(struct str text);

#endif
