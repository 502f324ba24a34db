/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_LIB_BUF_H
#define CORE_LIB_BUF_H

/*
 * A growable byte buffer with a read offset: the output and input queue of sessions, and the way
 * text is built without stdio.
 *
 * Invariants: data[off .. off+len) are the bytes held; off + len <= cap <= max.  A zeroed struct is
 * an empty buffer without limit.  An empty buffer may own no memory (idle sessions cost nothing):
 * buf_consume() of the last byte keeps memory, buf_trim() gives it back.
 * A failed append (out of memory, or past max) adds nothing and sets the sticky `failed` mark, so
 * a caller may append many pieces and test once.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data;
	size_t off, len, cap;
	size_t max; /* 0 = no limit */
	bool failed;
};

/* A borrowed run of bytes; never NUL-terminated by promise. */
struct str {
	const char *p;
	size_t len;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
#define STR_NULL ((struct str){NULL, 0})

struct str str_from(const char *zero_terminated);
bool str_eq(struct str a, struct str b);
/* By bytes, the shorter of two that begin alike first: below, equal to or above 0. */
int str_cmp(struct str a, struct str b);
/* ASCII case-insensitive compare, independent of locale. */
bool str_ieq(struct str a, struct str b);
bool str_istarts(struct str s, struct str prefix);
/* Next word separated by any of `seps`; cuts it off *s.  Returns false at the end. */
bool str_word(struct str *s, const char *seps, struct str *word_r);
struct str str_trim(struct str s);
/* Decimal number with nothing else around it, at most max.  Returns 0, or -1 (EINVAL, ERANGE). */
int str_u64(struct str s, uint64_t max, uint64_t *value_r);

/* Makes room for n more bytes and returns where they go, or NULL (failed is set).  Write there,
 * then buf_commit() what was really written (at most n). */
char *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);

/* All return 0, or -1 with b->failed set. */
int buf_add(struct buf *b, const void *p, size_t n);
int buf_adds(struct buf *b, const char *zero_terminated);
int buf_addstr(struct buf *b, struct str s);
int buf_addc(struct buf *b, char c);
int buf_addu(struct buf *b, uint64_t decimal);
int buf_addi(struct buf *b, int64_t decimal);
int buf_addhex(struct buf *b, uint64_t value, unsigned digits);
/* Decimal padded with zeros to `width`. */
int buf_addpad(struct buf *b, uint64_t decimal, unsigned width);
/* Fixed-width little-endian numbers: the disk and ipc formats. */
int buf_put8(struct buf *b, uint8_t v);
int buf_put16(struct buf *b, uint16_t v);
int buf_put32(struct buf *b, uint32_t v);
int buf_put64(struct buf *b, uint64_t v);
/* u32 length, then the bytes. */
int buf_putstr(struct buf *b, struct str s);
/* Several zero-terminated strings, ended by NULL: buf_addv(b, "a", "b", NULL). */
int buf_addv(struct buf *b, ...) __attribute__((sentinel));

struct str buf_str(const struct buf *b);
/* Drops the first n bytes (n <= len). */
void buf_consume(struct buf *b, size_t n);
/* Forgets the contents, keeps memory and max, clears failed. */
void buf_clear(struct buf *b);
/* Gives memory back if the buffer is empty. */
void buf_trim(struct buf *b);
void buf_free(struct buf *b);
/* Wipes, then frees: for buffers that held a secret. */
void buf_wipe(struct buf *b);

#endif
