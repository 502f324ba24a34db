/* SPDX-License-Identifier: 0BSD */
/* The text of HTML, as far as a preview needs it. */
#include "features/imap/preview/preview.h"

#include "core/lib/cursor.h"
#include "core/lib/utf8.h"

static const unsigned char letters[256] = {['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1};

static bool is_one_of(struct str name, const char *const *names)
{
	for (; *names; names++) {
		if (str_ieq(name, str_from(*names)))
			return true;
	}
	return false;
}

/* Up to and with `end`, or all of it. */
static void skip_past(struct cursor *c, struct str end)
{
	while (!cursor_done(c)) {
		cursor_take_until(c, end.p[0]);
		if (cursor_accept_word(c, end))
			return;
		if (!cursor_done(c))
			cursor_skip(c, 1);
	}
}

/* Up to "</name", or all of it. */
static void skip_element(struct cursor *c, struct str name)
{
	while (!cursor_done(c)) {
		skip_past(c, STR("</"));
		if (cursor_accept_word(c, name))
			return;
	}
}

/* Behind "<".  A tag within a line joins what it stands between, any other parts it. */
static void take_tag(struct buf *out, struct cursor *c)
{
	static const char *const hidden[] = {"head", "style", "script", "title", NULL};
	static const char *const within[] = {"a", "abbr", "b", "big", "em", "font", "i", "s", "small", "span", "strong",
		"sub", "sup", "tt", "u", NULL};
	struct str name;
	bool closes;

	if (cursor_accept_word(c, STR("!--"))) {
		skip_past(c, STR("-->"));
		return;
	}
	closes = cursor_accept(c, '/');
	name = cursor_take_set(c, letters);
	if (!is_one_of(name, within))
		buf_addc(out, ' ');
	if (!closes && is_one_of(name, hidden))
		skip_element(c, name);
	skip_past(c, STR(">"));
}

static bool add_number(struct buf *out, struct cursor *c)
{
	bool hex = cursor_accept(c, 'x') || cursor_accept(c, 'X');
	struct str digits = cursor_take_set(c, letters);
	uint32_t code = 0;

	for (size_t i = 0; i < digits.len && code < 0x110000; i++) {
		int small = digits.p[i] | 32;
		uint32_t digit = (uint32_t)(small >= 'a' ? small - 'a' + 10 : digits.p[i] - '0');

		if (digit >= (hex ? 16u : 10u))
			return false;
		code = code * (hex ? 16 : 10) + digit;
	}
	if (!digits.len || !code || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return false;
	utf8_add(out, code);
	return true;
}

/* Behind "&".  False: it was none. */
static bool add_reference(struct buf *out, struct cursor *c)
{
	static const char *const named[][2] = {{"amp", "&"}, {"lt", "<"}, {"gt", ">"}, {"quot", "\""}, {"apos", "'"},
		{"nbsp", " "}, {"zwnj", ""}, {"shy", ""}};
	struct cursor at = *c;
	struct str name;

	if (cursor_accept(&at, '#')) {
		if (!add_number(out, &at))
			return false;
		cursor_accept(&at, ';');
		*c = at;
		return true;
	}
	name = cursor_take_set(&at, letters);
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
		if (!str_eq(name, str_from(named[i][0])))
			continue;
		buf_adds(out, named[i][1]);
		cursor_accept(&at, ';');
		*c = at;
		return true;
	}
	return false;
}

void preview_add_html(struct buf *out, struct str html)
{
	struct cursor c = cursor_from(html), start;

	while (!cursor_done(&c) && !out->failed) {
		start = c;
		while (!cursor_done(&c) && cursor_peek(&c) != '<' && cursor_peek(&c) != '&')
			cursor_skip(&c, 1);
		buf_addstr(out, cursor_between(&start, &c));
		if (cursor_accept(&c, '<'))
			take_tag(out, &c);
		else if (cursor_accept(&c, '&') && !add_reference(out, &c))
			buf_addc(out, '&');
	}
}
