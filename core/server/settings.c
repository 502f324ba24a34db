/* SPDX-License-Identifier: 0BSD */
#include "core/server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/hooks.h"
#include "core/lib/file.h"
#include "core/lib/log.h"
#include "core/lib/network.h"
#include "core/lib/vec.h"
#include "core/server/cli.h"
#include "generated/version.h"

#define FILE_MAX_BYTES (256 * 1024)
#define NO_FILE        "defaults"

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

/* A key of a feature begins with the feature's name: one entry for all keys of each feature that is
 * not in the binary lets the parser say what is missing. */
static const struct setting absent[] = {
#define ABSENT(keys, symbol) {keys, SETTING_STRING, "", 0, 0, NULL, "", symbol},
#include "generated/absent.h"
#undef ABSENT
	{NULL, SETTING_STRING, NULL, 0, 0, NULL, NULL, NULL},
};

const struct setting *const *srv_settings_all(size_t *n_r)
{
	if (all.n == 0) {
		add_table(srv_settings_table);
		FEATURE_EACH (f)
			add_table(f->settings);
		add_table(absent);
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

static bool is_sandbox(const char *word)
{
	return strcmp(word, "auto") == 0 || strcmp(word, "require") == 0 || strcmp(word, "off") == 0;
}

static bool is_lmtp_auth(const char *word)
{
	return strcmp(word, "no") == 0 || strcmp(word, "remote") == 0 || strcmp(word, "yes") == 0;
}

/* What the table's types and ranges cannot say. */
static int check(const char *file, struct buf *errors)
{
	enum log_level level;
	size_t before = errors->len;

	if (level_find(srv_settings.log_level, &level))
		buf_addv(errors, file, ": log_level must be error, warning, info or debug\n", NULL);
	if (strcmp(srv_settings.log_format, "plain") != 0 &&
		!(ENABLE_LOG_JSON && strcmp(srv_settings.log_format, "json") == 0))
		buf_addv(errors, file, ENABLE_LOG_JSON ? ": log_format must be plain or json\n" :
			": log_format must be plain: this binary has no CONFIG_LOG_JSON\n", NULL);
	if (!is_sandbox(srv_settings.sandbox))
		buf_addv(errors, file, ": sandbox must be auto, require or off\n", NULL);
	if (ENABLE_LMTP_AUTH && !is_lmtp_auth(srv_settings.lmtp_auth))
		buf_addv(errors, file, ": lmtp_auth must be no, remote or yes\n", NULL);
	if (ENABLE_LMTP)
		network_check_setting(file, "lmtp_peers", srv_settings.lmtp_peers, errors);
	FEATURE_EACH (f) {
		if (f->check_settings)
			f->check_settings(file, errors);
	}
	return errors->len == before ? 0 : -1;
}

static int parse(const char *file, struct str text, const char *data, struct buf *errors_r)
{
	size_t n;
	const struct setting *const *table = srv_settings_all(&n);
	struct buf before = {0}, ignored = {0};
	char *copy;

	settings_print(table, n, &before);
	if (settings_parse(table, n, file, text, errors_r)) {
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

static const char *source = NO_FILE;

const char *srv_settings_source(void)
{
	return source;
}

/* 1 text_r is what path holds / 0 there is no such file / -1 errors_r says why not. */
static int read_if_there(const char *path, bool in_spool, struct buf *text_r, struct buf *errors_r)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (in_spool ? O_NOFOLLOW : 0));
	struct stat st;
	int rc = -1;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st)) {
		buf_addv(errors_r, path, ": ", strerror(errno), "\n", NULL);
		goto close_fd;
	}
	/* The mail role may write to the spool, and shall not choose the user it runs as. */
	if (in_spool && (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 022)) {
		buf_addv(errors_r, path, ": others than the present user can write it; ",
			"-c FILE takes it all the same\n", NULL);
		goto close_fd;
	}
	if (file_read_fd(fd, FILE_MAX_BYTES, text_r)) {
		buf_addv(errors_r, path, ": ", strerror(errno), "\n", NULL);
		goto close_fd;
	}
	rc = 1;
close_fd:
	if (fd >= 0)
		close(fd);
	return rc;
}

int srv_settings_load(const char *file, const char *data, struct buf *errors_r)
{
	static struct buf usual;
	size_t n;
	const struct setting *const *table = srv_settings_all(&n);
	struct buf text = {0};
	int rc;

	/* The first load needs something to fall back to. */
	if (!srv_settings.data && settings_defaults(table, n))
		die("a setting's default is wrong", NULL);
	buf_clear(&usual);
	buf_addv(&usual, data ? data : "/etc", "/satchel.conf", NULL);
	buf_addc(&usual, '\0');
	if (usual.failed)
		die("no memory for the settings", NULL);
	rc = read_if_there(file ? file : usual.data, !file && data, &text, errors_r);
	if (file && rc == 0) {
		buf_addv(errors_r, file, ": ", strerror(ENOENT), "\n", NULL);
		rc = -1;
	}
	if (rc >= 0) {
		source = file ? file : rc ? usual.data : NO_FILE;
		rc = parse(source, buf_str(&text), data, errors_r);
	}
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
	log_as_json(strcmp(srv_settings.log_format, "json") == 0);
	if (!ENABLE_LOG_UPTO_DEBUG && level == LOG_LEVEL_DEBUG && strcmp(role, "master") == 0)
		log_warning("debug messages are not in this binary", "log_level", srv_settings.log_level, NULL);
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
