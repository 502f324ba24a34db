/* SPDX-License-Identifier: 0BSD */
#include "core/mime/mime.h"

#include <errno.h>

#include "core/lib/cursor.h"
#include "core/mime/header.h"

static const struct str common[] = {{"From", 4}, {"To", 2}, {"Cc", 2}, {"Bcc", 3}, {"Subject", 7},
	{"Date", 4}, {"Message-ID", 10}, {"In-Reply-To", 11}, {"References", 10}, {"Reply-To", 8},
	{"Sender", 6}};

bool mime_is_common_field(struct str name)
{
	for (unsigned i = 0; i < sizeof(common) / sizeof(*common); i++)
		if (str_ieq(name, common[i]))
			return true;
	return false;
}

static void add_common_fields(struct buf *out, struct str header)
{
	struct cursor c = cursor_from(header);
	struct header_field f;

	while (header_next(&c, &f))
		if (mime_is_common_field(f.name))
			buf_addstr(out, f.raw);
}

static uint32_t flags_of(const struct mime_part *top)
{
	uint32_t flags = 0;

	for (size_t i = 0; i < top->header.len; i++)
		if ((unsigned char)top->header.p[i] >= 128)
			flags |= MIME_HEADER_8BIT;
	return flags;
}

/* Between these two a string is written in place, its length before it. */
static size_t begin_string(struct buf *out)
{
	buf_put32(out, 0);
	return out->len;
}

static void end_string(struct buf *out, size_t begin)
{
	size_t n = out->len - begin;

	if (n > UINT32_MAX)
		out->failed = true;
	for (unsigned i = 0; i < 4 && !out->failed; i++)
		out->data[out->off + begin - 4 + i] = (char)(n >> (8 * i));
}

int mime_summary_add_tree(struct buf *out, const struct mime_part *top)
{
	size_t begin;

	buf_put32(out, MIME_PARSER_VERSION);
	buf_put32(out, (uint32_t)top->body_at);
	buf_put32(out, top->lines);
	buf_put32(out, flags_of(top));
	begin = begin_string(out);
	mime_add_envelope(out, top->header);
	end_string(out, begin);
	for (int extended = 0; extended < 2; extended++) {
		begin = begin_string(out);
		mime_add_bodystructure(out, top, extended);
		end_string(out, begin);
	}
	begin = begin_string(out);
	add_common_fields(out, top->header);
	end_string(out, begin);
	return out->failed ? -1 : 0;
}

int mime_summary_add(struct buf *out, struct str message)
{
	struct arena a = {0};
	const struct mime_part *top = mime_parse(&a, message);
	int answer = top ? mime_summary_add_tree(out, top) : -1;

	arena_free(&a);
	return answer;
}

int mime_summary_read(struct str in, struct mime_summary *s_r)
{
	struct cursor c = cursor_from(in);

	s_r->version = cursor_u32(&c);
	s_r->header_len = cursor_u32(&c);
	s_r->lines = cursor_u32(&c);
	s_r->flags = cursor_u32(&c);
	s_r->envelope = cursor_str(&c, UINT32_MAX);
	s_r->body = cursor_str(&c, UINT32_MAX);
	s_r->bodystructure = cursor_str(&c, UINT32_MAX);
	s_r->fields = cursor_str(&c, UINT32_MAX);
	if (!c.failed)
		return 0;
	errno = EPROTO;
	return -1;
}
