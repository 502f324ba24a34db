/* SPDX-License-Identifier: 0BSD */
#include "core/imap/parse.h"

#include <string.h>

#include "core/lib/text.h"
#include "core/store/store.h"

enum { ATOM = 1, ASTRING = 2, LIST = 4 };

/* RFC 9051 9: ATOM-CHAR is any CHAR but atom-specials; ASTRING-CHAR adds "]", list-char "]%*". */
static unsigned char_class(int ch)
{
	if (ch <= ' ' || ch >= 0x7f)
		return 0;
	switch (ch) {
	case '(': case ')': case '{': case '"': case '\\':
		return 0;
	case '%': case '*':
		return LIST;
	case ']':
		return ASTRING | LIST;
	default:
		return ATOM | ASTRING | LIST;
	}
}

/* Takes one or more bytes of a class. */
static int take_class(struct cursor *c, unsigned class, struct str *v_r)
{
	struct cursor start = *c;

	while (char_class(cursor_peek(c)) & class)
		cursor_get(c);
	*v_r = (struct str){start.p, cursor_left(&start) - cursor_left(c)};
	return v_r->len ? 0 : -1;
}

int imap_parse_sp(struct cursor *c)
{
	return cursor_accept(c, ' ') ? 0 : -1;
}

int imap_parse_end(struct cursor *c)
{
	return cursor_done(c) ? 0 : -1;
}

int imap_parse_atom(struct cursor *c, struct str *v_r)
{
	return take_class(c, ATOM, v_r);
}

/* The quoted string again, with its escapes taken away. */
static int unescape(struct str raw, struct arena *a, struct str *v_r)
{
	struct cursor in = cursor_from(raw);
	char *to = arena_alloc(a, raw.len + 1);
	size_t n = 0;

	if (!to)
		return -1;
	while (!cursor_done(&in)) {
		int ch = cursor_get(&in);

		to[n++] = (char)(ch == '\\' ? cursor_get(&in) : ch);
	}
	*v_r = (struct str){to, n};
	return 0;
}

int imap_parse_quoted(struct cursor *c, struct arena *a, struct str *v_r)
{
	struct cursor start;
	bool escapes = false;

	if (!cursor_accept(c, '"'))
		return -1;
	start = *c;
	for (;;) {
		int ch = cursor_peek(c);

		if (ch == '"')
			break;
		/* RFC 9051 9: QUOTED-CHAR; 8-bit bytes are UTF-8, whose users check it. */
		if (ch <= 0 || ch == '\r' || ch == '\n')
			return -1;
		cursor_get(c);
		if (ch == '\\') {
			escapes = true;
			if (!cursor_accept(c, '"') && !cursor_accept(c, '\\'))
				return -1;
		}
	}
	*v_r = (struct str){start.p, cursor_left(&start) - cursor_left(c)};
	cursor_get(c);
	return escapes ? unescape(*v_r, a, v_r) : 0;
}

int imap_parse_literal(struct cursor *c, struct str *v_r)
{
	uint64_t n;

	if (!cursor_accept(c, '{'))
		return -1;
	n = cursor_number(c, cursor_left(c));
	if (c->failed)
		return -1;
	cursor_accept(c, '+'); /* RFC 7888 */
	if (!cursor_accept(c, '}'))
		return -1;
	cursor_accept(c, '\r');
	if (!cursor_accept(c, '\n') || n > cursor_left(c))
		return -1;
	*v_r = cursor_take(c, (size_t)n);
	return 0;
}

int imap_parse_string(struct cursor *c, struct arena *a, struct str *v_r)
{
	if (cursor_peek(c) == '{')
		return imap_parse_literal(c, v_r);
	return imap_parse_quoted(c, a, v_r);
}

static int string_or(struct cursor *c, struct arena *a, unsigned class, struct str *v_r)
{
	int ch = cursor_peek(c);

	if (ch == '{' || ch == '"')
		return imap_parse_string(c, a, v_r);
	return take_class(c, class, v_r);
}

int imap_parse_astring(struct cursor *c, struct arena *a, struct str *v_r)
{
	return string_or(c, a, ASTRING, v_r);
}

int imap_parse_list_mailbox(struct cursor *c, struct arena *a, struct str *v_r)
{
	return string_or(c, a, LIST, v_r);
}

int imap_parse_nstring(struct cursor *c, struct arena *a, struct str *v_r)
{
	struct str word;

	if (cursor_peek(c) == '{' || cursor_peek(c) == '"')
		return imap_parse_string(c, a, v_r);
	if (imap_parse_atom(c, &word) || !str_ieq(word, STR("NIL")))
		return -1;
	*v_r = STR_NULL;
	return 0;
}

int imap_mailbox_utf8(struct str wire, struct arena *a, struct str *utf8_r)
{
	struct buf out = {0};
	int rc = -1;

	/* RFC 9051 5.1: INBOX is the one name without case; a name below it keeps its own. */
	if (str_ieq(wire, STR("INBOX"))) {
		*utf8_r = STR("INBOX");
		return 0;
	}
	*utf8_r = wire;
	if (!wire.len || !memchr(wire.p, '&', wire.len))
		return text_is_utf8(wire) ? 0 : -1;
	/* RFC 3501 5.1.3.  What is not in that form, "R&D" say, is meant as it stands (RFC 9051 5.1). */
	if (text_is_utf8(wire) && text_from_mutf7(&out, wire)) {
		rc = 0;
	} else if (buf_str(&out).len) {
		*utf8_r = arena_str(a, buf_str(&out));
		rc = utf8_r->p ? 0 : -1;
	}
	buf_free(&out);
	return rc;
}

int imap_parse_mailbox(struct cursor *c, struct arena *a, struct str *utf8_r)
{
	struct str wire;

	if (imap_parse_astring(c, a, &wire))
		return -1;
	return imap_mailbox_utf8(wire, a, utf8_r);
}

int imap_parse_number(struct cursor *c, uint64_t max, uint64_t *v_r)
{
	*v_r = cursor_number(c, max);
	return c->failed ? -1 : 0;
}

int imap_parse_nz_number(struct cursor *c, uint32_t *v_r)
{
	uint64_t v;

	if (imap_parse_number(c, UINT32_MAX, &v) || v == 0)
		return -1;
	*v_r = (uint32_t)v;
	return 0;
}

static const struct { struct str name; uint32_t flag; } system_flags[] = {
	{{"Seen", 4}, MESSAGE_SEEN}, {{"Answered", 8}, MESSAGE_ANSWERED},
	{{"Flagged", 7}, MESSAGE_FLAGGED}, {{"Deleted", 7}, MESSAGE_DELETED},
	{{"Draft", 5}, MESSAGE_DRAFT},
};

static int parse_flag(struct cursor *c, struct arena *a, struct imap_flags *f)
{
	bool system = cursor_accept(c, '\\');
	struct str name;

	if (imap_parse_atom(c, &name))
		return -1;
	if (!system) {
		struct str *list = f->keywords;

		if (f->n == f->cap) {
			f->cap = f->cap ? f->cap * 2 : 8;
			list = arena_array(a, f->cap, sizeof(*list));
			if (!list)
				return -1;
			if (f->n)
				memcpy(list, f->keywords, f->n * sizeof(*list));
			f->keywords = list;
		}
		f->keywords[f->n++] = name;
		return 0;
	}
	for (size_t i = 0; i < sizeof(system_flags) / sizeof(system_flags[0]); i++) {
		if (str_ieq(name, system_flags[i].name)) {
			f->flags |= system_flags[i].flag;
			return 0;
		}
	}
	return -1; /* \Recent cannot be stored (RFC 3501 9), others are unknown */
}

int imap_parse_flags(struct cursor *c, struct arena *a, bool parens_needed, struct imap_flags *f_r)
{
	bool parens = cursor_accept(c, '(');

	memset(f_r, 0, sizeof(*f_r));
	if (parens_needed && !parens)
		return -1;
	if (parens && cursor_accept(c, ')'))
		return 0;
	do {
		if (parse_flag(c, a, f_r))
			return -1;
	} while (cursor_accept(c, ' '));
	return !parens || cursor_accept(c, ')') ? 0 : -1;
}
