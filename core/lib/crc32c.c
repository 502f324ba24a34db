/* SPDX-License-Identifier: 0BSD */
#include "core/lib/crc32c.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

#define POLYNOMIAL 0x82f63b78u /* 0x1EDC6F41 with the bits reversed */

typedef uint32_t crc_fn(uint32_t crc, const unsigned char *p, size_t n);

static uint32_t table[8][256];
static crc_fn *chosen;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
		table[0][i] = crc;
	}
	for (uint32_t i = 0; i < 256; i++) {
		for (int k = 1; k < 8; k++)
			table[k][i] = table[k - 1][i] >> 8 ^ table[0][table[k - 1][i] & 255];
	}
}

/* Eight table look-ups per eight bytes instead of eight dependent steps. */
static uint32_t crc_by_table(uint32_t crc, const unsigned char *p, size_t n)
{
	for (; n >= 8; n -= 8, p += 8) {
		crc ^= (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
		       (uint32_t)p[3] << 24;
		crc = table[7][crc & 255] ^ table[6][crc >> 8 & 255] ^ table[5][crc >> 16 & 255] ^
		      table[4][crc >> 24] ^ table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^
		      table[0][p[7]];
	}
	while (n--)
		crc = crc >> 8 ^ table[0][(crc ^ *p++) & 255];
	return crc;
}

/* Inline assembly, because both compilers and every assembler take it without target options. */
#if defined(__x86_64__)
static uint32_t crc_by_cpu(uint32_t crc, const unsigned char *p, size_t n)
{
	uint64_t wide = crc;

	for (; n >= 8; n -= 8, p += 8) {
		uint64_t word;

		memcpy(&word, p, 8);
		__asm__("crc32q %1, %0" : "+r"(wide) : "rm"(word));
	}
	crc = (uint32_t)wide;
	for (; n; n--, p++)
		__asm__("crc32b %1, %0" : "+r"(crc) : "rm"(*p));
	return crc;
}

static bool cpu_has_crc(void)
{
	unsigned a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_2);
}
#elif defined(__aarch64__)
static uint32_t crc_by_cpu(uint32_t crc, const unsigned char *p, size_t n)
{
	for (; n >= 8; n -= 8, p += 8) {
		uint64_t word;

		memcpy(&word, p, 8);
		__asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(crc) : "r"(word));
	}
	for (; n; n--, p++)
		__asm__(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1"
			: "+r"(crc)
			: "r"((uint32_t)*p));
	return crc;
}

static bool cpu_has_crc(void)
{
	return getauxval(AT_HWCAP) & 1 << 7; /* HWCAP_CRC32 */
}
#else
#define crc_by_cpu crc_by_table

static bool cpu_has_crc(void)
{
	return false;
}
#endif

static void choose(void)
{
	fill_table();
	chosen = cpu_has_crc() ? crc_by_cpu : crc_by_table;
}

uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
	pthread_once(&once, choose);
	return ~chosen(~crc, p, n);
}

uint32_t crc32c_by_table(uint32_t crc, const void *p, size_t n)
{
	pthread_once(&once, choose);
	return ~crc_by_table(~crc, p, n);
}
