/* SPDX-License-Identifier: 0BSD */
#include "core/imap/search.h"

#include <string.h>

#include "core/mime/charset.h"
#include "core/mime/header.h"

typedef unsigned char lane __attribute__((vector_size(16)));
typedef uint64_t half __attribute__((vector_size(16)));

static lane load(const char *p)
{
	lane v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static lane fill(unsigned char byte)
{
	return (lane){0} + byte;
}

static unsigned char case_bit(char byte)
{
	return byte >= 'a' && byte <= 'z' ? 0x20 : 0;
}

static bool any(lane v)
{
	half h;

	memcpy(&h, &v, sizeof(h));
	return (h[0] | h[1]) != 0;
}

static bool find_slowly(struct str text, struct str needle, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		if (str_istarts((struct str){text.p + i, text.len - i}, needle))
			return true;
	}
	return false;
}

/* Sixteen places at a time are tried by the needle's first and last byte. */
bool search_find_ascii(struct str text, struct str needle)
{
	lane first, last, first_case, last_case, hit;
	size_t places, i;

	if (!needle.len)
		return true;
	if (needle.len > text.len)
		return false;
	places = text.len - needle.len + 1;
	first = fill((unsigned char)needle.p[0]);
	last = fill((unsigned char)needle.p[needle.len - 1]);
	first_case = fill(case_bit(needle.p[0]));
	last_case = fill(case_bit(needle.p[needle.len - 1]));
	for (i = 0; i + sizeof(lane) <= places; i += sizeof(lane)) {
		hit = (lane)((load(text.p + i) | first_case) == first) &
			(lane)((load(text.p + i + needle.len - 1) | last_case) == last);
		if (any(hit) && find_slowly(text, needle, i, i + sizeof(lane)))
			return true;
	}
	return find_slowly(text, needle, i, places);
}

bool search_reads_ascii(struct str charset)
{
	return !charset.len || str_ieq(charset, STR("us-ascii")) || str_ieq(charset, STR("utf-8")) ||
		str_istarts(charset, STR("iso-8859-")) || str_istarts(charset, STR("windows-125")) ||
		str_istarts(charset, STR("koi8-"));
}

/* In the UTF-8 text that stands in tmp from `from` on. */
static bool find_folded(struct buf *tmp, size_t from, struct str needle)
{
	struct buf folded = {0};
	struct str text = buf_str(tmp);
	bool found;

	charset_fold(&folded, (struct str){text.p + from, text.len - from});
	found = !needle.len || (folded.len >= needle.len &&
			memmem(buf_str(&folded).p, folded.len, needle.p, needle.len));
	buf_free(&folded);
	return found;
}

bool search_in_text(struct str text, struct str charset, const struct search_needle *needle, struct buf *tmp)
{
	size_t from = tmp->len;
	bool found;

	if (needle->ascii && search_reads_ascii(charset))
		return search_find_ascii(text, needle->text);
	charset_to_utf8(tmp, charset.len ? charset : STR("UTF-8"), text);
	found = find_folded(tmp, from, needle->text);
	tmp->len = from;
	return found;
}

/* Nothing in it has to be decoded or unfolded. */
static bool is_plain(struct str value)
{
	for (size_t i = 0; i < value.len; i++) {
		if ((unsigned char)value.p[i] >= 0x80 || value.p[i] == '\n' ||
				(value.p[i] == '=' && i + 1 < value.len && value.p[i + 1] == '?'))
			return false;
	}
	return true;
}

static bool in_value(struct str value, const struct search_needle *needle, struct buf *tmp)
{
	if (needle->ascii && is_plain(value))
		return search_find_ascii(value, needle->text);
	buf_clear(tmp);
	header_decode(tmp, value);
	return find_folded(tmp, 0, needle->text);
}

bool search_in_field(struct str header, struct str name, const struct search_needle *needle, struct buf *tmp)
{
	struct cursor c = cursor_from(header);
	struct header_field field;

	while (header_next(&c, &field) == 1) {
		if (str_ieq(field.name, name) && in_value(field.value, needle, tmp))
			return true;
	}
	return false;
}

bool search_in_header(struct str header, const struct search_needle *needle, struct buf *tmp)
{
	struct cursor c = cursor_from(header);
	struct header_field field;

	/* Most needles stand there as they are. */
	if (needle->ascii && search_find_ascii(header, needle->text))
		return true;
	while (header_next(&c, &field) == 1) {
		if (needle->ascii && is_plain(field.value))
			continue; /* seen above */
		buf_clear(tmp);
		buf_addstr(tmp, field.name);
		buf_adds(tmp, ": ");
		header_decode(tmp, field.value);
		if (find_folded(tmp, 0, needle->text))
			return true;
	}
	return false;
}

static bool is_identity(struct str encoding)
{
	return !encoding.len || str_ieq(encoding, STR("7bit")) || str_ieq(encoding, STR("8bit")) ||
		str_ieq(encoding, STR("binary"));
}

static bool in_leaf(const struct mime_part *part, const struct search_needle *needle, struct buf *tmp)
{
	struct buf decoded = {0};
	struct str charset, text = part->body;
	bool found;

	if (part->type.len && !str_ieq(part->type, STR("text")))
		return false;
	charset = mime_param_value(part, STR("charset"));
	if (!is_identity(part->encoding)) {
		mime_decode_body(&decoded, part, 0);
		text = buf_str(&decoded);
	}
	buf_clear(tmp);
	found = search_in_text(text, charset, needle, tmp);
	buf_free(&decoded);
	return found;
}

/* Depth is bounded by the parser (CONFIG_MIME_DEPTH_MAX). */
bool search_in_part(const struct mime_part *part, const struct search_needle *needle, struct buf *tmp)
{
	const struct mime_part *child;

	if (!part->first_child)
		return in_leaf(part, needle, tmp);
	for (child = part->first_child; child; child = child->next) {
		if (search_in_header(child->header, needle, tmp) || search_in_part(child, needle, tmp))
			return true;
	}
	return false;
}
