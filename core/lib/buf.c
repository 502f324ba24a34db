/* SPDX-License-Identifier: 0BSD */
#include "core/lib/buf.h"

#include <stdlib.h>
#include <string.h>

#define BUF_FIRST 256

static char *fail(struct buf *b)
{
	b->failed = true;
	return NULL;
}

/* Moves the bytes held to the front of a new block of at least `need` bytes. */
static int grow(struct buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : BUF_FIRST;
	char *data;

	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	if (b->max && cap > b->max)
		cap = b->max;
	data = malloc(cap);
	if (!data)
		return -1;
	if (b->len)
		memcpy(data, b->data + b->off, b->len);
	free(b->data);
	b->data = data;
	b->off = 0;
	b->cap = cap;
	return 0;
}

/* There is no room behind what is held. */
static char *make_room(struct buf *b, size_t n)
{
	size_t need;

	if (n > SIZE_MAX / 2 - b->len)
		return fail(b);
	need = b->len + n;
	if (b->max && need > b->max)
		return fail(b);
	if (need == 0)
		need = 1;
	if (b->off + need > b->cap) {
		/* Sliding is amortised when at least half is dead, and inevitable at the limit. */
		if (need <= b->cap && (b->off >= b->len || b->cap == b->max)) {
			memmove(b->data, b->data + b->off, b->len);
			b->off = 0;
		} else if (grow(b, need)) {
			return fail(b);
		}
	}
	return b->data + b->off + b->len;
}

/* Most of what is added is short, and fits. */
static inline char *room(struct buf *b, size_t n)
{
	size_t end = b->off + b->len;

	return n && n <= b->cap - end ? b->data + end : make_room(b, n);
}

char *buf_reserve(struct buf *b, size_t n)
{
	return room(b, n);
}

void buf_commit(struct buf *b, size_t n)
{
	b->len += n;
}

/* Two moves that may overlap are quicker than a loop or a call, for the lengths of words. */
static inline void copy_short(char *to, const char *from, size_t n)
{
	uint64_t first, last;
	uint32_t half, other;

	if (n >= 8) {
		memcpy(&first, from, 8);
		memcpy(&last, from + n - 8, 8);
		memcpy(to, &first, 8);
		memcpy(to + n - 8, &last, 8);
	} else if (n >= 4) {
		memcpy(&half, from, 4);
		memcpy(&other, from + n - 4, 4);
		memcpy(to, &half, 4);
		memcpy(to + n - 4, &other, 4);
	} else {
		while (n--)
			*to++ = *from++;
	}
}

int buf_add(struct buf *b, const void *p, size_t n)
{
	char *to;

	if (n == 0)
		return b->failed ? -1 : 0;
	to = room(b, n);
	if (!to)
		return -1;
	if (n <= 16)
		copy_short(to, p, n);
	else
		memcpy(to, p, n);
	b->len += n;
	return 0;
}

int buf_adds(struct buf *b, const char *zero_terminated)
{
	return buf_add(b, zero_terminated, strlen(zero_terminated));
}

int buf_addstr(struct buf *b, struct str s)
{
	return buf_add(b, s.p, s.len);
}

int buf_addc(struct buf *b, char c)
{
	char *to = room(b, 1);

	if (!to)
		return -1;
	*to = c;
	b->len++;
	return 0;
}

int buf_addpad(struct buf *b, uint64_t decimal, unsigned width)
{
	char digits[64];
	unsigned at = sizeof(digits);

	if (width > sizeof(digits))
		width = sizeof(digits);
	do {
		digits[--at] = (char)('0' + decimal % 10);
		decimal /= 10;
	} while (decimal);
	while (sizeof(digits) - at < width)
		digits[--at] = '0';
	return buf_add(b, digits + at, sizeof(digits) - at);
}

int buf_addu(struct buf *b, uint64_t decimal)
{
	return buf_addpad(b, decimal, 1);
}

int buf_addi(struct buf *b, int64_t decimal)
{
	if (decimal < 0) {
		if (buf_addc(b, '-'))
			return -1;
		return buf_addu(b, 0 - (uint64_t)decimal);
	}
	return buf_addu(b, (uint64_t)decimal);
}

int buf_addhex(struct buf *b, uint64_t value, unsigned digits)
{
	char text[16];
	unsigned at = sizeof(text);

	if (digits > sizeof(text))
		digits = sizeof(text);
	do {
		text[--at] = "0123456789abcdef"[value & 15];
		value >>= 4;
	} while (value);
	while (sizeof(text) - at < digits)
		text[--at] = '0';
	return buf_add(b, text + at, sizeof(text) - at);
}

static int put(struct buf *b, uint64_t v, unsigned bytes)
{
	unsigned char le[8];

	for (unsigned i = 0; i < bytes; i++)
		le[i] = (unsigned char)(v >> (8 * i));
	return buf_add(b, le, bytes);
}

int buf_put8(struct buf *b, uint8_t v)
{
	return put(b, v, 1);
}

int buf_put16(struct buf *b, uint16_t v)
{
	return put(b, v, 2);
}

int buf_put32(struct buf *b, uint32_t v)
{
	return put(b, v, 4);
}

int buf_put64(struct buf *b, uint64_t v)
{
	return put(b, v, 8);
}

int buf_putstr(struct buf *b, struct str s)
{
	if (s.len > UINT32_MAX) {
		b->failed = true;
		return -1;
	}
	/* Length and bytes come together or not at all. */
	if (!buf_reserve(b, s.len + 4))
		return -1;
	buf_put32(b, (uint32_t)s.len);
	return buf_addstr(b, s);
}

int buf_addv(struct buf *b, ...)
{
	const char *s;
	va_list ap;
	int rc = 0;

	va_start(ap, b);
	while ((s = va_arg(ap, const char *)) != NULL)
		rc |= buf_adds(b, s);
	va_end(ap);
	return rc;
}

struct str buf_str(const struct buf *b)
{
	if (!b->data)
		return (struct str){"", 0};
	return (struct str){b->data + b->off, b->len};
}

void buf_consume(struct buf *b, size_t n)
{
	b->off += n;
	b->len -= n;
	if (b->len == 0)
		b->off = 0;
}

void buf_clear(struct buf *b)
{
	b->off = b->len = 0;
	b->failed = false;
}

void buf_trim(struct buf *b)
{
	if (b->len)
		return;
	free(b->data);
	b->data = NULL;
	b->off = b->cap = 0;
}

void buf_free(struct buf *b)
{
	if (!b)
		return;
	buf_clear(b);
	buf_trim(b);
}

void buf_wipe(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->cap);
	buf_free(b);
}
