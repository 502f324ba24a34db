/* SPDX-License-Identifier: 0BSD */
#include "core/auth/user_value.h"

#include <errno.h>
#include <mbedtls/platform_util.h>

#include "core/auth/users.h"
#include "core/hooks.h"

int user_value_find(struct str value, struct str kind, struct str *line_r)
{
	struct cursor c = cursor_from(value);

	while (!cursor_done(&c)) {
		struct str line = cursor_take_until(&c, '\n');

		cursor_accept(&c, '\n');
		if (line.len > kind.len && line.p[kind.len] == '$' &&
				str_eq((struct str){line.p, kind.len}, kind)) {
			*line_r = line;
			return 1;
		}
	}
	return 0;
}

static int add_kept(const struct sasl_kept *kept, struct str password, struct buf *out)
{
	struct str there;

	if (!kept->make || user_value_find(buf_str(out), str_from(kept->kind), &there))
		return 0;
	buf_addc(out, '\n');
	return kept->make(kept, password, out);
}

int user_value_make(struct str password, uint32_t iterations, struct buf *out)
{
	struct user_secret secret;
	int rc;

	/* In one piece: growing would leave parts of secrets in freed memory. */
	if (!buf_reserve(out, 16 * USER_SECRET_TEXT_MAX)) {
		errno = ENOMEM;
		return -1;
	}
	rc = user_secret_make(password, iterations, &secret);
	if (!rc)
		rc = user_secret_format(&secret, out);
	mbedtls_platform_zeroize(&secret, sizeof(secret));
	FEATURE_EACH (f) {
		for (const struct sasl_mech *m = f->sasl_mechs; m && m->name && !rc; m++)
			rc = m->kept ? add_kept(m->kept, password, out) : 0;
	}
	return rc;
}
