/* SPDX-License-Identifier: 0BSD */
#include "core/imap/commands.h"

#include <string.h>

#define PATTERN_MAX 1024

static bool is_wild(char ch)
{
	return ch == '*' || ch == '%';
}

/* Behind a wildcard that is reached one is too, for it may stand for nothing. */
static bool close_over(unsigned char *live, struct str pattern)
{
	bool any = false;

	for (size_t i = 0; i < pattern.len; i++) {
		any |= live[i];
		if (live[i] && is_wild(pattern.p[i]))
			live[i + 1] = 1;
	}
	return any || live[pattern.len];
}

/* All places of the pattern that the name so far can have reached, byte by byte. */
static bool match_slowly(struct str pattern, struct str name)
{
	unsigned char live[PATTERN_MAX + 1] = {1};

	close_over(live, pattern);
	for (size_t n = 0; n < name.len; n++) {
		for (size_t i = pattern.len + 1; i-- > 0;) {
			bool stays = i < pattern.len && live[i] &&
				(pattern.p[i] == '*' || (pattern.p[i] == '%' && name.p[n] != '/'));
			bool comes = i > 0 && live[i - 1] && !is_wild(pattern.p[i - 1]) &&
				pattern.p[i - 1] == name.p[n];

			live[i] = stays || comes;
		}
		if (!close_over(live, pattern))
			return false;
	}
	return live[pattern.len];
}

static void skip(struct str *s)
{
	s->p++;
	s->len--;
}

bool imap_match(struct str pattern, struct str name)
{
	while (pattern.len && name.len && !is_wild(*pattern.p)) {
		if (*pattern.p != *name.p)
			return false;
		skip(&pattern);
		skip(&name);
	}
	while (pattern.len > 1 && *pattern.p == '*' && pattern.p[1] == '*')
		skip(&pattern);
	if (!pattern.len)
		return !name.len;
	if (!is_wild(*pattern.p) || pattern.len > PATTERN_MAX)
		return false;
	if (pattern.len == 1)
		return *pattern.p == '*' || !name.len || !memchr(name.p, '/', name.len);
	return match_slowly(pattern, name);
}
