/* SPDX-License-Identifier: 0BSD */
/* Any bytes as a message, and as HTML: a preview is short, and text. */
#include <stdint.h>
#include <stdlib.h>

#include "core/lib/cursor.h"
#include "core/lib/utf8.h"
#include "features/imap/preview/preview.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct str text)
{
	struct cursor c = cursor_from(text);
	unsigned chars = 0;
	uint32_t code;

	for (; !cursor_done(&c); chars++) {
		if (!utf8_take(&c, &code) || code < ' ' || code == 0x7f)
			abort();
	}
	if (chars > PREVIEW_CHARS)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = {(const char *)data, size};
	struct buf out = {0}, text = {0};
	struct arena a = {0};

	preview_add(&out, mime_parse(&a, in));
	check(buf_str(&out));
	/* Every tag becomes a blank at most, every reference no more than it is long. */
	preview_add_html(&text, in);
	if (text.len > size)
		abort();
	buf_free(&out);
	buf_free(&text);
	arena_free(&a);
	return 0;
}
