/* SPDX-License-Identifier: 0BSD */
#include "core/mime/header.h"

static bool is_blank(int byte)
{
	return byte == ' ' || byte == '\t';
}

size_t header_block_length(struct str message)
{
	struct cursor c = cursor_from(message), start = c;
	bool ended = true;

	while (ended) {
		struct str line = cursor_take_line(&c, &ended);

		if (line.len == 0)
			break;
	}
	return cursor_between(&start, &c).len;
}

/* RFC 5322 2.2: printable ASCII without colon; blanks in front of the colon are 4.5.8's. */
static struct str field_name(struct str before_colon)
{
	size_t n = before_colon.len;

	while (n && is_blank(before_colon.p[n - 1]))
		n--;
	for (size_t i = 0; i < n; i++)
		if (before_colon.p[i] <= ' ' || before_colon.p[i] > '~')
			return STR_NULL;
	return (struct str){before_colon.p, n};
}

static struct str without_line_end(struct str s)
{
	if (s.len && s.p[s.len - 1] == '\n') {
		s.len--;
		if (s.len && s.p[s.len - 1] == '\r')
			s.len--;
	}
	return s;
}

int header_next(struct cursor *c, struct header_field *f_r)
{
	struct cursor start = *c, inner;
	bool ended;
	struct str line = cursor_take_line(c, &ended);

	if (line.len == 0)
		return 0;
	while (ended && is_blank(cursor_peek(c)))
		cursor_take_line(c, &ended);
	f_r->raw = cursor_between(&start, c);

	inner = cursor_from(line);
	f_r->name = field_name(cursor_take_until(&inner, ':'));
	if (!cursor_accept(&inner, ':'))
		f_r->name = STR_NULL;
	start.p = f_r->name.len ? inner.p : start.p;
	f_r->value = without_line_end(cursor_between(&start, c));
	return 1;
}

int header_find(struct str block, struct str name, struct header_field *f_r)
{
	struct cursor c = cursor_from(block);

	while (header_next(&c, f_r))
		if (str_ieq(f_r->name, name))
			return 1;
	return 0;
}

void header_unfold(struct buf *out, struct str value)
{
	struct cursor c = cursor_from(str_trim(value));
	bool ended;

	while (!cursor_done(&c))
		buf_addstr(out, cursor_take_line(&c, &ended));
}
