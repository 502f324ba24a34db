/* SPDX-License-Identifier: 0BSD */
#include "core/lib/settings.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/lib/cursor.h"

struct parsed {
	bool given;
	char *string;
	uint64_t number;
	bool flag;
};

static int parse_bool(struct str s, bool *value_r)
{
	static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (str_ieq(s, str_from(words[i]))) {
			*value_r = i % 2;
			return 0;
		}
	}
	return -1;
}

/* Fills *p, or appends what is wrong to `why` and returns -1. */
static int parse_value(const struct setting *s, struct str text, struct parsed *p, struct buf *why)
{
	switch (s->type) {
	case SETTING_STRING:
		p->string = strndup(text.len ? text.p : "", text.len);
		if (p->string)
			return 0;
		buf_adds(why, "out of memory");
		return -1;
	case SETTING_NUMBER:
		if (str_u64(text, s->max, &p->number) == 0 && p->number >= s->min)
			return 0;
		buf_addv(why, s->key, " must be a number from ", NULL);
		buf_addu(why, s->min);
		buf_adds(why, " to ");
		buf_addu(why, s->max);
		return -1;
	case SETTING_BOOL:
		if (parse_bool(text, &p->flag) == 0)
			return 0;
		buf_addv(why, s->key, " must be yes or no", NULL);
		return -1;
	}
	return -1;
}

static void apply(const struct setting *s, struct parsed *p)
{
	switch (s->type) {
	case SETTING_STRING:
		free(*(char **)s->target);
		*(char **)s->target = p->string;
		p->string = NULL;
		break;
	case SETTING_NUMBER:
		*(uint64_t *)s->target = p->number;
		break;
	case SETTING_BOOL:
		*(bool *)s->target = p->flag;
		break;
	}
}

static void parsed_free(struct parsed *values, size_t n)
{
	for (size_t i = 0; values && i < n; i++)
		free(values[i].string);
	free(values);
}

/* All values as their defaults. */
static struct parsed *parse_defaults(const struct setting *const *table, size_t n)
{
	struct parsed *values = calloc(n ? n : 1, sizeof(*values));
	struct buf why = {0};

	for (size_t i = 0; values && i < n; i++) {
		if (table[i]->target &&
			parse_value(table[i], str_from(table[i]->value), &values[i], &why)) {
			parsed_free(values, n);
			values = NULL;
			errno = EINVAL;
		}
	}
	buf_free(&why);
	return values;
}

static void apply_all(const struct setting *const *table, size_t n, struct parsed *values)
{
	for (size_t i = 0; i < n; i++) {
		if (table[i]->target)
			apply(table[i], &values[i]);
	}
}

int settings_defaults(const struct setting *const *table, size_t n)
{
	struct parsed *values = parse_defaults(table, n);

	if (!values)
		return -1;
	apply_all(table, n, values);
	parsed_free(values, n);
	return 0;
}

static bool is_named(const struct setting *s, struct str key)
{
	struct str name = str_from(s->key);

	if (name.len && name.p[name.len - 1] == '*')
		return name.len <= key.len &&
		       str_eq((struct str){name.p, name.len - 1}, (struct str){key.p, name.len - 1});
	return str_eq(name, key);
}

static size_t find(const struct setting *const *table, size_t n, struct str key)
{
	size_t i = 0;

	while (i < n && !is_named(table[i], key))
		i++;
	return i;
}

/* One line without its end.  Appends what is wrong to `why`. */
static void parse_line(const struct setting *const *table, size_t n, struct str line,
	struct parsed *values, struct buf *why)
{
	struct cursor c = cursor_from(line);
	struct str key = str_trim(cursor_take_until(&c, ':')), text;
	size_t i;

	if (!cursor_accept(&c, ':')) {
		buf_adds(why, "expected `key: value'");
		return;
	}
	text = str_trim((struct str){c.p, cursor_left(&c)});
	i = find(table, n, key);
	if (i == n) {
		buf_addv(why, "unknown key ", NULL);
		buf_addstr(why, key);
		return;
	}
	if (!table[i]->target) {
		buf_addstr(why, key);
		buf_addv(why, " needs ", table[i]->symbol, ", which is not in this binary", NULL);
		return;
	}
	if (values[i].given) {
		buf_addv(why, table[i]->key, " is given twice", NULL);
		return;
	}
	if (memchr(text.p, '\0', text.len)) {
		buf_addv(why, table[i]->key, " holds a NUL byte", NULL);
		return;
	}
	free(values[i].string);
	values[i].string = NULL;
	values[i].given = true;
	parse_value(table[i], text, &values[i], why);
}

int settings_parse(const struct setting *const *table, size_t n, const char *name, struct str text,
	struct buf *errors_r)
{
	struct parsed *values = parse_defaults(table, n);
	struct cursor c = cursor_from(text);
	size_t errors_before = errors_r->len;
	struct buf why = {.max = 4096};
	uint64_t number = 0;
	bool ended;

	if (!values)
		return -1;
	while (!cursor_done(&c)) {
		struct str line = str_trim(cursor_take_line(&c, &ended));

		number++;
		if (line.len == 0 || line.p[0] == '#')
			continue;
		buf_clear(&why);
		parse_line(table, n, line, values, &why);
		if (why.len == 0)
			continue;
		buf_addv(errors_r, name, ":", NULL);
		buf_addu(errors_r, number);
		buf_adds(errors_r, ": ");
		buf_addstr(errors_r, buf_str(&why));
		buf_addc(errors_r, '\n');
	}
	buf_free(&why);
	if (errors_r->len == errors_before && !errors_r->failed)
		apply_all(table, n, values);
	parsed_free(values, n);
	return errors_r->len == errors_before && !errors_r->failed ? 0 : -1;
}

void settings_print(const struct setting *const *table, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		const struct setting *s = table[i];

		if (!s->target)
			continue;
		buf_addv(out, s->key, ": ", NULL);
		if (s->type == SETTING_STRING)
			buf_adds(out, *(char **)s->target);
		else if (s->type == SETTING_NUMBER)
			buf_addu(out, *(uint64_t *)s->target);
		else
			buf_adds(out, *(bool *)s->target ? "yes" : "no");
		buf_addc(out, '\n');
	}
}
