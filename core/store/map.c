/* SPDX-License-Identifier: 0BSD */
#include "core/store/map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/lib/crc32c.h"
#include "core/store/io.h"

#define PIECE (MAP_FENCE * MAP_ENTRY_SIZE)
#define WRITE_SIZE (16 * PIECE)
#define SYNC_EVERY 64 /* writes: a long merge does not pile up dirty pages before its one sync */

void map_run_name(char name[CHECKPOINT_NAME_MAX], uint64_t number)
{
	table_name(name, number, ".run");
}

static int read_at(int fd, uint64_t at, size_t n, struct buf *out)
{
	char *p = buf_reserve(out, n);
	size_t done = 0;
	ssize_t got;

	while (p && done < n) {
		got = pread(fd, p + done, n - done, (off_t)(at + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			errno = got ? errno : EPROTO;
			return -1;
		}
		done += (size_t)got;
	}
	if (!p) {
		errno = ENOMEM;
		return -1;
	}
	buf_commit(out, n);
	return 0;
}

/* ---- opening ---- */

static int read_fences(struct map_run *r, const struct format_key *k)
{
	uint64_t at = MAP_HEADER_SIZE + r->count * MAP_ENTRY_SIZE;
	struct buf b = {0};
	struct cursor c;
	int answer = -1;

	r->fences = (size_t)((r->count + MAP_FENCE - 1) / MAP_FENCE);
	r->fence = malloc((r->fences + 1) * sizeof(*r->fence));
	if (!r->fence || read_at(r->fd, at, (r->fences + 1) * 8 + 4, &b))
		goto free_buf;
	c = cursor_from(buf_str(&b));
	for (size_t i = 0; i <= r->fences; i++)
		r->fence[i] = cursor_u64(&c);
	r->first = r->fences ? r->fence[0] : 1;
	r->last = r->fence[r->fences];
	errno = EPROTO;
	answer = cursor_u32(&c) == crc32c(k->seed, b.data + b.off, b.len - 4) ? 0 : -1;
free_buf:
	buf_free(&b);
	return answer;
}

int map_run_open(int dirfd, const struct format_key *k, uint64_t number, struct map_run *r_r)
{
	char name[CHECKPOINT_NAME_MAX];
	struct buf b = {0};
	struct cursor c;
	uint64_t found;
	int answer;

	*r_r = (struct map_run){.number = number};
	map_run_name(name, number);
	r_r->fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	if (r_r->fd < 0)
		return -1;
	if (read_at(r_r->fd, 0, MAP_HEADER_SIZE, &b))
		goto close_run;
	c = cursor_from(buf_str(&b));
	answer = map_head_read(&c, k, MAP_RUN_MAGIC, &found, &r_r->count, NULL);
	errno = answer < 0 ? ENOTSUP : EPROTO;
	if (answer != 1 || found != number || r_r->count > (uint64_t)1 << 40 || read_fences(r_r, k))
		goto close_run;
	buf_free(&b);
	return 0;
close_run:
	buf_free(&b);
	map_run_close(r_r);
	return -1;
}

void map_run_close(struct map_run *r)
{
	if (r->fd >= 0)
		close(r->fd);
	free(r->fence);
	*r = (struct map_run){.fd = -1};
}

/* ---- look-up ---- */

/* Searches a piece in memory; the ids are sorted, and each entry has its CRC. */
static int find_in(struct str piece, const struct format_key *k, uint64_t id, struct map_entry *e_r)
{
	size_t lo = 0, hi = piece.len / MAP_ENTRY_SIZE, mid;
	struct cursor c, at;
	uint64_t found;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		c = cursor_from(piece);
		cursor_skip(&c, mid * MAP_ENTRY_SIZE);
		at = c;
		found = cursor_u64(&at);
		if (found == id) {
			errno = EPROTO;
			return map_entry_read(&c, k, e_r) ? 1 : -1;
		}
		if (found < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return 0;
}

int map_run_find(const struct map_run *r, const struct format_key *k, uint64_t id,
	struct map_entry *e_r)
{
	size_t lo = 0, hi = r->fences, mid, n;
	struct buf b = {0};
	uint64_t left;
	int answer = -1;

	if (!r->count || id < r->first || id > r->last)
		return 0;
	while (hi - lo > 1) {
		mid = lo + (hi - lo) / 2;
		if (r->fence[mid] <= id)
			lo = mid;
		else
			hi = mid;
	}
	left = r->count - (uint64_t)lo * MAP_FENCE;
	n = (left < MAP_FENCE ? (size_t)left : MAP_FENCE) * MAP_ENTRY_SIZE;
	if (!read_at(r->fd, MAP_HEADER_SIZE + (uint64_t)lo * PIECE, n, &b))
		answer = find_in(buf_str(&b), k, id, e_r);
	buf_free(&b);
	return answer;
}

/* ---- merging ---- */

static int refill(struct map_source *src)
{
	uint64_t left = src->count - src->at;
	size_t n = left * MAP_ENTRY_SIZE < WRITE_SIZE ? (size_t)left * MAP_ENTRY_SIZE : WRITE_SIZE;

	buf_clear(&src->bytes);
	if (read_at(src->run->fd, MAP_HEADER_SIZE + src->at * MAP_ENTRY_SIZE, n, &src->bytes))
		return -1;
	src->c = cursor_from(buf_str(&src->bytes));
	return 0;
}

int map_source_next(struct map_source *src, const struct format_key *k)
{
	for (; src->at < src->count; src->damaged++) {
		if (!src->run) {
			src->now = src->v[src->at++];
			return 1;
		}
		if (cursor_done(&src->c) && refill(src))
			return -1;
		src->at++;
		if (map_entry_read(&src->c, k, &src->now))
			return 1;
	}
	return 0;
}

struct writer {
	int fd;
	uint64_t at, count, last;
	unsigned writes;
	struct buf out;
	struct {
		uint64_t *v;
		size_t n, cap;
	} fence;
};

static int flush(struct writer *w)
{
	if (w->out.failed) {
		errno = ENOMEM;
		return -1;
	}
	if (io_pwrite(w->fd, w->out.data + w->out.off, w->out.len, w->at))
		return -1;
	w->at += w->out.len;
	buf_clear(&w->out);
	return ++w->writes % SYNC_EVERY ? 0 : io_fdatasync(w->fd);
}

static int put(struct writer *w, const struct format_key *k, const struct map_entry *e)
{
	if (!(w->count++ % MAP_FENCE) && vec_push(&w->fence, e->id))
		return -1;
	w->last = e->id;
	map_entry_write(&w->out, k, e);
	return w->out.len >= WRITE_SIZE || w->out.failed ? flush(w) : 0;
}

/* Fences, then the header: a file without one is not a run. */
static int end(struct writer *w, const struct format_key *k, uint64_t number)
{
	size_t from;

	if (w->out.len && flush(w))
		return -1;
	from = w->out.len;
	for (size_t i = 0; i < w->fence.n; i++)
		buf_put64(&w->out, w->fence.v[i]);
	buf_put64(&w->out, w->last);
	if (!w->out.failed)
		buf_put32(&w->out, crc32c(k->seed, w->out.data + w->out.off + from, w->out.len - from));
	if (flush(w))
		return -1;
	w->at = 0;
	map_head_write(&w->out, k, MAP_RUN_MAGIC, number, w->count, 0);
	return flush(w) || io_fsync(w->fd) ? -1 : 0;
}

static int advance_past(struct map_source *src, size_t n, bool *live, const struct format_key *k,
	uint64_t id)
{
	int more;

	for (size_t i = 0; i < n; i++) {
		if (!live[i] || src[i].now.id != id)
			continue;
		more = map_source_next(&src[i], k);
		if (more < 0)
			return -1;
		live[i] = more;
	}
	return 0;
}

/* Takes the lowest id, from the newest source that has it. */
static int merge(struct writer *w, const struct format_key *k, struct map_source *src, size_t n, bool last)
{
	bool live[MAP_RUNS_MAX + 1];
	struct map_entry e;
	size_t best;
	int more;

	for (size_t i = 0; i < n; i++) {
		more = map_source_next(&src[i], k);
		if (more < 0)
			return -1;
		live[i] = more;
	}
	for (;;) {
		best = n;
		for (size_t i = 0; i < n; i++)
			if (live[i] && (best == n || src[i].now.id < src[best].now.id))
				best = i;
		if (best == n)
			return 0;
		e = src[best].now;
		if (!(last && e.flags & MAP_GONE) && put(w, k, &e))
			return -1;
		if (advance_past(src, n, live, k, e.id))
			return -1;
	}
}

int map_merge(int dirfd, const struct format_key *k, uint64_t number, struct map_source *src, size_t n,
	bool last, struct map_run *r_r)
{
	char name[CHECKPOINT_NAME_MAX];
	struct writer w = {.at = MAP_HEADER_SIZE};
	int answer = -1;

	map_run_name(name, number);
	w.fd = io_open(dirfd, name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (w.fd < 0)
		return -1;
	if (!merge(&w, k, src, n, last) && !end(&w, k, number))
		answer = map_run_open(dirfd, k, number, r_r);
	close(w.fd);
	buf_free(&w.out);
	free(w.fence.v);
	return answer;
}
