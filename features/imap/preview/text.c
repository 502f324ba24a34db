/* SPDX-License-Identifier: 0BSD */
/* Which part a preview is made of, and its characters. */
#include "features/imap/preview/preview.h"

#include "core/lib/cursor.h"
#include "core/lib/utf8.h"
#include "core/mime/charset.h"

/* Decoded bytes that are looked at: markup may take most of them. */
#define LOOKED_AT (32 * 1024)

static const struct mime_part *next_part(const struct mime_part *p)
{
	if (p->first_child)
		return p->first_child;
	while (p && !p->next)
		p = p->parent;
	return p ? p->next : NULL;
}

/* The first text that is shown: plain, else HTML. */
static const struct mime_part *find_text(const struct mime_part *top)
{
	const struct mime_part *html = NULL;

	for (const struct mime_part *p = top; p; p = next_part(p)) {
		if (p->first_child || !str_ieq(p->type, STR("text")) || str_ieq(p->disposition, STR("attachment")))
			continue;
		if (str_ieq(p->subtype, STR("plain")))
			return p;
		if (!html && str_ieq(p->subtype, STR("html")))
			html = p;
	}
	return html;
}

/* Blanks, controls and what is not seen. */
static bool is_blank(uint32_t code)
{
	return code <= ' ' || (code >= 0x7f && code <= 0xa0) || code == 0xad || (code >= 0x2000 && code <= 0x200f) ||
		(code >= 0x2028 && code <= 0x202f) || code == 0x3000 || code == 0xfeff;
}

/* Lines that answer quotes: the reader knows them. */
static void skip_quotes(struct cursor *c)
{
	bool ended;

	while (cursor_peek(c) == '>')
		cursor_take_line(c, &ended);
}

static void add_chars(struct buf *out, struct str utf8, bool plain)
{
	struct cursor c = cursor_from(utf8);
	unsigned chars = 0;
	bool gap = false;
	uint32_t code;

	if (plain)
		skip_quotes(&c);
	while (!cursor_done(&c)) {
		if (!utf8_take(&c, &code)) {
			cursor_skip(&c, 1);
			continue;
		}
		if (plain && code == '\n')
			skip_quotes(&c);
		if (is_blank(code)) {
			gap = chars > 0;
			continue;
		}
		chars += gap ? 2 : 1;
		if (chars > PREVIEW_CHARS)
			return;
		if (gap)
			buf_addc(out, ' ');
		gap = false;
		utf8_add(out, code);
	}
}

void preview_add(struct buf *out, const struct mime_part *top)
{
	const struct mime_part *p = find_text(top);
	struct buf decoded = {0}, text = {0}, bare = {0};
	bool plain;

	if (!p)
		return;
	plain = str_ieq(p->subtype, STR("plain"));
	mime_decode_body(&decoded, p, LOOKED_AT);
	charset_to_utf8(&text, mime_param_value(p, STR("charset")), buf_str(&decoded));
	if (!plain)
		preview_add_html(&bare, buf_str(&text));
	add_chars(out, buf_str(plain ? &text : &bare), plain);
	out->failed |= decoded.failed || text.failed || bare.failed;
	buf_free(&decoded);
	buf_free(&text);
	buf_free(&bare);
}
