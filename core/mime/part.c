/* SPDX-License-Identifier: 0BSD */
/* What the header of a part says about it. */
#include "core/mime/part.h"

#include "core/mime/field.h"
#include "core/mime/header.h"

static const struct str text = {"text", 4}, plain = {"plain", 5};

static struct mime_param *find_param(struct mime_param *list, struct str name)
{
	while (list && !str_ieq(list->name, name))
		list = list->next;
	return list;
}

struct str mime_param_value(const struct mime_part *part, struct str name)
{
	const struct mime_param *param = find_param(part->params, name);

	return param ? param->value : STR("");
}

void part_set_text(struct mime_part *part)
{
	part->type = text;
	part->subtype = plain;
	part->params = NULL;
}

/* RFC 2046 4.1.2: text/plain without a charset is US-ASCII. */
int part_add_charset(struct arena *a, struct mime_part *part)
{
	struct mime_param **tail = &part->params, *param;

	if (!str_ieq(part->type, text) || !str_ieq(part->subtype, plain) ||
		find_param(part->params, STR("charset")))
		return 0;
	param = arena_alloc(a, sizeof(*param));
	if (!param)
		return -1;
	*param = (struct mime_param){STR("charset"), STR("us-ascii"), NULL};
	while (*tail)
		tail = &(*tail)->next;
	*tail = param;
	return 0;
}

void part_set_octets(struct mime_part *part)
{
	part->type = STR("application");
	part->subtype = STR("octet-stream");
}

/* RFC 2045 5.1; a value without a slash means the default type (5.2). */
static int read_content_type(struct arena *a, struct mime_part *part, struct str value)
{
	struct cursor c = cursor_from(value);
	struct str type, subtype;

	field_skip_cfws(&c, NULL);
	type = field_token(&c);
	field_skip_cfws(&c, NULL);
	if (!type.len || !cursor_accept(&c, '/')) {
		part_set_text(part);
		return 0;
	}
	field_skip_cfws(&c, NULL);
	subtype = field_token(&c);
	if (!subtype.len) {
		part_set_text(part);
		return 0;
	}
	part->type = type;
	part->subtype = subtype;
	return field_params(a, &c, &part->params);
}

static void read_encoding(struct mime_part *part, struct str value)
{
	struct cursor c = cursor_from(value);

	field_skip_cfws(&c, NULL);
	part->encoding = field_token(&c);
}

static int read_disposition(struct arena *a, struct mime_part *part, struct str value)
{
	struct cursor c = cursor_from(value);

	field_skip_cfws(&c, NULL);
	part->disposition = field_token(&c);
	return part->disposition.len ? field_params(a, &c, &part->disposition_params) : 0;
}

enum { TYPE, ENCODING, DISPOSITION, ID, DESCRIPTION, MD5, LANGUAGE, LOCATION, FIELDS };

/* What follows "Content-" in the names of fields (RFC 2045, 2183, 1864, 3282, 2557). */
static const struct str field_names[FIELDS] = {
	[TYPE] = {"Type", 4},
	[ENCODING] = {"Transfer-Encoding", 17},
	[DISPOSITION] = {"Disposition", 11},
	[ID] = {"ID", 2},
	[DESCRIPTION] = {"Description", 11},
	[MD5] = {"MD5", 3},
	[LANGUAGE] = {"Language", 8},
	[LOCATION] = {"Location", 8},
};

/* The first of each field counts. */
static void collect_fields(struct str header, struct str values_r[FIELDS])
{
	struct cursor c = cursor_from(header), name;
	struct header_field f;

	for (unsigned i = 0; i < FIELDS; i++)
		values_r[i] = STR_NULL;
	while (header_next(&c, &f)) {
		name = cursor_from(f.name);
		if (!f.name.len || !cursor_accept_word(&name, STR("Content-")))
			continue;
		f.name = cursor_take(&name, cursor_left(&name));
		for (unsigned i = 0; i < FIELDS; i++)
			if (!values_r[i].p && str_ieq(f.name, field_names[i]))
				values_r[i] = f.value;
	}
}

bool part_is_message(const struct mime_part *part)
{
	return str_ieq(part->type, STR("message")) &&
		(str_ieq(part->subtype, STR("rfc822")) || str_ieq(part->subtype, STR("global")));
}

bool part_is_encoded(const struct mime_part *part)
{
	return str_ieq(part->encoding, STR("base64")) || str_ieq(part->encoding, STR("quoted-printable"));
}

int part_read_header(struct arena *a, struct mime_part *part)
{
	struct str values[FIELDS];

	collect_fields(part->header, values);
	if (values[TYPE].p && read_content_type(a, part, values[TYPE]))
		return -1;
	if (values[ENCODING].p)
		read_encoding(part, values[ENCODING]);
	if (values[DISPOSITION].p && read_disposition(a, part, values[DISPOSITION]))
		return -1;
	part->id = values[ID];
	part->description = values[DESCRIPTION];
	part->md5 = values[MD5];
	part->language = values[LANGUAGE];
	part->location = values[LOCATION];
	return 0;
}

/* Blanks at its end are not part of it (RFC 2046 5.1.1). */
struct str part_boundary(const struct mime_part *part)
{
	struct str s = mime_param_value(part, STR("boundary"));

	while (s.len && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
		s.len--;
	return s;
}
