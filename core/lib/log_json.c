/* SPDX-License-Identifier: 0BSD */
/*
 * One object for each line (RFC 8259), whatever clients put in: text is UTF-8, bytes that are none become
 * U+FFFD, and a line that grows too long loses whole pairs at its end.
 */
#include "core/lib/log_line.h"

#include <string.h>
#include <time.h>

#include "core/lib/date.h"
#include "core/lib/utf8.h"

static const char *level_name(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "error";
	case LOG_LEVEL_WARNING:
		return "warning";
	case LOG_LEVEL_INFO:
		return "info";
	default:
		return "debug";
	}
}

static void add_escape(struct log_line *l, unsigned char c)
{
	const char escape[] = {'\\', 'u', '0', '0', "0123456789abcdef"[c >> 4], "0123456789abcdef"[c & 15]};

	if (c == '"' || c == '\\') {
		log_line_addc(l, '\\');
		log_line_addc(l, (char)c);
	} else {
		log_line_add(l, escape, sizeof(escape));
	}
}

static void add_string(struct log_line *l, const char *text)
{
	struct cursor c = cursor_from((struct str){text, strlen(text)}), start;
	struct str all;
	uint32_t code;

	log_line_addc(l, '"');
	while (!cursor_done(&c)) {
		int byte = cursor_peek(&c);

		start = c;
		if (byte < ' ' || byte == '"' || byte == '\\' || byte == 0x7f) {
			add_escape(l, (unsigned char)cursor_get(&c));
		} else if (utf8_take(&c, &code)) {
			all = cursor_between(&start, &c);
			log_line_add(l, all.p, all.len);
		} else {
			cursor_skip(&c, 1);
			log_line_adds(l, "\\ufffd");
		}
	}
	log_line_addc(l, '"');
}

/* A pair that does not fit is taken back whole. */
static void pair(struct log_line *l, const char *key, const char *value)
{
	size_t before = l->len;

	if (l->full)
		return;
	log_line_addc(l, ',');
	add_string(l, value ? key : "remark");
	log_line_addc(l, ':');
	add_string(l, value ? value : key);
	if (l->full)
		l->len = before;
}

static void add_digits(char *to, int value, int digits)
{
	for (; digits--; value /= 10)
		to[digits] = (char)('0' + value % 10);
}

/* RFC 3339, in UTC. */
static void add_time(struct log_line *l)
{
	char text[] = "{\"time\":\"0000-00-00T00:00:00.000Z\"";
	char *at = text + sizeof("{\"time\":\"") - 1;
	struct timespec now;
	struct date d;

	clock_gettime(CLOCK_REALTIME, &now);
	date_from_unix(now.tv_sec, 0, &d);
	add_digits(at, d.year, 4);
	add_digits(at + 5, d.month, 2);
	add_digits(at + 8, d.day, 2);
	add_digits(at + 11, d.hour, 2);
	add_digits(at + 14, d.minute, 2);
	add_digits(at + 17, d.second, 2);
	add_digits(at + 20, (int)(now.tv_nsec / 1000000), 3);
	log_line_add(l, text, sizeof(text) - 1);
}

static void begin(struct log_line *l, const struct log_speaker *by, enum log_level level, const char *event)
{
	add_time(l);
	pair(l, "level", level_name(level));
	if (*by->role)
		pair(l, "by", by->role);
	log_line_adds(l, ",\"process\":");
	log_line_adds(l, log_num(by->pid));
	pair(l, "event", event);
}

static void reason(struct log_line *l, const char *text)
{
	pair(l, "cause", text);
}

static void end(struct log_line *l)
{
	l->full = false; /* room was left for this */
	l->text[l->len++] = '}';
}

const struct log_form log_json = {begin, pair, reason, end};
