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

static void add_base64(struct transfer *t, struct str in, size_t max, struct buf *out)
{
	size_t room = in.len / 4 * 3 + 3, n = 0;
	char *to;

	if (max && max < room)
		room = max;
	to = buf_reserve(out, room);
	if (!to)
		return;
	for (size_t i = 0; i < in.len && !t->ended && n < room; i++) {
		int digit = base64_digit((unsigned char)in.p[i]);

		t->ended = in.p[i] == '=';
		if (digit < 0)
			continue;
		t->bits = t->bits << 6 | (uint32_t)digit;
		t->have += 6;
		if (t->have >= 8) {
			t->have -= 8;
			to[n++] = (char)(t->bits >> t->have);
		}
	}
	buf_commit(out, n);
}

void transfer_add_base64(struct buf *out, struct str in, size_t max)
{
	struct transfer t = {0};

	add_base64(&t, in, max, out);
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

bool mime_encoding_known(struct str encoding)
{
	static const char *const known[] = {"", "7bit", "8bit", "binary", "base64", "quoted-printable"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (str_ieq(encoding, str_from(known[i])))
			return true;
	return false;
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
	return mime_encoding_known(part->encoding);
}

/* ---- in pieces ---- */

/* A line longer than this is cut where no escape stands. */
#define LINE_MAX (16 * 1024)

void transfer_begin(struct transfer *t, struct str encoding)
{
	*t = (struct transfer){.kind = TRANSFER_AS_IS};
	if (str_ieq(encoding, STR("base64")))
		t->kind = TRANSFER_BASE64;
	else if (str_ieq(encoding, STR("quoted-printable")))
		t->kind = TRANSFER_QUOTED;
}

/* How much of it can be decoded without what follows: no escape goes beyond a line's end. */
static size_t whole_lines(struct str s)
{
	const char *end = s.len ? memrchr(s.p, '\n', s.len) : NULL;
	size_t n = s.len;

	if (end)
		return (size_t)(end - s.p) + 1;
	if (s.len < LINE_MAX)
		return 0;
	for (size_t back = 1; back <= 3; back++)
		if (s.p[s.len - back] == '=')
			n = s.len - back;
	return n;
}

static void feed_quoted(struct transfer *t, struct str piece, bool last, struct buf *out)
{
	struct str all;

	if (buf_addstr(&t->held, piece)) {
		out->failed = true;
		return;
	}
	all = buf_str(&t->held);
	if (!last)
		all.len = whole_lines(all);
	transfer_add_quoted(out, all, 0, false);
	buf_consume(&t->held, all.len);
}

void transfer_feed(struct transfer *t, struct str piece, bool last, struct buf *out)
{
	if (t->kind == TRANSFER_BASE64)
		add_base64(t, piece, 0, out);
	else if (t->kind == TRANSFER_QUOTED)
		feed_quoted(t, piece, last, out);
	else
		buf_addstr(out, piece);
}

void transfer_free(struct transfer *t)
{
	buf_free(&t->held);
}
