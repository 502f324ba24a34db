/* SPDX-License-Identifier: 0BSD */
#include "core/lib/cursor.h"

#include "core/lib/bytes.h"

bool cursor_accept_word(struct cursor *c, struct str s)
{
	if (!str_istarts((struct str){c->p, cursor_left(c)}, s))
		return false;
	c->p += s.len;
	return true;
}

struct str cursor_take(struct cursor *c, size_t n)
{
	struct str s = {c->p, n};

	if (n > cursor_left(c)) {
		c->failed = true;
		return (struct str){c->p, 0};
	}
	if (n)
		c->p += n;
	return s;
}

void cursor_skip(struct cursor *c, size_t n)
{
	cursor_take(c, n);
}

struct str cursor_take_set(struct cursor *c, const unsigned char accept[256])
{
	const char *start = c->p;

	while (c->p < c->end && accept[(unsigned char)*c->p])
		c->p++;
	return (struct str){start, (size_t)(c->p - start)};
}

struct str cursor_take_until(struct cursor *c, int byte)
{
	const char *start = c->p, *found = bytes_find(start, (char)byte, cursor_left(c));

	c->p = found ? found : c->end;
	return (struct str){start, (size_t)(c->p - start)};
}

struct str cursor_take_line(struct cursor *c, bool *ended_r)
{
	struct str line = cursor_take_until(c, '\n');

	*ended_r = cursor_accept(c, '\n');
	if (*ended_r && line.len && line.p[line.len - 1] == '\r')
		line.len--;
	return line;
}

uint64_t cursor_number(struct cursor *c, uint64_t max)
{
	struct cursor digits = *c;
	uint64_t value = 0;
	bool any = false;

	while (digits.p < digits.end && *digits.p >= '0' && *digits.p <= '9') {
		unsigned digit = (unsigned)(*digits.p++ - '0');

		any = true;
		if (value > (UINT64_MAX - digit) / 10) {
			c->failed = true;
			return 0;
		}
		value = value * 10 + digit;
	}
	if (!any || value > max) {
		c->failed = true;
		return 0;
	}
	c->p = digits.p;
	return value;
}

static uint64_t take_le(struct cursor *c, unsigned bytes)
{
	struct str s = cursor_take(c, bytes);
	uint64_t v = 0;

	for (size_t i = s.len; i-- > 0;)
		v = v << 8 | (unsigned char)s.p[i];
	return v;
}

uint8_t cursor_u8(struct cursor *c)
{
	return (uint8_t)take_le(c, 1);
}

uint16_t cursor_u16(struct cursor *c)
{
	return (uint16_t)take_le(c, 2);
}

uint32_t cursor_u32(struct cursor *c)
{
	return (uint32_t)take_le(c, 4);
}

uint64_t cursor_u64(struct cursor *c)
{
	return take_le(c, 8);
}

struct str cursor_str(struct cursor *c, uint32_t max)
{
	struct cursor start = *c;
	uint32_t n = cursor_u32(c);

	if (c->failed || n > max || n > cursor_left(c)) {
		*c = start;
		c->failed = true;
		return (struct str){c->p, 0};
	}
	return cursor_take(c, n);
}
