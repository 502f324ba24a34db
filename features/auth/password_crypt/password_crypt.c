/* SPDX-License-Identifier: 0BSD */
#include "core/hooks.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/lib/text.h"

#define HASH_MAX     128     /* "$6$rounds=1000000$", 16 of salt, 86 of hash */
#define ROUNDS_MAX   1000000 /* of $5$ and $6$: seconds of work */
#define COST_MAX     15      /* of bcrypt: 2^15 rounds, seconds too */
#define PASSWORD_MAX 1024

/* As the password files of Dovecot and others name them. */
static bool is_named(struct str name)
{
	static const char *const names[] = {"CRYPT", "SHA512-CRYPT", "SHA256-CRYPT", "BLF-CRYPT"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_eq(name, str_from(names[i])))
			return true;
	return false;
}

static bool is_crypt_text(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
				c == '.' || c == '/'))
			return false;
	}
	return true;
}

/* "[rounds=N$]SALT$HASH" behind "$5$" or "$6$". */
static const char *judge_sha(struct cursor *c, size_t hash)
{
	struct str salt;

	if (cursor_accept_word(c, STR("rounds="))) {
		if (cursor_number(c, ROUNDS_MAX) < 1000 || c->failed)
			return "the hash has fewer than 1000 or more than 1000000 rounds";
		cursor_accept(c, '$');
	}
	salt = cursor_take_until(c, '$');
	if (!cursor_accept(c, '$') || salt.len > 16 || cursor_left(c) != hash ||
			!is_crypt_text(cursor_take(c, hash)))
		return "malformed hash: {CRYPT}$6$SALT$HASH";
	return NULL;
}

/* "NN$" and 53 characters behind "$2b$". */
static const char *judge_bcrypt(struct cursor *c)
{
	uint64_t cost = cursor_number(c, 31);

	if (c->failed || cost < 4 || cost > COST_MAX)
		return "the hash costs less than 4 or more than 15";
	if (!cursor_accept(c, '$') || cursor_left(c) != 53 || !is_crypt_text(cursor_take(c, 53)))
		return "malformed hash: {CRYPT}$2b$COST$SALTANDHASH";
	return NULL;
}

static const char *judge(struct str text)
{
	struct cursor c = cursor_from(text);

	if (text.len < HASH_MAX) {
		if (cursor_accept_word(&c, STR("$6$")))
			return judge_sha(&c, 86);
		if (cursor_accept_word(&c, STR("$5$")))
			return judge_sha(&c, 43);
		if (cursor_accept_word(&c, STR("$2a$")) || cursor_accept_word(&c, STR("$2b$")) ||
				cursor_accept_word(&c, STR("$2y$")))
			return judge_bcrypt(&c);
	}
	return "a hash of a kind that this build cannot check: {CRYPT}$6$, $5$ and $2b$ are";
}

struct work {
	struct crypt_data data;
	char password[PASSWORD_MAX + 1], setting[HASH_MAX];
};

static int check(struct str text, struct str password)
{
	struct work *w;
	const char *got;
	int fits = 0;

	/* crypt() takes a password to its first NUL. */
	if (password.len > PASSWORD_MAX || (password.len && memchr(password.p, 0, password.len)))
		return 0;
	if (judge(text)) {
		errno = EPROTO;
		return -1;
	}
	w = calloc(1, sizeof(*w));
	if (!w)
		return -1;
	memcpy(w->setting, text.p, text.len);
	if (password.len)
		memcpy(w->password, password.p, password.len);
	got = crypt_r(w->password, w->setting, &w->data);
	if (got)
		fits = text_equal_secret(str_from(got), text);
	explicit_bzero(w, sizeof(*w));
	free(w);
	return fits;
}

static const struct password_scheme schemes[] = {
	{.kind = "CRYPT", .named = is_named, .judge = judge, .check = check},
	{0},
};

const struct feature password_crypt_feature = {
	.name = "password_crypt",
	.password_schemes = schemes,
};
