/* SPDX-License-Identifier: 0BSD */
#include "core/mime/nstring.h"

#include "core/lib/cursor.h"

/* Longer strings are sent as literals: some clients read lines into a small buffer. */
#define QUOTED_MAX 1000

/* What a string needs: found in one pass over its bytes. */
struct shape {
	size_t len;    /* bytes without folds */
	size_t escape; /* of them: to be escaped in a quoted string */
	bool literal;  /* 8-bit or CR or LF: no quoted string (RFC 9051 4.3) */
	bool nul;
	bool fold;
};

static struct shape measure(struct str s)
{
	struct shape shape = {.len = s.len};
	unsigned char any = 0;

	for (size_t i = 0; i < s.len; i++) {
		unsigned char byte = (unsigned char)s.p[i];

		any |= byte;
		shape.escape += byte == '"' || byte == '\\';
		shape.nul |= byte == 0;
		shape.fold |= byte == '\n';
		shape.literal |= byte == '\n' || byte == '\r';
	}
	shape.literal |= any >= 128;
	return shape;
}

static void add_literal(struct buf *out, struct str s, bool nul)
{
	buf_addc(out, '{');
	buf_addu(out, s.len);
	buf_adds(out, "}\r\n");
	if (!nul) {
		buf_addstr(out, s);
		return;
	}
	for (size_t i = 0; i < s.len; i++)
		buf_addc(out, s.p[i] ? s.p[i] : '?');
}

static void add_quoted(struct buf *out, struct str s, bool escape)
{
	buf_addc(out, '"');
	if (!escape) {
		buf_addstr(out, s);
	} else {
		for (size_t i = 0; i < s.len; i++) {
			if (s.p[i] == '"' || s.p[i] == '\\')
				buf_addc(out, '\\');
			buf_addc(out, s.p[i] ? s.p[i] : '?');
		}
	}
	buf_addc(out, '"');
}

static void add_shaped(struct buf *out, struct str s, struct shape shape)
{
	if (shape.literal || shape.len > QUOTED_MAX)
		add_literal(out, s, shape.nul);
	else
		add_quoted(out, s, shape.escape || shape.nul);
}

void mime_add_string(struct buf *out, struct str s)
{
	add_shaped(out, s, measure(s));
}

void mime_add_nstring(struct buf *out, struct str s)
{
	if (s.p)
		mime_add_string(out, s);
	else
		buf_adds(out, "NIL");
}

void mime_add_field(struct buf *out, struct str value)
{
	struct buf flat = {0};
	struct shape shape;

	if (!value.p) {
		buf_adds(out, "NIL");
		return;
	}
	value = str_trim(value);
	shape = measure(value);
	if (!shape.fold) {
		add_shaped(out, value, shape);
		return;
	}
	header_unfold(&flat, value);
	if (flat.failed)
		out->failed = true;
	mime_add_string(out, buf_str(&flat));
	buf_free(&flat);
}
