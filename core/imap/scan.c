/* SPDX-License-Identifier: 0BSD */
#include "core/imap/commands.h"

#include <string.h>

/* "{123}" or "{123+}" at the end of the text. */
static void find_literal(struct str in, size_t from, struct imap_line *l)
{
	size_t at = l->text;
	uint64_t unit = 1, size = 0;
	bool digits = false;

	if (at == from || in.p[--at] != '}')
		return;
	if (at > from && in.p[at - 1] == '+') {
		l->nonsync = true;
		at--;
	}
	for (; at > from && in.p[at - 1] >= '0' && in.p[at - 1] <= '9'; at--) {
		unsigned digit = (unsigned)(in.p[at - 1] - '0');

		digits = true;
		/* Past 10^18 every digit but 0 is far beyond any limit. */
		if (unit == 0)
			size = digit ? UINT64_MAX : size;
		else if (size != UINT64_MAX)
			size += digit * unit;
		unit = unit < 1000000000000000000u ? unit * 10 : 0;
	}
	if (!digits || at == from || in.p[at - 1] != '{')
		return;
	l->literal = true;
	l->size = size;
	l->header = at - 1;
}

int imap_scan_line(struct str in, size_t from, struct imap_line *line_r)
{
	const char *lf = from < in.len ? memchr(in.p + from, '\n', in.len - from) : NULL;

	if (!lf)
		return 0;
	memset(line_r, 0, sizeof(*line_r));
	line_r->end = (size_t)(lf - in.p) + 1;
	line_r->text = line_r->end - 1;
	if (line_r->text > from && in.p[line_r->text - 1] == '\r')
		line_r->text--;
	find_literal(in, from, line_r);
	return 1;
}

/* RFC 9051 9: tag = 1*<any ASTRING-CHAR except "+"> */
static int take_tag(struct cursor *c, struct str *tag_r)
{
	struct arena none = {.max = 1};
	int ch = cursor_peek(c);

	if (ch == '"' || ch == '{' || imap_parse_astring(c, &none, tag_r))
		return -1;
	return tag_r->len <= 200 && !memchr(tag_r->p, '+', tag_r->len) ? 0 : -1;
}

struct str imap_scan_tag(struct str in)
{
	struct cursor c = cursor_from(in);
	struct str tag;

	if (take_tag(&c, &tag) || cursor_peek(&c) != ' ')
		return STR("");
	return tag;
}

const char *imap_parse_head(struct cursor *c, struct str *tag_r, struct str *name_r)
{
	*name_r = STR("");
	if (take_tag(c, tag_r)) {
		*tag_r = STR("");
		return "A command begins with a tag";
	}
	if (imap_parse_sp(c)) {
		*tag_r = STR("");
		return "After the tag comes a space and a command";
	}
	if (imap_parse_atom(c, name_r))
		return "After the tag and a space comes a command";
	return NULL;
}
