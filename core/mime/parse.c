/* SPDX-License-Identifier: 0BSD */
#include "core/mime/mime.h"

#include "core/mime/boundary.h"
#include "core/mime/field.h"
#include "core/mime/header.h"

/* A part whose body is being read. */
struct frame {
	struct mime_part *part, *last_child;
	struct frame *outer; /* the frame around it; in the free list: the next one */
	struct cursor body;
	uint32_t lines;      /* line ends of the message before its body */
	unsigned depth;      /* 1 for the message */
	struct str boundary; /* .len 0: none, or its end was seen */
};

struct parser {
	struct arena *arena;
	struct cursor c;
	uint32_t lines; /* line ends so far */
	unsigned parts;
	struct frame *top, *spare;
	struct boundaries boundaries;
	bool failed; /* out of memory */
};

static const struct str text = {"text", 4}, plain = {"plain", 5};

static void *take_memory(struct parser *p, size_t n)
{
	void *memory = arena_alloc(p->arena, n);

	if (!memory)
		p->failed = true;
	return memory;
}

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

static void set_text_plain(struct mime_part *part)
{
	part->type = text;
	part->subtype = plain;
	part->params = NULL;
}

/* RFC 2046 4.1.2: text/plain without a charset is US-ASCII. */
static void add_default_charset(struct parser *p, struct mime_part *part)
{
	struct mime_param **tail = &part->params, *param;

	if (!str_ieq(part->type, text) || !str_ieq(part->subtype, plain) ||
		find_param(part->params, STR("charset")))
		return;
	param = take_memory(p, sizeof(*param));
	if (!param)
		return;
	*param = (struct mime_param){STR("charset"), STR("us-ascii"), NULL};
	while (*tail)
		tail = &(*tail)->next;
	*tail = param;
}

static void set_octet_stream(struct mime_part *part)
{
	part->type = STR("application");
	part->subtype = STR("octet-stream");
}

/* RFC 2045 5.1; a value without a slash means the default type (5.2). */
static void read_content_type(struct parser *p, struct mime_part *part, struct str value)
{
	struct cursor c = cursor_from(value);
	struct str type, subtype;

	field_skip_cfws(&c, NULL);
	type = field_token(&c);
	field_skip_cfws(&c, NULL);
	if (!type.len || !cursor_accept(&c, '/')) {
		set_text_plain(part);
		return;
	}
	field_skip_cfws(&c, NULL);
	subtype = field_token(&c);
	if (!subtype.len) {
		set_text_plain(part);
		return;
	}
	part->type = type;
	part->subtype = subtype;
	if (field_params(p->arena, &c, &part->params))
		p->failed = true;
}

static void read_encoding(struct parser *p, struct mime_part *part, struct str value)
{
	struct cursor c = cursor_from(value);

	(void)p;
	field_skip_cfws(&c, NULL);
	part->encoding = field_token(&c);
}

static void read_disposition(struct parser *p, struct mime_part *part, struct str value)
{
	struct cursor c = cursor_from(value);

	field_skip_cfws(&c, NULL);
	part->disposition = field_token(&c);
	if (part->disposition.len && field_params(p->arena, &c, &part->disposition_params))
		p->failed = true;
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

static bool is_identity(struct str encoding)
{
	return !str_ieq(encoding, STR("base64")) && !str_ieq(encoding, STR("quoted-printable"));
}

static bool is_message(const struct mime_part *part)
{
	return str_ieq(part->type, STR("message")) &&
		(str_ieq(part->subtype, STR("rfc822")) || str_ieq(part->subtype, STR("global")));
}

/* Fills in what the header says; the type was set to the default before. */
static void read_header(struct parser *p, struct mime_part *part)
{
	struct str values[FIELDS];

	collect_fields(part->header, values);
	if (values[TYPE].p)
		read_content_type(p, part, values[TYPE]);
	if (values[ENCODING].p)
		read_encoding(p, part, values[ENCODING]);
	if (values[DISPOSITION].p)
		read_disposition(p, part, values[DISPOSITION]);
	part->id = values[ID];
	part->description = values[DESCRIPTION];
	part->md5 = values[MD5];
	part->language = values[LANGUAGE];
	part->location = values[LOCATION];
}

/* The boundary of a multipart, .len 0 if it has none.  Blanks at its end are not part of it
 * (RFC 2046 5.1.1). */
static struct str boundary_of(const struct mime_part *part)
{
	struct str s = mime_param_value(part, STR("boundary"));

	while (s.len && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* Decides whether the part has children, and makes it a leaf if it cannot have those it claims. */
static void read_kind(struct parser *p, struct frame *f)
{
	struct mime_part *part = f->part;
	bool multipart = str_ieq(part->type, STR("multipart"));
	bool deepest = f->depth >= CONFIG_MIME_DEPTH_MAX || p->parts >= CONFIG_MIME_PARTS_MAX;

	if (multipart && deepest) {
		set_octet_stream(part);
	} else if (multipart) {
		f->boundary = boundary_of(part);
		part->multipart = f->boundary.len != 0;
		if (!part->multipart)
			set_text_plain(part);
	} else if (is_message(part)) {
		part->rfc822 = !deepest && is_identity(part->encoding);
		if (!part->rfc822)
			set_octet_stream(part);
	}
	if (f->boundary.len && boundaries_add(p->arena, &p->boundaries, f->boundary, f))
		p->failed = true;
	add_default_charset(p, part);
}

/* At the beginning of a line: the frame whose boundary it is, or NULL.  Nothing is taken. */
static struct frame *match_boundary(struct parser *p, struct str *rest_r)
{
	struct cursor line = p->c;
	bool ended;

	if (!p->boundaries.n || !cursor_accept(&line, '-') || !cursor_accept(&line, '-'))
		return NULL;
	return boundaries_match(&p->boundaries, cursor_take_line(&line, &ended), rest_r);
}

/* Takes the header block; a boundary ends it too, and stays ahead. */
static void take_header(struct parser *p, struct mime_part *part)
{
	struct cursor start = p->c;
	struct str rest, line;
	bool ended = true;

	do {
		if (match_boundary(p, &rest))
			break;
		line = cursor_take_line(&p->c, &ended);
		p->lines += ended;
	} while (ended && line.len);
	part->header = cursor_between(&start, &p->c);
}

static struct frame *push_frame(struct parser *p)
{
	struct frame *f = p->spare;

	if (f) {
		p->spare = f->outer;
		*f = (struct frame){0};
	} else {
		f = take_memory(p, sizeof(*f));
	}
	if (!f)
		return NULL;
	f->outer = p->top;
	f->depth = p->top ? p->top->depth + 1 : 1;
	p->top = f;
	return f;
}

static void link_child(struct frame *parent, struct mime_part *part)
{
	part->parent = parent->part;
	if (parent->last_child)
		parent->last_child->next = part;
	else
		parent->part->first_child = part;
	parent->last_child = part;
}

/* Opens a part here, as the next child of the top frame; for a message/rfc822 the message in it
 * too, and so on. */
static struct mime_part *begin_part(struct parser *p)
{
	struct frame *parent = p->top, *f;
	struct mime_part *part = take_memory(p, sizeof(*part));

	f = part ? push_frame(p) : NULL;
	if (!f)
		return NULL;
	p->parts++;
	f->part = part;
	set_text_plain(part);
	part->encoding = part->disposition = STR("");
	if (parent)
		link_child(parent, part);
	/* RFC 2046 5.1.5 */
	if (parent && parent->part->multipart && str_ieq(parent->part->subtype, STR("digest"))) {
		part->type = STR("message");
		part->subtype = STR("rfc822");
	}
	take_header(p, part);
	read_header(p, part);
	f->body = p->c;
	f->lines = p->lines;
	read_kind(p, f);
	return part;
}

static struct mime_part *begin_parts(struct parser *p)
{
	struct mime_part *first = begin_part(p), *part = first;

	while (part && part->rfc822)
		part = begin_part(p);
	return first;
}

/* Closes the top frame.  `end` is where its body ends; in front of a delimiter the line end
 * belongs to the delimiter (RFC 2046 5.1.1). */
static void end_part(struct parser *p, const struct cursor *end, bool delimiter)
{
	struct frame *f = p->top;
	struct mime_part *part = f->part;
	struct str body = cursor_between(&f->body, end);

	part->lines = p->lines - f->lines;
	if (delimiter && body.len) {
		body.len--;
		part->lines--;
		if (body.len && body.p[body.len - 1] == '\r')
			body.len--;
	}
	if (body.len && body.p[body.len - 1] != '\n')
		part->lines++;
	part->body = body;
	if (f->boundary.len)
		boundaries_remove(&p->boundaries, f->boundary);
	if (part->multipart && !part->first_child) {
		part->multipart = false;
		set_text_plain(part);
		add_default_charset(p, part);
	}
	p->top = f->outer;
	f->outer = p->spare;
	p->spare = f;
}

/* A delimiter of `f` is ahead, `rest` is what its line has behind the boundary. */
static void take_delimiter(struct parser *p, struct frame *f, struct str rest)
{
	struct cursor at = p->c;
	bool ended;

	while (p->top != f)
		end_part(p, &at, true);
	cursor_take_line(&p->c, &ended);
	p->lines += ended;
	if (str_istarts(rest, STR("--")) || p->parts >= CONFIG_MIME_PARTS_MAX) {
		boundaries_remove(&p->boundaries, f->boundary);
		f->boundary = STR_NULL;
		return;
	}
	begin_parts(p);
}

struct mime_part *mime_parse(struct arena *a, struct str message)
{
	struct parser p = {.arena = a, .c = cursor_from(message)};
	struct mime_part *top = begin_parts(&p);
	struct frame *f;
	struct str rest;

	while (!cursor_done(&p.c) && !p.failed) {
		f = match_boundary(&p, &rest);
		if (f) {
			take_delimiter(&p, f, rest);
		} else {
			cursor_take_until(&p.c, '\n');
			p.lines += cursor_accept(&p.c, '\n');
		}
	}
	while (p.top && !p.failed)
		end_part(&p, &p.c, false);
	return p.failed ? NULL : top;
}
