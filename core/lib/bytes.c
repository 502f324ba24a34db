/* SPDX-License-Identifier: 0BSD */
#include "core/lib/bytes.h"

#include <stdint.h>

/*
 * block: sixteen bytes; same(): a number with SAME_BITS bits set for each byte that is the one
 * sought, the first byte's lowest.
 */
#if defined(__SSE2__)
#include <emmintrin.h>

#define SAME_BITS 1
typedef __m128i block;

static inline block spread(char byte)
{
	return _mm_set1_epi8(byte);
}

static inline uint64_t same(const char *p, block sought)
{
	block here = _mm_loadu_si128((const __m128i *)(const void *)p);

	return (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(here, sought));
}
#elif defined(__ARM_NEON) && defined(__aarch64__)
#include <arm_neon.h>

#define SAME_BITS 4
typedef uint8x16_t block;

static inline block spread(char byte)
{
	return vdupq_n_u8((uint8_t)byte);
}

static inline uint64_t same(const char *p, block sought)
{
	uint8x16_t equal = vceqq_u8(vld1q_u8((const uint8_t *)p), sought);
	uint8x8_t narrow = vshrn_n_u16(vreinterpretq_u16_u8(equal), 4);

	return vget_lane_u64(vreinterpret_u64_u8(narrow), 0);
}
#else
#define SAME_BITS 1
typedef char block;

static inline block spread(char byte)
{
	return byte;
}

static inline uint64_t same(const char *p, block sought)
{
	uint64_t bits = 0;

	for (unsigned i = 0; i < 16; i++)
		bits |= (uint64_t)(p[i] == sought) << i;
	return bits;
}
#endif

#define ONE_EACH (UINT64_MAX / ((1u << SAME_BITS) - 1)) /* of those bits */

static inline const char *first(const char *p, uint64_t bits)
{
	return p + (unsigned)__builtin_ctzll(bits) / SAME_BITS;
}

/* Fewer than sixteen, of which nothing behind may be touched. */
static const char *find_few(const char *p, char byte, size_t n)
{
	for (; n; p++, n--)
		if (*p == byte)
			return p;
	return NULL;
}

const char *bytes_find(const char *p, char byte, size_t n)
{
	const block sought = spread(byte);
	const char *last;
	uint64_t bits;

	if (n < 16)
		return find_few(p, byte, n);
	for (last = p + n - 16; p < last; p += 16) {
		bits = same(p, sought);
		if (bits)
			return first(p, bits);
	}
	bits = same(last, sought); /* overlaps what was seen: nothing is in that */
	return bits ? first(last, bits) : NULL;
}

size_t bytes_count(const char *p, char byte, size_t n)
{
	const block sought = spread(byte);
	uint64_t bits;
	size_t count = 0;

	for (; n >= 16; p += 16, n -= 16)
		for (bits = same(p, sought) & ONE_EACH; bits; bits &= bits - 1)
			count++;
	while (n--)
		count += *p++ == byte;
	return count;
}
