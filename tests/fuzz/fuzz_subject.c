/* SPDX-License-Identifier: 0BSD */
/* Base subjects: the linear reading against the steps of RFC 5256 2.1 as they are written. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/mime/subject.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The plain reading takes time squared. */
#define PLAIN_MAX 512

static size_t blanks(const char *s)
{
	return strspn(s, " \t");
}

static size_t blob(const char *s)
{
	size_t n;

	if (*s != '[')
		return 0;
	n = 1 + strcspn(s + 1, "[]");
	return s[n] == ']' ? n + 1 + blanks(s + n + 1) : 0;
}

static size_t refwd(const char *s)
{
	size_t n;

	if (!strncasecmp(s, "fwd", 3))
		n = 3;
	else if (!strncasecmp(s, "fw", 2) || !strncasecmp(s, "re", 2))
		n = 2;
	else
		return 0;
	n += blanks(s + n);
	n += blob(s + n);
	return s[n] == ':' ? n + 1 : 0;
}

static size_t leader(const char *s, bool *reply)
{
	size_t n = 0, more;

	if (*s == ' ' || *s == '\t')
		return 1;
	while ((more = blob(s + n)))
		n += more;
	more = refwd(s + n);
	*reply |= more != 0;
	return more ? n + more : 0;
}

static bool trailer(char *s, bool *reply)
{
	size_t n = strlen(s);

	if (n && (s[n - 1] == ' ' || s[n - 1] == '\t')) {
		s[n - 1] = 0;
	} else if (n >= 5 && !strcasecmp(s + n - 5, "(fwd)")) {
		s[n - 5] = 0;
		*reply = true;
	} else {
		return false;
	}
	return true;
}

static char *plain(char *s, bool *reply)
{
	size_t n;

	*reply = false;
	for (;;) {
		bool more = true;

		while (trailer(s, reply))
			;
		while (more) {
			more = false;
			while ((n = leader(s, reply))) {
				s += n;
				more = true;
			}
			n = blob(s);
			if (n && s[n]) {
				s += n;
				more = true;
			}
		}
		n = strlen(s);
		if (n < 6 || strncasecmp(s, "[fwd:", 5) || s[n - 1] != ']')
			return s;
		s[n - 1] = 0;
		s += 5;
		*reply = true;
	}
}

static void compare(struct str text)
{
	char copy[PLAIN_MAX + 1], *want;
	bool reply, want_reply, again;
	struct str got = subject_base(text, &reply);

	if (text.len > PLAIN_MAX || memchr(text.p, 0, text.len))
		return;
	memcpy(copy, text.p, text.len);
	copy[text.len] = 0;
	want = plain(copy, &want_reply);
	if (!str_eq(got, str_from(want)) || reply != want_reply)
		abort();
	if (!str_eq(subject_base(got, &again), got) || again)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf folded = {0};

	subject_fold(&folded, (struct str){(const char *)data, size});
	if (folded.failed)
		abort();
	if (folded.len)
		compare(buf_str(&folded));
	buf_free(&folded);
	return 0;
}
