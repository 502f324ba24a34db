/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_LIB_UTF8_H
#define CORE_LIB_UTF8_H

#include "core/lib/cursor.h"

#define UTF8_REPLACEMENT 0xfffd

/* Takes one character (RFC 3629: shortest form, no surrogates); false and nothing taken if there
 * is none. */
bool utf8_take(struct cursor *c, uint32_t *code_r);
/* Appends a character (at most 0x10ffff). */
void utf8_add(struct buf *out, uint32_t code);

#endif
