/* SPDX-License-Identifier: 0BSD */
#include "core/lib/buf.h"

#include <errno.h>
#include <string.h>

static unsigned char lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

struct str str_from(const char *zero_terminated)
{
	return (struct str){zero_terminated, zero_terminated ? strlen(zero_terminated) : 0};
}

bool str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

int str_cmp(struct str a, struct str b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int order = n ? memcmp(a.p, b.p, n) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

bool str_istarts(struct str s, struct str prefix)
{
	if (s.len < prefix.len)
		return false;
	for (size_t i = 0; i < prefix.len; i++) {
		if (lower((unsigned char)s.p[i]) != lower((unsigned char)prefix.p[i]))
			return false;
	}
	return true;
}

bool str_ieq(struct str a, struct str b)
{
	return a.len == b.len && str_istarts(a, b);
}

static bool is_one_of(char c, const char *set)
{
	return c && strchr(set, c);
}

bool str_word(struct str *s, const char *seps, struct str *word_r)
{
	size_t start = 0, end;

	while (start < s->len && is_one_of(s->p[start], seps))
		start++;
	end = start;
	while (end < s->len && !is_one_of(s->p[end], seps))
		end++;
	if (start == end) {
		*s = (struct str){s->p ? s->p + s->len : NULL, 0};
		*word_r = STR_NULL;
		return false;
	}
	*word_r = (struct str){s->p + start, end - start};
	*s = (struct str){s->p + end, s->len - end};
	return true;
}

struct str str_trim(struct str s)
{
	while (s.len && is_one_of(s.p[s.len - 1], " \t\r\n"))
		s.len--;
	while (s.len && is_one_of(s.p[0], " \t\r\n")) {
		s.p++;
		s.len--;
	}
	return s;
}

int str_u64(struct str s, uint64_t max, uint64_t *value_r)
{
	uint64_t value = 0;

	if (s.len == 0) {
		errno = EINVAL;
		return -1;
	}
	for (size_t i = 0; i < s.len; i++) {
		unsigned digit = (unsigned char)s.p[i] - (unsigned)'0';

		if (digit > 9) {
			errno = EINVAL;
			return -1;
		}
		if (value > (UINT64_MAX - digit) / 10) {
			errno = ERANGE;
			return -1;
		}
		value = value * 10 + digit;
	}
	if (value > max) {
		errno = ERANGE;
		return -1;
	}
	*value_r = value;
	return 0;
}
