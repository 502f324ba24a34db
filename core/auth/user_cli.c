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
#include "core/lib/cursor.h"
#include "core/lib/file.h"

#define IMPORT_MAX (256u << 20)

enum { DONE = 0, FAILED = 1, USAGE = 2 };

static const char usage[] =
	"usage: satchel [--data DIR] user COMMAND\n"
	"  add NAME [--secret]     a new user\n"
	"  passwd NAME [--secret]  another password for a user\n"
	"  del NAME                no login and no delivery any more; the mail stays\n"
	"  disable NAME            no login any more; mail still comes in\n"
	"  enable NAME             login again, with the password of before\n"
	"  grant NAME RIGHT        RIGHT is admin (act for any user) or lmtp (deliver mail where\n"
	"                          lmtp_auth asks for a login)\n"
	"  revoke NAME RIGHT       the right is gone\n"
	"  list [--long]           the names, sorted; flags and what is stored\n"
	"  import FILE             add or change the users of a file (- is standard input): all or\n"
	"                          none\n"
	"add and passwd ask for the password twice, or take one line from standard input; with\n"
	"--secret the line is a SECRET that was made elsewhere. A line of an import is NAME:PASSWORD,\n"
	"NAME:{PLAIN}PASSWORD or NAME:SECRET. SECRET is\n"
	"SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY (RFC 5803),\n"
	"{SCRAM-SHA-256}ITERATIONS,SALT,STOREDKEY,SERVERKEY, or {KIND}HASH as this build can check.\n"
	"A running server takes notice by itself; sessions that are open stay open.\n";

struct cli {
	int dirfd;
	const struct user_owners *owners;
	const char *name_arg, *arg; /* NAME, and what comes after it or in its place */
	bool option;                /* --secret or --long */
	struct buf name;            /* name_arg in its clean form */
	struct buf error;           /* one message, or several lines */
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

/* Asks for a password, or a secret, and makes the text to be stored of it. */
static int make_value(struct cli *c, struct buf *value)
{
	struct buf password = {0};
	const char *wrong = NULL;
	int rc = FAILED;

	if (user_password_ask(&password, &c->error))
		goto wipe_password;
	if (c->option)
		wrong = user_value_take(buf_str(&password), value);
	else if (user_value_make(buf_str(&password), CONFIG_SCRAM_ITERATIONS, value))
		wrong = strerror(errno);
	rc = wrong ? failed(c, wrong) : DONE;
wipe_password:
	buf_wipe(&password);
	return rc;
}

enum need { ABSENT, PRESENT };

static int check_presence(struct cli *c, const struct user_edit *e, enum need need)
{
	bool has = user_edit_get(e, buf_str(&c->name)).p != NULL;

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

/* value.p NULL: the user goes. */
static int change(struct cli *c, enum need need, struct str value)
{
	struct user_edit e;
	int rc = FAILED;

	if (!user_edit_begin(&e, c->dirfd, true, &c->error))
		rc = check_presence(c, &e, need);
	if (rc)
		goto end_edit;
	if (value.p ? user_edit_put(&e, buf_str(&c->name), value)
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
	struct buf value = {0};
	int rc = look_first(c, need);

	if (!rc)
		rc = make_value(c, &value);
	if (!rc)
		rc = change(c, need, buf_str(&value));
	buf_wipe(&value);
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

static int change_flags(struct cli *c, unsigned set, unsigned clear)
{
	struct buf value = {0};
	struct user_edit e;
	int rc = FAILED;

	if (!user_edit_begin(&e, c->dirfd, true, &c->error))
		rc = check_presence(c, &e, PRESENT);
	if (rc)
		goto end_edit;
	if (user_value_set_flags(user_edit_get(&e, buf_str(&c->name)), set, clear, &value) ||
			user_edit_replace(&e, buf_str(&c->name), buf_str(&value)))
		rc = failed(c, strerror(errno));
	else
		rc = save(c, &e);
end_edit:
	user_edit_end(&e);
	buf_wipe(&value);
	return rc;
}

static int cmd_disable(struct cli *c)
{
	return change_flags(c, USER_DISABLED, 0);
}

static int cmd_enable(struct cli *c)
{
	return change_flags(c, 0, USER_DISABLED);
}

/* The flag that RIGHT names, 0 (and a message) for any other word. */
static unsigned right_of(struct cli *c)
{
	unsigned flag = user_flag_named(str_from(c->arg)) & (USER_ADMIN | USER_LMTP);

	if (!flag) {
		buf_adds(&c->error, c->arg);
		failed(c, " is no right; there are admin and lmtp");
	}
	return flag;
}

static int cmd_grant(struct cli *c)
{
	unsigned flag = right_of(c);

	return flag ? change_flags(c, flag, 0) : FAILED;
}

static int cmd_revoke(struct cli *c)
{
	unsigned flag = right_of(c);

	return flag ? change_flags(c, 0, flag) : FAILED;
}

/* "NAME TAB FLAGS TAB KINDS": what is stored, without what it says. */
static void add_long(struct buf *out, struct str value)
{
	struct str words = user_value_flag_words(value), line;

	buf_addc(out, '\t');
	buf_addstr(out, words.len ? words : STR("-"));
	buf_addc(out, '\t');
	for (bool any = false; str_word(&value, "\n", &line);) {
		struct cursor c = cursor_from(line);
		struct str kind = cursor_take_until(&c, '$');

		if (str_eq(kind, STR("FLAGS")))
			continue;
		if (any)
			buf_addc(out, ',');
		buf_addstr(out, kind);
		any = true;
	}
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
	if (user_edit_settle(&e)) {
		rc = failed(c, strerror(errno));
		goto end_edit;
	}
	for (size_t i = 0; i < e.n; i++) {
		buf_addstr(&out, e.v[i].name);
		if (c->option)
			add_long(&out, e.v[i].value);
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
	struct buf value = {0};
	int rc;

	if (line->is_secret)
		rc = user_value_take(line->password, &value) ? -1 : 0;
	else
		rc = user_value_make(line->password, CONFIG_SCRAM_ITERATIONS, &value);
	if (!rc)
		rc = user_edit_put(e, line->name, buf_str(&value));
	buf_wipe(&value);
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
		if (user_edit_put(&e, fresh.v[i].name, fresh.v[i].value)) {
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
	const char *name, *option;
	bool has_name, has_arg, makes_dir;
	int (*run)(struct cli *c);
} commands[] = {
	{"add", "--secret", true, false, true, cmd_add},
	{"passwd", "--secret", true, false, false, cmd_passwd},
	{"del", NULL, true, false, false, cmd_del},
	{"disable", NULL, true, false, false, cmd_disable},
	{"enable", NULL, true, false, false, cmd_enable},
	{"grant", NULL, true, true, false, cmd_grant},
	{"revoke", NULL, true, true, false, cmd_revoke},
	{"list", "--long", false, false, false, cmd_list},
	{"import", NULL, false, true, true, cmd_import},
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (str_eq(str_from(name), str_from(commands[i].name)))
			return &commands[i];
	return NULL;
}

/* The words after the command's name.  0, or -1: they are not what it takes. */
static int take_words(struct cli *c, const struct command *command, int n, char **words)
{
	if (command->has_name && n) {
		c->name_arg = *words++;
		n--;
	}
	if (command->has_arg && n) {
		c->arg = *words++;
		n--;
	}
	if (n && command->option && str_eq(str_from(*words), str_from(command->option))) {
		c->option = true;
		n--;
	}
	return n || (command->has_name && !c->name_arg) || (command->has_arg && !c->arg) ? -1 : 0;
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

	if (command->has_name && user_name_clean(str_from(c->name_arg), &c->name))
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
	if (!command || take_words(&c, command, argc - 1, argv + 1)) {
		(void)file_write_all(STDERR_FILENO, STR(usage));
		return USAGE;
	}
	rc = run(&c, command, data);
	if (rc)
		print_error(&c);
	buf_free(&c.name);
	buf_free(&c.error);
	return rc;
}
