/* SPDX-License-Identifier: 0BSD */
#include "core/lmtp/data.h"

#include "core/lib/bytes.h"
#include "core/lib/cursor.h"

static void keep(struct lmtp_data *d, struct buf *out, struct str text)
{
	if (!text.len)
		return;
	d->size += text.len;
	if (out)
		buf_addstr(out, text);
}

/* At a line start, perhaps behind a dot of an earlier read.  False: more bytes are needed, or the
 * data has ended. */
static bool line_start(struct lmtp_data *d, struct cursor *c, struct buf *out)
{
	if (d->at == LMTP_DATA_START && !cursor_done(c))
		d->at = !d->raw && cursor_accept(c, '.') ? LMTP_DATA_DOT : LMTP_DATA_TEXT;
	if (d->at == LMTP_DATA_DOT && !cursor_done(c))
		d->at = cursor_accept(c, '\r') ? LMTP_DATA_DOT_CR : LMTP_DATA_TEXT;
	if (d->at == LMTP_DATA_DOT_CR && !cursor_done(c)) {
		d->done = cursor_accept(c, '\n');
		if (!d->done) {
			keep(d, out, STR("\r"));
			d->at = LMTP_DATA_CR;
		}
	}
	return !d->done && !cursor_done(c);
}

/*
 * From inside a line: bytes are kept in runs as long as nothing has to be put in or taken out, that
 * is over all lines that end in CRLF and do not begin with a dot.
 */
static void text(struct lmtp_data *d, struct cursor *c, struct buf *out)
{
	const struct cursor from = *c;
	bool was_cr = d->at == LMTP_DATA_CR;

	d->at = LMTP_DATA_TEXT;
	while (!cursor_done(c)) {
		struct str line = cursor_take_until(c, '\n');
		bool cr = line.len ? line.p[line.len - 1] == '\r' : was_cr;

		was_cr = false;
		if (cursor_done(c)) {
			d->at = cr ? LMTP_DATA_CR : LMTP_DATA_TEXT;
			break;
		}
		if (!cr) {
			keep(d, out, cursor_between(&from, c));
			cursor_get(c);
			keep(d, out, STR("\r\n"));
			return;
		}
		cursor_get(c);
		if (cursor_done(c) || cursor_peek(c) == '.') {
			d->at = LMTP_DATA_START;
			break;
		}
	}
	keep(d, out, cursor_between(&from, c));
}

size_t lmtp_data_feed(struct lmtp_data *d, struct str in, struct buf *out)
{
	struct cursor c = cursor_from(in);

	while (!cursor_done(&c) && !d->done) {
		if (d->at >= LMTP_DATA_TEXT || line_start(d, &c, out))
			text(d, &c, out);
	}
	in.len -= cursor_left(&c);
	if (!d->nul && in.len)
		d->nul = bytes_find(in.p, '\0', in.len) != NULL;
	return in.len;
}
