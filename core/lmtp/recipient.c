/* SPDX-License-Identifier: 0BSD */
/* Whose mail it is: from the address of RCPT to an account. */
#include "core/lmtp/internal.h"

#include "core/hooks.h"
#include "core/lib/log.h"

/* So often an alias may lead to another one. */
#define ALIASES_MAX 10

/* An address in parts, in the transaction's arena. */
struct parts {
	struct str local, detail, domain; /* local: without detail */
};

static struct str lower_case(struct arena *a, struct str s)
{
	struct str copy = arena_str(a, s);
	char *p = (char *)(uintptr_t)copy.p;

	for (size_t i = 0; p && i < copy.len; i++) {
		if (p[i] >= 'A' && p[i] <= 'Z')
			p[i] = (char)(p[i] + 'a' - 'A');
	}
	return copy;
}

/* What follows the first '+' is the detail (RFC 5233 4). */
static void split(struct str local, struct parts *p)
{
	struct cursor c = cursor_from(local);

	p->local = cursor_take_until(&c, '+');
	p->detail = cursor_accept(&c, '+') ? cursor_take(&c, cursor_left(&c)) : STR("");
}

/* "local+detail@domain", the last '@' parts them; "@domain": the same local part there. */
static void take_target(struct str target, struct parts *p)
{
	struct cursor c = cursor_from(target), at = c;
	struct parts before = *p;

	p->domain = STR("");
	while (!cursor_done(&c)) {
		cursor_take_until(&c, '@');
		if (cursor_accept(&c, '@')) {
			at = c;
			p->domain = cursor_take(&at, cursor_left(&at));
		}
	}
	c = cursor_from(target);
	split(cursor_take(&c, target.len - (p->domain.len ? p->domain.len + 1 : 0)), p);
	if (!p->local.len)
		p->local = before.local;
	/* What was asked for goes along, unless the alias says otherwise. */
	if (!p->detail.len)
		p->detail = before.detail;
}

/* Accounts and aliases are named in small letters.  1 an account (*name_r in the arena), 2 an alias for
 * *name_r, 0 neither, -1. */
static int look_up(struct lmtp_session *s, struct str name, bool may_be_account, struct str *name_r,
	struct buf *words)
{
	struct mail *m = s->base.mail;
	struct buf target = {0};
	int rc;

	*name_r = lower_case(&s->arena, name);
	if (!name_r->p)
		return -1;
	rc = name.len && may_be_account ? m->account_lookup(m, *name_r, words) : 0;
	FEATURE_EACH (f) {
		if (rc || !f->lmtp_alias)
			continue;
		rc = f->lmtp_alias(m, *name_r, &target);
		if (rc > 0) {
			*name_r = arena_str(&s->arena, buf_str(&target));
			rc = name_r->p && !target.failed ? 2 : -1;
		}
	}
	buf_free(&target);
	return rc;
}

/* local@domain, then local, then all of the domain.  As look_up(). */
static int step(struct lmtp_session *s, const struct parts *p, struct str *name_r, struct buf *words)
{
	struct buf name = {0};
	int rc = 0;

	if (!p->domain.len)
		return look_up(s, p->local, true, name_r, words);
	buf_addstr(&name, p->local);
	buf_addc(&name, '@');
	buf_addstr(&name, p->domain);
	rc = name.failed ? -1 : look_up(s, buf_str(&name), true, name_r, words);
	if (!rc)
		rc = look_up(s, p->local, true, name_r, words);
	if (!rc) {
		buf_consume(&name, p->local.len);
		rc = look_up(s, buf_str(&name), false, name_r, words);
	}
	buf_free(&name);
	return rc;
}

static bool is_ours(struct mail *m, struct str domain)
{
	FEATURE_EACH (f) {
		if (domain.len && f->lmtp_domain && !f->lmtp_domain(m, domain))
			return false;
	}
	return true;
}

int lmtp_find_recipient(struct lmtp_session *s, const struct lmtp_path *path, struct lmtp_rcpt *r)
{
	struct buf local = {0}, words = {0};
	struct parts p = {.domain = path->domain};
	int rc = is_ours(s->base.mail, path->domain) ? 2 : 0;

	if (lmtp_add_local(&local, path->local))
		rc = -1;
	split(arena_str(&s->arena, buf_str(&local)), &p);
	buf_free(&local);
	for (int i = 0; rc == 2; i++) {
		if (i == ALIASES_MAX) {
			log_warning("aliases lead round in circles", "address", log_str(path->address), NULL);
			rc = 0;
			break;
		}
		rc = p.local.p ? step(s, &p, &r->user, &words) : -1;
		if (rc == 2)
			take_target(r->user, &p);
	}
	r->detail = p.detail;
	if (words.len) {
		r->words = arena_str(&s->arena, buf_str(&words));
		rc = r->words.p ? rc : -1;
	}
	buf_free(&words);
	return rc;
}
