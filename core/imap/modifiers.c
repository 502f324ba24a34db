/* SPDX-License-Identifier: 0BSD */
#include "core/imap/extend.h"

#include "core/imap/parse.h"

const struct imap_fetch_word *imap_fetch_word_find(struct str name)
{
	FEATURE_EACH (f) {
		for (const struct imap_fetch_word *w = f->imap_fetch_words; w && w->name; w++) {
			if (str_ieq(name, str_from(w->name)))
				return w;
		}
	}
	return NULL;
}

static const struct imap_modifier *find(struct str name, enum imap_place place)
{
	FEATURE_EACH (f) {
		for (const struct imap_modifier *m = f->imap_modifiers; m && m->name; m++) {
			if (m->places & place && str_ieq(name, str_from(m->name)))
				return m;
		}
	}
	return NULL;
}

const char *imap_parse_modifiers(struct imap_session *s, struct imap_cmd *c, enum imap_place place,
	const struct imap_fetch_word **implied_r)
{
	const struct imap_modifier *m;
	const char *wrong;
	struct str name;

	if (imap_parse_sp(&c->args) || !cursor_accept(&c->args, '('))
		return "expected ( before the parameters";
	do {
		if (imap_parse_atom(&c->args, &name))
			return "expected a parameter";
		m = find(name, place);
		if (!m)
			return "unknown parameter";
		wrong = m->take ? m->take(s, c) : NULL;
		if (wrong)
			return wrong;
		c->enables |= m->enables;
		if (m->implies && implied_r)
			*implied_r = imap_fetch_word_find(str_from(m->implies));
	} while (cursor_accept(&c->args, ' '));
	return cursor_accept(&c->args, ')') ? NULL : "expected ) after the parameters";
}

void imap_enable(struct imap_session *s, unsigned bits)
{
	unsigned fresh = bits & ~s->enabled;

	s->enabled |= bits;
	if (!fresh)
		return;
	FEATURE_EACH (f) {
		if (f->imap_enabled)
			f->imap_enabled(s, fresh);
	}
}
