/* SPDX-License-Identifier: 0BSD */
#ifndef TESTS_UNIT_MIME_TESTING_H
#define TESTS_UNIT_MIME_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/lib/cursor.h"
#include "core/mime/header.h"
#include "core/mime/mime.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static inline void assert_str(struct str got, const char *want)
{
	if (!str_eq(got, str_from(want)))
		print_error("got  |%.*s|\nwant |%s|\n", (int)got.len, got.p, want);
	assert_true(str_eq(got, str_from(want)));
}

/* The text with CRLF for each LF, in the arena. */
static inline struct str with_crlf(struct arena *a, const char *text)
{
	struct buf b = {0};
	struct str s;

	for (; *text; text++) {
		if (*text == '\n')
			buf_addc(&b, '\r');
		buf_addc(&b, *text);
	}
	s = arena_str(a, buf_str(&b));
	buf_free(&b);
	return s;
}

static inline struct mime_part *parse(struct arena *a, const char *text)
{
	struct mime_part *top = mime_parse(a, with_crlf(a, text));

	assert_non_null(top);
	return top;
}

#endif
