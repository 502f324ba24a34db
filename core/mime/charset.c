/* SPDX-License-Identifier: 0BSD */
#include "core/mime/charset.h"

#include "core/lib/text.h"
#include "core/mime/charset_table.h"
#include "core/lib/utf8.h"

enum kind { UNKNOWN, ASCII, UTF8, LATIN1, TABLE };

static const struct {
	struct str name;
	enum kind kind;
} names[] = {
	{{"", 0}, ASCII},
	{{"us-ascii", 8}, ASCII},
	{{"ascii", 5}, ASCII},
	{{"ansi_x3.4-1968", 14}, ASCII},
	{{"utf-8", 5}, UTF8},
	{{"utf8", 4}, UTF8},
	{{"latin1", 6}, LATIN1},
	{{"iso8859-1", 9}, LATIN1},
};

static const struct charset_table *find_table(struct str charset)
{
	const struct charset_table *t = charset_tables;

	/* What calls itself ISO-8859-1 is often Windows-1252, which agrees but for C1 controls. */
	if (str_ieq(charset, STR("iso-8859-1")))
		charset = STR("windows-1252");
	while (t->name.len && !str_ieq(t->name, charset))
		t++;
	return t->name.len ? t : NULL;
}

static enum kind kind_of(struct str charset)
{
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (str_ieq(charset, names[i].name))
			return names[i].kind;
	return find_table(charset) ? TABLE : UNKNOWN;
}

static struct str take_ascii(struct cursor *c)
{
	struct cursor start = *c;

	while (!cursor_done(c) && cursor_peek(c) < 128)
		cursor_skip(c, 1);
	return cursor_between(&start, c);
}

static void add_utf8(struct buf *out, struct str in)
{
	struct cursor c = cursor_from(in);
	uint32_t code;

	while (!cursor_done(&c)) {
		buf_addstr(out, take_ascii(&c));
		if (cursor_done(&c))
			return;
		if (!utf8_take(&c, &code)) {
			code = UTF8_REPLACEMENT;
			cursor_skip(&c, 1);
		}
		utf8_add(out, code);
	}
}

static uint32_t map_byte(const struct charset_table *t, uint32_t byte)
{
	return byte < t->first ? byte : t->map[byte - t->first];
}

/* Without a table every byte above ASCII is unknown. */
static void add_bytes(struct buf *out, const struct charset_table *t, struct str in)
{
	struct cursor c = cursor_from(in);

	while (!cursor_done(&c)) {
		buf_addstr(out, take_ascii(&c));
		if (!cursor_done(&c)) {
			uint32_t byte = (uint32_t)cursor_get(&c);

			utf8_add(out, t ? map_byte(t, byte) : UTF8_REPLACEMENT);
		}
	}
}

int charset_to_utf8(struct buf *out, struct str charset, struct str in)
{
	switch (kind_of(charset)) {
	case ASCII:
		/* 8-bit text that says it is ASCII: UTF-8 if it can be, else what is most likely. */
		if (text_is_utf8(in))
			buf_addstr(out, in);
		else
			add_bytes(out, find_table(STR("iso-8859-1")), in);
		return 1;
	case UTF8:
		add_utf8(out, in);
		return 1;
	case LATIN1:
		add_bytes(out, find_table(STR("iso-8859-1")), in);
		return 1;
	case TABLE:
		add_bytes(out, find_table(charset), in);
		return 1;
	case UNKNOWN:
		break;
	}
	add_bytes(out, NULL, in);
	return 0;
}
