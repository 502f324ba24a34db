/* SPDX-License-Identifier: 0BSD */
/* The blob map in checkpoints: one new run, and a list of runs and segments. */
#include "core/store/checkpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/lib/crc32c.h"
#include "core/lib/log.h"
#include "core/store/io.h"
#include "core/store/map.h"

/* ---- on the loop ---- */

static int freeze_blob(void *arg, const struct blob *b)
{
	struct checkpoint_job *job = arg;
	/* Without a segment: not on the disk yet; its record is above the checkpoint. */
	struct map_entry e = {
		.id = b->node.hash,
		.segment = b->segment ? b->segment->first : 0,
		.offset = b->segment ? b->offset : 0,
		.blob = {b->kind, b->summary_len, b->summary_crc, b->body_len, b->body_crc, 0},
		.flags = b->gone ? MAP_GONE : 0,
		.refs = b->refs,
	};

	return vec_push(&job->map.entries, e);
}

/* The bytes each segment is needed for, as of now.  Those that may go once this checkpoint stands are not
 * in the list: whatever it names and is not there has been lost. */
static int freeze_segments(struct checkpoint_job *job)
{
	const struct store *s = job->s;
	const struct segment *g;
	size_t unused = 0;

	for (size_t i = 0; i < s->segments.n; i++) {
		g = s->segments.v[i];
		if (unused < job->unused.n && g == job->unused.v[unused])
			unused++;
		else if (vec_push(&job->map.segments, ((struct map_segment){g->first, g->live, g->blobs,
					g->kept, g->stuck})))
			return -1;
	}
	return 0;
}

static int freeze_map(struct checkpoint_job *job)
{
	struct store *s = job->s;

	job->map.made.fd = -1;
	/* Room for the new run now: finish_map() must not fail once files name it. */
	if (vec_grow(&s->map.runs.v, &s->map.runs.cap, s->map.runs.n + 1, sizeof(*s->map.runs.v)))
		return -1;
	job->map.runs = s->map.runs.v; /* nobody changes it before finish_map() */
	job->map.runs_n = s->map.runs.n;
	return freeze_segments(job) || blobs_freeze(s, freeze_blob, job) ? -1 : 0;
}

/* The new run takes the place of those that went into it. */
static void take_run(struct store *s, struct checkpoint_map *m)
{
	for (size_t i = 0; i < m->merged; i++)
		map_run_close(&s->map.runs.v[--s->map.runs.n]);
	s->map.runs.v[s->map.runs.n++] = m->made;
	m->made = (struct map_run){.fd = -1};
}

static void finish_map(struct checkpoint_job *job, bool good)
{
	struct checkpoint_map *m = &job->map;

	if (good && m->made.fence)
		take_run(job->s, m);
	blobs_thaw(job->s, good);
	if (m->made.fence)
		map_run_close(&m->made);
	free(m->entries.v);
	free(m->segments.v);
}

/* ---- in the thread ---- */

static int by_id(const void *a, const void *b)
{
	uint64_t x = ((const struct map_entry *)a)->id, y = ((const struct map_entry *)b)->id;

	return x < y ? -1 : x > y;
}

/* Runs up to twice as large as what is merged already are taken along: each is then more than twice
 * as large as the next. */
static size_t choose(const struct checkpoint_map *m)
{
	uint64_t size = m->entries.n;
	size_t n = 0;

	for (; n < m->runs_n; n++) {
		if (m->runs[m->runs_n - 1 - n].count > 2 * size && m->runs_n - n < MAP_RUNS_MAX)
			break;
		size += m->runs[m->runs_n - 1 - n].count;
	}
	return n;
}

static int write_run(struct checkpoint_job *job, int dir)
{
	struct map_source src[MAP_RUNS_MAX + 1] = {0};
	struct checkpoint_map *m = &job->map;
	int answer;

	if (!m->entries.n)
		return 0;
	qsort(m->entries.v, m->entries.n, sizeof(*m->entries.v), by_id);
	m->merged = choose(m);
	src[0] = (struct map_source){.v = m->entries.v, .count = m->entries.n};
	for (size_t i = 0; i < m->merged; i++) {
		src[i + 1].run = &m->runs[m->runs_n - 1 - i];
		src[i + 1].count = src[i + 1].run->count;
	}
	answer = map_merge(dir, &job->s->key, job->head.files, src, m->merged + 1, m->merged == m->runs_n,
		&m->made);
	for (size_t i = 1; i <= m->merged; i++)
		buf_free(&src[i].bytes);
	return answer;
}

static int write_list(struct checkpoint_job *job, int dir)
{
	const struct format_key *k = &job->s->key;
	struct checkpoint_map *m = &job->map;
	size_t kept = m->runs_n - m->merged, runs = kept + (m->made.fd >= 0);
	char name[CHECKPOINT_NAME_MAX];
	struct buf b = {0};
	int answer = -1;

	map_head_write(&b, k, MAP_LIST_MAGIC, job->head.files, runs, m->segments.n);
	for (size_t i = 0; i < kept; i++)
		map_run_write(&b, k, m->runs[i].number, m->runs[i].count);
	if (m->made.fd >= 0)
		map_run_write(&b, k, m->made.number, m->made.count);
	for (size_t i = 0; i < m->segments.n; i++)
		map_segment_write(&b, k, &m->segments.v[i]);
	table_name(name, job->head.files, ".list");
	errno = ENOMEM;
	if (!b.failed) {
		job->head.map_size = b.len;
		job->head.map_crc = crc32c(k->seed, b.data + b.off, b.len);
		answer = checkpoint_write_file(dir, name, &b);
	}
	buf_free(&b);
	return answer;
}

static int write_map(struct checkpoint_job *job)
{
	int dir = checkpoint_open_dir(job->s, "map"), answer;

	if (dir < 0)
		return -1;
	answer = write_run(job, dir) || write_list(job, dir) || io_fsync(dir) ? -1 : 0;
	close(dir);
	return answer;
}

static void clean_map(struct checkpoint_job *job)
{
	int dir = job->old ? checkpoint_open_dir(job->s, "map") : -1;
	char name[CHECKPOINT_NAME_MAX];

	if (dir < 0)
		return;
	table_name(name, job->old, ".list");
	io_unlink(dir, name);
	for (size_t i = 0; i < job->map.merged; i++) {
		map_run_name(name, job->map.runs[job->map.runs_n - 1 - i].number);
		io_unlink(dir, name);
	}
	close(dir);
}

static void undo_map(struct checkpoint_job *job)
{
	int dir = checkpoint_open_dir(job->s, "map");
	char name[CHECKPOINT_NAME_MAX];

	if (dir < 0)
		return;
	table_name(name, job->head.files, ".list");
	io_unlink(dir, name);
	map_run_name(name, job->head.files);
	io_unlink(dir, name);
	close(dir);
}

/* ---- at start ---- */

static int load_run(struct store *s, struct cursor *c, int dir, struct buf *error)
{
	char name[CHECKPOINT_NAME_MAX];
	uint64_t number, count;
	struct map_run run;

	if (!map_run_read(c, &s->key, &number, &count))
		return 0;
	map_run_name(name, number);
	if (map_run_open(dir, &s->key, number, &run))
		return checkpoint_unreadable(error, "map/", name);
	if (run.count == count && !vec_push(&s->map.runs, run))
		return 1;
	map_run_close(&run);
	errno = EPROTO;
	return checkpoint_unreadable(error, "map/", name);
}

/* 0 / -1 ENOMEM. */
static int load_segment(struct store *s, const struct map_segment *m)
{
	struct segment *g = segment_find(s, m->first);

	if (g) {
		g->live = m->live;
		g->blobs = m->blobs;
		g->kept = m->kept;
		g->stuck = m->stuck;
		return 0;
	}
	log_error("log segment missing", "first", log_num((int64_t)m->first), "messages",
		log_num((int64_t)m->blobs), NULL);
	s->damaged++;
	return vec_push(&s->missing, m->first);
}

static int load_list(struct store *s, struct cursor *c, int dir, uint64_t number, struct buf *error)
{
	uint64_t found, runs, segments;
	struct map_segment m;
	int answer;

	answer = map_head_read(c, &s->key, MAP_LIST_MAGIC, &found, &runs, &segments);
	errno = answer < 0 ? ENOTSUP : EPROTO;
	if (answer != 1 || found != number || runs > MAP_RUNS_MAX + 1)
		return 0;
	while (runs--) {
		answer = load_run(s, c, dir, error);
		if (answer != 1)
			return answer;
	}
	errno = EPROTO;
	while (segments--) {
		if (!map_segment_read(c, &s->key, &m) || load_segment(s, &m))
			return 0;
	}
	return 1;
}

static int load_map(struct store *s, const struct checkpoint_head *h, struct buf *error)
{
	int dir = checkpoint_open_dir(s, "map"), answer = 0, why;
	char name[CHECKPOINT_NAME_MAX];
	struct buf b = {0};
	struct cursor c;

	table_name(name, h->files, ".list");
	if (dir < 0 || checkpoint_read(s, "map", name, &b)) {
		checkpoint_unreadable(error, "map/", name);
		answer = -1;
	} else {
		c = cursor_from(buf_str(&b));
		errno = EPROTO;
		if (b.len == h->map_size && crc32c(s->key.seed, c.p, b.len) == h->map_crc)
			answer = load_list(s, &c, dir, h->files, error);
		if (!answer)
			checkpoint_unreadable(error, "map/", name);
	}
	why = errno;
	if (dir >= 0)
		close(dir);
	buf_free(&b);
	errno = why;
	return answer == 1 ? 0 : -1;
}

static bool map_names(const struct store *s, const struct checkpoint_head *h, const char *dir,
	const char *file)
{
	char name[CHECKPOINT_NAME_MAX];

	if (strcmp(dir, "map") || !h->files)
		return false;
	table_name(name, h->files, ".list");
	if (!strcmp(file, name))
		return true;
	for (size_t i = 0; i < s->map.runs.n; i++) {
		map_run_name(name, s->map.runs.v[i].number);
		if (!strcmp(file, name))
			return true;
	}
	return false;
}

const struct checkpoint_part checkpoint_map = {
	.freeze = freeze_map,
	.write = write_map,
	.clean = clean_map,
	.undo = undo_map,
	.finish = finish_map,
	.load = load_map,
	.names = map_names,
};
