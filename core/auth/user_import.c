/* SPDX-License-Identifier: 0BSD */
#include "core/auth/user_import.h"

#include <stdlib.h>
#include <string.h>

#include "core/auth/user_value.h"
#include "core/lib/cursor.h"
#include "core/lib/vec.h"

#define FAULTS_MAX 100

struct import {
	struct user_lines *lines;
	const char *file;
	struct buf *errors;
	size_t faults;
};

static void fault(struct import *im, uint64_t number, const char *text)
{
	if (im->faults++ < FAULTS_MAX) {
		buf_addv(im->errors, im->file, ":", NULL);
		buf_addu(im->errors, number);
		buf_addv(im->errors, ": ", text, "\n", NULL);
	}
}

static const char *judge_secret(struct str text)
{
	struct buf value = {0};
	const char *wrong = user_value_take(text, &value);

	buf_wipe(&value);
	return wrong;
}

static const char *parse_line(struct import *im, struct str text, struct user_line *line)
{
	struct cursor c = cursor_from(text);
	struct str name = cursor_take_until(&c, ':');
	struct buf clean = {0};

	if (!cursor_accept(&c, ':'))
		return "no colon: a line is NAME:PASSWORD or NAME:SECRET";
	if (user_name_clean(name, &clean))
		return "not a user name";
	line->name = arena_str(&im->lines->arena, buf_str(&clean));
	buf_free(&clean);
	if (!line->name.p)
		return "out of memory";
	/* A password that looks like a secret can be given all the same. */
	line->is_secret = !cursor_accept_word(&c, STR("{PLAIN}"));
	line->password = cursor_take(&c, cursor_left(&c));
	line->is_secret = line->is_secret && user_value_is_secret(line->password);
	if (line->is_secret)
		return judge_secret(line->password);
	if (!line->password.len)
		return "no password";
	if (line->password.len > USER_PASSWORD_MAX)
		return "the password is too long";
	if (memchr(line->password.p, 0, line->password.len))
		return "the password holds a NUL byte";
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	const struct user_line *x = a, *y = b;
	int order = str_cmp(x->name, y->name);

	if (order)
		return order;
	return x->number < y->number ? -1 : 1;
}

static void find_doubles(struct import *im)
{
	struct user_lines *l = im->lines;

	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), by_name);
	for (size_t i = 1; i < l->n; i++)
		if (str_eq(l->v[i].name, l->v[i - 1].name))
			fault(im, l->v[i].number, "this name was given before");
}

int user_import_parse(struct user_lines *l, const char *file, struct str text, struct buf *errors_r)
{
	struct import im = {.lines = l, .file = file, .errors = errors_r};
	struct cursor c = cursor_from(text);

	for (uint64_t number = 1; !cursor_done(&c); number++) {
		struct user_line line = {.number = number};
		const char *wrong;
		bool ended;
		struct str s = cursor_take_line(&c, &ended);

		if (!s.len || s.p[0] == '#')
			continue;
		wrong = parse_line(&im, s, &line);
		if (!wrong && vec_push(l, line))
			wrong = "out of memory";
		if (wrong)
			fault(&im, number, wrong);
	}
	find_doubles(&im);
	if (im.faults > FAULTS_MAX) {
		buf_addv(errors_r, file, ": ", NULL);
		buf_addu(errors_r, im.faults - FAULTS_MAX);
		buf_adds(errors_r, " more faults\n");
	}
	return im.faults ? -1 : 0;
}

void user_import_free(struct user_lines *l)
{
	arena_free(&l->arena);
	free(l->v);
	*l = (struct user_lines){0};
}
