/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_LIB_CURSOR_H
#define CORE_LIB_CURSOR_H

/*
 * A read cursor over bytes that nobody should trust: network input, message text, disk records,
 * messages from other roles.  It is the only place for pointer arithmetic on such bytes.
 *
 * Every read checks its bounds.  A read past the end returns zero bytes or zero values and sets the
 * sticky `failed` mark, so a fixed layout can be read in one go and tested once.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/lib/buf.h"

struct cursor {
	const char *p, *end;
	bool failed;
};

static inline struct cursor cursor_from(struct str s)
{
	const char *p = s.p ? s.p : ""; /* no arithmetic on STR_NULL */

	return (struct cursor){p, p + s.len, false};
}

static inline size_t cursor_left(const struct cursor *c)
{
	return (size_t)(c->end - c->p);
}

static inline bool cursor_done(const struct cursor *c)
{
	return c->p == c->end;
}

/* The byte ahead, or -1 at the end; does not move and does not fail. */
static inline int cursor_peek(const struct cursor *c)
{
	return c->p < c->end ? (unsigned char)*c->p : -1;
}

/* The byte `n` ahead (0 = next), or -1. */
static inline int cursor_peek_at(const struct cursor *c, size_t n)
{
	return n < cursor_left(c) ? (unsigned char)c->p[n] : -1;
}

/* Takes one byte; -1 and failed at the end. */
static inline int cursor_get(struct cursor *c)
{
	if (c->p < c->end)
		return (unsigned char)*c->p++;
	c->failed = true;
	return -1;
}

/* Takes the byte ahead only if it is `byte`. */
static inline bool cursor_accept(struct cursor *c, int byte)
{
	if (c->p == c->end || (unsigned char)*c->p != byte)
		return false;
	c->p++;
	return true;
}

/* The bytes between two positions of the same cursor, the earlier first: the way to keep a range. */
static inline struct str cursor_between(const struct cursor *from, const struct cursor *to)
{
	return (struct str){from->p, (size_t)(to->p - from->p)};
}

/* Takes `s` only if it stands ahead (ASCII case-insensitive). */
bool cursor_accept_word(struct cursor *c, struct str s);
/* Takes exactly n bytes, or nothing (failed). */
struct str cursor_take(struct cursor *c, size_t n);
void cursor_skip(struct cursor *c, size_t n);
/* Takes bytes while `accept[byte]` is non-zero. */
struct str cursor_take_set(struct cursor *c, const unsigned char accept[256]);
/* Takes up to and without `byte`; the rest if it does not occur.  The byte itself stays ahead. */
struct str cursor_take_until(struct cursor *c, int byte);
/* Takes a line: the bytes before LF (and before a CR in front of it), the line end is taken too.
 * *ended_r says whether an LF was there. */
struct str cursor_take_line(struct cursor *c, bool *ended_r);
/* Decimal digits, at least one, value at most max; fails otherwise. */
uint64_t cursor_number(struct cursor *c, uint64_t max);

/* Little-endian fixed widths; 0 and failed when short. */
uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_u16(struct cursor *c);
uint32_t cursor_u32(struct cursor *c);
uint64_t cursor_u64(struct cursor *c);
/* u32 length (at most max), then that many bytes. */
struct str cursor_str(struct cursor *c, uint32_t max);

#endif
