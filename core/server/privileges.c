/* SPDX-License-Identifier: 0BSD */
#include "core/server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/lib/file.h"
#include "core/lib/log.h"

#define PASSWD_MAX (1024 * 1024)
#define KEEP_MAX   64

/* One line of passwd(5): name:password:uid:gid:... */
static int parse_passwd_line(struct str line, struct str name, uint32_t *uid_r, uint32_t *gid_r)
{
	struct cursor c = cursor_from(line);
	uint64_t uid, gid;

	if (!str_eq(cursor_take_until(&c, ':'), name) || !cursor_accept(&c, ':'))
		return -1;
	cursor_take_until(&c, ':');
	cursor_accept(&c, ':');
	uid = cursor_number(&c, UINT32_MAX - 1);
	cursor_accept(&c, ':');
	gid = cursor_number(&c, UINT32_MAX - 1);
	if (c.failed)
		return -1;
	*uid_r = (uint32_t)uid;
	*gid_r = (uint32_t)gid;
	return 0;
}

/* Without getpwnam(3), which brings stdio and, in a static binary, name services that cannot be
 * loaded. */
int srv_user_find(const char *spec, uint32_t *uid_r, uint32_t *gid_r)
{
	struct str s = str_from(spec), uid = {s.p, 0};
	struct buf passwd = {0};
	struct cursor c;
	uint64_t u, g;
	bool ended;
	int rc = -1;

	while (uid.len < s.len && s.p[uid.len] != ':')
		uid.len++;
	if (uid.len < s.len && str_u64(uid, UINT32_MAX - 1, &u) == 0 &&
		str_u64((struct str){s.p + uid.len + 1, s.len - uid.len - 1}, UINT32_MAX - 1, &g) == 0) {
		*uid_r = (uint32_t)u;
		*gid_r = (uint32_t)g;
		return 0;
	}
	if (file_read(AT_FDCWD, "/etc/passwd", PASSWD_MAX, &passwd) == 0) {
		c = cursor_from(buf_str(&passwd));
		while (rc && !cursor_done(&c))
			rc = parse_passwd_line(cursor_take_line(&c, &ended), s, uid_r, gid_r);
		if (rc)
			errno = ENOENT;
	}
	buf_free(&passwd);
	return rc;
}

static void give(int data_fd, const char *name, const char *user)
{
	uint32_t uid, gid;
	struct stat st;

	if (!*user || fstatat(data_fd, name, &st, 0) || st.st_uid)
		return;
	if (srv_user_find(user, &uid, &gid))
		die("no such user", "name", user, NULL);
	if (fchownat(data_fd, name, uid, gid, AT_SYMLINK_NOFOLLOW))
		die("cannot give away", "file", name, "user", user, NULL);
}

void srv_give_files(int data_fd)
{
	struct stat st;

	if (geteuid())
		return;
	give(data_fd, ".", srv_settings.user_mail);
	give(data_fd, "users.cdb", srv_settings.user_auth);
	give(data_fd, "accounts.cdb", srv_settings.user_mail);
	/* Others may pass to files of their own, and list nothing. */
	if (*srv_settings.user_auth && fstat(data_fd, &st) == 0 && !(st.st_mode & 0001))
		fchmod(data_fd, (st.st_mode & 07777) | 0011);
}

static void close_span(unsigned from, unsigned to)
{
	if (from > to || syscall(SYS_close_range, from, to, 0) == 0)
		return;
	/* A kernel before 5.9: nothing here has opened more than this so early. */
	for (unsigned fd = from; fd <= to && fd < 4096; fd++)
		close((int)fd);
}

void srv_close_others(const int *keep, size_t n)
{
	int sorted[KEEP_MAX];
	unsigned from = 3;
	size_t count = 0;

	for (size_t i = 0; i < n && count < KEEP_MAX; i++) {
		size_t at = count;

		if (keep[i] < 3)
			continue;
		for (; at > 0 && sorted[at - 1] > keep[i]; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = keep[i];
		count++;
	}
	for (size_t i = 0; i < count; i++) {
		if ((unsigned)sorted[i] > from)
			close_span(from, (unsigned)sorted[i] - 1);
		from = (unsigned)sorted[i] + 1;
	}
	close_span(from, ~0u);
}
