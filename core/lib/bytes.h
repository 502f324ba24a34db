/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_LIB_BYTES_H
#define CORE_LIB_BYTES_H

/*
 * Searches of the kind that mail is read with: line ends, mostly, some seventy bytes apart.  Sixteen
 * bytes at a time, where every processor of the architecture can with one instruction.
 */

#include <stddef.h>

/* The first such byte of n (0 is fine, p may then be NULL), or NULL.  As memchr(). */
const char *bytes_find(const char *p, char byte, size_t n);
/* How many of n bytes are such bytes. */
size_t bytes_count(const char *p, char byte, size_t n);

#endif
