/* SPDX-License-Identifier: 0BSD */
/* event key=value key="a value", for people and for grep. */
#include "core/lib/log_line.h"

static void begin(struct log_line *l, const struct log_speaker *by, enum log_level level, const char *event)
{
	if (by->priorities) {
		log_line_addc(l, '<');
		log_line_addc(l, (char)('0' + level));
		log_line_addc(l, '>');
	}
	log_line_adds(l, "satchel");
	if (*by->role) {
		log_line_addc(l, ' ');
		log_line_adds(l, by->role);
		log_line_addc(l, '[');
		log_line_adds(l, log_num(by->pid));
		log_line_addc(l, ']');
	}
	log_line_adds(l, ": ");
	if (level == LOG_LEVEL_ERROR)
		log_line_adds(l, "error: ");
	else if (level == LOG_LEVEL_WARNING)
		log_line_adds(l, "warning: ");
	log_line_adds(l, event);
}

static bool is_plain(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=')
			return false;
	}
	return true;
}

static void add_quoted(struct log_line *l, const char *s)
{
	log_line_addc(l, '"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\') {
			log_line_addc(l, '\\');
			log_line_addc(l, (char)c);
		} else if (c < ' ' || c == 0x7f) {
			log_line_adds(l, "\\x");
			log_line_addc(l, "0123456789abcdef"[c >> 4]);
			log_line_addc(l, "0123456789abcdef"[c & 15]);
		} else {
			log_line_addc(l, (char)c);
		}
	}
	log_line_addc(l, '"');
}

static void pair(struct log_line *l, const char *key, const char *value)
{
	log_line_addc(l, ' ');
	log_line_adds(l, key);
	if (!value)
		return;
	log_line_addc(l, '=');
	if (is_plain(value))
		log_line_adds(l, value);
	else
		add_quoted(l, value);
}

static void reason(struct log_line *l, const char *text)
{
	log_line_adds(l, ": ");
	log_line_adds(l, text);
}

static void end(struct log_line *l)
{
	(void)l;
}

const struct log_form log_plain = {begin, pair, reason, end};
