/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_LIB_LOG_LINE_H
#define CORE_LIB_LOG_LINE_H

/* How a log line is written; for log.c and the forms alone. */

#include "core/lib/log.h"

#define LOG_LINE_MAX 2048
#define LOG_LINE_END 4 /* bytes that are left for end() and the line's end */

struct log_line {
	char text[LOG_LINE_MAX];
	size_t len;
	bool full; /* something did not fit: nothing more is added */
};

/* Who speaks: log_init(). */
struct log_speaker {
	const char *role;
	int pid;
	bool priorities; /* <N> in front */
};

struct log_form {
	void (*begin)(struct log_line *l, const struct log_speaker *by, enum log_level level, const char *event);
	/* value NULL: key is a remark. */
	void (*pair)(struct log_line *l, const char *key, const char *value);
	/* What errno said when the program gave up. */
	void (*reason)(struct log_line *l, const char *text);
	void (*end)(struct log_line *l);
};

extern const struct log_form log_plain, log_json;

/* Adds all of n bytes or none; NUL ends log_line_adds()' text. */
void log_line_add(struct log_line *l, const char *p, size_t n);
void log_line_adds(struct log_line *l, const char *text);
void log_line_addc(struct log_line *l, char c);

#endif
