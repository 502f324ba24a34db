/* SPDX-License-Identifier: 0BSD */
#include "core/imap/fetch.h"

#include <errno.h>

#include "core/mime/header.h"
#include "core/mime/transfer.h"

static int add_number(struct fetch_section *section, struct arena *a, uint32_t number)
{
	/* A deeper part cannot exist (CONFIG_MIME_DEPTH_MAX). */
	const unsigned max = CONFIG_MIME_DEPTH_MAX + 1;

	if (!section->part)
		section->part = arena_array(a, max, sizeof(*section->part));
	if (!section->part || section->depth == max)
		return -1;
	section->part[section->depth++] = number;
	return 0;
}

/* section-part = nz-number *("." nz-number); a "." stays open for what follows it. */
static int parse_part(struct cursor *c, struct arena *a, struct fetch_section *section, bool *dot_r,
	struct buf *label)
{
	uint32_t number;

	*dot_r = true;
	while (*dot_r && cursor_peek(c) >= '0' && cursor_peek(c) <= '9') {
		if (imap_parse_nz_number(c, &number) || add_number(section, a, number))
			return -1;
		if (section->depth > 1)
			buf_addc(label, '.');
		buf_addu(label, number);
		*dot_r = cursor_accept(c, '.');
	}
	return 0;
}

static bool is_atom(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char b = (unsigned char)s.p[i];

		if (b <= ' ' || b >= 127 || b == '(' || b == ')' || b == '{' || b == '%' || b == '*' ||
				b == '"' || b == '\\' || b == ']' || b == '[')
			return false;
	}
	return s.len > 0;
}

static void add_field_name(struct buf *label, struct str name)
{
	if (is_atom(name))
		buf_addstr(label, name);
	else
		imap_add_string(label, name);
}

static int add_field(struct fetch_section *section, struct arena *a, struct str name, size_t *cap)
{
	struct str *v;

	if (section->n_fields == *cap) {
		*cap = *cap ? *cap * 2 : 8;
		v = arena_array(a, *cap, sizeof(*v));
		if (!v)
			return -1;
		for (unsigned i = 0; i < section->n_fields; i++)
			v[i] = section->fields[i];
		section->fields = v;
	}
	section->fields[section->n_fields++] = name;
	return 0;
}

/* SP "(" header-fld-name *(SP header-fld-name) ")" */
static int parse_fields(struct cursor *c, struct arena *a, struct fetch_section *section, struct buf *label)
{
	struct str name;
	size_t cap = 0;

	if (imap_parse_sp(c) || !cursor_accept(c, '('))
		return -1;
	buf_adds(label, " (");
	section->common = section->text == SECTION_FIELDS && section->depth == 0;
	do {
		if (imap_parse_astring(c, a, &name) || add_field(section, a, name, &cap))
			return -1;
		if (section->n_fields > 1)
			buf_addc(label, ' ');
		add_field_name(label, name);
		section->common = section->common && imap_content_is_common(name);
	} while (cursor_accept(c, ' '));
	buf_addc(label, ')');
	return cursor_accept(c, ')') ? 0 : -1;
}

static const struct {
	const char *name;
	enum fetch_section_text text;
} texts[] = {
	{"HEADER", SECTION_HEADER},
	{"HEADER.FIELDS", SECTION_FIELDS},
	{"HEADER.FIELDS.NOT", SECTION_FIELDS_NOT},
	{"TEXT", SECTION_TEXT},
	{"MIME", SECTION_MIME},
};

static const unsigned char word_bytes[256] = {
	['A' ... 'Z'] = 1, ['a' ... 'z'] = 1, ['.'] = 1,
};

static const char *parse_text(struct cursor *c, struct fetch_section *section, struct buf *label)
{
	struct str word = cursor_take_set(c, word_bytes);

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (!str_ieq(word, str_from(texts[i].name)))
			continue;
		section->text = texts[i].text;
		/* RFC 9051 6.4.5: MIME must follow part numbers. */
		if (section->text == SECTION_MIME && !section->depth)
			break;
		if (section->depth)
			buf_addc(label, '.');
		buf_adds(label, texts[i].name);
		return NULL;
	}
	return "unknown section";
}

const char *fetch_parse_section(struct cursor *c, struct arena *a, struct fetch_section *section_r,
	struct buf *label)
{
	const char *wrong = NULL;
	bool dot;

	*section_r = (struct fetch_section){.text = SECTION_ALL};
	if (parse_part(c, a, section_r, &dot, label))
		return "bad part number in the section";
	if (cursor_peek(c) != ']')
		wrong = dot ? parse_text(c, section_r, label) : "expected . or ] in the section";
	else if (dot && section_r->depth)
		wrong = "expected a number or a word after . in the section";
	if (wrong)
		return wrong;
	if (section_r->text == SECTION_FIELDS || section_r->text == SECTION_FIELDS_NOT) {
		if (parse_fields(c, a, section_r, label))
			return "expected a list of header fields in the section";
	}
	return cursor_accept(c, ']') ? NULL : "expected ] after the section";
}

static int find_part(struct imap_content *x, const struct fetch_section *section,
	const struct mime_part **part_r, const struct mime_part **outer_r, bool *message_r)
{
	const struct mime_part *top = imap_content_mime(x);

	if (!top)
		return -1;
	*outer_r = NULL;
	*message_r = false;
	*part_r = mime_find(top, section->part, section->depth, outer_r, message_r);
	if (!*part_r)
		return 0;
	if (!*outer_r)
		*outer_r = *part_r;
	return 1;
}

bool fetch_is_range(const struct fetch_section *section)
{
	return section->text != SECTION_FIELDS && section->text != SECTION_FIELDS_NOT;
}

static int message_range(struct imap_content *x, const struct fetch_section *section, uint64_t *offset_r,
	uint64_t *length_r)
{
	uint64_t header = 0;

	if (section->text != SECTION_ALL && imap_content_header_size(x, &header))
		return -1;
	*offset_r = section->text == SECTION_TEXT ? header : 0;
	*length_r = section->text == SECTION_HEADER ? header : x->m.size - header;
	return 1;
}

int fetch_section_range(struct imap_content *x, const struct fetch_section *section,
	uint64_t *offset_r, uint64_t *length_r)
{
	const struct mime_part *part, *outer;
	bool message, header = section->text == SECTION_HEADER || section->text == SECTION_MIME;
	int found;

	if (!section->depth)
		return message_range(x, section, offset_r, length_r);
	found = find_part(x, section, &part, &outer, &message);
	if (found != 1)
		return found;
	if (section->text == SECTION_ALL || section->text == SECTION_MIME)
		part = outer;
	else if (!message)
		return 0;
	*offset_r = header ? part->at : part->body_at;
	*length_r = header ? part->body_at - part->at : part->body_len;
	return 1;
}

static bool is_listed(const struct fetch_section *section, struct str name)
{
	for (unsigned i = 0; i < section->n_fields; i++) {
		if (section->fields[i].len == name.len && str_ieq(section->fields[i], name))
			return true;
	}
	return false;
}

static int filter_fields(struct imap_content *x, const struct fetch_section *section, struct str header,
	struct str *bytes_r)
{
	struct cursor c = cursor_from(header);
	struct header_field field;
	bool want = section->text == SECTION_FIELDS;

	buf_clear(&x->scratch);
	while (header_next(&c, &field) == 1) {
		if (field.name.len && is_listed(section, field.name) == want)
			buf_addstr(&x->scratch, field.raw);
	}
	/* RFC 9051 6.4.5: the empty line is always part of a subset. */
	buf_adds(&x->scratch, "\r\n");
	*bytes_r = buf_str(&x->scratch);
	errno = ENOMEM;
	return x->scratch.failed ? -1 : 1;
}

static int message_fields(struct imap_content *x, const struct fetch_section *section, struct str *bytes_r)
{
	struct str header;

	/* The prefix holds trace fields only (core/store/store.h), none of the common ones. */
	if (section->common) {
		if (imap_content_summary(x))
			return -1;
		return filter_fields(x, section, x->sum.fields, bytes_r);
	}
	if (imap_content_header(x, &header))
		return -1;
	return filter_fields(x, section, header, bytes_r);
}

int fetch_section_bytes(struct imap_content *x, const struct fetch_section *section, struct str *bytes_r)
{
	const struct mime_part *part, *outer;
	bool message;
	int found;

	if (!section->depth)
		return message_fields(x, section, bytes_r);
	found = find_part(x, section, &part, &outer, &message);
	if (found != 1 || !message)
		return found == 1 ? 0 : found;
	return filter_fields(x, section, part->header, bytes_r);
}

/* Decodes a part of a long message; what it decodes to is in memory all the same. */
static int decode_long(struct imap_content *x, const struct mime_part *part, struct buf *out)
{
	struct transfer t;
	struct buf piece = {0};
	uint64_t at = 0;
	int answer = 0;

	transfer_begin(&t, part->encoding);
	while (at < part->body_len && !answer) {
		answer = imap_content_piece(x, part, &at, &piece);
		if (!answer)
			transfer_feed(&t, buf_str(&piece), at == part->body_len, out);
	}
	transfer_free(&t);
	buf_free(&piece);
	if (answer)
		return -1;
	return mime_encoding_known(part->encoding);
}

int fetch_binary_bytes(struct imap_content *x, const struct fetch_section *section, struct str *bytes_r)
{
	const struct mime_part *part, *outer;
	bool message;
	int found = find_part(x, section, &part, &outer, &message);

	if (found != 1)
		return found;
	if (!section->depth) {
		*bytes_r = buf_str(&x->whole);
		return 1;
	}
	buf_clear(&x->scratch);
	found = imap_content_long(x) ? decode_long(x, outer, &x->scratch) : mime_decode_body(&x->scratch, outer, 0);
	if (found < 0)
		return -1;
	*bytes_r = buf_str(&x->scratch);
	errno = x->scratch.failed ? ENOMEM : ENOTSUP;
	return found == 1 && !x->scratch.failed ? 1 : -1;
}
