/* SPDX-License-Identifier: 0BSD */
/* Opening and closing a spool, and its figures. */
#include "core/store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/lib/file.h"
#include "core/lib/log.h"
#include "core/store/cold.h"
#include "core/store/compact.h"
#include "core/store/io.h"
#include "core/store/large.h"

#define LOCK_TRIES 60 /* of 50 ms */
#define KEEP_ENTRIES 24
#include "core/store/state.h"

static int refuse(struct buf *error, const char *dir, const char *file, const char *why)
{
	buf_addv(error, dir, file ? "/" : "", file ? file : "", ": ", why, NULL);
	return -1;
}

/* Makes a directory if it is not there and syncs its parent. */
static int make_dir(int parent, const char *name)
{
	if (!io_mkdir(parent, name, 0700))
		return io_fsync(parent);
	return errno == EEXIST ? 0 : -1;
}

static int sync_parent(const char *dir)
{
	const char *slash = strrchr(dir, '/');
	size_t n = slash ? (size_t)(slash - dir) : 0;
	char *parent = malloc(n + 3);
	int fd, answer;

	if (!parent)
		return -1;
	memcpy(parent, dir, n);
	memcpy(parent + n, slash ? "/." : ".", slash ? 3 : 2);
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(parent);
	if (fd < 0)
		return errno == EACCES ? 0 : -1; /* somebody else's directory; it was there before */
	answer = io_fsync(fd);
	close(fd);
	return answer;
}

/* A process that was killed holds its lock until its last thread has left the kernel: give it a
 * moment before calling it a rival. */
static int take_lock(int fd, int how)
{
	const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};

	for (int i = 0; i < LOCK_TRIES; i++) {
		if (!flock(fd, how | LOCK_NB))
			return 0;
		nanosleep(&pause, NULL);
	}
	return -1;
}

/* Nothing is created.  Without a file `lock` no server has this spool open. */
static int open_to_look(struct store *s, const char *dir, struct buf *error)
{
	s->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dirfd < 0)
		return refuse(error, dir, NULL, strerror(errno));
	s->lockfd = openat(s->dirfd, "lock", O_RDONLY | O_CLOEXEC);
	if (s->lockfd < 0 && errno != ENOENT)
		return refuse(error, dir, "lock", strerror(errno));
	if (s->lockfd >= 0 && take_lock(s->lockfd, LOCK_SH))
		return refuse(error, dir, "lock", "another process has this spool open; stop it first");
	/* Not there in a spool of an older version, and then nothing of it is needed. */
	s->largefd = openat(s->dirfd, "large", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s->logfd = openat(s->dirfd, "log", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return s->logfd < 0 ? refuse(error, dir, "log", strerror(errno)) : 0;
}

static int open_dirs(struct store *s, const char *dir, struct buf *error)
{
	if (s->readonly)
		return open_to_look(s, dir, error);
	if (!io_mkdir(AT_FDCWD, dir, 0700)) {
		if (sync_parent(dir))
			return refuse(error, dir, NULL, strerror(errno));
	} else if (errno != EEXIST) {
		return refuse(error, dir, NULL, strerror(errno));
	}
	s->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dirfd < 0)
		return refuse(error, dir, NULL, strerror(errno));
	s->lockfd = io_open(s->dirfd, "lock", O_RDWR | O_CREAT, 0600);
	if (s->lockfd < 0)
		return refuse(error, dir, "lock", strerror(errno));
	if (take_lock(s->lockfd, LOCK_EX))
		return refuse(error, dir, "lock", "another process has this spool open; stop it first");
	if (make_dir(s->dirfd, "log") || make_dir(s->dirfd, "idx") || make_dir(s->dirfd, "kv") ||
		make_dir(s->dirfd, "map") || make_dir(s->dirfd, "large"))
		return refuse(error, dir, NULL, strerror(errno));
	s->logfd = openat(s->dirfd, "log", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->logfd < 0)
		return refuse(error, dir, "log", strerror(errno));
	s->largefd = openat(s->dirfd, "large", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return s->largefd < 0 ? refuse(error, dir, "large", strerror(errno)) : 0;
}

/* Writes NAME.tmp, syncs, renames, syncs the directory. */
int store_replace(int dirfd, const char *name, const char *tmp, struct str content)
{
	int fd = io_open(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC, 0600), answer;

	if (fd < 0)
		return -1;
	answer = io_pwrite(fd, content.p, content.len, 0) || io_fsync(fd) ? -1 : 0;
	close(fd);
	if (!answer)
		answer = io_rename(dirfd, tmp, name) || io_fsync(dirfd) ? -1 : 0;
	return answer;
}

/* Are there segments?  Then a new identity would make them unreadable. */
static bool log_used(const struct store *s)
{
	int fd = openat(s->logfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	uint64_t first;
	bool used = !d;

	while (d && !used && (e = readdir(d)))
		used = segment_name_read(e->d_name, &first);
	if (d)
		closedir(d);
	return used;
}

static int create_identity(struct store *s)
{
	unsigned char salt[SALT_SIZE];
	struct buf b = {0};
	int answer;

	file_random(salt, sizeof(salt));
	format_key_set(&s->key, salt);
	spool_write(&b, &s->key, (uint64_t)time(NULL));
	answer = b.failed ? -1 : store_replace(s->dirfd, "spool", "spool.tmp", buf_str(&b));
	buf_free(&b);
	return answer;
}

static int open_identity(struct store *s, const char *dir, struct buf *error)
{
	struct buf b = {0};
	uint16_t version;
	int answer;

	if (file_read(s->dirfd, "spool", 4096, &b)) {
		if (errno != ENOENT)
			return refuse(error, dir, "spool", strerror(errno));
		if (s->readonly)
			return refuse(error, dir, "spool", "missing: this is no spool");
		if (log_used(s))
			return refuse(error, dir, "spool",
				"missing, but there is a log; put it back, or satchel fsck --repair");
		return create_identity(s) ? refuse(error, dir, "spool", strerror(errno)) : 0;
	}
	answer = spool_read(buf_str(&b), &s->key, &version);
	buf_free(&b);
	if (answer < 0)
		return refuse(error, dir, "spool",
			"written by a newer version of this program; not touched");
	if (!answer)
		return refuse(error, dir, "spool", "damaged; satchel fsck --repair makes it anew");
	/* Whoever wrote it may have been killed before its name was on the disk: no segment before that. */
	if (!s->readonly && !log_used(s) && io_fsync(s->dirfd))
		return refuse(error, dir, "spool", strerror(errno));
	return 0;
}

static struct store *alloc_store(struct loop *l, const struct store_options *o)
{
	struct store *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->loop = l;
	s->dirfd = s->logfd = s->largefd = s->lockfd = s->done.fd = -1;
	s->next_lsn = 1;
	s->waiters.next = s->waiters.prev = &s->waiters;
	s->checkpoint_waiters.next = s->checkpoint_waiters.prev = &s->checkpoint_waiters;
	blob_init(s);
	accounts_init(s, o->cache_bytes);
	s->checkpoint_interval = o->checkpoint_interval;
	s->readonly = o->readonly;
	s->rebuild = o->rebuild;
	s->keep_entries = o->keep_entries ? o->keep_entries : KEEP_ENTRIES;
	s->on_failure = o->failed;
	s->failure_arg = o->failed_arg;
	s->body_budget = o->body_budget ? o->body_budget : (uint64_t)64 << 20;
	s->large_bytes = o->large_bytes ? o->large_bytes : (uint64_t)CONFIG_LARGE_MESSAGE_KB * 1024;
	s->segment_bytes = o->segment_bytes ? o->segment_bytes : (uint64_t)CONFIG_LOG_SEGMENT_MB << 20;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, NULL);
	pthread_cond_init(&s->finished, NULL);
	if (!batches_start(s))
		return s;
	batches_free(s);
	free(s);
	return NULL;
}

static uint64_t reserve_bytes(const struct store_options *o)
{
	return o->reserve_bytes ? o->reserve_bytes : (uint64_t)CONFIG_DISK_RESERVE_MB << 20;
}

static void free_pool(struct store *s)
{
	struct body *b;

	while ((b = s->pool)) {
		s->pool = (struct body *)(void *)b->blob;
		buf_free(&b->data);
		buf_free(&b->summary);
		free(b);
	}
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void free_store(struct store *s)
{
	checkpoint_stop(s);
	compact_stop(s);
	large_stop(s);
	cold_stop(s);
	commit_stop(s);
	segment_maker_stop(s);
	batches_free(s);
	free_pool(s);
	tables_free(s);
	segment_free_all(s);
	free(s->images.v);
	free(s->garbage.v);
	free(s->horizons.v);
	reserve_close(s);
	buf_free(&s->scratch);
	buf_free(&s->block);
	close_fd(s->logfd);
	close_fd(s->largefd);
	close_fd(s->dirfd);
	close_fd(s->lockfd);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->wake);
	pthread_cond_destroy(&s->finished);
	free(s);
}

/* full: nothing can be written now. */
static struct store *open_once(struct loop *l, const struct store_options *o, bool full, struct buf *error_r)
{
	struct store *s = alloc_store(l, o);
	int error;

	if (!s) {
		buf_addv(error_r, o->dir, ": out of memory", NULL);
		return NULL;
	}
	if (open_dirs(s, o->dir, error_r) || open_identity(s, o->dir, error_r))
		goto free_all;
	s->full = full;
	s->readonly |= o->after_failure | full;
	if ((!s->readonly || full) && reserve_open(s, reserve_bytes(o))) {
		refuse(error_r, o->dir, NULL, strerror(errno));
		goto free_all;
	}
	failure_look(s);
	if (recover(s, error_r))
		goto free_all;
	if (s->readonly) {
		s->failed = o->after_failure | full;
		s->error = full ? ENOSPC : EIO;
		reserve_look(s);
		return s;
	}
	if (failure_over(s))
		log_error("mark stays", "file", "FAILED", "error", strerror(errno), NULL);
	/* What damage may have hidden is kept for whoever mends it. */
	if (s->unclean && large_sweep(s, s->rebuild || s->damaged)) {
		refuse(error_r, o->dir, "large", strerror(errno));
		goto free_all;
	}
	if (commit_start(s) || cold_start(s) || large_start(s) || segment_maker_start(s) || compact_start(s)) {
		refuse(error_r, o->dir, NULL, strerror(errno));
		goto free_all;
	}
	reserve_take(s);
	reserve_look(s);
	checkpoint_start_timer(s);
	return s;
free_all:
	error = errno;
	s->failed = true;
	free_store(s);
	errno = error;
	return NULL;
}

struct store *store_open(struct loop *l, const struct store_options *o, struct buf *error_r)
{
	struct store *s = open_once(l, o, false, error_r);
	struct str why;

	if (s || errno != ENOSPC || o->readonly || o->after_failure)
		return s;
	why = str_trim(buf_str(error_r));
	log_error("disk full, nothing can be written", "why", log_str(why), NULL);
	buf_clear(error_r);
	return open_once(l, o, true, error_r);
}

/* The last batch of a clean life says so. */
static void write_end(struct store *s)
{
	uint64_t lsn;
	struct buf *b;

	if (s->failed)
		return;
	store_begin(s);
	b = store_record_begin(s, RECORD_MARK, 0, &lsn);
	buf_put64(b, s->durable);
	buf_put64(b, 1);
	store_record_end(s);
	if (!s->left_over)
		s->filling->flags |= BATCH_CLEAN_END;
	s->marked = lsn;
	store_end(s);
	commit_flush(s);
}

void store_keep(struct store *s, void (*removing)(struct mailbox *from, const uint32_t *uids, uint32_t n))
{
	s->removing = removing;
}

void store_watch(struct store *s, const struct store_watch *w)
{
	s->watch = w;
}

void store_close(struct store **at)
{
	struct store *s = *at;

	*at = NULL;
	if (!s)
		return;
	s->closing = true;
	if (s->readonly) {
		free_store(s);
		return;
	}
	commit_flush(s);
	if (!s->failed && checkpoint_now(s))
		log_error("checkpoint", "error", strerror(errno), NULL);
	large_stop(s); /* after a clean end nobody looks for files that should be gone */
	write_end(s);
	free_store(s);
}

void stat_line(struct buf *out, const char *key, uint64_t value)
{
	buf_addv(out, key, " ", NULL);
	buf_addu(out, value);
	buf_addc(out, '\n');
}

void store_stat(const struct store *s, struct buf *out)
{
	uint64_t bytes = 0, live = 0;

	for (size_t i = 0; i < s->segments.n; i++) {
		bytes += s->segments.v[i]->size;
		live += s->segments.v[i]->live;
	}
	stat_line(out, "accounts", s->account_count);
	stat_line(out, "accounts_loaded", s->accounts.n);
	stat_line(out, "mailboxes", s->mailbox_count);
	stat_line(out, "mailboxes_loaded", s->mailboxes.n);
	stat_line(out, "indexes_loaded", s->index.loaded);
	stat_line(out, "cache_bytes", s->cache.idle + s->index.idle);
	stat_line(out, "messages", s->messages);
	stat_line(out, "blobs", blob_count(s));
	stat_line(out, "keys", kv_count(s));
	stat_line(out, "segments", s->segments.n);
	stat_line(out, "log_bytes", bytes);
	stat_line(out, "live_bytes", live);
	stat_line(out, "records", s->records);
	stat_line(out, "batches", s->batches);
	stat_line(out, "syncs", s->batches);
	stat_line(out, "epoch", s->epoch);
	stat_line(out, "last_lsn", store_last_lsn(s));
	stat_line(out, "durable_lsn", s->durable);
	histogram_print(&s->batch_records, "batch_records", out);
	histogram_print(&s->batch_bytes, "batch_bytes", out);
	histogram_print(&s->sync_us, "sync_us", out);
	checkpoint_stat(s, out);
	stat_line(out, "bodies_in_flight_bytes", s->bodies);
	stat_line(out, "moved_bytes", s->moved_bytes);
	stat_line(out, "cold_reads", s->cold_reads);
	stat_line(out, "damaged", s->damaged);
	stat_line(out, "tails_cut", s->cut);
	stat_line(out, "failed", s->failed);
	reserve_stat((struct store *)(uintptr_t)s, out);
}
