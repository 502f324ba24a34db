/* SPDX-License-Identifier: 0BSD */
#include "core/auth/user_value.h"

#include <errno.h>
#include <string.h>
#include <mbedtls/platform_util.h>

#include "core/auth/users.h"
#include "core/hooks.h"

static const char scram_kind[] = "SCRAM-SHA-256";

static struct str next_line(struct cursor *c)
{
	struct str line = cursor_take_until(c, '\n');

	cursor_accept(c, '\n');
	return line;
}

static bool is_kind(struct str line, struct str kind)
{
	return line.len > kind.len && line.p[kind.len] == '$' &&
		str_eq((struct str){line.p, kind.len}, kind);
}

int user_value_find(struct str value, struct str kind, struct str *line_r)
{
	struct cursor c = cursor_from(value);

	while (!cursor_done(&c)) {
		struct str line = next_line(&c);

		if (is_kind(line, kind)) {
			*line_r = line;
			return 1;
		}
	}
	return 0;
}

/* ---- passwords that are shown ---- */

static const struct password_scheme *scheme_of(struct str line)
{
	FEATURE_EACH (f) {
		for (const struct password_scheme *s = f->password_schemes; s && s->kind; s++)
			if (is_kind(line, str_from(s->kind)))
				return s;
	}
	return NULL;
}

int user_value_password(struct str value, struct str *line_r)
{
	struct cursor c = cursor_from(value);

	if (user_value_find(value, str_from(scram_kind), line_r))
		return 1;
	while (!cursor_done(&c)) {
		*line_r = next_line(&c);
		if (scheme_of(*line_r))
			return 1;
	}
	return 0;
}

int user_value_check(struct str line, struct str password)
{
	const struct password_scheme *scheme = scheme_of(line);
	struct user_secret secret;
	int fits;

	if (scheme) {
		size_t skip = strlen(scheme->kind) + 1;

		return scheme->check((struct str){line.p + skip, line.len - skip}, password);
	}
	if (user_secret_parse(line, &secret))
		return -1;
	fits = user_secret_check(&secret, password);
	mbedtls_platform_zeroize(&secret, sizeof(secret));
	return fits;
}

/* ---- making values ---- */

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

bool user_value_is_secret(struct str text)
{
	struct cursor c = cursor_from(text);
	size_t n = 0;
	int byte;

	if (str_istarts(text, STR("SCRAM-")))
		return true;
	if (!cursor_accept(&c, '{'))
		return false;
	while ((byte = cursor_peek(&c)) == '-' || byte == '.' || (byte >= '0' && byte <= '9') ||
			(byte >= 'A' && byte <= 'Z')) {
		cursor_skip(&c, 1);
		n++;
	}
	return n && byte == '}';
}

static const char *take_scram(struct str text, struct buf *out)
{
	struct user_secret secret;

	if (user_secret_parse(text, &secret))
		return "malformed secret: SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY, "
		       "4096 to 1000000 iterations";
	(void)user_secret_format(&secret, out);
	mbedtls_platform_zeroize(&secret, sizeof(secret));
	return out->failed ? "out of memory" : NULL;
}

/* "4096,SALT,STOREDKEY,SERVERKEY", as Dovecot keeps it. */
static const char *take_commas(struct str text, struct buf *out)
{
	static const char ends[] = {':', '$', ':', '\0'};
	struct buf line = {.max = USER_SECRET_TEXT_MAX};
	struct cursor c = cursor_from(text);
	const char *wrong;

	buf_addv(&line, scram_kind, "$", NULL);
	for (size_t i = 0; i < sizeof(ends); i++) {
		buf_addstr(&line, cursor_take_until(&c, ','));
		if (ends[i] && cursor_accept(&c, ','))
			buf_addc(&line, ends[i]);
	}
	wrong = cursor_done(&c) && !line.failed ? take_scram(buf_str(&line), out)
						: "malformed secret: "
						  "{SCRAM-SHA-256}ITERATIONS,SALT,STOREDKEY,SERVERKEY";
	buf_wipe(&line);
	return wrong;
}

static const char *take_scheme(struct str name, struct str text, struct buf *out)
{
	FEATURE_EACH (f) {
		for (const struct password_scheme *s = f->password_schemes; s && s->kind; s++) {
			const char *wrong;

			if (!s->named(name))
				continue;
			wrong = s->judge(text);
			if (wrong)
				return wrong;
			buf_addv(out, s->kind, "$", NULL);
			return buf_addstr(out, text) ? "out of memory" : NULL;
		}
	}
	return "a hash of a kind that this build cannot check; give a password or a "
	       "SCRAM-SHA-256 secret";
}

const char *user_value_take(struct str secret, struct buf *out)
{
	struct cursor c = cursor_from(secret);
	struct str name, text;

	if (!cursor_accept(&c, '{'))
		return take_scram(secret, out);
	name = cursor_take_until(&c, '}');
	cursor_accept(&c, '}');
	text = cursor_take(&c, cursor_left(&c));
	if (!str_eq(name, str_from(scram_kind)))
		return take_scheme(name, text, out);
	return str_istarts(text, STR("SCRAM-")) ? take_scram(text, out) : take_commas(text, out);
}
