/* SPDX-License-Identifier: 0BSD */
#include "core/mime/subject.h"

#include "core/lib/cursor.h"
#include "core/mime/charset.h"
#include "core/mime/header.h"

static bool is_blank(int byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static void add_with_single_blanks(struct buf *out, struct str s)
{
	struct cursor c = cursor_from(s), start;

	while (!cursor_done(&c)) {
		start = c;
		while (!cursor_done(&c) && !is_blank(cursor_peek(&c)))
			cursor_skip(&c, 1);
		buf_addstr(out, cursor_between(&start, &c));
		if (is_blank(cursor_peek(&c)))
			buf_addc(out, ' ');
		while (is_blank(cursor_peek(&c)))
			cursor_skip(&c, 1);
	}
}

void subject_fold(struct buf *out, struct str value)
{
	struct buf text = {0}, flat = {0};

	header_decode(&text, value);
	add_with_single_blanks(&flat, buf_str(&text));
	charset_fold(out, buf_str(&flat));
	out->failed |= text.failed || flat.failed;
	buf_free(&text);
	buf_free(&flat);
}

static void skip_blanks(struct cursor *c)
{
	while (cursor_accept(c, ' '))
		;
}

/* subj-blob: "[" text without brackets "]" and blanks.  Nothing is taken if it is not one. */
static bool accept_blob(struct cursor *c)
{
	struct cursor at = *c;

	if (!cursor_accept(&at, '['))
		return false;
	while (!cursor_done(&at) && cursor_peek(&at) != '[' && cursor_peek(&at) != ']')
		cursor_skip(&at, 1);
	if (!cursor_accept(&at, ']'))
		return false;
	skip_blanks(&at);
	*c = at;
	return true;
}

/* subj-refwd: "re", "fw" or "fwd", perhaps a blob, and ":". */
static bool accept_refwd(struct cursor *c)
{
	struct cursor at = *c;

	if (!cursor_accept_word(&at, STR("re")) && !cursor_accept_word(&at, STR("fwd")) &&
			!cursor_accept_word(&at, STR("fw")))
		return false;
	skip_blanks(&at);
	accept_blob(&at);
	if (!cursor_accept(&at, ':'))
		return false;
	*c = at;
	return true;
}

/* Steps 3 to 5: what a reply and a mailing list put in front; a blob stays where nothing follows it. */
static void take_leaders(struct cursor *c, bool *reply)
{
	struct cursor at;

	for (;;) {
		skip_blanks(c);
		if (accept_refwd(c)) {
			*reply = true;
			continue;
		}
		at = *c;
		if (!accept_blob(&at) || cursor_done(&at))
			return;
		*c = at;
	}
}

/* Step 2: blanks and "(fwd)" at the end. */
static struct str without_trailers(struct str s, bool *reply)
{
	static const struct str trailer = {"(fwd)", 5};

	for (;;) {
		s = str_trim(s);
		if (s.len < trailer.len || !str_eq((struct str){s.p + s.len - trailer.len, trailer.len}, trailer))
			return s;
		s.len -= trailer.len;
		*reply = true;
	}
}

struct str subject_base(struct str folded, bool *reply_r)
{
	bool reply = false;
	struct cursor c;

	for (;;) {
		c = cursor_from(without_trailers(folded, &reply));
		take_leaders(&c, &reply);
		folded = cursor_take(&c, cursor_left(&c));
		/* Step 6 */
		c = cursor_from(folded);
		if (!folded.len || folded.p[folded.len - 1] != ']' || !cursor_accept_word(&c, STR("[fwd:")))
			break;
		reply = true;
		folded = cursor_take(&c, cursor_left(&c) - 1);
	}
	if (reply_r)
		*reply_r = reply;
	return folded;
}

void subject_add_base(struct buf *out, struct str value, bool *reply_r)
{
	struct buf folded = {0};

	subject_fold(&folded, value);
	buf_addstr(out, subject_base(buf_str(&folded), reply_r));
	out->failed |= folded.failed;
	buf_free(&folded);
}
