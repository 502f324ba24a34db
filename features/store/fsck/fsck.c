/* SPDX-License-Identifier: 0BSD */
/* The command, and repair. */
#include "features/store/fsck/fsck.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/hooks.h"
#include "core/lib/file.h"
#include "core/lib/loop.h"
#include "core/store/io.h"
#include "core/store/large.h"

/* As those of fsck(8). */
enum { CLEAN = 0, MENDED = 1, LEFT = 4, FAILED = 8, USAGE = 16 };

static int complain(const char *what, const char *which)
{
	struct buf b = {0};

	buf_addv(&b, "satchel fsck: ", what, which, "\n", NULL);
	file_write_all(STDERR_FILENO, buf_str(&b));
	buf_free(&b);
	return FAILED;
}

/* ---- identity ---- */

/* The salt as the header of a segment says it, if that proves itself. */
static bool salt_of(int logfd, uint64_t first, struct format_key *k)
{
	unsigned char salt[SALT_SIZE];
	char name[SEGMENT_NAME_SIZE];
	struct buf b = {.max = SEGMENT_HEADER_SIZE};
	uint64_t epoch, named;
	bool good = false;
	int fd;

	segment_name(name, first);
	fd = openat(logfd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (!scan_read(&(struct scan_source){.fd = fd, .size = SEGMENT_HEADER_SIZE}, 0, SEGMENT_HEADER_SIZE,
			&b)) {
		memcpy(salt, b.data + b.off + 16, sizeof(salt));
		format_key_set(k, salt);
		good = segment_header_read(buf_str(&b), k, &epoch, &named) == 1;
	}
	close(fd);
	buf_free(&b);
	return good;
}

static int find_salt(struct fsck *f)
{
	struct fsck names = {.dirfd = f->dirfd, .logfd = f->logfd};
	int found = 0;

	fsck_list(&names);
	for (size_t i = 0; i < names.segments.n && !found; i++)
		found = salt_of(f->logfd, names.segments.v[i], &f->key);
	free(names.segments.v);
	return found;
}

static int write_identity(struct fsck *f)
{
	struct buf b = {0};
	int answer;

	spool_write(&b, &f->key, (uint64_t)time(NULL));
	answer = b.failed ? -1 : store_replace(f->dirfd, "spool", "spool.tmp", buf_str(&b));
	buf_free(&b);
	return answer;
}

/* 1 known (maybe made anew); 0 cannot go on. */
static int identity(struct fsck *f)
{
	struct buf b = {0};
	uint16_t version;
	int good = 0, found;

	if (!file_read(f->dirfd, "spool", 4096, &b))
		good = spool_read(buf_str(&b), &f->key, &version);
	buf_free(&b);
	if (good < 0)
		fsck_report(f, FSCK_NEWER, "spool", 0, "written by a newer version");
	if (good)
		return good > 0;
	found = find_salt(f);
	fsck_report(f, FSCK_IDENTITY, "spool", 0, found ?
		"damaged or missing; the segments name the salt" :
		"damaged or missing, and no segment names the salt: this is no spool, or restore a backup");
	if (!found || !f->repair)
		return 0;
	return write_identity(f) ? complain("spool: ", strerror(errno)) * 0 : 1;
}

/* ---- repair ---- */

static int keep(struct fsck *f, int lost, const struct fsck_range *r)
{
	char name[SEGMENT_NAME_SIZE], copy[40];
	struct scan_source src;
	struct stat st;
	uint64_t n;
	int answer;

	segment_name(name, r->segment);
	src = (struct scan_source){.fd = openat(f->logfd, name, O_RDONLY | O_CLOEXEC)};
	if (src.fd < 0 || fstat(src.fd, &st))
		return -1;
	src.size = (uint64_t)st.st_size;
	n = r->at < src.size && r->n > src.size - r->at ? src.size - r->at : r->n;
	fsck_lost_name(copy, r->segment, r->at);
	answer = scan_copy(&src, r->at, n, lost, copy);
	close(src.fd);
	return answer;
}

static int keep_ranges(struct fsck *f)
{
	int lost, answer = 0;

	if (!f->ranges.n)
		return 0;
	if (io_mkdir(f->dirfd, "lost", 0700) && errno != EEXIST)
		return -1;
	lost = openat(f->dirfd, "lost", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lost < 0)
		return -1;
	for (size_t i = 0; !answer && i < f->ranges.n; i++)
		answer = keep(f, lost, &f->ranges.v[i]);
	if (!answer)
		answer = io_fsync(lost) || io_fsync(f->dirfd) ? -1 : 0;
	close(lost);
	return answer;
}

/* Opens the store and lets with() mend it.  Where it is a rebuild the log is redone with the checkpoint
 * passed over; closing writes a new one, and the start after that removes the old files.  Until it is
 * written the old one stands. */
static int mend(struct fsck *f, bool rebuild, int (*with)(struct fsck *f, struct store *s))
{
	struct store_options o = {.dir = f->dir, .checkpoint_interval = 86400, .rebuild = rebuild};
	struct buf error = {0};
	struct loop *l = loop_new();
	struct store *s = l ? store_open(l, &o, &error) : NULL;
	int answer = -1;

	if (s) {
		answer = with(f, s);
		store_close(&s);
		loop_turn(l, 0);
	}
	buf_addc(&error, 0);
	if (answer)
		complain("repair: ", error.len > 1 && !error.failed ? error.data + error.off : strerror(errno));
	buf_free(&error);
	loop_free(&l);
	return answer;
}

static int write_anew(struct fsck *f, struct store *s)
{
	/* What damage may have hidden is kept in lost/. */
	return store_checkpoint(s) || large_sweep(s, f->damage) ? -1 : 0;
}

static int repair(struct fsck *f)
{
	if (keep_ranges(f))
		return complain("lost: ", strerror(errno)), -1;
	/* First what only the checkpoint's files say: a rebuild passes them over. */
	if ((f->lacks.n || f->lack_keys.len) && mend(f, false, fsck_heal))
		return -1;
	if (!f->rebuild && !f->found[FSCK_TAIL] && !f->found[FSCK_ORPHAN])
		return 0;
	return mend(f, f->rebuild, write_anew);
}

/* ---- all of it ---- */

/* Files under the names of others make everything behind them look lost: first things first. */
static int own_names(struct fsck *f)
{
	if (fsck_names(f))
		return complain("log: ", strerror(errno)), -1;
	if (!f->swapped.n || !f->repair)
		return f->swapped.n ? 1 : 0;
	if (fsck_rename(f))
		return complain("log: names: ", strerror(errno)), -1;
	return 0;
}

/* 0; -1: it could not be read, and it has been said why. */
static int check(struct fsck *f)
{
	int answer;

	if (!identity(f))
		return 0;
	answer = own_names(f);
	if (answer)
		return answer < 0 ? -1 : 0;
	if (fsck_log(f))
		return complain("log: ", strerror(errno)), -1;
	if (!f->refused && fsck_compare(f))
		return complain("compare: ", strerror(errno)), -1;
	return 0;
}

static void forget(struct fsck *f)
{
	buf_free(&f->out);
	free(f->segments.v);
	free(f->ranges.v);
	free(f->bad.v);
	free(f->swapped.v);
	free(f->lacks.v);
	buf_free(&f->lack_keys);
	if (f->logfd >= 0)
		close(f->logfd);
	if (f->dirfd >= 0)
		close(f->dirfd);
}

/* Shared with the stores opened to look, refused while a server runs. */
static int lock(const struct fsck *f)
{
	int fd = openat(f->dirfd, "lock", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || !flock(fd, LOCK_SH | LOCK_NB))
		return fd;
	close(fd);
	return -2;
}

static int open_dirs(struct fsck *f)
{
	f->dirfd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->dirfd < 0)
		return complain(f->dir, ": no such spool");
	f->logfd = openat(f->dirfd, "log", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return f->logfd < 0 ? complain(f->dir, "/log: not there; this is no spool") : CLEAN;
}

/* A whole check, in silence: is anything left? */
static int what_is_left(const struct fsck *before)
{
	struct fsck *f = calloc(1, sizeof(*f));
	int status = FAILED;

	if (!f)
		return FAILED;
	f->dir = before->dir;
	f->dirfd = f->logfd = -1;
	f->silent = true;
	if (!open_dirs(f) && !check(f))
		status = f->damage ? LEFT : MENDED;
	forget(f);
	free(f);
	return status;
}

static int end(struct fsck *f)
{
	int status;

	if (!f->damage && !f->found[FSCK_ORPHAN])
		return CLEAN;
	if (!f->repair || f->refused) {
		if (f->rebuild || f->found[FSCK_SWAPPED] || f->found[FSCK_IDENTITY])
			file_write_all(STDOUT_FILENO, STR("satchel fsck --repair mends this\n"));
		return f->damage ? LEFT : CLEAN;
	}
	if (repair(f))
		return FAILED;
	if (!f->damage)
		return CLEAN;
	status = what_is_left(f);
	/* A place that is known to be damaged is none the better for it. */
	if (status == MENDED && (f->gone || (f->gaps && f->rebuild)))
		status = LEFT;
	file_write_all(STDOUT_FILENO, status == MENDED ? STR("repaired\n") :
		STR("repaired what can be repaired; the rest must come from a backup\n"));
	return status;
}

static int run(struct fsck *f)
{
	int fd, status = open_dirs(f);

	if (status)
		return status;
	fd = lock(f);
	if (fd == -2)
		return complain(f->dir, ": a server has this spool open; stop it first");
	status = check(f);
	if (fd >= 0)
		close(fd);
	if (status)
		return FAILED;
	fsck_summary(f);
	return end(f);
}

static int fsck_cli(const char *data, int argc, char **argv)
{
	struct fsck *f = calloc(1, sizeof(*f));
	int status = USAGE;

	if (!f)
		return FAILED;
	f->dir = data;
	f->dirfd = f->logfd = -1;
	f->terminal = isatty(STDERR_FILENO);
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--explain")) {
			f->explain = true;
		} else if (!strcmp(argv[i], "--repair")) {
			f->repair = true;
		} else {
			complain("what is this: ", argv[i]);
			goto free_all;
		}
	}
	status = run(f);
free_all:
	forget(f);
	free(f);
	return status;
}

/* A backup is a spool. */
static int verify_cli(const char *data, int argc, char **argv)
{
	char *words[] = {argv[0], NULL};

	(void)data;
	if (argc != 2)
		return complain("what is to be verified? satchel verify DIR", "") * 0 + USAGE;
	return fsck_cli(argv[1], 1, words);
}

static const struct cli_command cli[] = {
	{"fsck", "[--explain] [--repair]", "check a spool that no server has open", fsck_cli},
	{"verify", "DIR", "check a backup in the same way", verify_cli},
	{NULL, NULL, NULL, NULL},
};

const struct feature fsck_feature = {
	.name = "fsck",
	.cli = cli,
};
