/* SPDX-License-Identifier: 0BSD */
#include "core/sasl_offer.h"

#include <string.h>

#include "core/hooks.h"
#include "core/lib/text.h"

#define REASON_MAX 200

static const char plus[] = "-PLUS"; /* RFC 5802 6 */

static bool can_bind(const struct prelogin *p, const struct sasl_mech *m)
{
	bool any = false;

	FEATURE_EACH (f)
		any |= f->sasl_bind != NULL;
	return any && m->bindable && p->binding;
}

static bool is_plus_of(struct str name, const struct sasl_mech *m)
{
	size_t n = strlen(m->name);

	return name.len == n + sizeof(plus) - 1 && str_istarts(name, str_from(m->name)) &&
		str_ieq((struct str){name.p + n, sizeof(plus) - 1}, STR("-PLUS"));
}

enum sasl_offer sasl_offer_find(const struct prelogin *p, struct str name)
{
	FEATURE_EACH (f) {
		for (const struct sasl_mech *m = f->sasl_mechs; m && m->name; m++) {
			if (is_plus_of(name, m) && can_bind(p, m))
				return SASL_OFFER_YES;
			if (!str_ieq(name, str_from(m->name)))
				continue;
			if (m->external && !p->certificate)
				return SASL_OFFER_UNKNOWN;
			return !p->must_encrypt && (p->secure || !m->plaintext) ? SASL_OFFER_YES
										 : SASL_OFFER_SECURE;
		}
	}
	return SASL_OFFER_UNKNOWN;
}

void sasl_offer_add(const struct prelogin *p, const char *before, struct buf *out)
{
	FEATURE_EACH (f) {
		for (const struct sasl_mech *m = f->sasl_mechs; m && m->name; m++) {
			if (sasl_offer_find(p, str_from(m->name)) == SASL_OFFER_YES)
				buf_addv(out, before, m->name, NULL);
			if (can_bind(p, m))
				buf_addv(out, before, m->name, plus, NULL);
		}
	}
}

/* Room for all of it: growing would leave parts of a password in freed memory. */
static void request(struct prelogin *p, bool first, size_t room)
{
	buf_clear(&p->auth);
	buf_reserve(&p->auth, room + 16);
	p->auth_first = first;
	p->want = PRELOGIN_AUTH;
}

void sasl_offer_login(struct prelogin *p, struct str user, struct str password)
{
	request(p, true, user.len + password.len);
	buf_put8(&p->auth, 0);
	buf_putstr(&p->auth, user);
	buf_putstr(&p->auth, password);
}

void sasl_offer_start(struct prelogin *p, struct str mechanism, struct str initial)
{
	request(p, true, mechanism.len + initial.len);
	buf_put8(&p->auth, 1);
	buf_putstr(&p->auth, mechanism);
	buf_put8(&p->auth, initial.p != NULL);
	buf_putstr(&p->auth, initial);
}

void sasl_offer_step(struct prelogin *p, struct str response)
{
	request(p, false, response.len);
	buf_putstr(&p->auth, response);
}

int sasl_offer_decode(struct str text, bool initial, struct buf *out)
{
	return initial && str_eq(text, STR("=")) ? 0 : text_base64_decode(out, text, true);
}

void sasl_offer_add_reason(struct buf *out, struct str reason)
{
	for (size_t i = 0; i < reason.len && i < REASON_MAX; i++) {
		unsigned char byte = (unsigned char)reason.p[i];

		buf_addc(out, byte < ' ' || byte == 0x7f ? ' ' : (char)byte);
	}
}
