/* SPDX-License-Identifier: 0BSD */
#include "core/server/confine.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/hooks.h"
#include "core/lib/log.h"

#define AUTH_FILES 64

/* Newer than the headers of some hosts; linux/prctl.h, since Linux 6.3. */
#define SET_MDWE         65
#define REFUSE_EXEC_GAIN 1

static int kept_dirs[CONFINE_DIRS_MAX];
static size_t n_kept;
static struct buf missing; /* layers that this host does not give: "seccomp (why), ..." */

void confine_keep_dir(int dir)
{
	if (n_kept == CONFINE_DIRS_MAX)
		die("too many directories outside the spool", NULL);
	kept_dirs[n_kept++] = dir;
}

struct str srv_confine_missing(void)
{
	return buf_str(&missing);
}

static void note_missing(const char *layer, const char *why)
{
	buf_addv(&missing, missing.len ? ", " : "", layer, " (", why, ")", NULL);
}

static void set_limit(int what, rlim_t most)
{
	struct rlimit l;

	if (getrlimit(what, &l))
		return;
	if (l.rlim_max == RLIM_INFINITY || l.rlim_max > most)
		l.rlim_max = most;
	l.rlim_cur = l.rlim_max;
	setrlimit(what, &l);
}

/* The log may go to a file, whose growth is the one that is wanted. */
static bool log_is_file(void)
{
	struct stat st;

	return fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode);
}

static void set_limits(enum srv_role role)
{
	/* Core files hold passwords and mail. */
	set_limit(RLIMIT_CORE, 0);
	/* Each client is a descriptor: as many as the host allows. */
	set_limit(RLIMIT_NOFILE, role == SRV_AUTH && !SATCHEL_HOST ? AUTH_FILES : RLIM_INFINITY);
	/* Others have threads, which count as processes of their user, with all others of that user. */
	if (role == SRV_GATE && !SATCHEL_HOST)
		set_limit(RLIMIT_NPROC, 0);
	if (role != SRV_MAIL && !log_is_file())
		set_limit(RLIMIT_FSIZE, 0);
	signal(SIGXFSZ, SIG_IGN);
}

static const char *user_of(enum srv_role role)
{
	if (role == SRV_GATE)
		return srv_settings.user_gate;
	return role == SRV_AUTH ? srv_settings.user_auth : srv_settings.user_mail;
}

/* Root without a user of its own keeps one capability at most: to read and write what belongs to
 * another user, as users.cdb may. */
static void drop_capabilities(enum srv_role role)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}, {0}};

	for (int cap = 0; cap < 64; cap++) {
		if (role == SRV_GATE || cap != CAP_DAC_OVERRIDE)
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	}
	if (role != SRV_GATE)
		data[0].permitted = data[0].effective = 1u << CAP_DAC_OVERRIDE;
	if (syscall(SYS_capset, &head, data))
		note_missing("capabilities", strerror(errno));
}

static void drop_ids(const struct confine *c, int root)
{
	const char *user = user_of(c->role);
	uint32_t uid = 0, gid = 0;

	if (root >= 0 && fchdir(root))
		die("cannot change directory", NULL);
	if (geteuid())
		return;
	if (*user && srv_user_find(user, &uid, &gid))
		die("no such user", "name", user, NULL);
	if (root >= 0 && (chroot(".") || chdir("/")))
		die("cannot chroot", NULL);
	if (!*user)
		drop_capabilities(c->role);
	else if (setgroups(0, NULL) || setgid(gid) || setuid(uid))
		die("cannot become", "user", user, NULL);
}

/* The sanitizers of the test flavour trace and read /proc. */
static void harden_process(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		note_missing("no-new-privs", strerror(errno));
	if (SATCHEL_HOST)
		return;
	/* Passwords and mail pass through: no tracing by others of the same user. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (prctl(SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0))
		note_missing("memory-deny-write-execute", strerror(errno));
}

/* Files first: that takes system calls which are gone afterwards. */
static void run_layers(const struct confine *c)
{
	FEATURE_EACH (f) {
		const char *why = f->confine_files ? f->confine_files(c) : NULL;

		if (why)
			note_missing(f->name, why);
	}
	FEATURE_EACH (f) {
		const char *why = f->confine_calls ? f->confine_calls(c) : NULL;

		if (why)
			note_missing(f->name, why);
	}
}

uint64_t srv_fit_descriptors(const char *key, uint64_t wanted, uint64_t reserve)
{
	struct rlimit l;
	uint64_t possible;

	if (getrlimit(RLIMIT_NOFILE, &l) || l.rlim_cur == RLIM_INFINITY)
		return wanted;
	possible = l.rlim_cur > 2 * reserve ? l.rlim_cur - reserve : l.rlim_cur / 2;
	if (wanted <= possible)
		return wanted;
	log_warning("more than this process may have descriptors", "setting", key, "wanted",
		log_num((int64_t)wanted), "possible", log_num((int64_t)possible), NULL);
	return possible;
}

void srv_confine(enum srv_role role, int spool, int root, int master_pid)
{
	struct confine c = {.role = role, .spool = spool, .dirs = kept_dirs, .n_dirs = n_kept};
	bool off = strcmp(srv_settings.sandbox, "off") == 0;

	set_limits(role);
	drop_ids(&c, root);
	/* After the ids changed, which clears it.  The master may have died just before. */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != master_pid)
		_exit(1);
	if (off)
		return;
	harden_process();
	run_layers(&c);
	errno = 0;
	if (missing.len && strcmp(srv_settings.sandbox, "require") == 0)
		die("the sandbox is not complete, and `sandbox: require' asks for it", "missing",
			log_str(buf_str(&missing)), NULL);
}
