/* SPDX-License-Identifier: 0BSD */
#include "core/server/cli.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/auth/users.h"
#include "core/hooks.h"
#include "core/lib/file.h"
#include "core/lib/log.h"
#include "core/server/server.h"

#define USAGE 2

struct options {
	const char *file, *data;
	bool check, version, json, help, licenses;
};

static int print(struct buf *out)
{
	int rc = file_write_all(STDOUT_FILENO, buf_str(out)) ? 1 : 0;

	buf_free(out);
	return rc;
}

static int complain(const char *what, const char *which)
{
	struct buf out = {0};

	buf_addv(&out, "satchel: ", what, which, "\nTry satchel --help.\n", NULL);
	file_write_all(STDERR_FILENO, buf_str(&out));
	buf_free(&out);
	return USAGE;
}

static bool is_valued(const char *option)
{
	return !strcmp(option, "-c") || !strcmp(option, "--config") || !strcmp(option, "--data");
}

/* "--data DIR", "--data=DIR": the value, or NULL; *i_r moves on. */
static const char *value_of(int argc, char **argv, int *i_r, const char *name)
{
	size_t n = strlen(name);
	const char *arg = argv[*i_r];

	if (strncmp(arg, name, n))
		return NULL;
	if (arg[n] == '=' && name[1] == '-')
		return arg + n + 1;
	if (arg[n] || *i_r + 1 >= argc)
		return NULL;
	return argv[++*i_r];
}

/* Takes the options from `argv[from]` to the first other word.  Returns the index of that word, or
 * -1 and has complained. */
static int take_options(struct options *o, int argc, char **argv, int from)
{
	static const struct {
		const char *name;
		size_t at;
	} flags[] = {{"--check-config", offsetof(struct options, check)},
		{"--version", offsetof(struct options, version)},
		{"-V", offsetof(struct options, version)}, {"--json", offsetof(struct options, json)},
		{"--help", offsetof(struct options, help)}, {"-h", offsetof(struct options, help)},
		{"--licenses", offsetof(struct options, licenses)}};
	int i = from;

	for (; i < argc && argv[i][0] == '-'; i++) {
		const char *value;
		bool known = false;

		for (size_t k = 0; k < sizeof(flags) / sizeof(flags[0]); k++) {
			if (strcmp(argv[i], flags[k].name) == 0)
				known = *(bool *)((char *)o + flags[k].at) = true;
		}
		if (known)
			continue;
		if ((value = value_of(argc, argv, &i, "-c")) != NULL ||
			(value = value_of(argc, argv, &i, "--config")) != NULL)
			o->file = value;
		else if ((value = value_of(argc, argv, &i, "--data")) != NULL)
			o->data = value;
		else if (is_valued(argv[i]))
			return complain("a value is missing after ", argv[i]), -1;
		else
			return complain("unknown option ", argv[i]), -1;
	}
	return i;
}

/* What the options alone ask for, without a command: the exit status, or -1 if nothing. */
static int about(const struct options *o)
{
	struct buf out = {0};

	if (o->help)
		srv_about_help(&out);
	else if (o->version && o->json)
		srv_about_version_json(&out);
	else if (o->version)
		srv_about_version(&out);
	else if (o->licenses)
		srv_about_licenses(&out);
	else
		return -1;
	return print(&out);
}

static int load(struct options *o)
{
	struct buf errors = {0};
	int rc = srv_settings_load(o->file, o->data, &errors);

	if (rc)
		file_write_all(STDERR_FILENO, buf_str(&errors));
	buf_free(&errors);
	return rc;
}

static int check_config(struct options *o)
{
	struct buf out = {0};

	if (load(o))
		return 1;
	buf_addv(&out, srv_settings_source(), ": ok\n", NULL);
	return print(&out);
}

static int serve(struct options *o, int argc, char **argv)
{
	int next = take_options(o, argc, argv, 1), status;

	if (next < 0)
		return USAGE;
	status = about(o);
	if (status >= 0)
		return status;
	if (next < argc)
		return complain("serve takes options only, not ", argv[next]);
	if (o->check)
		return check_config(o);
	if (load(o))
		return 1;
	return srv_master_run(o->file, o->data);
}

static int config(int argc, char **argv)
{
	struct buf out = {0};
	size_t n;
	const struct setting *const *table = srv_settings_all(&n);

	if (argc > 2)
		return complain("config takes one option only, not ", argv[2]);
	if (argc == 1)
		settings_print(table, n, &out);
	else if (strcmp(argv[1], "--kconfig") == 0)
		srv_about_kconfig(&out);
	else if (strcmp(argv[1], "--man") == 0)
		srv_settings_man(&out);
	else
		return complain("unknown option of config: ", argv[1]);
	return print(&out);
}

static const struct cli_command *find_cli(const char *name)
{
	FEATURE_EACH (f) {
		for (const struct cli_command *c = f->cli; c && c->name; c++) {
			if (strcmp(c->name, name) == 0)
				return c;
		}
	}
	return NULL;
}

static bool is_request(const char *name)
{
	static const char *const core[] = {"stat", "checkpoint", "reload"};

	for (size_t i = 0; i < sizeof(core) / sizeof(core[0]); i++) {
		if (strcmp(core[i], name) == 0)
			return true;
	}
	FEATURE_EACH (f) {
		for (const struct control_command *c = f->control; c && c->name; c++) {
			if (strcmp(c->name, name) == 0)
				return true;
		}
	}
	return false;
}

/* Only root may give files away, and only then do the roles run as others. */
static int user(int argc, char **argv)
{
	struct user_owners owners = {(uid_t)-1, (uid_t)-1, (gid_t)-1, (gid_t)-1};
	uint32_t uid, gid;

	if (geteuid() == 0 && *srv_settings.user_auth) {
		if (srv_user_find(srv_settings.user_auth, &uid, &gid))
			return complain("user_auth: no such user: ", srv_settings.user_auth);
		owners.users_uid = uid;
		owners.users_gid = gid;
	}
	if (geteuid() == 0 && *srv_settings.user_mail) {
		if (srv_user_find(srv_settings.user_mail, &uid, &gid))
			return complain("user_mail: no such user: ", srv_settings.user_mail);
		owners.accounts_uid = uid;
		owners.accounts_gid = gid;
	}
	return user_cli(srv_settings.data, &owners, argc, argv);
}

static int run(struct options *o, int argc, char **argv)
{
	const struct cli_command *feature = find_cli(argv[0]);

	if (strcmp(argv[0], "serve") == 0)
		return serve(o, argc, argv);
	if (strcmp(argv[0], "user") && strcmp(argv[0], "config") && !feature && !is_request(argv[0]))
		return complain("unknown command, or its feature is not in this binary: ", argv[0]);
	if (load(o))
		return 1;
	if (strcmp(argv[0], "user") == 0)
		return user(argc, argv);
	if (strcmp(argv[0], "config") == 0)
		return config(argc, argv);
	if (feature)
		return feature->run(srv_settings.data, argc, argv);
	return srv_control_call(srv_settings.data, argc, argv);
}

int srv_cli(int argc, char **argv)
{
	struct options o = {0};
	int next = take_options(&o, argc, argv, 1), status;

	if (next < 0)
		return USAGE;
	status = about(&o);
	if (status >= 0)
		return status;
	if (o.check)
		return check_config(&o);
	if (next == argc)
		return complain("no command", "");
	return run(&o, argc - next, argv + next);
}
