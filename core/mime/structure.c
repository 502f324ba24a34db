/* SPDX-License-Identifier: 0BSD */
#include "core/mime/mime.h"

#include "core/mime/field.h"
#include "core/mime/nstring.h"

/* body-fld-param of RFC 9051 9. */
static void add_params(struct buf *out, const struct mime_param *list)
{
	char separator = '(';

	if (!list) {
		buf_adds(out, "NIL");
		return;
	}
	for (; list; list = list->next) {
		buf_addc(out, separator);
		mime_add_string(out, list->name);
		buf_addc(out, ' ');
		mime_add_string(out, list->value);
		separator = ' ';
	}
	buf_addc(out, ')');
}

/* body-fld-dsp */
static void add_disposition(struct buf *out, const struct mime_part *part)
{
	if (!part->disposition.len) {
		buf_adds(out, "NIL");
		return;
	}
	buf_addc(out, '(');
	mime_add_string(out, part->disposition);
	buf_addc(out, ' ');
	add_params(out, part->disposition_params);
	buf_addc(out, ')');
}

/* body-fld-lang, from the list of tags of RFC 3282. */
static void add_language(struct buf *out, struct str value)
{
	struct cursor c = cursor_from(value);
	char separator = '(';

	while (!cursor_done(&c)) {
		struct str tag;

		field_skip_cfws(&c, NULL);
		tag = field_token(&c);
		if (!tag.len) {
			if (!cursor_done(&c))
				cursor_skip(&c, 1);
			continue;
		}
		buf_addc(out, separator);
		mime_add_string(out, tag);
		separator = ' ';
	}
	buf_adds(out, separator == '(' ? "NIL" : ")");
}

/* What both kinds of extension data end with. */
static void add_extension_tail(struct buf *out, const struct mime_part *part)
{
	buf_addc(out, ' ');
	add_disposition(out, part);
	buf_addc(out, ' ');
	add_language(out, part->language);
	buf_addc(out, ' ');
	mime_add_field(out, part->location);
}

static void add_multipart(struct buf *out, const struct mime_part *part, bool extended)
{
	buf_addc(out, '(');
	for (const struct mime_part *child = part->first_child; child; child = child->next)
		mime_add_bodystructure(out, child, extended);
	buf_addc(out, ' ');
	mime_add_string(out, part->subtype);
	if (extended) {
		buf_addc(out, ' ');
		add_params(out, part->params);
		add_extension_tail(out, part);
	}
	buf_addc(out, ')');
}

/* body-fields: parameters, id, description, encoding, size. */
static void add_fields(struct buf *out, const struct mime_part *part)
{
	add_params(out, part->params);
	buf_addc(out, ' ');
	mime_add_field(out, part->id);
	buf_addc(out, ' ');
	mime_add_field(out, part->description);
	buf_addc(out, ' ');
	mime_add_string(out, part->encoding.len ? part->encoding : STR("7BIT"));
	buf_addc(out, ' ');
	buf_addu(out, part->body_len);
}

static void add_single(struct buf *out, const struct mime_part *part, bool extended)
{
	buf_addc(out, '(');
	mime_add_string(out, part->type);
	buf_addc(out, ' ');
	mime_add_string(out, part->subtype);
	buf_addc(out, ' ');
	add_fields(out, part);
	if (part->rfc822) {
		buf_addc(out, ' ');
		mime_add_envelope(out, part->first_child->header);
		buf_addc(out, ' ');
		mime_add_bodystructure(out, part->first_child, extended);
	}
	if (part->rfc822 || str_ieq(part->type, STR("text"))) {
		buf_addc(out, ' ');
		buf_addu(out, part->lines);
	}
	if (extended) {
		buf_addc(out, ' ');
		mime_add_field(out, part->md5);
		add_extension_tail(out, part);
	}
	buf_addc(out, ')');
}

void mime_add_bodystructure(struct buf *out, const struct mime_part *top, bool extended)
{
	if (top->multipart)
		add_multipart(out, top, extended);
	else
		add_single(out, top, extended);
}
