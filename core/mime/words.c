/* SPDX-License-Identifier: 0BSD */
/* Encoded-words of RFC 2047, with the charset*language of RFC 2231 5. */
#include "core/mime/header.h"

#include "core/mime/charset.h"
#include "core/mime/transfer.h"

struct word {
	struct str charset, text;
	bool base64;
};

/* At "=?": takes "=?charset?encoding?text?=".  Nothing is taken if it is not one. */
static bool take_word(struct cursor *c, struct word *w_r)
{
	struct cursor at = *c, start;
	struct str charset;
	int encoding;

	if (!cursor_accept(&at, '=') || !cursor_accept(&at, '?'))
		return false;
	start = at;
	while (cursor_peek(&at) > ' ' && cursor_peek(&at) != '?')
		cursor_skip(&at, 1);
	charset = cursor_between(&start, &at);
	if (!charset.len || !cursor_accept(&at, '?'))
		return false;
	encoding = cursor_done(&at) ? -1 : cursor_get(&at) | 32;
	if ((encoding != 'b' && encoding != 'q') || !cursor_accept(&at, '?'))
		return false;
	start = at;
	/* Blanks are forbidden in there, but sent; a line end is where a lost "?=" stops. */
	while (cursor_peek(&at) != '?' && cursor_peek(&at) != '\n' && !cursor_done(&at))
		cursor_skip(&at, 1);
	w_r->text = cursor_between(&start, &at);
	if (!cursor_accept(&at, '?') || !cursor_accept(&at, '='))
		return false;
	start = cursor_from(charset);
	w_r->charset = cursor_take_until(&start, '*');
	w_r->base64 = encoding == 'b';
	*c = at;
	return true;
}

/* The bytes of a run of encoded-words in one charset, since some mailers split a character between
 * two words. */
struct run {
	struct buf bytes;
	struct str charset;
};

static void flush_run(struct buf *out, struct run *run)
{
	if (run->charset.p)
		charset_to_utf8(out, run->charset, buf_str(&run->bytes));
	out->failed |= run->bytes.failed;
	buf_clear(&run->bytes);
	run->charset = STR_NULL;
}

static void add_to_run(struct buf *out, struct run *run, const struct word *w)
{
	if (!run->charset.p || !str_ieq(run->charset, w->charset))
		flush_run(out, run);
	run->charset = w->charset;
	if (w->base64)
		transfer_add_base64(&run->bytes, w->text, 0);
	else
		transfer_add_quoted(&run->bytes, w->text, 0, true);
}

/* Text between encoded-words: up to the next "=?", line ends dropped, 8-bit bytes made UTF-8. */
static void add_plain(struct buf *out, struct str s)
{
	struct buf flat = {0};
	struct cursor c = cursor_from(s);
	bool ended;

	while (!cursor_done(&c))
		buf_addstr(&flat, cursor_take_line(&c, &ended));
	charset_to_utf8(out, STR("us-ascii"), buf_str(&flat));
	out->failed |= flat.failed;
	buf_free(&flat);
}

void header_decode(struct buf *out, struct str value)
{
	struct cursor c = cursor_from(str_trim(value)), plain = c;
	struct run run = {0};
	struct word w;

	while (!cursor_done(&c)) {
		struct cursor at = c;

		if (cursor_peek(&c) != '=' || !take_word(&c, &w)) {
			cursor_skip(&c, 1);
			continue;
		}
		/* RFC 2047 6.2: blanks between two encoded-words are not shown. */
		if (!run.charset.p || str_trim(cursor_between(&plain, &at)).len) {
			flush_run(out, &run);
			add_plain(out, cursor_between(&plain, &at));
		}
		add_to_run(out, &run, &w);
		plain = c;
	}
	flush_run(out, &run);
	add_plain(out, cursor_between(&plain, &c));
	buf_free(&run.bytes);
}
