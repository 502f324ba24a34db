/* SPDX-License-Identifier: 0BSD */
#include "core/store/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/log.h"
#include "core/store/compact.h"
#include "core/store/io.h"
#include "core/store/state.h"

#define NAME "reserve"
#define FLOOR (1024 * 1024)  /* free besides the reserve: the next segment, or a few files */
#define SLICES 8
#define LOG_PART 4           /* of the reserve, that checkpoints leave to the log */
#define LOOK_MS 250          /* while mail is refused, or the file is not whole */
#define RECLAIM_MS 5000      /* between checkpoints that are to make room */
#define FRESH_MS 100         /* how old what is known of the disk may be */

static uint64_t held(const struct reserve *r)
{
	return __atomic_load_n(&r->held, __ATOMIC_RELAXED);
}

static bool flag(const bool *at)
{
	return __atomic_load_n(at, __ATOMIC_RELAXED);
}

static void set_flag(bool *at, bool value)
{
	__atomic_store_n(at, value, __ATOMIC_RELAXED);
}

/* ---- any thread ---- */

static int cut_to(struct reserve *r, uint64_t left)
{
	if (r->fd < 0 || io_ftruncate(r->fd, left))
		return -1;
	__atomic_store_n(&r->held, left, __ATOMIC_RELAXED);
	return 0;
}

/* Under the lock. */
static bool give(struct store *s, uint64_t bytes, uint64_t keep)
{
	struct reserve *r = s->reserve;
	uint64_t slice = r->want / SLICES + 1, now = held(r), one = 1, left;

	bytes = bytes < slice ? slice : bytes;
	left = now > bytes + keep ? now - bytes : keep;
	if (now <= keep || cut_to(r, left))
		return false;
	__atomic_fetch_add(&r->given, now - left, __ATOMIC_RELAXED);
	/* The loop looks then. */
	if (s->done.fd >= 0 && write(s->done.fd, &one, sizeof(one)) < 0)
		log_error("eventfd", "error", strerror(errno), NULL);
	return true;
}

static bool give_after(struct store *s, uint64_t bytes, uint64_t keep)
{
	struct reserve *r = s->reserve;
	int error = errno;
	bool gave = false;

	if (error == ENOSPC && r) {
		pthread_mutex_lock(&r->lock);
		set_flag(&r->starved, true);
		gave = give(s, bytes, keep);
		pthread_mutex_unlock(&r->lock);
	}
	errno = error;
	return gave;
}

bool reserve_give(struct store *s, uint64_t bytes)
{
	return give_after(s, bytes, 0);
}

bool reserve_give_checkpoint(struct store *s)
{
	return give_after(s, 0, s->reserve ? s->reserve->want / LOG_PART : 0);
}

void reserve_prepare(struct store *s, uint64_t bytes)
{
	struct reserve *r = s->reserve;
	uint64_t space = r ? io_space(s->dirfd, NULL) : UINT64_MAX;

	if (space >= bytes)
		return;
	pthread_mutex_lock(&r->lock);
	give(s, bytes - space, r->want / LOG_PART);
	pthread_mutex_unlock(&r->lock);
}

/* Under the lock: what was got in part and does not count would be lost. */
static int grow_to(struct reserve *r, uint64_t size)
{
	int error;

	if (!io_fallocate(r->fd, size)) {
		__atomic_store_n(&r->held, size, __ATOMIC_RELAXED);
		return 0;
	}
	error = errno;
	cut_to(r, held(r));
	errno = error;
	return -1;
}

/* Under the lock. */
static int take(struct store *s)
{
	struct reserve *r = s->reserve;
	uint64_t space = io_space(s->dirfd, NULL), now = held(r), size = r->want;

	if (now < size && space < size - now + r->floor)
		size = space > r->floor ? now + space - r->floor : now;
	if (size > now && (size == r->want || size - now >= r->floor) && grow_to(r, size))
		return -1;
	if (held(r) == r->want)
		set_flag(&r->starved, false);
	return 0;
}

int reserve_take(struct store *s)
{
	struct reserve *r = s->reserve;
	int answer;

	if (!r || r->fd < 0 || flag(&r->unable))
		return 0;
	pthread_mutex_lock(&r->lock);
	answer = take(s);
	if (answer && errno == ENOSPC) {
		set_flag(&r->starved, true);
	} else if (answer) {
		set_flag(&r->unable, true);
		set_flag(&r->starved, false); /* or mail would be refused for ever */
		log_warning("no disk reserve", "file", NAME, "error", strerror(errno), "remedy",
			"keep more of the disk free; tried again at the next start", NULL);
	}
	pthread_mutex_unlock(&r->lock);
	return answer;
}

bool reserve_allows(const struct store *s, uint64_t bytes)
{
	const struct reserve *r = s->reserve;

	return !r || io_space(s->dirfd, NULL) >= bytes + r->want + (r->want - held(r));
}

/* ---- on the loop ---- */

static uint64_t space_free(struct store *s)
{
	struct reserve *r = s->reserve;
	uint64_t now = loop_now(s->loop);

	if (r->checked && now + 1 - r->checked < FRESH_MS)
		return r->space;
	r->checked = now + 1;
	r->space = io_space(s->dirfd, NULL);
	return r->space;
}

void reserve_spent(struct store *s)
{
	if (s->reserve)
		s->reserve->checked = 0;
}

static uint64_t sum(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

uint64_t reserve_room(struct store *s)
{
	struct reserve *r = s->reserve;

	return r ? sum(r->starving ? 0 : space_free(s), held(r)) : UINT64_MAX;
}

uint64_t reserve_kept(const struct store *s)
{
	return s->reserve ? s->reserve->want / 2 : 0;
}

static bool is_short(struct store *s, uint64_t bytes)
{
	struct reserve *r = s->reserve;

	if (!r || (!r->refusing && !r->starving))
		return r && reserve_room(s) < r->want + r->floor + bytes;
	/* Once it was refused, mail waits until the file is whole: it is not refused and taken in turn. */
	return r->starving || (held(r) < r->want && !flag(&r->unable)) ||
		reserve_room(s) < r->want + 2 * r->floor + bytes;
}

bool reserve_refuses(struct store *s)
{
	return is_short(s, 0);
}

int space_left(struct store *s, uint64_t bytes)
{
	/* What is on its way to the disk may need a new segment. */
	bytes += s->filling->bodies_len + (s->committing ? s->committing->bodies_len : 0) +
		(s->following ? s->following->bodies_len : 0);
	if (!is_short(s, bytes))
		return 0;
	reserve_look(s);
	errno = ENOSPC;
	return -1;
}

int space_for_changes(struct store *s)
{
	if (!s->reserve || reserve_room(s) >= s->reserve->want / 2)
		return 0;
	errno = ENOSPC;
	return -1;
}

static void say(struct store *s, bool refusing)
{
	const struct reserve *r = s->reserve;
	const char *space = log_num((int64_t)r->space), *has = log_num((int64_t)held(r));

	if (refusing)
		log_error("disk full, mail is refused", "free", space, "reserve", has, "wanted",
			log_num((int64_t)(r->want + r->floor)), "remedy",
			"free space on the disk of the spool or remove mail: mail is taken again by itself, "
			"without a restart", NULL);
	else
		log_warning("disk has room, mail is taken again", "free", space, "reserve", has, NULL);
}

/* Mail that was removed gives its space back through a checkpoint, compaction and one more. */
static void reclaim(struct store *s)
{
	struct reserve *r = s->reserve;
	uint64_t now = loop_now(s->loop);

	if (s->failed || s->closing || s->checkpointing || compact_runs(s) ||
		now - r->reclaimed < RECLAIM_MS)
		return;
	r->reclaimed = now;
	if (store_checkpoint_begin(s))
		log_error("checkpoint failed", "error", strerror(errno), NULL);
	else if (!s->checkpointing)
		compact_consider(s);
}

/* Opened to look only because the disk was full: with the smallest segment it can do more. */
static void leave_full(struct store *s)
{
	if (!segment_possible(s) || !s->on_failure)
		return;
	log_warning("disk has room, the store is opened again", NULL);
	s->full = false;
	s->on_failure(s->failure_arg, ENOSPC);
}

static void look_again(struct loop_timer *t)
{
	struct store *s = hash_owner(t, struct reserve, timer)->owner;

	if (s->full)
		leave_full(s);
	else if (held(s->reserve) < s->reserve->want)
		segment_maker_take(s);
	reserve_look(s);
	if (s->reserve->refusing)
		reclaim(s);
}

void reserve_look(struct store *s)
{
	struct reserve *r = s->reserve;
	bool now;

	if (!r || s->closing || (s->failed && !s->full))
		return;
	r->starving = flag(&r->starved);
	now = reserve_refuses(s) || s->full;
	if (now != r->refusing)
		say(s, now);
	r->refusing = now;
	if (!r->timer.due && (now || (held(r) < r->want && !flag(&r->unable))))
		loop_timer_start(s->loop, &r->timer, LOOK_MS);
}

void reserve_stat(struct store *s, struct buf *out)
{
	const struct reserve *r = s->reserve;

	if (!r)
		return;
	stat_line(out, "disk_free_bytes", space_free(s));
	stat_line(out, "reserve_bytes", held(r));
	stat_line(out, "reserve_wanted_bytes", r->want);
	stat_line(out, "reserve_given_bytes", __atomic_load_n(&r->given, __ATOMIC_RELAXED));
	stat_line(out, "disk_full", reserve_refuses(s) || s->full);
}

/* ---- for tools ---- */

static uint64_t wanted(int dirfd, uint64_t bytes)
{
	uint64_t total = UINT64_MAX;

	io_space(dirfd, &total);
	return bytes < total / 8 ? bytes : total / 8;
}

static uint64_t allocated(const struct stat *st)
{
	uint64_t blocks = (uint64_t)st->st_blocks * 512;

	return (uint64_t)st->st_size < blocks ? (uint64_t)st->st_size : blocks;
}

void reserve_describe(int dirfd, struct buf *out)
{
	uint64_t space = io_space(dirfd, NULL), want = wanted(dirfd, (uint64_t)CONFIG_DISK_RESERVE_MB << 20), has = 0;
	struct stat st;

	if (!fstatat(dirfd, NAME, &st, AT_SYMLINK_NOFOLLOW))
		has = allocated(&st);
	buf_adds(out, "disk: ");
	buf_addu(out, space >> 20);
	buf_adds(out, " MiB free, ");
	buf_addu(out, has >> 20);
	buf_adds(out, " MiB in reserve of ");
	buf_addu(out, want >> 20);
	buf_adds(out, space + has < want + FLOOR ? ": full, a server refuses mail until some is freed\n" : "\n");
}

/* ---- start and end ---- */

static void open_file(struct store *s)
{
	struct reserve *r = s->reserve;
	struct stat st;

	r->fd = io_open(s->dirfd, NAME, O_RDWR | O_CREAT, 0600);
	if (r->fd < 0 || fstat(r->fd, &st)) {
		log_warning("no disk reserve", "file", NAME, "error", strerror(errno), NULL);
		return;
	}
	r->held = allocated(&st);
	if (r->held > r->want)
		cut_to(r, r->want);
}

int reserve_open(struct store *s, uint64_t bytes)
{
	struct reserve *r = calloc(1, sizeof(*r));

	if (!r)
		return -1;
	pthread_mutex_init(&r->lock, NULL);
	r->owner = s;
	r->want = wanted(s->dirfd, bytes);
	r->floor = s->segment_bytes < FLOOR ? s->segment_bytes : FLOOR;
	r->timer.fire = look_again;
	s->reserve = r;
	open_file(s);
	return 0;
}

void reserve_close(struct store *s)
{
	struct reserve *r = s->reserve;

	if (!r)
		return;
	s->reserve = NULL;
	loop_timer_stop(&r->timer);
	if (r->fd >= 0)
		close(r->fd);
	pthread_mutex_destroy(&r->lock);
	free(r);
}
