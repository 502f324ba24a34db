/* SPDX-License-Identifier: 0BSD */
#include "core/server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/hooks.h"
#include "core/lib/file.h"
#include "core/lib/log.h"
#include "core/lib/vec.h"
#include "core/server/cli.h"
#include "generated/version.h"

#define FILE_MAX_BYTES (256 * 1024)

static struct {
	const struct setting **v;
	size_t n, cap;
} all;

static void add_table(const struct setting *table)
{
	for (; table && table->key; table++) {
		if (vec_push(&all, table))
			die("no memory for the settings", NULL);
	}
}

/* Keys of a feature begin with its name, which is its symbol's too: an entry for each symbol that
 * is not set lets the parser say what is missing.  `symbol` is CONFIG_X. */
static void add_absent(struct str symbol)
{
	struct setting *s = calloc(1, sizeof(*s));
	struct buf key = {0}, name = {0};

	buf_addstr(&name, symbol);
	buf_addc(&name, '\0');
	for (size_t i = sizeof("CONFIG_") - 1; i < symbol.len; i++)
		buf_addc(&key, (char)(symbol.p[i] >= 'A' && symbol.p[i] <= 'Z' ? symbol.p[i] + 32
									       : symbol.p[i]));
	buf_add(&key, "_*", 3);
	if (!s || key.failed || name.failed)
		die("no memory for the settings", NULL);
	s->key = key.data;
	s->symbol = name.data;
	s->value = s->help = "";
	if (vec_push(&all, s))
		die("no memory for the settings", NULL);
}

static void add_absent_features(void)
{
	struct buf text = {0};
	struct cursor c;
	bool ended;

	srv_about_kconfig(&text);
	c = cursor_from(buf_str(&text));
	while (!cursor_done(&c)) {
		struct str line = cursor_take_line(&c, &ended), word, symbol, rest = line;

		if (str_word(&rest, " ", &word) && str_eq(word, STR("#")) &&
			str_word(&rest, " ", &symbol) && str_istarts(symbol, STR("CONFIG_")) &&
			str_eq(str_trim(rest), STR("is not set")))
			add_absent(symbol);
	}
	buf_free(&text);
}

const struct setting *const *srv_settings_all(size_t *n_r)
{
	if (all.n == 0) {
		add_table(srv_settings_table);
		FEATURE_EACH (f)
			add_table(f->settings);
		add_absent_features();
	}
	*n_r = all.n;
	return all.v;
}

static const struct {
	const char *name;
	enum log_level level;
} levels[] = {{"error", LOG_LEVEL_ERROR}, {"warning", LOG_LEVEL_WARNING}, {"info", LOG_LEVEL_INFO},
	{"debug", LOG_LEVEL_DEBUG}};

static int level_find(const char *name, enum log_level *level_r)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcmp(levels[i].name, name) == 0) {
			*level_r = levels[i].level;
			return 0;
		}
	}
	return -1;
}

/* What the table's types and ranges cannot say. */
static int check(const char *file, struct buf *errors)
{
	enum log_level level;

	if (level_find(srv_settings.log_level, &level) == 0)
		return 0;
	buf_addv(errors, file ? file : "settings", ": log_level must be error, warning, info or debug\n",
		NULL);
	return -1;
}

static int parse(const char *file, struct str text, const char *data, struct buf *errors_r)
{
	size_t n;
	const struct setting *const *table = srv_settings_all(&n);
	struct buf before = {0}, ignored = {0};
	char *copy;

	settings_print(table, n, &before);
	if (settings_parse(table, n, file ? file : "", text, errors_r)) {
		buf_free(&before);
		return -1;
	}
	if (check(file, errors_r)) {
		settings_parse(table, n, "", buf_str(&before), &ignored);
		buf_free(&ignored);
		buf_free(&before);
		return -1;
	}
	buf_free(&before);
	if (!data)
		return 0;
	copy = strdup(data);
	if (!copy)
		die("no memory for the settings", NULL);
	free(srv_settings.data);
	srv_settings.data = copy;
	return 0;
}

int srv_settings_load(const char *file, const char *data, struct buf *errors_r)
{
	size_t n;
	const struct setting *const *table = srv_settings_all(&n);
	struct buf text = {0};
	int rc = -1;

	/* The first load needs something to fall back to. */
	if (!srv_settings.data && settings_defaults(table, n))
		die("a setting's default is wrong", NULL);
	if (file && file_read(AT_FDCWD, file, FILE_MAX_BYTES, &text)) {
		buf_addv(errors_r, file, ": ", strerror(errno), "\n", NULL);
		goto free_text;
	}
	rc = parse(file, buf_str(&text), data, errors_r);
free_text:
	buf_free(&text);
	return rc;
}

const char *srv_hostname(void)
{
	static char name[256];

	if (*srv_settings.hostname)
		return srv_settings.hostname;
	if (!name[0] && (gethostname(name, sizeof(name) - 1) || !name[0]))
		memcpy(name, "localhost", sizeof("localhost"));
	return name;
}

void srv_log_init(const char *role)
{
	enum log_level level = LOG_LEVEL_INFO;

	level_find(srv_settings.log_level, &level);
	/* systemd reads the <N> in front and takes it as the priority. */
	log_init(role, level, getenv("JOURNAL_STREAM") != NULL);
}

/* roff takes a backslash as an escape and a dot or quote at a line's start as a request. */
static void add_roff(struct buf *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '\\')
			buf_adds(out, "\\e");
		else if (*s == '-')
			buf_adds(out, "\\-");
		else
			buf_addc(out, *s);
	}
}

static void add_man_entry(struct buf *out, const struct setting *s)
{
	buf_addv(out, ".TP\n.BR ", s->key, " \" (", NULL);
	if (s->type == SETTING_NUMBER) {
		buf_adds(out, "number from ");
		buf_addu(out, s->min);
		buf_adds(out, " to ");
		buf_addu(out, s->max);
	} else {
		buf_adds(out, s->type == SETTING_BOOL ? "yes or no" : "text");
	}
	if (*s->value) {
		buf_adds(out, "; default ");
		add_roff(out, s->value);
	}
	buf_adds(out, ")\"\n");
	add_roff(out, s->help);
	buf_addc(out, '\n');
	if (s->symbol)
		buf_addv(out, "(In binaries built with ", s->symbol, ".)\n", NULL);
}

void srv_settings_man(struct buf *out)
{
	size_t n;
	const struct setting *const *table = srv_settings_all(&n);

	buf_addv(out,
		".\\\" SPDX-License-Identifier: 0BSD\n"
		".\\\" Made by `satchel config --man'.\n"
		".TH SATCHEL.CONF 5 \"\" \"satchel ",
		SATCHEL_VERSION,
		"\"\n.SH NAME\nsatchel.conf \\- settings of the Satchel mail store\n"
		".SH DESCRIPTION\n"
		"One setting per line, in the form\n.IR \"key: value\" .\n"
		"Empty lines and lines that begin with # are passed over. A key that is given "
		"twice, is not known, or belongs to a feature that is not in the binary is an "
		"error, and the server says in which line. "
		"SIGHUP makes a running server read the file again; if it has errors, the "
		"settings stay as they were.\n.SH KEYS\n",
		NULL);
	for (size_t i = 0; i < n; i++) {
		if (table[i]->target)
			add_man_entry(out, table[i]);
	}
	buf_adds(out, ".SH SEE ALSO\n.BR satchel (8)\n");
}
