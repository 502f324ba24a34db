/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_LIB_CRC32C_H
#define CORE_LIB_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli, RFC 3720 12.1) of n bytes, continued from `crc` (0 to begin, or a seed).
 * Uses the CPU's instruction where it has one, chosen at the first call. */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);

/* The same without the instruction: the way of CPUs that lack it, and what tests compare with. */
uint32_t crc32c_by_table(uint32_t crc, const void *p, size_t n);

#endif
