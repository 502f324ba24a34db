/* SPDX-License-Identifier: 0BSD */
/* FETCH PREVIEW (RFC 8970) */
#include "features/imap/preview/preview.h"

#include <errno.h>

#include "core/hooks.h"
#include "core/imap/content.h"
#include "core/imap/extend.h"

/* Bytes of a message that a preview is made of, at most: the header and what follows it. */
#define BEHIND_HEADER (48 * 1024)
#define HEADER_MAX (256 * 1024)

/* RFC 8970 3.2: LAZY asks for what is there already; what is made here is as good. */
static const char *take_lazy(struct cursor *c)
{
	if (!cursor_accept_word(c, STR(" (")))
		return NULL;
	if (!cursor_accept_word(c, STR("LAZY")) || !cursor_accept(c, ')'))
		return "expected (LAZY) after PREVIEW";
	return NULL;
}

/* The beginning of the message.  0 / -1 + errno. */
static int read_begin(struct imap_content *x, struct buf *begin)
{
	uint64_t header;

	if (imap_content_header_size(x, &header))
		return -1;
	if (header > HEADER_MAX)
		return 0;
	if (message_read(x->store, &x->m, 0, header + BEHIND_HEADER, begin))
		return -1;
	x->bytes += begin->len;
	errno = ENOMEM;
	return begin->failed ? -1 : 0;
}

static int add_preview(struct buf *out, struct imap_content *x)
{
	struct buf begin = {0}, text = {0};
	struct arena a = {0};
	const struct mime_part *top;
	int answer = read_begin(x, &begin);

	if (answer)
		goto free_begin;
	top = mime_parse(&a, buf_str(&begin));
	errno = ENOMEM;
	answer = top ? 0 : -1;
	if (answer)
		goto free_arena;
	preview_add(&text, top);
	buf_adds(out, "PREVIEW ");
	imap_add_string(out, text.len ? buf_str(&text) : STR(""));
	answer = text.failed || out->failed ? -1 : 0;
free_arena:
	arena_free(&a);
	buf_free(&text);
free_begin:
	buf_free(&begin);
	return answer;
}

static const struct imap_capability capabilities[] = {
	{"PREVIEW", IMAP_LOGGED_IN},
	{0},
};

static const struct imap_fetch_word fetch_words[] = {
	{.name = "PREVIEW", .read = add_preview, .take = take_lazy},
	{0},
};

const struct feature preview_feature = {
	.name = "preview",
	.imap_capabilities = capabilities,
	.imap_fetch_words = fetch_words,
};
