/* SPDX-License-Identifier: 0BSD */
/*
 * Collects commands from the input of a session: lines, and literals of known length between them
 * (RFC 9051 4.3, RFC 7888).  Nothing is kept of a command that was refused; its tag is, so that
 * the answer carries it.  APPEND's message never passes through the command: it goes to a body.
 */
#include "core/imap/commands.h"

#include <errno.h>
#include <string.h>

#define IN_MAX (16 * 1024)   /* read ahead of a command; more while a longer one is collected */
#define LITERAL_MAX ((size_t)CONFIG_IMAP_LITERAL_MAX_KB * 1024)
#define BODY_ROOM (128 * 1024)
#define TAIL 32              /* of a line that is thrown away: enough to see "{n+}" at its end */

static void refuse(struct imap_session *s, struct str tag, const char *status, const char *code, const char *text)
{
	struct imap_input *i = s->input;

	if (i->head.len && tag.p == buf_str(&i->head).p) {
		i->head.len = tag.len;
	} else {
		buf_clear(&i->head);
		buf_addstr(&i->head, tag);
	}
	i->status = status;
	i->code = code;
	i->text = text;
	body_free(&s->append_body);
}

/* A refused command has ended: answers it. */
static void answer_refused(struct imap_session *s)
{
	struct imap_input *i = s->input;

	imap_tagged(imap_out(s), buf_str(&i->head), i->status, i->code, i->text);
	s->errors++;
	i->mode = IMAP_INPUT_COMMAND;
	i->at = i->literals = 0;
	buf_free(&i->head);
}

/* The line ended at `l`, which announces a literal that will not be taken.  The client has asked
 * first, and is told no; or it sends on, and that is thrown away (RFC 7888 4). */
static void refuse_literal(struct imap_session *s, const struct imap_line *l, const char *status,
	const char *code, const char *text)
{
	struct imap_input *i = s->input;

	if (status)
		refuse(s, imap_scan_tag(buf_str(i->mode == IMAP_INPUT_TAIL ? &i->head : &s->conn.in)),
			status, code, text);
	buf_consume(&s->conn.in, l->end);
	if (!l->nonsync) {
		answer_refused(s);
		return;
	}
	i->mode = IMAP_INPUT_SWALLOW;
	i->left = l->size;
}

static int take_text(struct imap_session *s, struct str a, struct str b, struct str *text_r)
{
	char *to = arena_alloc(&s->arena, a.len + b.len + 1);

	if (!to)
		return -1;
	memcpy(to, a.p, a.len);
	if (b.len)
		memcpy(to + a.len, b.p, b.len);
	*text_r = (struct str){to, a.len + b.len};
	return 0;
}

static int no_memory(struct imap_session *s)
{
	imap_bye(s, "UNAVAILABLE", "Out of memory");
	return 0;
}

/* The head of APPEND moves aside, its message begins to flow. */
static void begin_body(struct imap_session *s, const struct imap_line *l)
{
	struct str text = {buf_str(&s->conn.in).p, l->header};
	const char *status, *code, *why;
	struct imap_input *i = s->input;

	if (imap_append_begin(s, text, l->size, &status, &code, &why)) {
		refuse_literal(s, l, status, code, why);
		return;
	}
	buf_clear(&i->head);
	if (buf_addstr(&i->head, text)) {
		refuse_literal(s, l, "NO", "UNAVAILABLE", "Out of memory");
		return;
	}
	buf_consume(&s->conn.in, l->end);
	i->mode = IMAP_INPUT_BODY;
	i->left = l->size;
	if (!l->nonsync)
		imap_plus(s, "OK");
}

/* A literal inside the command.  1: go on behind it; 0: refused. */
static int take_literal(struct imap_session *s, const struct imap_line *l)
{
	struct imap_input *i = s->input;

	if (imap_append_is_message((struct str){buf_str(&s->conn.in).p, l->header})) {
		begin_body(s, l);
		return 0;
	}
	if (l->size > LITERAL_MAX - i->literals) {
		refuse_literal(s, l, "NO", "TOOBIG", "Literal too large");
		return 0;
	}
	if (!l->nonsync)
		imap_plus(s, "OK");
	i->literals += (size_t)l->size;
	i->at = l->end + (size_t)l->size;
	return 1;
}

static bool too_long(const struct imap_input *i, size_t bytes)
{
	return bytes > i->literals && bytes - i->literals > CONFIG_IMAP_LINE_MAX;
}

static int collect_command(struct imap_session *s, struct str *text_r, bool *again_r)
{
	struct imap_input *i = s->input;
	struct buf *in = &s->conn.in;
	struct imap_line l;

	while (i->at <= in->len && imap_scan_line(buf_str(in), i->at, &l)) {
		if (too_long(i, l.end)) {
			*again_r = true;
			refuse(s, imap_scan_tag(buf_str(in)), "BAD", NULL, "Command too long");
			i->mode = IMAP_INPUT_DISCARD;
			buf_consume(in, i->at);
			return 0;
		}
		if (l.literal) {
			*again_r = true;
			if (!take_literal(s, &l))
				return 0;
			continue;
		}
		if (take_text(s, (struct str){buf_str(in).p, l.text}, STR(""), text_r))
			return no_memory(s);
		buf_consume(in, l.end);
		i->at = i->literals = 0;
		return 1;
	}
	*again_r = false;
	if (too_long(i, in->len)) {
		refuse(s, imap_scan_tag(buf_str(in)), "BAD", NULL, "Command too long");
		i->mode = IMAP_INPUT_DISCARD;
		buf_consume(in, i->at < in->len ? i->at : in->len);
		*again_r = true;
	} else if (i->at > in->len || in->len > IN_MAX / 2) {
		/* Room for the literal, or the rest of the line. */
		s->conn.in_max = IN_MAX + (i->at > in->len ? i->at : in->len);
	}
	return 0;
}

static void refuse_body(struct imap_session *s, const char *code, const char *text)
{
	refuse(s, imap_scan_tag(buf_str(&s->input->head)), "NO", code, text);
	s->input->mode = IMAP_INPUT_SWALLOW;
}

static void stream_body(struct imap_session *s)
{
	struct imap_input *i = s->input;
	struct str in = buf_str(&s->conn.in);

	i->stalled = body_full(s->append_body);
	if (i->stalled)
		return;
	if (in.len > i->left)
		in.len = (size_t)i->left;
	s->conn.in_max = BODY_ROOM;
	/* RFC 9051 9: a literal holds no NUL. */
	if (memchr(in.p, 0, in.len)) {
		refuse_body(s, NULL, "The message holds NUL bytes");
		return;
	}
	buf_addstr(body_buf(s->append_body), in);
	if (body_added(s->append_body) < 0) {
		refuse_body(s, "UNAVAILABLE", imap_append_trouble(errno));
		return;
	}
	buf_consume(&s->conn.in, in.len);
	i->left -= in.len;
	if (i->left == 0)
		i->mode = IMAP_INPUT_TAIL;
}

static int take_tail(struct imap_session *s, struct str *text_r, bool *again_r)
{
	struct imap_input *i = s->input;
	struct buf *in = &s->conn.in;
	struct imap_line l;

	if (!imap_scan_line(buf_str(in), 0, &l)) {
		*again_r = in->len > IN_MAX;
		if (*again_r) {
			refuse(s, imap_scan_tag(buf_str(&i->head)), "BAD", NULL, "Command too long");
			i->mode = IMAP_INPUT_DISCARD;
		}
		return 0;
	}
	if (l.literal) {
		refuse_literal(s, &l, "BAD", NULL, "APPEND: only one message at a time");
		*again_r = true;
		return 0;
	}
	if (take_text(s, buf_str(&i->head), (struct str){buf_str(in).p, l.text}, text_r))
		return no_memory(s);
	buf_consume(in, l.end);
	buf_free(&i->head);
	i->mode = IMAP_INPUT_COMMAND;
	i->at = i->literals = 0;
	return 1;
}

static void swallow(struct imap_session *s)
{
	struct imap_input *i = s->input;
	size_t n = s->conn.in.len;

	if (n > i->left)
		n = (size_t)i->left;
	buf_consume(&s->conn.in, n);
	i->left -= n;
	if (i->left == 0)
		i->mode = IMAP_INPUT_DISCARD;
}

/* Throws lines away until the refused command ends; false: more is needed. */
static bool discard(struct imap_session *s)
{
	struct buf *in = &s->conn.in;
	struct imap_line l;

	if (!imap_scan_line(buf_str(in), 0, &l)) {
		if (in->len > TAIL)
			buf_consume(in, in->len - TAIL);
		return false;
	}
	if (l.literal) {
		refuse_literal(s, &l, NULL, NULL, NULL);
		return true;
	}
	buf_consume(in, l.end);
	answer_refused(s);
	return true;
}

int imap_input_next(struct imap_session *s, struct str *text_r, bool *again_r)
{
	size_t before = s->conn.in.len;

	*again_r = false;
	s->input->stalled = false;
	s->conn.in_max = IN_MAX;
	if (!before && s->input->mode != IMAP_INPUT_BODY)
		return 0;
	switch (s->input->mode) {
	case IMAP_INPUT_COMMAND:
		return collect_command(s, text_r, again_r);
	case IMAP_INPUT_BODY:
		stream_body(s);
		*again_r = s->input->mode != IMAP_INPUT_BODY;
		return 0;
	case IMAP_INPUT_TAIL:
		return take_tail(s, text_r, again_r);
	case IMAP_INPUT_SWALLOW:
		swallow(s);
		*again_r = s->input->mode != IMAP_INPUT_SWALLOW;
		return 0;
	default:
		*again_r = discard(s);
		return 0;
	}
}

int imap_input_line(struct imap_session *s, struct str *line_r)
{
	struct buf *in = &s->conn.in;
	struct imap_line l;

	s->conn.in_max = IN_MAX;
	if (!imap_scan_line(buf_str(in), 0, &l)) {
		if (in->len >= IN_MAX)
			imap_bye(s, NULL, "Line too long");
		return 0;
	}
	if (take_text(s, (struct str){buf_str(in).p, l.text}, STR(""), line_r))
		return no_memory(s);
	buf_consume(in, l.end);
	return 1;
}
