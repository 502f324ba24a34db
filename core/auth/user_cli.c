/* SPDX-License-Identifier: 0BSD */
#include "core/auth/users.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/auth/user_edit.h"
#include "core/auth/user_import.h"
#include "core/auth/user_password.h"
#include "core/auth/user_value.h"
#include "core/lib/file.h"

#include <mbedtls/platform_util.h>

#define IMPORT_MAX (256u << 20)

enum { DONE = 0, FAILED = 1, USAGE = 2 };

static const char usage[] =
	"usage: satchel [--data DIR] user COMMAND\n"
	"  add NAME      a new user\n"
	"  passwd NAME   another password for a user\n"
	"  del NAME      no login and no delivery any more; the mail stays\n"
	"  list          the names, sorted\n"
	"  import FILE   add or change the users of a file (- is standard input): all or none\n"
	"add and passwd ask for the password twice, or take one line from standard input.\n"
	"A line of an import is NAME:PASSWORD or NAME:SECRET, SECRET being\n"
	"SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY (RFC 5803).\n"
	"A running server takes notice by itself.\n";

struct cli {
	int dirfd;
	const struct user_owners *owners;
	const char *arg;
	struct buf name;  /* arg in its clean form, for add, passwd and del */
	struct buf error; /* one message, or several lines */
};

static int failed(struct cli *c, const char *what)
{
	buf_adds(&c->error, what);
	return FAILED;
}

static int with_name(struct cli *c, const char *before, const char *after)
{
	buf_adds(&c->error, before);
	buf_addstr(&c->error, buf_str(&c->name));
	return failed(c, after);
}

static int save(struct cli *c, struct user_edit *e)
{
	if (c->owners)
		e->owners = *c->owners;
	return user_edit_save(e, &c->error) ? FAILED : DONE;
}

/* Asks for a password and makes the text to be stored of it. */
static int make_secret(struct cli *c, struct buf *text)
{
	struct buf password = {0};
	int rc = FAILED;

	if (user_password_ask(&password, &c->error))
		goto wipe_password;
	if (user_value_make(buf_str(&password), CONFIG_SCRAM_ITERATIONS, text))
		rc = failed(c, strerror(errno));
	else
		rc = DONE;
wipe_password:
	buf_wipe(&password);
	return rc;
}

enum need { ABSENT, PRESENT };

static int check_presence(struct cli *c, const struct user_edit *e, enum need need)
{
	bool has = user_edit_has(e, buf_str(&c->name));

	if (need == ABSENT && has)
		return with_name(c, "",
			" exists already; `satchel user passwd` changes the password");
	if (need == PRESENT && !has)
		return with_name(c, "no user is named ", "");
	return DONE;
}

/* Before a password is asked for: an error should not come after two lines of typing. */
static int look_first(struct cli *c, enum need need)
{
	struct user_edit e;
	int rc = FAILED;

	if (!user_edit_begin(&e, c->dirfd, false, &c->error))
		rc = check_presence(c, &e, need);

	user_edit_end(&e);
	return rc;
}

static int change(struct cli *c, enum need need, struct str secret)
{
	struct user_edit e;
	int rc = FAILED;

	if (!user_edit_begin(&e, c->dirfd, true, &c->error))
		rc = check_presence(c, &e, need);
	if (rc)
		goto end_edit;
	if (secret.p ? user_edit_put(&e, buf_str(&c->name), secret)
		     : user_edit_remove(&e, buf_str(&c->name)))
		rc = failed(c, strerror(errno));
	else
		rc = save(c, &e);
end_edit:
	user_edit_end(&e);
	return rc;
}

static int set_password(struct cli *c, enum need need)
{
	struct buf secret = {0};
	int rc = look_first(c, need);

	if (!rc)
		rc = make_secret(c, &secret);
	if (!rc)
		rc = change(c, need, buf_str(&secret));
	buf_wipe(&secret);
	return rc;
}

static int cmd_add(struct cli *c)
{
	return set_password(c, ABSENT);
}

static int cmd_passwd(struct cli *c)
{
	return set_password(c, PRESENT);
}

static int cmd_del(struct cli *c)
{
	return change(c, PRESENT, STR_NULL);
}

static int cmd_list(struct cli *c)
{
	struct buf out = {0};
	struct user_edit e;
	int rc = DONE;

	if (user_edit_begin(&e, c->dirfd, false, &c->error)) {
		rc = FAILED;
		goto end_edit;
	}
	user_edit_settle(&e);
	for (size_t i = 0; i < e.n; i++) {
		buf_addstr(&out, e.v[i].name);
		buf_addc(&out, '\n');
	}
	if (file_write_all(STDOUT_FILENO, buf_str(&out)))
		rc = failed(c, strerror(errno));
	buf_free(&out);
end_edit:
	user_edit_end(&e);
	return rc;
}

static int put_line(struct user_edit *e, const struct user_line *line)
{
	struct user_secret secret;
	struct buf text = {0};
	int rc;

	if (!line->is_secret)
		rc = user_value_make(line->password, CONFIG_SCRAM_ITERATIONS, &text);
	else if (!(rc = user_secret_parse(line->password, &secret)))
		rc = user_secret_format(&secret, &text);
	if (!rc)
		rc = user_edit_put(e, line->name, buf_str(&text));
	mbedtls_platform_zeroize(&secret, sizeof(secret));
	buf_wipe(&text);
	return rc;
}

/* Hashing many passwords takes long; it is done outside the lock. */
static int import_lines(struct cli *c, const struct user_lines *lines)
{
	struct user_edit fresh = {.lock_fd = -1}, e;
	int rc = FAILED;

	for (size_t i = 0; i < lines->n; i++)
		if (put_line(&fresh, &lines->v[i])) {
			failed(c, strerror(errno));
			goto end_fresh;
		}
	if (user_edit_begin(&e, c->dirfd, true, &c->error))
		goto end_edit;
	for (size_t i = 0; i < fresh.n; i++)
		if (user_edit_put(&e, fresh.v[i].name, fresh.v[i].secret)) {
			failed(c, strerror(errno));
			goto end_edit;
		}
	rc = save(c, &e);
end_edit:
	user_edit_end(&e);
end_fresh:
	user_edit_end(&fresh);
	return rc;
}

static int cmd_import(struct cli *c)
{
	bool from_stdin = str_eq(str_from(c->arg), STR("-"));
	struct user_lines lines = {0};
	struct buf text = {0};
	int rc = FAILED;

	if (file_read(AT_FDCWD, from_stdin ? "/dev/stdin" : c->arg, IMPORT_MAX, &text)) {
		buf_addv(&c->error, c->arg, ": ", strerror(errno), NULL);
		goto wipe_text;
	}
	if (!user_import_parse(&lines, from_stdin ? "standard input" : c->arg, buf_str(&text),
		    &c->error))
		rc = import_lines(c, &lines);
	user_import_free(&lines);
wipe_text:
	buf_wipe(&text);
	return rc;
}

static const struct command {
	const char *name;
	bool names_user, has_arg, makes_dir;
	int (*run)(struct cli *c);
} commands[] = {
	{"add", true, true, true, cmd_add},
	{"passwd", true, true, false, cmd_passwd},
	{"del", true, true, false, cmd_del},
	{"list", false, false, false, cmd_list},
	{"import", false, true, true, cmd_import},
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (str_eq(str_from(name), str_from(commands[i].name)))
			return &commands[i];
	return NULL;
}

static int open_data(struct cli *c, const char *data, bool make)
{
	/* The roles run as other users and must come through; the files have modes of their own. */
	if (make && mkdir(data, 0711) && errno != EEXIST)
		goto say_why;
	c->dirfd = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->dirfd >= 0)
		return DONE;
say_why:
	buf_addv(&c->error, data, ": ", strerror(errno), NULL);
	return FAILED;
}

static int run(struct cli *c, const struct command *command, const char *data)
{
	int rc;

	if (command->names_user && user_name_clean(str_from(c->arg), &c->name))
		return failed(c, "not a user name: 1 to 255 bytes of UTF-8 without control "
				 "characters, '/', ':' and spaces at the ends");
	rc = open_data(c, data, command->makes_dir);
	if (rc)
		return rc;
	rc = command->run(c);
	close(c->dirfd);
	return rc;
}

static void print_error(const struct cli *c)
{
	struct buf out = {0};
	struct str text = buf_str(&c->error);

	/* Messages that name file and line stand alone, as a compiler's do. */
	if (text.len && text.p[text.len - 1] == '\n') {
		(void)file_write_all(STDERR_FILENO, text);
		return;
	}
	buf_adds(&out, "satchel: ");
	buf_addstr(&out, text);
	buf_addc(&out, '\n');
	(void)file_write_all(STDERR_FILENO, buf_str(&out));
	buf_free(&out);
}

static bool is_help(const char *arg)
{
	struct str s = str_from(arg);

	return str_eq(s, STR("--help")) || str_eq(s, STR("-h")) || str_eq(s, STR("help"));
}

int user_cli(const char *data, const struct user_owners *owners, int argc, char **argv)
{
	const struct command *command;
	struct cli c = {.dirfd = -1, .owners = owners};
	int rc;

	if (argc && str_eq(str_from(argv[0]), STR("user"))) {
		argc--;
		argv++;
	}
	for (int i = 0; i < argc && i < 2; i++)
		if (is_help(argv[i]) && (i == 0 || argv[i][0] == '-'))
			return file_write_all(STDOUT_FILENO, STR(usage)) ? FAILED : DONE;
	command = argc ? find_command(argv[0]) : NULL;
	if (!command || argc != 1 + command->has_arg) {
		(void)file_write_all(STDERR_FILENO, STR(usage));
		return USAGE;
	}
	c.arg = command->has_arg ? argv[1] : NULL;
	rc = run(&c, command, data);
	if (rc)
		print_error(&c);
	buf_free(&c.name);
	buf_free(&c.error);
	return rc;
}
