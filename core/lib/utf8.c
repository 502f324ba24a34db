/* SPDX-License-Identifier: 0BSD */
#include "core/lib/utf8.h"

bool utf8_take(struct cursor *c, uint32_t *code_r)
{
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
	int byte = cursor_peek(c);
	unsigned more = byte < 0x80 ? 0 : byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
	uint32_t code;

	if (byte < 0 || (byte >= 0x80 && byte < 0xc0) || byte > 0xf4)
		return false;
	code = more ? (uint32_t)byte & (0x3fu >> more) : (uint32_t)byte;
	for (unsigned i = 1; i <= more; i++) {
		byte = cursor_peek_at(c, i);
		if (byte < 0 || (byte & 0xc0) != 0x80)
			return false;
		code = code << 6 | ((uint32_t)byte & 0x3f);
	}
	if (code < least[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return false;
	cursor_skip(c, more + 1);
	*code_r = code;
	return true;
}

void utf8_add(struct buf *out, uint32_t code)
{
	if (code < 0x80) {
		buf_addc(out, (char)code);
		return;
	}
	if (code < 0x800) {
		buf_addc(out, (char)(0xc0 | code >> 6));
	} else {
		if (code < 0x10000) {
			buf_addc(out, (char)(0xe0 | code >> 12));
		} else {
			buf_addc(out, (char)(0xf0 | code >> 18));
			buf_addc(out, (char)(0x80 | (code >> 12 & 0x3f)));
		}
		buf_addc(out, (char)(0x80 | (code >> 6 & 0x3f)));
	}
	buf_addc(out, (char)(0x80 | (code & 0x3f)));
}
