/* SPDX-License-Identifier: 0BSD */
#include "core/mime/field.h"

#include <string.h>

static bool is_space(int byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* At "(": takes one comment with those nested in it; returns its inside. */
static struct str take_comment(struct cursor *c)
{
	unsigned depth = 1;
	struct cursor start, end;

	cursor_accept(c, '(');
	start = *c;
	while (!cursor_done(c)) {
		int byte;

		end = *c;
		byte = cursor_get(c);
		if (byte == '\\' && !cursor_done(c))
			cursor_skip(c, 1);
		else if (byte == '(')
			depth++;
		else if (byte == ')' && --depth == 0)
			return cursor_between(&start, &end);
	}
	return cursor_between(&start, c);
}

bool field_skip_cfws(struct cursor *c, struct str *comment_r)
{
	bool any = false;

	for (;; any = true) {
		if (is_space(cursor_peek(c))) {
			cursor_skip(c, 1);
		} else if (cursor_peek(c) == '(') {
			struct str comment = take_comment(c);

			if (comment_r)
				*comment_r = comment;
		} else {
			return any;
		}
	}
}

/* RFC 2045 5.1: no blanks, controls or tspecials.  8-bit bytes are let in. */
static const unsigned char token_end[256] = {['('] = 1, [')'] = 1, ['<'] = 1, ['>'] = 1, ['@'] = 1,
	[','] = 1, [';'] = 1, [':'] = 1, ['\\'] = 1, ['"'] = 1, ['/'] = 1, ['['] = 1, [']'] = 1,
	['?'] = 1, ['='] = 1, [127] = 1};

struct str field_token(struct cursor *c)
{
	struct cursor start = *c;

	while (cursor_peek(c) > ' ' && !token_end[cursor_peek(c)])
		cursor_skip(c, 1);
	return cursor_between(&start, c);
}

struct str field_quoted(struct cursor *c)
{
	struct cursor start, end;

	cursor_accept(c, '"');
	start = *c;
	while (!cursor_done(c)) {
		int byte;

		end = *c;
		byte = cursor_get(c);
		if (byte == '"')
			return cursor_between(&start, &end);
		if (byte == '\\' && !cursor_done(c))
			cursor_skip(c, 1);
	}
	return cursor_between(&start, c);
}

/* The next byte of the inside of a quoted string, or -1 at its end. */
static int unescaped(struct cursor *c)
{
	while (!cursor_done(c)) {
		int byte = cursor_get(c);

		if (byte == '\n' || (byte == '\r' && cursor_peek(c) == '\n'))
			continue;
		if (byte == '\\' && !cursor_done(c))
			return cursor_get(c);
		return byte;
	}
	return -1;
}

void field_add_unescaped(struct buf *out, struct str inside)
{
	struct cursor c = cursor_from(inside);
	int byte;

	while ((byte = unescaped(&c)) >= 0)
		buf_addc(out, (char)byte);
}

int field_unescape(struct arena *a, struct str inside, struct str *s_r)
{
	struct cursor c = cursor_from(inside);
	size_t n = 0;
	char *copy;
	int byte;

	*s_r = inside;
	if (!inside.len || (!memchr(inside.p, '\\', inside.len) && !memchr(inside.p, '\n', inside.len)))
		return 0;
	copy = arena_alloc(a, inside.len);
	if (!copy)
		return -1;
	while ((byte = unescaped(&c)) >= 0)
		copy[n++] = (char)byte;
	*s_r = (struct str){copy, n};
	return 0;
}

/* Passes over bytes up to and without one of the two. */
static void skip_until(struct cursor *c, int one, int two)
{
	while (!cursor_done(c) && cursor_peek(c) != one && cursor_peek(c) != two)
		cursor_skip(c, 1);
}

/*
 * An unquoted value.  Programs send "filename=My File (1).pdf", which no grammar allows: what
 * follows the value up to the semicolon belongs to it, unless it looks like the next parameter
 * behind a missing semicolon.
 */
static struct str take_bare(struct cursor *c)
{
	struct cursor start = *c, probe;
	struct str value;

	while (!cursor_done(c) && !is_space(cursor_peek(c)) && cursor_peek(c) != ';' &&
		cursor_peek(c) != '(')
		cursor_skip(c, 1);
	value = cursor_between(&start, c);
	field_skip_cfws(c, NULL);
	if (cursor_done(c) || cursor_peek(c) == ';')
		return value;
	probe = *c;
	skip_until(&probe, ';', '=');
	if (cursor_peek(&probe) == '=')
		return value;
	*c = probe;
	return str_trim(cursor_between(&start, c));
}

/* "; name=value".  1 taken, 0 nothing usable (passed over), -1 out of memory. */
static int take_param(struct arena *a, struct cursor *c, struct mime_param **p_r)
{
	struct str name = field_token(c), value;

	field_skip_cfws(c, NULL);
	if (!name.len || !cursor_accept(c, '=')) {
		skip_until(c, ';', ';');
		return 0;
	}
	field_skip_cfws(c, NULL);
	if (cursor_peek(c) != '"')
		value = take_bare(c);
	else if (field_unescape(a, field_quoted(c), &value))
		return -1;
	*p_r = arena_alloc(a, sizeof(**p_r));
	if (!*p_r)
		return -1;
	(*p_r)->name = name;
	(*p_r)->value = value;
	return 1;
}

/* A name of RFC 2231 3 and 4: base*N or base*N*. */
struct piece {
	struct str base;
	uint64_t number;
	bool encoded;
};

static bool split_piece(struct str name, struct piece *p_r)
{
	struct cursor c = cursor_from(name);

	p_r->base = cursor_take_until(&c, '*');
	if (!cursor_accept(&c, '*'))
		return false;
	p_r->number = cursor_number(&c, FIELD_PARAMS_MAX);
	p_r->encoded = cursor_accept(&c, '*');
	return !c.failed && cursor_done(&c);
}

static struct mime_param **find_piece(struct mime_param **list, struct str base, uint64_t number,
	bool *encoded_r)
{
	struct piece piece;

	for (; *list; list = &(*list)->next)
		if (split_piece((*list)->name, &piece) && piece.number == number &&
			str_ieq(piece.base, base)) {
			*encoded_r = piece.encoded;
			return list;
		}
	return NULL;
}

/* RFC 2231 7: attribute-char. */
static bool is_attribute_byte(unsigned char byte)
{
	return byte > ' ' && byte < 127 && !token_end[byte] && !strchr("*'%", byte);
}

/* Writes a piece; one sent as plain text gets percent signs if it joins encoded ones. */
static size_t write_piece(char *to, struct str value, bool escape)
{
	size_t n = 0;

	for (size_t i = 0; i < value.len; i++) {
		unsigned char byte = (unsigned char)value.p[i];

		if (!escape || is_attribute_byte(byte)) {
			to[n++] = (char)byte;
			continue;
		}
		to[n++] = '%';
		to[n++] = "0123456789ABCDEF"[byte >> 4];
		to[n++] = "0123456789ABCDEF"[byte & 15];
	}
	return n;
}

/* Joins the pieces base*0, base*1... into `first`, and unlinks the others. */
static int join_pieces(struct arena *a, struct mime_param **list, struct mime_param *first,
	struct piece head)
{
	struct mime_param *pieces[FIELD_PARAMS_MAX];
	bool encoded[FIELD_PARAMS_MAX], any = head.encoded;
	size_t n = 1, room = first->value.len + 1, len = 0;
	struct mime_param **at;
	char *to;

	pieces[0] = first;
	encoded[0] = head.encoded;
	while (n < FIELD_PARAMS_MAX && (at = find_piece(list, head.base, n, &encoded[n]))) {
		pieces[n] = *at;
		any |= encoded[n];
		room += pieces[n++]->value.len;
		*at = (*at)->next;
	}
	to = arena_array(a, room, any ? 3 : 1);
	if (!to)
		return -1;
	/* Encoded text begins with its charset and language (RFC 2231 4): both unknown here. */
	if (any && !encoded[0])
		to[len++] = '\'', to[len++] = '\'';
	for (size_t i = 0; i < n; i++)
		len += write_piece(to + len, pieces[i]->value, any && !encoded[i]);
	first->value = (struct str){to, len};
	first->name.len = head.base.len + any;
	return 0;
}

int field_params(struct arena *a, struct cursor *c, struct mime_param **list_r)
{
	struct mime_param **tail = list_r;
	struct piece piece;
	unsigned n = 0;

	*list_r = NULL;
	for (;;) {
		while (field_skip_cfws(c, NULL) || cursor_accept(c, ';'))
			;
		if (cursor_done(c) || n == FIELD_PARAMS_MAX)
			break;
		switch (take_param(a, c, tail)) {
		case 1:
			tail = &(*tail)->next;
			n++;
			break;
		case -1:
			return -1;
		}
	}
	for (struct mime_param *p = *list_r; p; p = p->next)
		if (split_piece(p->name, &piece) && piece.number == 0 && join_pieces(a, list_r, p, piece))
			return -1;
	return 0;
}
