/* SPDX-License-Identifier: 0BSD */
/* Any bytes as a message: whatever the MIME code makes of them must keep its promises. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/lib/text.h"
#include "core/mime/boundary.h"
#include "core/mime/charset.h"
#include "core/mime/header.h"
#include "core/mime/mime.h"
#include "core/mime/transfer.h"
#include "tests/fuzz/imap_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool holds)
{
	if (!holds)
		abort();
}

static bool inside(struct str outer, struct str inner)
{
	return inner.p >= outer.p && inner.p + inner.len <= outer.p + outer.len;
}

static void check_decoding(const struct mime_part *part)
{
	struct buf all = {0}, some = {0};
	size_t max = part->body.len / 3 + 1;

	mime_decode_body(&all, part, 0);
	mime_decode_body(&some, part, max);
	need(some.len <= max && all.len <= part->body.len);
	need(some.len == (all.len < max ? all.len : max));
	need(some.len == 0 || !memcmp(all.data + all.off, some.data + some.off, some.len));
	buf_free(&all);
	buf_free(&some);
}

/* The same in pieces. */
static void check_transfer(const struct mime_part *part)
{
	struct cursor c = cursor_from(part->body);
	struct buf all = {0}, pieces = {0};
	uint32_t seed = (uint32_t)part->body.len;
	struct transfer t;
	size_t n;

	mime_decode_body(&all, part, 0);
	transfer_begin(&t, part->encoding);
	do {
		seed = seed * 1664525 + 1013904223;
		n = 1 + (seed >> 16) % 50;
		n = n < cursor_left(&c) ? n : cursor_left(&c);
		transfer_feed(&t, cursor_take(&c, n), cursor_done(&c), &pieces);
	} while (!cursor_done(&c));
	need(str_eq(buf_str(&all), buf_str(&pieces)));
	transfer_free(&t);
	buf_free(&all);
	buf_free(&pieces);
}

#define PATH_MAX_DEPTH 8

/* Visits a part and those in it; `path` is its section number. */
static unsigned check_part(const struct mime_part *top, const struct mime_part *part, struct str all,
	uint32_t *path, unsigned n, unsigned depth)
{
	const struct mime_part *mime, *found;
	unsigned parts = 1;
	uint32_t number = 0;
	bool message;

	need(depth <= CONFIG_MIME_DEPTH_MAX);
	need(inside(all, part->header) && inside(all, part->body));
	need(part->type.len && part->subtype.len);
	need(!(part->multipart && part->rfc822));
	need((part->multipart || part->rfc822) == (part->first_child != NULL));
	need(!part->rfc822 || !part->first_child->next);
	need(part->lines <= part->body.len);
	if (!part->first_child)
		check_decoding(part);
	if (!part->first_child && part->body.len < 16 * 1024)
		check_transfer(part);
	if (n && n <= PATH_MAX_DEPTH) {
		found = mime_find(top, path, n, &mime, &message);
		need(found && mime == part && message == part->rfc822);
		need(found == (message ? part->first_child : part));
	}
	for (const struct mime_part *child = part->first_child; child; child = child->next) {
		need(child->parent == part);
		if (n < PATH_MAX_DEPTH && part->multipart) {
			path[n] = ++number;
			parts += check_part(top, child, all, path, n + 1, depth + 1);
		} else {
			/* The message in a part shares its number; its own body is part 1 of it. */
			unsigned same = child->multipart ? n : PATH_MAX_DEPTH + 1;

			if (part->rfc822 && same == n && n && n < PATH_MAX_DEPTH)
				need(mime_find(top, path, n, &mime, &message) == child);
			parts += check_part(top, child, all, path, PATH_MAX_DEPTH + 1, depth + 1);
		}
	}
	return parts;
}

static void check_output(const struct mime_part *top)
{
	for (int extended = 0; extended < 2; extended++) {
		struct buf out = {0};
		struct cursor c;

		mime_add_bodystructure(&out, top, extended);
		c = cursor_from(buf_str(&out));
		need(!out.failed && check_body(&c, extended) && cursor_done(&c));
		buf_free(&out);
	}
}

static void check_summary(struct str message, const struct mime_part *top)
{
	struct buf out = {0}, again = {0};
	struct mime_summary s;
	struct cursor c;

	need(mime_summary_add(&out, message) == 0);
	need(mime_summary_read(buf_str(&out), &s) == 0);
	need(s.version == MIME_PARSER_VERSION && s.header_len == top->header.len);
	need(s.header_len == header_block_length(message));
	need(s.lines == top->lines);
	c = cursor_from(s.envelope);
	need(check_envelope(&c) && cursor_done(&c));
	mime_add_bodystructure(&again, top, true);
	need(str_eq(s.bodystructure, buf_str(&again)));
	buf_free(&again);
	/* A cut or hostile summary is refused or read within its bounds. */
	need(mime_summary_read((struct str){out.data + out.off, out.len - 1}, &s) == -1);
	mime_summary_read(message, &s);
	buf_free(&out);
}

static void check_header(struct str header)
{
	struct cursor c = cursor_from(header);
	struct header_field f, same;
	size_t total = 0;
	struct buf out = {0}, folded = {0}, twice = {0};

	while (header_next(&c, &f)) {
		need(inside(header, f.raw) && inside(f.raw, f.value));
		total += f.raw.len;
		need(!f.name.len || header_find(header, f.name, &same) == 1);
		header_decode(&out, f.value);
		need(text_is_utf8(buf_str(&out)));
		charset_fold(&folded, buf_str(&out));
		need(text_is_utf8(buf_str(&folded)));
		charset_fold(&twice, buf_str(&folded));
		need(str_eq(buf_str(&folded), buf_str(&twice)));
		buf_clear(&out);
		buf_clear(&folded);
		buf_clear(&twice);
	}
	need(total <= header.len && header.len - total <= 2);
	buf_free(&out);
	buf_free(&folded);
	buf_free(&twice);
}

/* The first lines as boundaries, each other line held against them; the obvious way is the judge. */
static void check_boundaries(struct arena *a, struct str input)
{
	struct boundaries set = {0};
	struct str texts[16], rest, line;
	struct cursor c = cursor_from(input);
	size_t n = 0;
	bool ended;

	while (n < 16 && !cursor_done(&c)) {
		texts[n] = cursor_take_line(&c, &ended);
		if (texts[n].len && boundaries_add(a, &set, texts[n], &texts[n]) == 0)
			n++;
	}
	for (unsigned lines = 0; lines < 64 && !cursor_done(&c); lines++) {
		struct str *best = NULL;

		line = cursor_take_line(&c, &ended);
		for (size_t i = 0; i < n; i++)
			if (texts[i].len <= line.len && !memcmp(texts[i].p, line.p, texts[i].len) &&
				(!best || texts[i].len >= best->len))
				best = &texts[i];
		need(boundaries_match(&set, line, &rest) == best);
		need(!best || rest.p == line.p + best->len);
	}
	while (n) {
		boundaries_remove(&set, texts[--n]);
		need(set.n == n);
	}
}

/* Two trees of one message, the second read in pieces. */
static void check_same(const struct mime_part *a, const struct mime_part *b)
{
	for (; a && b; a = a->next, b = b->next) {
		need(a->at == b->at && a->body_at == b->body_at && a->body_len == b->body_len);
		need(a->lines == b->lines && str_eq(a->header, b->header));
		need(a->multipart == b->multipart && a->rfc822 == b->rfc822);
		check_same(a->first_child, b->first_child);
	}
	need(!a && !b);
}

static void check_pieces(struct arena *a, struct str message, const struct mime_part *top)
{
	struct mime_reader *r = mime_reader_new(a);
	struct cursor c = cursor_from(message);
	uint32_t seed = (uint32_t)message.len;
	struct mime_part *again;
	size_t n;

	need(r);
	while (!cursor_done(&c)) {
		seed = seed * 1664525 + 1013904223;
		n = 1 + (seed >> 16) % (seed & 1 << 10 ? 7 : 300);
		mime_reader_feed(r, cursor_take(&c, n < cursor_left(&c) ? n : cursor_left(&c)));
	}
	again = mime_reader_end(&r);
	need(again && !again->next);
	check_same(top, again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const charsets[] = {"utf-8", "us-ascii", "koi8-r", "iso-8859-2", "other"};
	struct str message = {(const char *)data, size};
	struct arena a = {0};
	uint32_t path[PATH_MAX_DEPTH] = {1};
	struct mime_part *top = mime_parse(&a, message);
	const struct mime_part *mime;
	struct buf out = {0};
	bool is_message;

	need(top && !top->next && !top->parent);
	need(top->header.len + top->body.len == size);
	need(mime_find(top, path, 0, &mime, &is_message) == top && is_message);
	if (!top->multipart)
		need(mime_find(top, path, 1, &mime, &is_message) && mime == top);
	memset(path, 0, sizeof(path));
	need(!mime_find(top, path, 1, &mime, &is_message));
	need(check_part(top, top, message, path, 0, 1) <= CONFIG_MIME_PARTS_MAX);
	check_output(top);
	check_summary(message, top);
	check_header(top->header);
	if (size < 16 * 1024)
		check_pieces(&a, message, top);
	check_boundaries(&a, message);
	for (unsigned i = 0; i < sizeof(charsets) / sizeof(*charsets); i++) {
		need(charset_to_utf8(&out, str_from(charsets[i]), message) == (i < 4));
		need(text_is_utf8(buf_str(&out)));
		buf_clear(&out);
	}
	charset_fold(&out, message);
	header_unfold(&out, message);
	buf_free(&out);
	arena_free(&a);
	return 0;
}
