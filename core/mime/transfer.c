/* SPDX-License-Identifier: 0BSD */
#include "core/mime/transfer.h"

#include <string.h>

#include "core/lib/cursor.h"
#include "core/mime/mime.h"

static int base64_digit(int byte)
{
	if (byte >= 'A' && byte <= 'Z')
		return byte - 'A';
	if (byte >= 'a' && byte <= 'z')
		return byte - 'a' + 26;
	if (byte >= '0' && byte <= '9')
		return byte - '0' + 52;
	return byte == '+' ? 62 : byte == '/' ? 63 : -1;
}

void transfer_add_base64(struct buf *out, struct str in, size_t max)
{
	size_t room = in.len / 4 * 3 + 3, n = 0;
	uint32_t bits = 0;
	unsigned have = 0;
	char *to;

	if (max && max < room)
		room = max;
	to = buf_reserve(out, room);
	if (!to)
		return;
	for (size_t i = 0; i < in.len && in.p[i] != '=' && n < room; i++) {
		int digit = base64_digit((unsigned char)in.p[i]);

		if (digit < 0)
			continue;
		bits = bits << 6 | (uint32_t)digit;
		have += 6;
		if (have >= 8) {
			have -= 8;
			to[n++] = (char)(bits >> have);
		}
	}
	buf_commit(out, n);
}

static int hex_digit(int byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	if (byte >= 'A' && byte <= 'F')
		return byte - 'A' + 10;
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* RFC 2045 6.7 rule 5: "=", blanks, and the end of the line or of the text. */
static bool take_soft_break(struct cursor *c)
{
	struct cursor at = *c;

	while (cursor_peek(&at) == ' ' || cursor_peek(&at) == '\t')
		cursor_skip(&at, 1);
	if (!cursor_done(&at) && !cursor_accept_word(&at, STR("\r\n")) && !cursor_accept(&at, '\n'))
		return false;
	*c = at;
	return true;
}

/* Behind "=": appends the byte it stands for, nothing, or "=" itself if what follows makes no
 * sense. */
static void take_escape(struct cursor *c, struct buf *out)
{
	int high = hex_digit(cursor_peek(c)), low = hex_digit(cursor_peek_at(c, 1));

	if (high >= 0 && low >= 0) {
		cursor_skip(c, 2);
		buf_addc(out, (char)(high << 4 | low));
	} else if (!take_soft_break(c)) {
		buf_addc(out, '=');
	}
}

void transfer_add_quoted(struct buf *out, struct str in, size_t max, bool underscore)
{
	struct cursor c = cursor_from(in);
	size_t before = out->len;

	while (!cursor_done(&c) && !out->failed && (!max || out->len - before < max)) {
		struct cursor start = c;
		struct str run;

		while (!cursor_done(&c) && cursor_peek(&c) != '=' && cursor_peek(&c) != '_')
			cursor_skip(&c, 1);
		run = cursor_between(&start, &c);
		if (max && run.len > max - (out->len - before))
			run.len = max - (out->len - before);
		buf_addstr(out, run);
		if (max && out->len - before == max)
			return;
		if (cursor_accept(&c, '_'))
			buf_addc(out, underscore ? ' ' : '_');
		else if (cursor_accept(&c, '='))
			take_escape(&c, out);
	}
}

int mime_decode_body(struct buf *out, const struct mime_part *part, size_t max)
{
	struct str in = part->body;

	if (str_ieq(part->encoding, STR("base64"))) {
		transfer_add_base64(out, in, max);
		return 1;
	}
	if (str_ieq(part->encoding, STR("quoted-printable"))) {
		transfer_add_quoted(out, in, max, false);
		return 1;
	}
	if (max && in.len > max)
		in.len = max;
	buf_addstr(out, in);
	return !part->encoding.len || str_ieq(part->encoding, STR("7bit")) ||
		str_ieq(part->encoding, STR("8bit")) || str_ieq(part->encoding, STR("binary"));
}
