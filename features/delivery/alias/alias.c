/* SPDX-License-Identifier: 0BSD */
#include "features/delivery/alias/alias.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/lib/log.h"
#include "core/lib/settings.h"
#include "core/session.h"

static struct user_file table = {.dirfd = -1, .name = ALIAS_FILE, .kind = {"aliases", 7}};
static char *domains, *postmaster;

static int alias_find(struct mail *m, struct str name, struct buf *target)
{
	struct str value;
	int rc = user_file_refresh(&table);

	(void)m;
	/* No file is no alias, but one that cannot be read may hold this one. */
	if (rc > 0)
		rc = user_file_find(&table, name, &value);
	if (rc > 0)
		return buf_addstr(target, value) ? -1 : 1;
	if (rc == 0 && *postmaster && str_eq(name, STR("postmaster")))
		return buf_adds(target, postmaster) ? -1 : 1;
	return rc;
}

static bool alias_domain(struct mail *m, struct str domain)
{
	struct str rest = str_from(domains), word;

	(void)m;
	while (str_word(&rest, " \t,", &word)) {
		if (str_ieq(word, domain))
			return true;
	}
	return !*domains;
}

static int alias_start(struct mail *m)
{
	(void)m;
	/* The present directory is the spool. */
	table.dirfd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (table.dirfd >= 0)
		return 0;
	log_error("cannot open the spool for aliases", "why", strerror(errno), NULL);
	return -1;
}

static void alias_stop(struct mail *m)
{
	(void)m;
	user_file_close(&table);
	close(table.dirfd);
}

static void alias_check(const char *file, struct buf *errors)
{
	struct buf clean = {0};

	if (*postmaster && (alias_clean(str_from(postmaster), false, &clean) || *postmaster == '@'))
		buf_addv(errors, file, ": alias_postmaster is no address\n", NULL);
	buf_free(&clean);
}

static const struct setting settings[] = {
	{"alias_domains", SETTING_STRING, "", 0, 0, &domains,
		"Domains whose addresses are ours, separated by spaces; mail for any other is refused (550). "
		"Empty: all are, and the transfer agent decides.",
		"CONFIG_ALIAS"},
	{"alias_postmaster", SETTING_STRING, "", 0, 0, &postmaster,
		"The user who gets mail for postmaster, which every host must take (RFC 5321 4.5.1), where "
		"there is no account and no alias of that name.",
		"CONFIG_ALIAS"},
	{NULL, SETTING_STRING, NULL, 0, 0, NULL, NULL, NULL},
};

const struct feature alias_feature = {
	.name = "alias",
	.settings = settings,
	.check_settings = alias_check,
	.cli = alias_cli,
	.mail_start = alias_start,
	.mail_stop = alias_stop,
	.lmtp_domain = alias_domain,
	.lmtp_alias = alias_find,
};
