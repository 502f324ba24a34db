/* SPDX-License-Identifier: 0BSD */
#include "features/sandbox/landlock/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/hooks.h"
#include "core/server/confine.h"

/* Before the second ABI a file could never move between directories. */
#define ABI_MIN 2

static const uint64_t reading = LL_READ_FILE | LL_READ_DIR;
/* No programs, no devices, no sockets, no links. */
static const uint64_t keeping = LL_READ_FILE | LL_READ_DIR | LL_WRITE_FILE | LL_TRUNCATE |
	LL_MAKE_REG | LL_MAKE_DIR | LL_REMOVE_FILE | LL_REMOVE_DIR | LL_REFER;

static int abi_version(void)
{
	return (int)syscall(LL_SYS_CREATE_RULESET, NULL, 0, LL_CREATE_RULESET_VERSION);
}

/* All that this kernel can deny. */
static struct ll_ruleset everything(int abi)
{
	struct ll_ruleset r = {.fs = LL_TRUNCATE - 1};

	if (abi >= 3)
		r.fs |= LL_TRUNCATE;
	if (abi >= 4)
		r.net = LL_BIND_TCP | LL_CONNECT_TCP;
	if (abi >= 5)
		r.fs |= LL_IOCTL_DEV;
	if (abi >= 6)
		r.scoped = LL_SCOPE_ABSTRACT_UNIX | LL_SCOPE_SIGNAL;
	return r;
}

/* Older kernels know shorter structures, and refuse bytes that they do not know unless zero. */
static int create(const struct ll_ruleset *r, int abi)
{
	size_t size = abi >= 6 ? sizeof(*r) : abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);

	return (int)syscall(LL_SYS_CREATE_RULESET, r, size, 0);
}

static int allow(int ruleset, const struct ll_ruleset *r, int dir, uint64_t rights)
{
	struct ll_path_beneath rule = {.allowed = rights & r->fs, .parent = dir};

	return (int)syscall(LL_SYS_ADD_RULE, ruleset, LL_RULE_PATH_BENEATH, &rule, 0);
}

/* The sanitizers of the test flavour read /proc and call a symbolizer. */
static int allow_sanitizers(int ruleset, const struct ll_ruleset *r)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int rc = root < 0 ? -1 : allow(ruleset, r, root, reading | LL_EXECUTE);

	if (root >= 0)
		close(root);
	return rc;
}

static int allow_all(int ruleset, const struct ll_ruleset *r, const struct confine *c)
{
	if (SATCHEL_HOST && allow_sanitizers(ruleset, r))
		return -1;
	if (c->spool >= 0 && allow(ruleset, r, c->spool, c->role == SRV_MAIL ? keeping : reading))
		return -1;
	for (size_t i = 0; i < c->n_dirs; i++) {
		if (allow(ruleset, r, c->dirs[i], keeping))
			return -1;
	}
	return 0;
}

static const char *landlock_confine(const struct confine *c)
{
	int abi = abi_version(), ruleset;
	struct ll_ruleset r = everything(abi);
	const char *why = NULL;

	if (abi < ABI_MIN)
		return abi < 0 ? strerror(errno) : "the kernel's is too old";
	ruleset = create(&r, abi);
	if (ruleset < 0)
		return strerror(errno);
	if (allow_all(ruleset, &r, c) || syscall(LL_SYS_RESTRICT_SELF, ruleset, 0))
		why = strerror(errno);
	close(ruleset);
	return why;
}

const struct feature landlock_feature = {
	.name = "landlock",
	.confine_files = landlock_confine,
};
