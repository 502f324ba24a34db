/* SPDX-License-Identifier: 0BSD */
#include "core/lib/log.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048
#define RING           8

static const char *log_role = "";
static enum log_level log_level = LOG_LEVEL_INFO;
static bool log_priorities;
static pid_t log_pid; /* a system call for each line otherwise */

/* Lines of this thread that wait for log_flush(); a pipe takes so much in one piece. */
static __thread struct gather {
	char text[PIPE_BUF];
	size_t len;
} *gather;

void log_gather(bool on)
{
	if (on && !gather) {
		gather = calloc(1, sizeof(*gather));
	} else if (!on && gather) {
		log_flush();
		free(gather);
		gather = NULL;
	}
}

void log_flush(void)
{
	ssize_t ignored;

	if (!gather || !gather->len)
		return;
	ignored = write(STDERR_FILENO, gather->text, gather->len);
	(void)ignored; /* nowhere to complain */
	gather->len = 0;
}

void log_init(const char *role, enum log_level level, bool priorities)
{
	if (gather)
		gather->len = 0; /* after fork(): these are the parent's to print */
	log_role = role;
	log_level = level;
	log_priorities = priorities;
	log_pid = getpid();
}

static char *next_slot(void)
{
	static __thread char ring[RING][204];
	static __thread unsigned turn;

	return ring[turn++ % RING];
}

const char *log_num(int64_t n)
{
	char *slot = next_slot(), *p = slot + 30;
	uint64_t rest = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;

	*p = '\0';
	do {
		*--p = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest);
	if (n < 0)
		*--p = '-';
	return p;
}

const char *log_str(struct str s)
{
	char *slot = next_slot();
	size_t n = s.len < 200 ? s.len : 200;

	/* A NUL inside must not hide what follows it from the reader of the log. */
	for (size_t i = 0; i < n; i++)
		slot[i] = s.p[i] ? s.p[i] : '\x01';
	slot[n] = '\0';
	return slot;
}

struct line {
	char text[LINE_MAX_BYTES];
	size_t len;
};

static void add_byte(struct line *l, char c)
{
	if (l->len < sizeof(l->text) - 1) /* room for the line end */
		l->text[l->len++] = c;
}

static void add_text(struct line *l, const char *s)
{
	while (*s)
		add_byte(l, *s++);
}

static void add_value(struct line *l, const char *s)
{
	bool plain = *s != '\0';

	for (const char *p = s; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=')
			plain = false;
	}
	if (plain) {
		add_text(l, s);
		return;
	}
	add_byte(l, '"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\') {
			add_byte(l, '\\');
			add_byte(l, (char)c);
		} else if (c < ' ' || c == 0x7f) {
			add_text(l, "\\x");
			add_byte(l, "0123456789abcdef"[c >> 4]);
			add_byte(l, "0123456789abcdef"[c & 15]);
		} else {
			add_byte(l, (char)c);
		}
	}
	add_byte(l, '"');
}

static void begin(struct line *l, enum log_level level, const char *event)
{
	l->len = 0;
	if (log_priorities) {
		add_byte(l, '<');
		add_byte(l, (char)('0' + level));
		add_byte(l, '>');
	}
	add_text(l, "satchel");
	if (*log_role) {
		add_byte(l, ' ');
		add_text(l, log_role);
		add_byte(l, '[');
		add_text(l, log_num(log_pid));
		add_byte(l, ']');
	}
	add_text(l, ": ");
	if (level == LOG_LEVEL_ERROR)
		add_text(l, "error: ");
	else if (level == LOG_LEVEL_WARNING)
		add_text(l, "warning: ");
	add_text(l, event);
}

static void add_pairs(struct line *l, va_list ap)
{
	const char *key, *value;

	while ((key = va_arg(ap, const char *)) != NULL) {
		value = va_arg(ap, const char *);
		add_byte(l, ' ');
		add_text(l, key);
		if (!value)
			break;
		add_byte(l, '=');
		add_value(l, value);
	}
}

/* What is urgent takes along what was said before it. */
static void finish(struct line *l, bool urgent)
{
	ssize_t ignored;

	l->text[l->len++] = '\n';
	if (gather && (urgent || gather->len + l->len > sizeof(gather->text)))
		log_flush();
	if (gather && !urgent) {
		memcpy(gather->text + gather->len, l->text, l->len);
		gather->len += l->len;
		return;
	}
	ignored = write(STDERR_FILENO, l->text, l->len);
	(void)ignored; /* nowhere to complain */
}

static void log_pairs(enum log_level level, const char *event, va_list ap)
{
	int saved = errno;
	struct line l;

	if (level > log_level)
		return;
	begin(&l, level, event);
	add_pairs(&l, ap);
	finish(&l, level <= LOG_LEVEL_WARNING);
	errno = saved;
}

void log_error(const char *event, ...)
{
	va_list ap;

	va_start(ap, event);
	log_pairs(LOG_LEVEL_ERROR, event, ap);
	va_end(ap);
}

void log_warning(const char *event, ...)
{
	va_list ap;

	va_start(ap, event);
	log_pairs(LOG_LEVEL_WARNING, event, ap);
	va_end(ap);
}

void log_info(const char *event, ...)
{
	va_list ap;

	va_start(ap, event);
	log_pairs(LOG_LEVEL_INFO, event, ap);
	va_end(ap);
}

void log_debug(const char *event, ...)
{
	va_list ap;

	va_start(ap, event);
	log_pairs(LOG_LEVEL_DEBUG, event, ap);
	va_end(ap);
}

void die(const char *event, ...)
{
	int saved = errno;
	struct line l;
	va_list ap;

	begin(&l, LOG_LEVEL_ERROR, event);
	va_start(ap, event);
	add_pairs(&l, ap);
	va_end(ap);
	if (saved) {
		add_text(&l, ": ");
		add_text(&l, strerror(saved));
	}
	finish(&l, true);
	_exit(1);
}

void bug(const char *what)
{
	struct line l;

	begin(&l, LOG_LEVEL_ERROR, "broken invariant: ");
	add_text(&l, what);
	finish(&l, true);
	abort();
}
