/* SPDX-License-Identifier: 0BSD */
/* `satchel alias`: everything is read under the lock of the user files, changed, and written anew. */
#include "features/delivery/alias/alias.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/auth/user_edit.h"
#include "core/lib/file.h"
#include "core/lib/vec.h"

#define IMPORT_MAX (256u << 20)

static const char usage[] =
	"usage: satchel [--data DIR] alias COMMAND\n"
	"  add ADDRESS TARGET  mail for ADDRESS (local, local@domain or @domain) is TARGET's\n"
	"  del ADDRESS\n"
	"  list\n"
	"  import FILE         adds or changes \"ADDRESS TARGET\" lines (- is standard input)\n";

enum { DONE = 0, FAILED = 1, USAGE = 2 };

struct entry {
	struct str address, target; /* target.p NULL: removed */
	size_t turn;                /* the latest of an address counts */
};

struct edit {
	int dirfd;
	struct user_edit lock;
	struct arena arena;
	struct { struct entry *v; size_t n, cap; } all;
	struct buf error;
};

static int add(struct edit *e, struct str address, struct str target)
{
	struct entry one = {arena_str(&e->arena, address), STR_NULL, e->all.n};

	if (target.p)
		one.target = arena_str(&e->arena, target);
	if (one.address.p && (!target.p || one.target.p) && !vec_push(&e->all, one))
		return 0;
	buf_adds(&e->error, "out of memory");
	return -1;
}

static int load(struct edit *e)
{
	struct user_file f = {.dirfd = e->dirfd, .name = ALIAS_FILE, .kind = ALIAS_KIND};
	struct str address, target;
	unsigned pos = 0;
	int rc = user_file_refresh(&f);

	while (rc == 1 && (rc = user_file_next(&f, &pos, &address, &target)) == 1) {
		if (add(e, address, target))
			break;
	}
	if (rc < 0)
		buf_addv(&e->error, ALIAS_FILE ": ", errno == EPROTO ? "damaged, or of another version" :
			strerror(errno), NULL);
	user_file_close(&f);
	return rc ? -1 : 0;
}

static int by_address(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order = str_cmp(x->address, y->address);

	return order ? order : x->turn < y->turn ? -1 : x->turn > y->turn;
}

/* Sorted, one entry for each address. */
static void settle(struct edit *e)
{
	size_t kept = 0;

	if (e->all.n)
		qsort(e->all.v, e->all.n, sizeof(*e->all.v), by_address);
	for (size_t i = 0; i < e->all.n; i++) {
		bool last = i + 1 == e->all.n || !str_eq(e->all.v[i].address, e->all.v[i + 1].address);

		if (last && e->all.v[i].target.p)
			e->all.v[kept++] = e->all.v[i];
	}
	e->all.n = kept;
}

static int save(struct edit *e)
{
	struct user_file_maker w;
	struct buf content = {0};
	int rc = user_file_make_start(&w);

	settle(e);
	if (!rc) {
		for (size_t i = 0; i < e->all.n; i++)
			user_file_make_add(&w, e->all.v[i].address, e->all.v[i].target);
		rc = user_file_make_finish(&w, ALIAS_KIND, &content);
	}
	if (!rc)
		rc = user_file_replace(e->dirfd, ALIAS_FILE, 0640, (uid_t)-1, (gid_t)-1, buf_str(&content));
	if (rc)
		buf_addv(&e->error, "cannot write " ALIAS_FILE ": ", strerror(errno), NULL);
	buf_free(&content);
	return rc ? FAILED : DONE;
}

static int cmd_add(struct edit *e, char **words)
{
	struct buf address = {0}, target = {0};
	int rc = FAILED;

	if (alias_clean(str_from(words[0]), true, &address))
		buf_addv(&e->error, words[0], " is no address (a detail does not belong there)", NULL);
	else if (alias_clean(str_from(words[1]), false, &target))
		buf_addv(&e->error, words[1], " is no address", NULL);
	else if (!add(e, buf_str(&address), buf_str(&target)))
		rc = save(e);
	buf_free(&address);
	buf_free(&target);
	return rc;
}

static int cmd_del(struct edit *e, char **words)
{
	struct buf address = {0};
	bool there = false;
	int rc = FAILED;

	if (!alias_clean(str_from(words[0]), true, &address)) {
		for (size_t i = 0; i < e->all.n; i++)
			there |= str_eq(e->all.v[i].address, buf_str(&address));
	}
	if (!there)
		buf_addv(&e->error, "there is no alias ", words[0], NULL);
	else if (!add(e, buf_str(&address), STR_NULL))
		rc = save(e);
	buf_free(&address);
	return rc;
}

static int cmd_list(struct edit *e, char **words)
{
	struct buf out = {0};
	int rc;

	(void)words;
	settle(e);
	for (size_t i = 0; i < e->all.n; i++) {
		buf_addstr(&out, e->all.v[i].address);
		buf_addc(&out, ' ');
		buf_addstr(&out, e->all.v[i].target);
		buf_addc(&out, '\n');
	}
	rc = file_write_all(STDOUT_FILENO, buf_str(&out)) ? FAILED : DONE;
	buf_free(&out);
	return rc;
}

/* All of the text, or nothing is to be written.  0 / -1. */
static int add_lines(struct edit *e, const char *file, struct str text)
{
	struct buf address = {0}, target = {0};
	struct cursor c = cursor_from(text);
	unsigned number = 0;
	int rc;

	while ((rc = alias_line(&c, &number, &address, &target)) > 0) {
		if (add(e, buf_str(&address), buf_str(&target)))
			goto free_words;
	}
	if (rc < 0) {
		buf_addv(&e->error, file, ":", NULL);
		buf_addu(&e->error, number);
		buf_adds(&e->error, ": expected an address and a target");
	}
free_words:
	buf_free(&address);
	buf_free(&target);
	return rc ? -1 : 0;
}

static int cmd_import(struct edit *e, char **words)
{
	bool from_stdin = strcmp(words[0], "-") == 0;
	struct buf text = {0};
	int rc = FAILED;

	if (file_read(AT_FDCWD, from_stdin ? "/dev/stdin" : words[0], IMPORT_MAX, &text))
		buf_addv(&e->error, words[0], ": ", strerror(errno), NULL);
	else if (!add_lines(e, words[0], buf_str(&text)))
		rc = save(e);
	buf_free(&text);
	return rc;
}

static const struct command {
	const char *name;
	int words;
	bool writes;
	int (*run)(struct edit *e, char **words);
} commands[] = {
	{"add", 2, true, cmd_add},
	{"del", 1, true, cmd_del},
	{"list", 0, false, cmd_list},
	{"import", 1, true, cmd_import},
};

static const struct command *find_command(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name) == 0 && argc - 2 == commands[i].words)
			return &commands[i];
	}
	return NULL;
}

static int alias_run(const char *data, int argc, char **argv)
{
	const struct command *command = find_command(argc, argv);
	struct edit e = {.lock = {.lock_fd = -1}};
	int rc = FAILED;

	if (!command) {
		(void)file_write_all(STDERR_FILENO, STR(usage));
		return USAGE;
	}
	e.dirfd = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (e.dirfd < 0)
		buf_addv(&e.error, data, ": ", strerror(errno), NULL);
	else if (!user_edit_begin(&e.lock, e.dirfd, command->writes, &e.error) && !load(&e))
		rc = command->run(&e, argv + 2);
	user_edit_end(&e.lock);
	if (rc) {
		buf_addc(&e.error, '\n');
		(void)file_write_all(STDERR_FILENO, STR("satchel: "));
		(void)file_write_all(STDERR_FILENO, buf_str(&e.error));
	}
	if (e.dirfd >= 0)
		close(e.dirfd);
	arena_free(&e.arena);
	free(e.all.v);
	buf_free(&e.error);
	return rc;
}

const struct cli_command alias_cli[] = {
	{"alias", "add|del|list|import", "names that stand for users", alias_run},
	{0},
};
