/* SPDX-License-Identifier: 0BSD */
/*
 * Segment files.  A segment is made ahead of its use: written with zeros and synced by the maker
 * thread, so that a commit overwrites blocks that exist and its fdatasync has no file system
 * metadata to write (docs/format.md has the figures).  It gets its name when the first batch goes in,
 * and the directory is synced before that batch is.
 */
#include "core/store/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "core/lib/log.h"
#include "core/store/io.h"

#define OPEN_MAX 256
#define SMALLEST_SEGMENT (1024 * 1024)
/* What a sync may have to wait behind. Through the page cache each piece is synced too, so there are fewer. */
#define DIRECT_CHUNK (128 * 1024)
#define CACHED_CHUNK (1024 * 1024)
#define WHOLE 1024
#define FIRST_SEGMENT (4 * 1024 * 1024) /* made at start, where nobody wants to wait */

struct spare {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct store *store;
	int fd; /* ready: synced and ready to be renamed */
	uint64_t size;
	bool wanted, ready, stop;
	bool take; /* the disk reserve is to be made whole */
	unsigned goal; /* so much of the file is to be there by now, in parts of WHOLE */
	time_t failed_at;
};

void segment_name(char name[SEGMENT_NAME_SIZE], uint64_t first)
{
	for (int i = 15; i >= 0; i--, first >>= 4)
		name[i] = "0123456789abcdef"[first & 15];
	memcpy(name + 16, ".seg", 5);
}

int segment_name_read(const char *name, uint64_t *first_r)
{
	uint64_t first = 0;
	const char *digit;

	if (strlen(name) != SEGMENT_NAME_SIZE - 1 || strcmp(name + 16, ".seg"))
		return 0;
	for (int i = 0; i < 16; i++) {
		digit = memchr("0123456789abcdef", name[i], 16);
		if (!digit)
			return 0;
		first = first << 4 | (uint64_t)(digit - "0123456789abcdef");
	}
	*first_r = first;
	return 1;
}

struct segment *segment_new(uint64_t first, int fd, uint64_t size)
{
	struct segment *g = calloc(1, sizeof(*g));

	if (g) {
		g->first = first;
		g->fd = fd;
		g->size = size;
	}
	return g;
}

/* Index of the first segment whose LSN is >= first. */
static size_t lower(const struct store *s, uint64_t first)
{
	size_t lo = 0, hi = s->segments.n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (s->segments.v[mid]->first < first)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int segment_register(struct store *s, struct segment *g)
{
	size_t at = lower(s, g->first);

	if (vec_grow(&s->segments.v, &s->segments.cap, s->segments.n + 1, sizeof(*s->segments.v)))
		return -1;
	memmove(s->segments.v + at + 1, s->segments.v + at,
		(s->segments.n - at) * sizeof(*s->segments.v));
	s->segments.v[at] = g;
	s->segments.n++;
	s->segments_open += g->fd >= 0;
	return 0;
}

struct segment *segment_find(const struct store *s, uint64_t first)
{
	size_t at = lower(s, first);

	return at < s->segments.n && s->segments.v[at]->first == first ? s->segments.v[at] : NULL;
}

int segment_fd(struct store *s, struct segment *g)
{
	char name[SEGMENT_NAME_SIZE];

	if (g->fd >= 0)
		return g->fd;
	if (s->segments_open >= OPEN_MAX)
		segment_close_all(s);
	segment_name(name, g->first);
	g->fd = openat(s->logfd, name, O_RDONLY | O_CLOEXEC);
	if (g->fd >= 0)
		s->segments_open++;
	return g->fd;
}

void segment_close_all(struct store *s)
{
	/* The last one may be the committer's. */
	for (size_t i = 0; i + 1 < s->segments.n; i++) {
		if (s->segments.v[i]->fd >= 0)
			close(s->segments.v[i]->fd);
		s->segments.v[i]->fd = -1;
	}
	s->segments_open = 0;
}

void segment_free(struct store *s, struct segment *g)
{
	if (g->fd >= 0) {
		close(g->fd);
		s->segments_open -= s->segments_open > 0;
	}
	free(g);
}

void segment_free_all(struct store *s)
{
	bool head_known = false;

	for (size_t i = 0; i < s->segments.n; i++) {
		head_known |= s->segments.v[i] == s->head;
		if (s->segments.v[i]->fd >= 0)
			close(s->segments.v[i]->fd);
		free(s->segments.v[i]);
	}
	if (s->head && !head_known) {
		close(s->head->fd);
		free(s->head);
	}
	s->head = NULL;
	free(s->missing.v);
	free(s->segments.v);
	s->segments.v = NULL;
	s->segments.n = s->segments.cap = 0;
}

/* ---- the maker ---- */

/* Under the lock, which is let go meanwhile. */
static void take_reserve(struct spare *sp)
{
	sp->take = false;
	pthread_mutex_unlock(&sp->lock);
	reserve_take(sp->store);
	pthread_mutex_lock(&sp->lock);
}

/* The next segment grows as the present one fills: in one go it would hold up one sync after the other.
 * False: it is time to stop. */
static bool keep_pace(struct spare *sp, unsigned done)
{
	bool goes_on;

	pthread_mutex_lock(&sp->lock);
	while (!sp->stop && done > sp->goal)
		if (sp->take)
			take_reserve(sp);
		else
			pthread_cond_wait(&sp->wake, &sp->lock);
	goes_on = !sp->stop;
	pthread_mutex_unlock(&sp->lock);
	return goes_on;
}

/* Past the page cache where the file system can: zeros that nobody reads would cost more CPU there
 * than all else a delivery does, and push out what somebody reads. */
static int zero_fill(struct spare *sp, int fd, uint64_t size)
{
	bool direct = !(size % IO_BLOCK) && !io_direct(fd, true);
	uint64_t at, n, chunk = direct ? DIRECT_CHUNK : CACHED_CHUNK;
	int answer = -1;
	void *zeros;

	if (posix_memalign(&zeros, IO_BLOCK, chunk))
		return -1;
	memset(zeros, 0, chunk);
	if (io_fallocate(fd, size))
		goto free_zeros;
	for (at = 0; at < size; at += n) {
		n = size - at < chunk ? size - at : chunk;
		if (io_pwrite(fd, zeros, n, at))
			goto free_zeros;
		/* Synced in small pieces, so that the committer never waits behind a large one. */
		if (!direct && io_fdatasync(fd))
			goto free_zeros;
		if (!keep_pace(sp, (unsigned)((at + n) * WHOLE / size))) {
			errno = EINTR;
			goto free_zeros;
		}
	}
	answer = (direct && io_direct(fd, false)) || io_fsync(fd) ? -1 : 0;
free_zeros:
	free(zeros);
	return answer;
}

/* On a small or full disk segments are smaller: the reserve stays free.  0 = there is no room. */
static uint64_t size_that_fits(const struct store *s, uint64_t size)
{
	while (size >= SMALLEST_SEGMENT && !reserve_allows(s, size))
		size /= 2;
	return size >= SMALLEST_SEGMENT ? size : 0;
}

static int make(struct spare *sp, uint64_t size)
{
	int fd = io_open(sp->store->logfd, "spare.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0)
		return -1;
	if (!zero_fill(sp, fd, size))
		return fd;
	close(fd);
	io_unlink(sp->store->logfd, "spare.tmp");
	return -1;
}

static void *maker(void *arg)
{
	struct spare *sp = arg;
	uint64_t size;
	int fd;

	pthread_mutex_lock(&sp->lock);
	while (!sp->stop) {
		if (sp->take) {
			take_reserve(sp);
			continue;
		}
		if (!sp->wanted || sp->ready) {
			pthread_cond_wait(&sp->wake, &sp->lock);
			continue;
		}
		pthread_mutex_unlock(&sp->lock);
		size = sp->store->segment_bytes;
		if (size > SMALLEST_SEGMENT)
			size = size_that_fits(sp->store, size);
		fd = size ? make(sp, size) : -1;
		pthread_mutex_lock(&sp->lock);
		sp->wanted = false;
		sp->ready = fd >= 0;
		sp->fd = fd;
		sp->size = size;
		sp->failed_at = fd < 0 ? time(NULL) : 0;
	}
	pthread_mutex_unlock(&sp->lock);
	return NULL;
}

int segment_maker_start(struct store *s)
{
	struct spare *sp = calloc(1, sizeof(*sp));

	if (!sp)
		return -1;
	sp->store = s;
	sp->fd = -1;
	pthread_mutex_init(&sp->lock, NULL);
	pthread_cond_init(&sp->wake, NULL);
	errno = pthread_create(&sp->thread, NULL, maker, sp);
	if (errno) {
		free(sp);
		return -1;
	}
	s->spare = sp;
	return 0;
}

/* From a quarter of the present segment to three: how much of the next is due. */
static unsigned spare_due(const struct store *s)
{
	uint64_t size = s->head->size, at = s->head_off;

	if (at < size / 4)
		return 0;
	return at >= size / 4 * 3 ? WHOLE : (unsigned)((at - size / 4) * WHOLE / (size / 2));
}

void segment_maker_poke(struct store *s)
{
	struct spare *sp = s->spare;
	unsigned due = spare_due(s);

	if (!sp)
		return;
	pthread_mutex_lock(&sp->lock);
	if (due && !sp->wanted && !sp->ready && sp->failed_at != time(NULL))
		sp->wanted = true;
	/* One that was not there in time is finished soon. */
	sp->goal = !due && sp->wanted ? WHOLE : due;
	if (sp->wanted)
		pthread_cond_signal(&sp->wake);
	pthread_mutex_unlock(&sp->lock);
}

void segment_maker_take(struct store *s)
{
	struct spare *sp = s->spare;

	if (!sp)
		return;
	pthread_mutex_lock(&sp->lock);
	sp->take = true;
	pthread_cond_signal(&sp->wake);
	pthread_mutex_unlock(&sp->lock);
}

void segment_maker_stop(struct store *s)
{
	struct spare *sp = s->spare;

	if (!sp)
		return;
	pthread_mutex_lock(&sp->lock);
	sp->stop = true;
	pthread_cond_signal(&sp->wake);
	pthread_mutex_unlock(&sp->lock);
	pthread_join(sp->thread, NULL);
	if (sp->fd >= 0) {
		close(sp->fd);
		io_unlink(s->logfd, "spare.tmp");
	}
	pthread_mutex_destroy(&sp->lock);
	pthread_cond_destroy(&sp->wake);
	free(sp);
	s->spare = NULL;
}

/* ---- the committer's side ---- */

static int take_spare(struct spare *sp, uint64_t size, uint64_t *size_r)
{
	int fd = -1;

	if (!sp)
		return -1;
	pthread_mutex_lock(&sp->lock);
	if (sp->ready && sp->size >= size) {
		fd = sp->fd;
		*size_r = sp->size;
		sp->fd = -1;
		sp->ready = false;
	}
	pthread_mutex_unlock(&sp->lock);
	return fd;
}

/* Without a spare one is made on the spot, its blocks reserved but not written: the first at start,
 * one for a batch larger than a segment, and under a load that outruns the maker, where bandwidth
 * counts and writing zeros first would halve it. */
static int make_now(struct store *s, uint64_t size)
{
	int fd = io_open(s->logfd, "next.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600), error;

	if (fd < 0)
		return -1;
	if (!io_fallocate(fd, size) && !io_fsync(fd))
		return fd;
	error = errno;
	close(fd);
	io_unlink(s->logfd, "next.tmp");
	errno = error;
	return -1;
}

bool segment_possible(struct store *s)
{
	uint64_t size = s->segment_bytes < SMALLEST_SEGMENT ? s->segment_bytes : SMALLEST_SEGMENT;
	int fd = make_now(s, size);

	if (fd < 0)
		return false;
	close(fd);
	return !io_unlink(s->logfd, "next.tmp");
}

/* A new file each time: what a failed sync says of the one before does not concern it. */
static int make_surely(struct store *s, uint64_t size)
{
	int fd;

	do
		fd = make_now(s, size);
	while (fd < 0 && reserve_give(s, size));
	return fd;
}

/* The header becomes durable with the first batch, the name now.  A sync that failed is final. */
static int begin_file(struct store *s, int fd, const struct buf *header, const char *tmp, const char *name)
{
	while (io_pwrite(fd, header->data + header->off, header->len, 0) || io_rename(s->logfd, tmp, name))
		if (!reserve_give(s, 0))
			return -1;
	return io_fsync(s->logfd);
}

int segment_switch(struct store *s, uint64_t first, uint64_t need)
{
	uint64_t size = s->head ? s->segment_bytes : FIRST_SEGMENT;
	char name[SEGMENT_NAME_SIZE];
	struct segment *g = NULL;
	struct buf header = {0};
	bool spare;
	int fd;

	if (size > s->segment_bytes)
		size = s->segment_bytes;
	if (size > SMALLEST_SEGMENT)
		size = size_that_fits(s, size);
	if (!size)
		size = SMALLEST_SEGMENT;
	if (size < need + SEGMENT_HEADER_SIZE)
		size = need + SEGMENT_HEADER_SIZE;
	fd = s->head ? take_spare(s->spare, need + SEGMENT_HEADER_SIZE, &size) : -1;
	spare = fd >= 0;
	if (!spare)
		fd = make_surely(s, size);
	if (fd < 0)
		return -1;
	segment_name(name, first);
	segment_header_write(&header, &s->key, s->epoch, first, size);
	/* A whole block: there is nothing to be read for it, and behind the header nothing yet. */
	if (buf_reserve(&header, IO_BLOCK)) {
		memset(header.data + header.off + header.len, 0, IO_BLOCK - SEGMENT_HEADER_SIZE);
		buf_commit(&header, IO_BLOCK - SEGMENT_HEADER_SIZE);
	}
	g = segment_new(first, fd, size);
	if (!g || header.failed)
		goto close_fd;
	if (begin_file(s, fd, &header, spare ? "spare.tmp" : "next.tmp", name))
		goto close_fd;
	buf_free(&header);
	s->head = g;
	s->head_off = SEGMENT_HEADER_SIZE;
	return 0;
close_fd:
	buf_free(&header);
	free(g);
	close(fd);
	return -1;
}
