/* SPDX-License-Identifier: 0BSD */
#include "core/mime/charset.h"

#include "core/lib/cursor.h"
#include "core/lib/utf8.h"

/* How capital letters of a block become small ones. */
enum rule { ADD, EVEN, ODD }; /* add `by`; add 1 to even numbers; to odd ones */

struct range {
	uint16_t from, to;
	uint8_t rule;
	int16_t by;
};

/* Sorted.  Unicode's simple case folding of the scripts in everyday mail. */
static const struct range ranges[] = {
	{0x00b5, 0x00b5, ADD, 775}, /* micro sign: mu */
	{0x00c0, 0x00d6, ADD, 32},
	{0x00d8, 0x00de, ADD, 32},
	{0x0100, 0x012f, EVEN, 0},
	{0x0130, 0x0130, ADD, -199}, /* I with a dot: i */
	{0x0132, 0x0137, EVEN, 0},
	{0x0139, 0x0148, ODD, 0},
	{0x014a, 0x0177, EVEN, 0},
	{0x0178, 0x0178, ADD, -121},
	{0x0179, 0x017e, ODD, 0},
	{0x017f, 0x017f, ADD, -268}, /* long s */
	{0x01cd, 0x01dc, ODD, 0},
	{0x01de, 0x01ef, EVEN, 0},
	{0x01f8, 0x021f, EVEN, 0},
	{0x0222, 0x0233, EVEN, 0},
	{0x0386, 0x0386, ADD, 38},
	{0x0388, 0x038a, ADD, 37},
	{0x038c, 0x038c, ADD, 64},
	{0x038e, 0x038f, ADD, 63},
	{0x0391, 0x03a1, ADD, 32},
	{0x03a3, 0x03ab, ADD, 32},
	{0x03c2, 0x03c2, ADD, 1}, /* sigma at the end of a word */
	{0x0400, 0x040f, ADD, 80},
	{0x0410, 0x042f, ADD, 32},
	{0x0460, 0x0481, EVEN, 0},
	{0x048a, 0x04bf, EVEN, 0},
	{0x04c0, 0x04c0, ADD, 15},
	{0x04c1, 0x04ce, ODD, 0},
	{0x04d0, 0x052f, EVEN, 0},
	{0x0531, 0x0556, ADD, 48},
	{0x1e00, 0x1e95, EVEN, 0},
	{0x1ea0, 0x1eff, EVEN, 0},
	{0xff21, 0xff3a, ADD, 32},
};

static uint32_t fold(uint32_t c)
{
	size_t low = 0, high = sizeof(ranges) / sizeof(*ranges);

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct range *r = &ranges[middle];

		if (c < r->from) {
			high = middle;
		} else if (c > r->to) {
			low = middle + 1;
		} else if (r->rule == ADD) {
			return (uint32_t)((int32_t)c + r->by);
		} else {
			return c + ((c & 1) == (r->rule == ODD));
		}
	}
	return c;
}

/* ASCII, the most of all mail, goes in runs. */
static void fold_ascii(struct buf *out, struct cursor *c)
{
	size_t left = cursor_left(c), n = 0;
	char *to = buf_reserve(out, left);

	if (!to) {
		cursor_skip(c, left);
		return;
	}
	for (; n < left && cursor_peek_at(c, n) < 128; n++) {
		int byte = cursor_peek_at(c, n);

		to[n] = (char)(byte >= 'A' && byte <= 'Z' ? byte + 32 : byte);
	}
	buf_commit(out, n);
	cursor_skip(c, n);
}

void charset_fold(struct buf *out, struct str utf8)
{
	struct cursor c = cursor_from(utf8);
	uint32_t code;

	while (!cursor_done(&c) && !out->failed) {
		if (cursor_peek(&c) < 128)
			fold_ascii(out, &c);
		else if (utf8_take(&c, &code))
			utf8_add(out, fold(code));
		else
			buf_addstr(out, cursor_take(&c, 1));
	}
}
