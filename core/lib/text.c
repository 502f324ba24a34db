/* SPDX-License-Identifier: 0BSD */
#include "core/lib/text.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "core/lib/cursor.h"
#include "core/lib/utf8.h"

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int base64_value(int c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

static int invalid(void)
{
	errno = EINVAL;
	return -1;
}

int text_base64_encode(struct buf *out, struct str in)
{
	struct cursor c = cursor_from(in);

	if (!buf_reserve(out, in.len / 3 * 4 + 4))
		return -1;
	while (!cursor_done(&c)) {
		size_t have = cursor_left(&c) < 3 ? cursor_left(&c) : 3;
		uint32_t group = 0;
		char quad[4];

		for (size_t i = 0; i < 3; i++)
			group = group << 8 | (i < have ? (uint32_t)cursor_get(&c) : 0);
		for (int i = 0; i < 4; i++)
			quad[i] = base64[group >> (18 - 6 * i) & 63];
		for (size_t i = have + 1; i < 4; i++)
			quad[i] = '=';
		buf_add(out, quad, 4);
	}
	return out->failed ? -1 : 0;
}

int text_base64_decode(struct buf *out, struct str in, bool strict)
{
	struct cursor c = cursor_from(in);
	unsigned have = 0, padding = 0;
	uint32_t group = 0;
	size_t before = out->len;

	if (!buf_reserve(out, in.len / 4 * 3 + 3))
		return -1;
	while (!cursor_done(&c)) {
		int byte = cursor_get(&c), value = base64_value(byte);

		if (value >= 0 && !padding) {
			group = group << 6 | (uint32_t)value;
			if (++have == 4) {
				buf_addc(out, (char)(group >> 16));
				buf_addc(out, (char)(group >> 8));
				buf_addc(out, (char)group);
				have = 0;
			}
		} else if (byte == '=' && (!strict || (have >= 2 && have + padding < 4))) {
			padding++;
		} else if (strict) {
			goto malformed;
		} else if (value >= 0) {
			break; /* RFC 2045 6.8: padding is the end */
		}
	}
	/* RFC 4648 3.5: bits that stand for nothing must be zero. */
	if (strict && have && (have + padding != 4 || group & (have == 2 ? 15 : 3)))
		goto malformed;
	if (have >= 2)
		buf_addc(out, (char)(group >> (have == 2 ? 4 : 10)));
	if (have == 3)
		buf_addc(out, (char)(group >> 2));
	return out->failed ? -1 : 0;

malformed:
	out->len = before;
	return invalid();
}

bool text_is_utf8(struct str s)
{
	struct cursor c = cursor_from(s);
	uint32_t code;

	while (!cursor_done(&c)) {
		if (!utf8_take(&c, &code))
			return false;
	}
	return true;
}

/* RFC 3501 5.1.3: these stand for themselves and may not be encoded ("&" has its own form). */
static bool is_direct(uint32_t code)
{
	return code >= 0x20 && code <= 0x7e;
}

static int mutf7_value(int c)
{
	return c == ',' ? 63 : c == '/' ? -1 : base64_value(c);
}

/* The base64 run after "&", up to and with "-". */
static int take_shifted(struct cursor *c, struct buf *out)
{
	uint32_t bits = 0, high = 0;
	unsigned n = 0;
	bool any = false;

	for (;;) {
		int byte = cursor_get(c), value = mutf7_value(byte);
		uint32_t unit;

		if (byte == '-')
			break;
		if (value < 0)
			return -1;
		bits = bits << 6 | (uint32_t)value;
		n += 6;
		if (n < 16)
			continue;
		n -= 16;
		unit = bits >> n & 0xffff;
		bits &= ((uint32_t)1 << n) - 1;
		any = true;
		if (unit >= 0xd800 && unit < 0xdc00) {
			if (high)
				return -1;
			high = unit;
		} else if (unit >= 0xdc00 && unit < 0xe000) {
			if (!high)
				return -1;
			utf8_add(out, 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00));
			high = 0;
		} else {
			if (high || is_direct(unit))
				return -1;
			utf8_add(out, unit);
		}
	}
	/* Nothing encoded, half a pair, a whole unused digit, or bits that stand for nothing. */
	return !any || high || n >= 6 || bits ? -1 : 0;
}

int text_from_mutf7(struct buf *out, struct str in)
{
	struct cursor c = cursor_from(in);
	bool after_shift = false;
	size_t before = out->len;

	while (!cursor_done(&c)) {
		int byte = cursor_get(&c);

		if (!is_direct((uint32_t)byte))
			goto malformed;
		if (byte != '&') {
			buf_addc(out, (char)byte);
			after_shift = false;
		} else if (cursor_accept(&c, '-')) {
			buf_addc(out, '&');
			after_shift = false;
		} else {
			/* Two runs without anything between them should have been one. */
			if (after_shift || take_shifted(&c, out))
				goto malformed;
			after_shift = true;
		}
	}
	return out->failed ? -1 : 0;

malformed:
	out->len = before;
	return invalid();
}

struct shifter {
	uint32_t bits;
	unsigned n;
	bool open;
};

static void shift_unit(struct shifter *s, struct buf *out, uint32_t unit)
{
	if (!s->open)
		buf_addc(out, '&');
	s->open = true;
	s->bits = s->bits << 16 | unit;
	s->n += 16;
	for (; s->n >= 6; s->n -= 6) {
		uint32_t value = s->bits >> (s->n - 6) & 63;

		buf_addc(out, value == 63 ? ',' : base64[value]);
	}
	s->bits &= ((uint32_t)1 << s->n) - 1;
}

static void shift_end(struct shifter *s, struct buf *out)
{
	if (!s->open)
		return;
	if (s->n) {
		uint32_t value = s->bits << (6 - s->n) & 63;

		buf_addc(out, value == 63 ? ',' : base64[value]);
	}
	buf_addc(out, '-');
	*s = (struct shifter){0};
}

int text_to_mutf7(struct buf *out, struct str utf8)
{
	struct cursor c = cursor_from(utf8);
	struct shifter shift = {0};
	size_t before = out->len;

	while (!cursor_done(&c)) {
		uint32_t code;

		if (!utf8_take(&c, &code)) {
			out->len = before;
			return invalid();
		}
		if (is_direct(code)) {
			shift_end(&shift, out);
			buf_addc(out, (char)code);
			if (code == '&')
				buf_addc(out, '-');
		} else if (code < 0x10000) {
			shift_unit(&shift, out, code);
		} else {
			shift_unit(&shift, out, 0xd800 + ((code - 0x10000) >> 10));
			shift_unit(&shift, out, 0xdc00 + ((code - 0x10000) & 0x3ff));
		}
	}
	shift_end(&shift, out);
	return out->failed ? -1 : 0;
}

bool text_equal_secret(struct str a, struct str b)
{
	volatile unsigned char differ = 0;

	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		differ |= (unsigned char)a.p[i] ^ (unsigned char)b.p[i];
	return differ == 0;
}
