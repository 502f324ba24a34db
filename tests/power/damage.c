/* SPDX-License-Identifier: 0BSD */
/*
 * Damage to one file of a spool, and what it costs.
 *
 *   damage bits SEED COUNT   flips COUNT bits, each in a fresh copy of the spool: any file, any byte
 *   damage files             truncates, empties, fills with zeros, exchanges, removes and makes of a future
 *                            version every file, each in a fresh copy
 *   damage rebuild           removes all that the log repeats; satchel fsck --repair must restore it to the
 *                            letter
 *
 * After each damage the spool is opened and all mail is read; and, in another copy with the same damage,
 * satchel fsck runs, satchel fsck --repair, and all mail is read again.  Never may a byte be read that
 * was not written.  If the store refuses to open, the message names the file and the remedy.  After the
 * repair a flipped bit has cost one message at most, and a file the messages whose bytes it held, or
 * which a start would have had to redo from it.
 *
 * Prints a line for what is wrong, and where the spool is left for a look, and exits 1: marks and segments
 * come when the clock and the disk say, so the same seed meets almost the same spool.
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/hooks.h"
#include "core/lib/crc32c.h"
#include "core/lib/log.h"
#include "tests/power/damage.h"
#include "tests/power/power.h"

#define FILES_MAX 400

/* As those of fsck(8). */
enum { CLEAN = 0, MENDED = 1, LEFT = 4 };

static char damage_done[200] = "nothing was done";
static char top[64], original[80], copy[80];
static const struct cli_command *fsck; /* NULL: not in this configuration */
static unsigned refused, mended, unseen;

_Noreturn void wrong(const char *what, const char *more)
{
	printf("WRONG %s: %s: %s (left in %s)\n", damage_done, what, more, top);
	exit(1);
}

_Noreturn void broken(const char *invariant, const char *detail)
{
	wrong(invariant, detail);
}

static void run(const char *format, ...)
{
	char command[400];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command))
		wrong("command failed", command);
}

/* ---- the files ---- */

static struct file {
	char path[96]; /* below the spool */
	off_t size;    /* up to the last byte that is not zero: what segments have behind it counts for nothing */
} files[FILES_MAX];
static size_t files_n;

static char *read_file(const char *path, off_t size)
{
	char *p = malloc((size_t)size + 1);
	int fd = open(path, O_RDONLY);

	if (!p || pread(fd, p, (size_t)size, 0) != size)
		wrong("read", path);
	close(fd);
	return p;
}

static int note_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	const char *below = path + strlen(original) + 1;
	off_t size = st->st_size;
	char *p;

	(void)ftw;
	if (type != FTW_F || !size || files_n == FILES_MAX)
		return 0;
	p = read_file(path, size);
	while (size && !p[size - 1])
		size--;
	free(p);
	snprintf(files[files_n].path, sizeof(files[0].path), "%s", below);
	files[files_n].size = size;
	files_n += size > 0; /* not a segment made ahead */
	return 0;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct file *)a)->path, ((const struct file *)b)->path);
}

static void write_at(const struct file *f, const void *p, size_t n, off_t at)
{
	char path[200];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", copy, f->path);
	fd = open(path, O_RDWR);
	if (pwrite(fd, p, n, at) != (ssize_t)n)
		wrong("write", path);
	close(fd);
}

static void fresh_copy(void)
{
	run("rm -rf %s && cp -a %s %s", copy, original, copy);
}

/* ---- looking ---- */

static int run_fsck(const char *option)
{
	char *argv[] = {(char *)(uintptr_t)"fsck", (char *)(uintptr_t)option, NULL};
	int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY), status;

	if (!getenv("DAMAGE_VERBOSE")) {
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
	}
	status = fsck->run(copy, option ? 2 : 1, argv);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	close(out);
	close(err);
	close(null);
	return status;
}

/* What a refusal must say. */
static void check_refusal(const struct file *f, const struct buf *error)
{
	const char *text = error->data + error->off, *name = strrchr(f->path, '/');

	if (!strstr(text, name ? name + 1 : f->path))
		wrong("a refusal does not name the file", text);
	if (!strstr(text, "fsck") && !strstr(text, "backup") && !strstr(text, "newer version"))
		wrong("a refusal names no remedy", text);
	refused++;
}

struct found {
	size_t bad;              /* messages that are not as they were */
	uint64_t blob;           /* of the last of them */
	bool other;              /* not all of the same body */
	bool (*may)(const struct file *f, const struct expected *e); /* NULL: any */
	const struct file *file;
};

static void note_bad(void *arg, const struct expected *e, const char *how)
{
	struct found *l = arg;
	char text[160];

	snprintf(text, sizeof(text), "UID %u of mailbox %llu, blob %llu, record %llu, %s", e->uid,
		(unsigned long long)e->mailbox, (unsigned long long)e->blob, (unsigned long long)e->lsn, how);
	if (getenv("DAMAGE_VERBOSE"))
		printf("bad: %s\n", text);
	if (l->may && !l->may(l->file, e))
		wrong("what the file did not hold", text);
	l->other |= l->bad++ && e->blob != l->blob;
	l->blob = e->blob;
}

/* As an admin finds it who starts the server after the damage. */
static struct found look_at_once(const struct file *f)
{
	struct found l = {0};
	struct buf error = {0};

	if (damage_open(copy, &error)) {
		damage_read(note_bad, &l);
		damage_close();
	} else {
		check_refusal(f, &error);
		l.bad = 1;
	}
	buf_free(&error);
	return l;
}

/* 0, or what fsck --repair said. */
static int look_after_repair(struct found *l, bool bad_before)
{
	struct buf error = {0};
	int found = run_fsck(NULL), repaired;

	if (bad_before && !found)
		wrong("fsck finds nothing", "and something is bad");
	unseen += !found;
	repaired = run_fsck("--repair");
	if (repaired != CLEAN && repaired != MENDED && repaired != LEFT)
		wrong("fsck --repair", "failed");
	mended += repaired == MENDED;
	if (!damage_open(copy, &error))
		wrong("after fsck --repair", error.data + error.off);
	damage_read(note_bad, l);
	if (l->bad && repaired != LEFT)
		wrong("a message is lost", "and fsck --repair says that all is well");
	damage_close();
	buf_free(&error);
	return repaired;
}

/* ---- bits ---- */

/* Half of the time any file is as likely as the next, half of the time any byte is; and headers more
 * often than what follows them. */
static const struct file *choose(off_t *at)
{
	size_t i = damage_chance((unsigned)files_n);
	off_t total = 0, n;

	for (size_t k = 0; k < files_n; k++)
		total += files[k].size;
	n = (off_t)damage_chance((unsigned)total);
	if (damage_chance(2))
		for (i = 0; n >= files[i].size; i++)
			n -= files[i].size;
	*at = (off_t)damage_chance((unsigned)files[i].size);
	if (!damage_chance(3))
		*at = (off_t)damage_chance((unsigned)(files[i].size < 600 ? files[i].size : 600));
	return &files[i];
}

static void flip(const struct file *f, off_t at, unsigned bit)
{
	char path[200], *p;

	fresh_copy();
	snprintf(path, sizeof(path), "%s/%s", copy, f->path);
	p = read_file(path, at + 1);
	p[at] ^= (char)(1 << bit);
	write_at(f, p + at, 1, at);
	free(p);
}

static void one_bit(unsigned long seed)
{
	struct found l = {0}, before;
	const struct file *f;
	unsigned bit;
	off_t at;

	damage_seed(seed);
	f = choose(&at);
	bit = damage_chance(8);
	snprintf(damage_done, sizeof(damage_done), "seed %lu: bit %u of byte %ld of %s", seed, bit, (long)at, f->path);
	flip(f, at, bit);
	before = look_at_once(f);
	if (!fsck)
		return;
	flip(f, at, bit);
	look_after_repair(&l, before.bad);
	if (l.other)
		wrong("more than one message is lost", "after fsck --repair");
}

/* ---- files ---- */

enum damage { HALVED, EMPTIED, ZEROED, SECTOR_ZEROED, REMOVED, EXCHANGED, NEWER, DAMAGES };
static const char *const damage_words[DAMAGES] = {"cut in half", "emptied", "filled with zeros",
	"with 512 zeros in its middle", "removed", "exchanged with its neighbour", "of a future version"};

static bool begins(const struct file *f, const char *with)
{
	return !strncmp(f->path, with, strlen(with));
}

/* Another file of the same kind, or NULL. */
static const struct file *neighbour(const struct file *f)
{
	const char *slash = strchr(f->path, '/'), *dot = strrchr(f->path, '.');
	const struct file *g = f + 1;
	const char *end = slash && g < files + files_n ? strrchr(g->path, '.') : NULL;

	if (!slash || g >= files + files_n || strncmp(f->path, g->path, (size_t)(slash - f->path) + 1) ||
		!dot != !end || (dot && strcmp(dot, end)))
		return NULL;
	return g;
}

static uint32_t seed_of_spool(void)
{
	char path[200], *p;
	uint32_t seed;

	snprintf(path, sizeof(path), "%s/spool", original);
	p = read_file(path, 64);
	seed = crc32c(0, p + 16, 16);
	free(p);
	return seed;
}

/* Where the header with the version is, and how long. */
static size_t header_of(const struct file *f, off_t *at)
{
	*at = 0;
	if (begins(f, "kv/"))
		*at = f->size - 64;
	return begins(f, "log/") || begins(f, "large/") || begins(f, "checkpoint") ? 512 : begins(f, "idx/") ? 128 : 64;
}

static void make_newer(const struct file *f)
{
	char path[200], *p;
	uint32_t crc;
	off_t at;
	size_t n = header_of(f, &at);

	snprintf(path, sizeof(path), "%s/%s", original, f->path);
	p = read_file(path, at + (off_t)n);
	p[at + 8]++;
	crc = crc32c(begins(f, "spool") ? 0 : seed_of_spool(), p + at, n - 4);
	for (int i = 0; i < 4; i++)
		p[at + (off_t)n - 4 + i] = (char)(crc >> 8 * i);
	write_at(f, p + at, n, at);
	free(p);
}

/* false: not for this file. */
static bool do_damage(const struct file *f, enum damage what)
{
	const struct file *other = what == EXCHANGED ? neighbour(f) : f;
	off_t half = f->size / 2 / 512 * 512;

	if (!other || (what == SECTOR_ZEROED && f->size < 1024))
		return false;
	fresh_copy();
	switch (what) {
	case HALVED:
		run("truncate -s %ld %s/%s", (long)f->size / 2, copy, f->path);
		break;
	case EMPTIED:
		run("truncate -s 0 %s/%s", copy, f->path);
		break;
	case ZEROED:
		run("n=$(stat -c %%s %s/%s) && truncate -s 0 %s/%s && truncate -s $n %s/%s", copy, f->path, copy,
			f->path, copy, f->path);
		break;
	case SECTOR_ZEROED:
		write_at(f, (const char[512]){0}, 512, half);
		break;
	case REMOVED:
		run("rm %s/%s", copy, f->path);
		break;
	case EXCHANGED:
		run("cd %s && mv %s x && mv %s %s && mv x %s", copy, f->path, other->path, f->path, other->path);
		break;
	default:
		make_newer(f);
	}
	return true;
}

static uint64_t number_in(const struct file *f)
{
	return strtoull(strchr(f->path, '/') + 1, NULL, 16);
}

/* LSN of the first record behind this segment. */
static uint64_t records_end(const struct file *f)
{
	const struct file *next = f + 1;

	return next < files + files_n && begins(next, "log/") ? number_in(next) : UINT64_MAX;
}

/* May it be lost with this file: its bytes, or what no checkpoint holds? */
static bool held(const struct file *f, const struct expected *e)
{
	if (begins(f, "large/"))
		return e->blob == number_in(f) || (neighbour(f) && e->blob == number_in(neighbour(f)));
	if (!begins(f, "log/"))
		return false;
	if (e->gone)
		return records_end(f) > damage_checkpoint;
	return e->segment == number_in(f) || e->prefix_segment == number_in(f) ||
		(e->lsn > damage_checkpoint && e->lsn >= number_in(f) && e->lsn < records_end(f));
}

static bool nothing(const struct file *f, const struct expected *e)
{
	(void)f, (void)e;
	return false;
}

/* Nothing is touched: that program is to read it. */
static void look_at_newer(const struct file *f)
{
	run("rm -rf %s.was && cp -a %s %s.was", copy, copy, copy);
	if (run_fsck("--repair") != LEFT)
		wrong("fsck --repair", "does not say that anything is left");
	run("diff -r %s %s.was >/dev/null", copy, copy);
	(void)f;
}

static void one_file(const struct file *f, enum damage what)
{
	struct found l = {.file = f, .may = what == EXCHANGED && begins(f, "log/") ? nothing : held}, before;

	snprintf(damage_done, sizeof(damage_done), "%s %s", f->path, damage_words[what]);
	if (!do_damage(f, what))
		return;
	before = look_at_once(f);
	if (!fsck)
		return;
	do_damage(f, what);
	if (what == NEWER)
		look_at_newer(f);
	else
		look_after_repair(&l, before.bad);
}

/* ---- all that the log repeats ---- */

static void rebuild(void)
{
	struct buf error = {0};
	char *before, *after;
	struct found l = {.may = nothing};

	fresh_copy();
	if (!damage_open(copy, &error))
		wrong("open", error.data + error.off);
	before = state_of(s);
	damage_close();
	fresh_copy();
	snprintf(damage_done, sizeof(damage_done), "all index, key-value and map files removed");
	run("cd %s && rm -r checkpoint idx kv map", copy);
	if (run_fsck("--repair") != MENDED)
		wrong("fsck --repair", "does not say that all is repaired");
	if (!damage_open(copy, &error))
		wrong("open", error.data + error.off);
	after = state_of(s);
	if (strcmp(before, after)) {
		if (getenv("DAMAGE_VERBOSE"))
			printf("--- before\n%s\n--- after\n%s\n", before, after);
		wrong("after fsck --repair", "the state is another");
	}
	damage_count_references();
	damage_read(note_bad, &l);
	damage_close();
	if (run_fsck(NULL))
		wrong("fsck", "not clean after a repair");
	free(before);
	free(after);
	buf_free(&error);
}

/* ---- all ---- */

static void prepare(void)
{
	struct buf error = {0};

	FEATURE_EACH (f)
		for (const struct cli_command *c = f->cli; c && c->name; c++)
			if (!strcmp(c->name, "fsck"))
				fsck = c;
	snprintf(top, sizeof(top), "%s/satchel-damage-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	if (!mkdtemp(top))
		abort();
	snprintf(original, sizeof(original), "%s/spool", top);
	snprintf(copy, sizeof(copy), "%s/copy", top);
	damage_fill(original);
	fresh_copy();
	if (!damage_open(copy, &error))
		wrong("open", error.data + error.off);
	damage_learn();
	damage_count_references();
	damage_close();
	if (nftw(original, note_file, 16, FTW_PHYS))
		abort();
	qsort(files, files_n, sizeof(*files), by_path);
	buf_free(&error);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	unsigned long first = argc > 2 ? strtoul(argv[2], NULL, 10) : 1, count = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	log_init("damage", getenv("DAMAGE_VERBOSE") ? LOG_LEVEL_DEBUG : 0, false);
	prepare();
	if (!strcmp(mode, "bits"))
		for (unsigned long n = argc > 3 ? strtoul(argv[3], NULL, 10) : 100; count < n; count++)
			one_bit(first + count);
	else if (!strcmp(mode, "files"))
		for (size_t i = 0; i < files_n; i++)
			for (enum damage what = 0; what < DAMAGES; what++, count++)
				one_file(&files[i], what);
	else if (!strcmp(mode, "rebuild") && fsck)
		rebuild();
	printf("ok: %s %lu: %zu files, %zu messages; %u refused with a remedy, %u mended, %u of no account\n", mode,
		count, files_n, damage_expected(), refused, mended, unseen);
	if (!getenv("DAMAGE_KEEP"))
		run("rm -r %s", top);
	return 0;
}
