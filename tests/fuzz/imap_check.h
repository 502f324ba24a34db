/* SPDX-License-Identifier: 0BSD */
#ifndef TESTS_FUZZ_IMAP_CHECK_H
#define TESTS_FUZZ_IMAP_CHECK_H

/* A strict reader of what the MIME code writes: the grammar of RFC 9051 9 for envelope and body,
 * with no leniency.  Each function takes its item from the cursor or returns false. */

#include "core/lib/cursor.h"

static bool check_number(struct cursor *c)
{
	cursor_number(c, UINT32_MAX);
	return !c->failed;
}

/* literal = "{" number "}" CRLF *CHAR8; CHAR8 is any byte but NUL. */
static bool check_literal(struct cursor *c)
{
	struct str s;
	uint64_t n;

	if (!cursor_accept(c, '{'))
		return false;
	n = cursor_number(c, UINT32_MAX);
	if (!cursor_accept_word(c, STR("}\r\n")))
		return false;
	s = cursor_take(c, n);
	for (size_t i = 0; i < s.len; i++)
		if (!s.p[i])
			return false;
	return !c->failed;
}

static bool check_string(struct cursor *c)
{
	if (cursor_peek(c) == '{')
		return check_literal(c);
	if (!cursor_accept(c, '"'))
		return false;
	for (;;) {
		int byte = cursor_get(c);

		if (byte == '"')
			return true;
		if (byte <= 0 || byte >= 128 || byte == '\r' || byte == '\n')
			return false;
		if (byte == '\\' && !cursor_accept(c, '\\') && !cursor_accept(c, '"'))
			return false;
	}
}

static bool check_nstring(struct cursor *c)
{
	return cursor_accept_word(c, STR("NIL")) || check_string(c);
}

static bool check_address(struct cursor *c)
{
	return cursor_accept(c, '(') && check_nstring(c) && cursor_accept(c, ' ') && check_nstring(c) &&
		cursor_accept(c, ' ') && check_nstring(c) && cursor_accept(c, ' ') &&
		check_nstring(c) && cursor_accept(c, ')');
}

static bool check_addresses(struct cursor *c)
{
	if (cursor_accept_word(c, STR("NIL")))
		return true;
	if (!cursor_accept(c, '('))
		return false;
	do {
		if (!check_address(c))
			return false;
	} while (!cursor_accept(c, ')'));
	return true;
}

static bool check_envelope(struct cursor *c)
{
	if (!cursor_accept(c, '(') || !check_nstring(c) || !cursor_accept(c, ' ') ||
		!check_nstring(c) || !cursor_accept(c, ' '))
		return false;
	for (int i = 0; i < 6; i++)
		if (!check_addresses(c) || !cursor_accept(c, ' '))
			return false;
	return check_nstring(c) && cursor_accept(c, ' ') && check_nstring(c) && cursor_accept(c, ')');
}

/* Strings between parentheses; `pairs` asks for an even number. */
static bool check_strings(struct cursor *c, bool pairs)
{
	unsigned n = 0;

	if (cursor_accept_word(c, STR("NIL")))
		return true;
	if (!cursor_accept(c, '('))
		return false;
	do {
		if (!check_string(c))
			return false;
		n++;
	} while (cursor_accept(c, ' '));
	return cursor_accept(c, ')') && (!pairs || n % 2 == 0);
}

static bool check_extension_tail(struct cursor *c)
{
	if (!cursor_accept(c, ' '))
		return false;
	if (!cursor_accept_word(c, STR("NIL")) &&
		!(cursor_accept(c, '(') && check_string(c) && cursor_accept(c, ' ') &&
			check_strings(c, true) && cursor_accept(c, ')')))
		return false;
	return cursor_accept(c, ' ') && check_strings(c, false) && cursor_accept(c, ' ') &&
		check_nstring(c);
}

static bool check_body(struct cursor *c, bool extended);

static bool check_multipart(struct cursor *c, bool extended)
{
	do {
		if (!check_body(c, extended))
			return false;
	} while (cursor_peek(c) == '(');
	if (!cursor_accept(c, ' ') || !check_string(c))
		return false;
	if (extended && !(cursor_accept(c, ' ') && check_strings(c, true) && check_extension_tail(c)))
		return false;
	return cursor_accept(c, ')');
}

static bool check_single(struct cursor *c, bool extended)
{
	struct cursor start = *c;
	bool text, message;

	if (!check_string(c) || !cursor_accept(c, ' ') || !check_string(c) || !cursor_accept(c, ' '))
		return false;
	text = cursor_accept_word(&start, STR("\"text\""));
	message = cursor_accept_word(&start, STR("\"message\" \"rfc822\"")) ||
		cursor_accept_word(&start, STR("\"message\" \"global\""));
	if (!check_strings(c, true) || !cursor_accept(c, ' ') || !check_nstring(c) ||
		!cursor_accept(c, ' ') || !check_nstring(c) || !cursor_accept(c, ' ') ||
		!check_string(c) || !cursor_accept(c, ' ') || !check_number(c))
		return false;
	if (message && !(cursor_accept(c, ' ') && check_envelope(c) && cursor_accept(c, ' ') &&
			       check_body(c, extended)))
		return false;
	if ((message || text) && !(cursor_accept(c, ' ') && check_number(c)))
		return false;
	if (extended && !(cursor_accept(c, ' ') && check_nstring(c) && check_extension_tail(c)))
		return false;
	return cursor_accept(c, ')');
}

static bool check_body(struct cursor *c, bool extended)
{
	if (!cursor_accept(c, '('))
		return false;
	return cursor_peek(c) == '(' ? check_multipart(c, extended) : check_single(c, extended);
}

#endif
