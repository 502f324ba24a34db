/* SPDX-License-Identifier: 0BSD */
/*
 * The parser reads a message line by line, once, and never looks back: pieces of any size may be
 * fed to it.  A message in memory is one piece, and nothing of it is copied.
 */
#include "core/mime/mime.h"

#include <stdlib.h>

#include "core/lib/bytes.h"
#include "core/lib/cursor.h"
#include "core/mime/boundary.h"
#include "core/mime/part.h"

/* Of a line that arrives in pieces so much is seen at once: a longer boundary is not recognised. */
#define LINE_SEEN (16 * 1024)
/* Of the headers of a message in pieces so much is kept, in all. */
#define HEADERS_KEPT (256 * 1024)

/* A part that is being read. */
struct frame {
	struct mime_part *part, *last_child;
	struct frame *outer; /* the frame around it; in the free list: the next one */
	uint32_t lines;      /* line ends of the message before its body */
	unsigned depth;      /* 1 for the message */
	struct str boundary; /* .len 0: none, or its end was seen */
};

struct mime_reader {
	struct arena *arena;
	const char *whole;   /* the message, if it is in memory */
	uint64_t at;         /* bytes read */
	uint32_t lines;      /* line ends so far */
	unsigned parts;
	struct mime_part *message;
	struct frame *top, *spare;
	struct boundaries boundaries;
	bool in_header;      /* of the top frame */
	bool opening;        /* a delimiter line: a part begins behind it */
	bool failed;         /* out of memory */
	/* The last line, or the piece of it that was read. */
	bool ended;
	bool text;           /* there is something in front of its end */
	unsigned end_len;    /* bytes of its end: 0 to 2 */
	/* in pieces */
	struct buf line;     /* the beginning of one */
	struct buf header;   /* of the top frame */
	size_t headers;      /* bytes kept */
};

static void *take_memory(struct mime_reader *r, size_t n)
{
	void *memory = arena_alloc(r->arena, n);

	if (!memory)
		r->failed = true;
	return memory;
}

/* ---- parts ---- */

/* Decides whether the part has children, and makes it a leaf if it cannot have those it claims. */
static void read_kind(struct mime_reader *r, struct frame *f)
{
	struct mime_part *part = f->part;
	bool multipart = str_ieq(part->type, STR("multipart"));
	bool deepest = f->depth >= CONFIG_MIME_DEPTH_MAX || r->parts >= CONFIG_MIME_PARTS_MAX;

	if (multipart && deepest) {
		part_set_octets(part);
	} else if (multipart) {
		f->boundary = part_boundary(part);
		part->multipart = f->boundary.len != 0;
		if (!part->multipart)
			part_set_text(part);
	} else if (part_is_message(part)) {
		part->rfc822 = !deepest && !part_is_encoded(part);
		if (!part->rfc822)
			part_set_octets(part);
	}
	if (f->boundary.len && boundaries_add(r->arena, &r->boundaries, f->boundary, f))
		r->failed = true;
	if (part_add_charset(r->arena, part))
		r->failed = true;
}

static struct frame *push_frame(struct mime_reader *r)
{
	struct frame *f = r->spare;

	if (f) {
		r->spare = f->outer;
		*f = (struct frame){0};
	} else {
		f = take_memory(r, sizeof(*f));
	}
	if (!f)
		return NULL;
	f->outer = r->top;
	f->depth = r->top ? r->top->depth + 1 : 1;
	r->top = f;
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

/* Opens a part here, as the next child of the top frame: its header begins. */
static void begin_part(struct mime_reader *r)
{
	struct frame *parent = r->top, *f;
	struct mime_part *part = take_memory(r, sizeof(*part));

	f = part ? push_frame(r) : NULL;
	if (!f)
		return;
	r->parts++;
	f->part = part;
	part->at = r->at;
	part_set_text(part);
	part->encoding = part->disposition = STR("");
	if (parent)
		link_child(parent, part);
	else
		r->message = part;
	/* RFC 2046 5.1.5 */
	if (parent && parent->part->multipart && str_ieq(parent->part->subtype, STR("digest"))) {
		part->type = STR("message");
		part->subtype = STR("rfc822");
	}
	r->in_header = true;
	buf_clear(&r->header);
}

static struct str range(const struct mime_reader *r, uint64_t from, uint64_t to)
{
	if (!r->whole)
		return STR_NULL;
	return (struct str){r->whole + from, (size_t)(to - from)};
}

/* The header of the top part ends here; the message in a message/rfc822 begins. */
static void end_header(struct mime_reader *r)
{
	struct frame *f = r->top;
	struct mime_part *part = f->part;

	r->in_header = false;
	part->body_at = r->at;
	part->header = r->whole ? range(r, part->at, r->at) : arena_str(r->arena, buf_str(&r->header));
	if (!part->header.p || part_read_header(r->arena, part)) {
		r->failed = true;
		return;
	}
	f->lines = r->lines;
	read_kind(r, f);
	if (part->rfc822)
		begin_part(r);
}

/* Closes the top frame.  In front of a delimiter the line end belongs to the delimiter
 * (RFC 2046 5.1.1). */
static void end_part(struct mime_reader *r, bool delimiter)
{
	struct frame *f = r->top;
	struct mime_part *part = f->part;
	bool ended = r->ended;

	part->body_len = r->at - part->body_at;
	part->lines = r->lines - f->lines;
	if (delimiter && part->body_len) {
		part->body_len -= r->end_len;
		part->lines--;
		ended = !r->text; /* with the line in front of it */
	}
	if (part->body_len && !ended)
		part->lines++;
	part->body = range(r, part->body_at, part->body_at + part->body_len);
	if (f->boundary.len)
		boundaries_remove(&r->boundaries, f->boundary);
	if (part->multipart && !part->first_child) {
		part->multipart = false;
		part_set_text(part);
		if (part_add_charset(r->arena, part))
			r->failed = true;
	}
	r->top = f->outer;
	f->outer = r->spare;
	r->spare = f;
}

/* ---- lines ---- */

static struct str without_end(const struct mime_reader *r, struct str line)
{
	return (struct str){line.p, line.len - r->end_len};
}

/* What is known of the line behind us. */
static void note_line(struct mime_reader *r, struct str line, bool ended)
{
	bool goes_on = r->at && !r->ended;

	r->end_len = !ended ? 0 : line.len > 1 && line.p[line.len - 2] == '\r' ? 2 : 1;
	r->text = goes_on || line.len > r->end_len;
	r->ended = ended;
	r->at += line.len;
	r->lines += ended;
}

/* The frame whose boundary begins the line, or NULL; `rest` is what the line has behind it. */
static struct frame *match_boundary(const struct mime_reader *r, struct str line, struct str *rest_r)
{
	struct cursor c = cursor_from(line);
	bool ended;

	if (!r->boundaries.n || !cursor_accept(&c, '-') || !cursor_accept(&c, '-'))
		return NULL;
	return boundaries_match(&r->boundaries, cursor_take_line(&c, &ended), rest_r);
}

static void take_delimiter(struct mime_reader *r, struct frame *f, struct str line, struct str rest,
	bool ended)
{
	while (r->top != f)
		end_part(r, true);
	note_line(r, line, ended);
	if (str_istarts(rest, STR("--")) || r->parts >= CONFIG_MIME_PARTS_MAX) {
		boundaries_remove(&r->boundaries, f->boundary);
		f->boundary = STR_NULL;
		return;
	}
	r->opening = !ended;
	if (ended)
		begin_part(r);
}

/* A boundary ends a header too, and may then be another part's. */
static bool is_delimiter(struct mime_reader *r, struct str line, bool ended)
{
	struct frame *f;
	struct str rest;

	while ((f = match_boundary(r, line, &rest)) && !r->failed) {
		if (!r->in_header) {
			take_delimiter(r, f, line, rest, ended);
			return true;
		}
		end_header(r);
	}
	return false;
}

static void keep_header(struct mime_reader *r, struct str line)
{
	if (r->whole || r->headers == HEADERS_KEPT)
		return;
	if (line.len > HEADERS_KEPT - r->headers) {
		r->headers = HEADERS_KEPT; /* no more of this one, nor of another */
		return;
	}
	r->headers += line.len;
	if (buf_addstr(&r->header, line))
		r->failed = true;
}

/* A line with its end, or a piece of a long one. */
static void take_line(struct mime_reader *r, struct str line, bool ended)
{
	bool begins = !r->at || r->ended;

	if (begins && is_delimiter(r, line, ended))
		return;
	note_line(r, line, ended);
	if (r->opening) {
		r->opening = !ended;
		if (ended)
			begin_part(r);
	} else if (r->in_header) {
		keep_header(r, line);
		if (begins && ended && !without_end(r, line).len)
			end_header(r);
	}
}

/* A line that has not ended yet, or that began in an earlier piece. */
static void collect_line(struct mime_reader *r, struct str run, bool ended)
{
	bool cr;

	if (buf_addstr(&r->line, run)) {
		r->failed = true;
		return;
	}
	if (!ended && r->line.len < LINE_SEEN)
		return;
	/* A CR may be half of the line's end: it waits. */
	cr = !ended && r->line.data[r->line.off + r->line.len - 1] == '\r';
	take_line(r, (struct str){buf_str(&r->line).p, r->line.len - cr}, ended);
	buf_clear(&r->line);
	if (cr)
		buf_addc(&r->line, '\r');
}

/* In the body of the last part only line ends are still of interest. */
static bool is_plain(const struct mime_reader *r)
{
	return r->whole && !r->in_header && !r->opening && !r->boundaries.n;
}

static void take_plain(struct mime_reader *r, struct str rest)
{
	r->lines += (uint32_t)bytes_count(rest.p, '\n', rest.len);
	r->at += rest.len;
	r->ended = rest.p[rest.len - 1] == '\n';
}

void mime_reader_feed(struct mime_reader *r, struct str piece)
{
	struct cursor c = cursor_from(piece), start;
	struct str run;
	bool ended;

	while (!cursor_done(&c) && !r->failed) {
		if (is_plain(r)) {
			take_plain(r, cursor_take(&c, cursor_left(&c)));
			break;
		}
		start = c;
		cursor_take_until(&c, '\n');
		ended = cursor_accept(&c, '\n');
		run = cursor_between(&start, &c);
		if ((ended || r->whole) && !r->line.len)
			take_line(r, run, ended);
		else
			collect_line(r, run, ended);
	}
}

static struct mime_part *end(struct mime_reader *r)
{
	if (r->line.len && !r->failed)
		take_line(r, buf_str(&r->line), false);
	if (r->opening && !r->failed)
		begin_part(r);
	while (r->in_header && !r->failed)
		end_header(r);
	while (r->top && !r->failed)
		end_part(r, false);
	return r->failed ? NULL : r->message;
}

struct mime_reader *mime_reader_new(struct arena *a)
{
	struct mime_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->arena = a;
	begin_part(r);
	return r;
}

struct mime_part *mime_reader_end(struct mime_reader **at)
{
	struct mime_part *message = end(*at);

	mime_reader_free(at);
	return message;
}

void mime_reader_free(struct mime_reader **at)
{
	struct mime_reader *r = *at;

	*at = NULL;
	if (!r)
		return;
	buf_free(&r->line);
	buf_free(&r->header);
	free(r);
}

struct mime_part *mime_parse(struct arena *a, struct str message)
{
	struct mime_reader r = {.arena = a, .whole = message.p ? message.p : ""};

	begin_part(&r);
	mime_reader_feed(&r, message);
	return end(&r);
}
