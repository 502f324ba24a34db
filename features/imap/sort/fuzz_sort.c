/* SPDX-License-Identifier: 0BSD */
/* What a message is sorted by. The first byte chooses: even, the rest is a message; odd, an ENVELOPE as a damaged
 * store may hold it. Whatever it is, texts stay within what was kept, and what was there before stays. */
#include <stdint.h>
#include <stdlib.h>

#include "features/imap/sort/sort.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool holds)
{
	if (!holds)
		abort();
}

static void take_values(struct imap_content *x)
{
	struct buf text = {0};
	struct arena scratch = {0};
	union sort_value value;

	buf_adds(&text, "before");
	for (unsigned key = 0; key < SORT_KEYS; key++) {
		size_t before = text.len;

		need(!sort_value(key, x, &scratch, &text, &value));
		if (key <= SORT_DATE)
			need(text.len == before);
		else
			need(value.text.at >= before && (size_t)value.text.at + value.text.len <= text.len);
	}
	need(str_istarts(buf_str(&text), STR("before")));
	buf_free(&text);
	arena_free(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct imap_content x = {.m = {.size = (uint32_t)size, .internaldate = 1700000000}, .has_summary = true};
	struct cursor c = cursor_from((struct str){(const char *)data, size});
	bool damaged;
	struct str rest;

	if (!size)
		return 0;
	damaged = cursor_get(&c) & 1;
	rest = cursor_take(&c, cursor_left(&c));
	if (damaged) {
		x.sum.envelope = rest;
	} else {
		need(!mime_summary_add(&x.summary, rest));
		need(!mime_summary_read(buf_str(&x.summary), &x.sum));
	}
	take_values(&x);
	imap_content_free(&x);
	return 0;
}
