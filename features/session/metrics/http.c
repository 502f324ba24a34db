/* SPDX-License-Identifier: 0BSD */
#include "features/session/metrics/http.h"

#include "core/lib/cursor.h"

/* RFC 9110 5.6.2: tchar. */
static bool is_token(struct str s)
{
	static const struct str marks = STR("!#$%&'*+-.^_`|~");
	struct cursor c = cursor_from(s);

	while (!cursor_done(&c)) {
		int b = cursor_get(&c), small = b | 32;
		bool good = (small >= 'a' && small <= 'z') || (b >= '0' && b <= '9');

		for (size_t i = 0; !good && i < marks.len; i++)
			good = b == marks.p[i];
		if (!good)
			return false;
	}
	return s.len > 0;
}

/* RFC 9110 5.5: field-content, and blanks. */
static bool is_value(struct str s)
{
	struct cursor c = cursor_from(s);

	while (!cursor_done(&c)) {
		int b = cursor_get(&c);

		if ((b < ' ' && b != '\t') || b == 127)
			return false;
	}
	return true;
}

/* RFC 9112 3: one blank between the parts.  Origin form only: this is no proxy. */
static bool take_request_line(struct str line, struct metrics_request *r, bool *host_r)
{
	struct cursor c = cursor_from(line), target;
	struct str version;

	r->method = cursor_take_until(&c, ' ');
	cursor_skip(&c, 1);
	target = cursor_from(cursor_take_until(&c, ' '));
	cursor_skip(&c, 1);
	version = cursor_take(&c, cursor_left(&c));
	*host_r = str_eq(version, STR("HTTP/1.1"));
	if (c.failed || cursor_peek(&target) != '/' || !is_token(r->method) ||
		(!*host_r && !str_eq(version, STR("HTTP/1.0"))))
		return false;
	r->path = cursor_take_until(&target, '?');
	return is_value(line);
}

/* RFC 9112 5: no blank before the colon, and no folded lines. */
static bool take_field(struct str line, unsigned *hosts)
{
	struct cursor c = cursor_from(line);
	struct str name = cursor_take_until(&c, ':');

	*hosts += str_ieq(name, STR("Host"));
	return cursor_accept(&c, ':') && is_token(name) && is_value(cursor_take(&c, cursor_left(&c)));
}

static int more_or_too_long(struct str in)
{
	return in.len >= METRICS_HEAD_MAX ? -1 : 0;
}

int metrics_http_parse(struct str in, struct metrics_request *r)
{
	struct str head = {in.p, in.len < METRICS_HEAD_MAX ? in.len : METRICS_HEAD_MAX}, line;
	struct cursor c = cursor_from(head);
	bool ended, needs_host;
	unsigned hosts = 0;

	*r = (struct metrics_request){0};
	line = cursor_take_line(&c, &ended);
	if (!ended)
		return more_or_too_long(in);
	if (!take_request_line(line, r, &needs_host))
		return -1;
	for (;;) {
		line = cursor_take_line(&c, &ended);
		if (!ended)
			return more_or_too_long(in);
		if (!line.len)
			break;
		if (!take_field(line, &hosts))
			return -1;
	}
	/* RFC 9112 3.2. */
	if (hosts > 1 || (needs_host && !hosts))
		return -1;
	return (int)(head.len - cursor_left(&c));
}

void metrics_http_answer(struct buf *out, bool head, const char *status, const char *type, struct str body)
{
	buf_addv(out, "HTTP/1.1 ", status, "\r\nContent-Type: ", type, "\r\nContent-Length: ", NULL);
	buf_addu(out, body.len);
	buf_adds(out, "\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n");
	if (!head)
		buf_addstr(out, body);
}
