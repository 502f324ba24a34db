/* SPDX-License-Identifier: 0BSD */
#include "core/lib/log.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/lib/log_line.h"

#define RING 8

static enum log_level log_level = LOG_LEVEL_INFO;
static struct log_speaker speaker = {.role = ""}; /* to ask for pid is a system call for each line */
static const struct log_form *form = &log_plain;

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
	speaker = (struct log_speaker){role, getpid(), priorities};
	log_level = level;
}

void log_as_json(bool on)
{
	form = ENABLE_LOG_JSON && on ? &log_json : &log_plain;
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

void log_line_add(struct log_line *l, const char *p, size_t n)
{
	if (l->full || n > sizeof(l->text) - LOG_LINE_END - l->len) {
		l->full = true;
		return;
	}
	memcpy(l->text + l->len, p, n);
	l->len += n;
}

void log_line_adds(struct log_line *l, const char *text)
{
	log_line_add(l, text, strlen(text));
}

void log_line_addc(struct log_line *l, char c)
{
	log_line_add(l, &c, 1);
}

static void begin(struct log_line *l, enum log_level level, const char *event)
{
	l->len = 0;
	l->full = false;
	form->begin(l, &speaker, level, event);
}

static void add_pairs(struct log_line *l, va_list ap)
{
	const char *key, *value;

	while ((key = va_arg(ap, const char *)) != NULL) {
		value = va_arg(ap, const char *);
		form->pair(l, key, value);
		if (!value)
			break;
	}
}

/* What is urgent takes along what was said before it. */
static void finish(struct log_line *l, bool urgent)
{
	ssize_t ignored;

	form->end(l);
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

void log_write(enum log_level level, const char *event, ...)
{
	int saved = errno;
	struct log_line l;
	va_list ap;

	if (level > log_level)
		return;
	begin(&l, level, event);
	va_start(ap, event);
	add_pairs(&l, ap);
	va_end(ap);
	finish(&l, level <= LOG_LEVEL_WARNING);
	errno = saved;
}

void die(const char *event, ...)
{
	int saved = errno;
	struct log_line l;
	va_list ap;

	begin(&l, LOG_LEVEL_ERROR, event);
	va_start(ap, event);
	add_pairs(&l, ap);
	va_end(ap);
	if (saved)
		form->reason(&l, strerror(saved));
	finish(&l, true);
	_exit(1);
}

void bug(const char *what)
{
	struct log_line l;

	begin(&l, LOG_LEVEL_ERROR, "broken invariant");
	form->reason(&l, what);
	finish(&l, true);
	abort();
}
