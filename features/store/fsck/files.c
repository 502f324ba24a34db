/* SPDX-License-Identifier: 0BSD */
/* Every byte of the files of a checkpoint: those that comparing the states does not read, too. */
#include "features/store/fsck/fsck.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/store/checkpoint.h"
#include "core/store/generation.h"
#include "core/store/map.h"

#define PIECE (1024 * MAP_ENTRY_SIZE)

/* ---- the blob map ---- */

static void bad_entry(struct fsck *f, const struct map_run *run, uint64_t at, const char *what)
{
	char path[CHECKPOINT_NAME_MAX + 4] = "map/";

	map_run_name(path + 4, run->number);
	fsck_report(f, FSCK_MAP, path, at, what);
}

static void check_entries(struct fsck *f, struct store *s, const struct map_run *run, uint64_t at,
	struct str piece, uint64_t *last)
{
	struct cursor c = cursor_from(piece);
	struct map_entry e;

	for (; !cursor_done(&c); at += MAP_ENTRY_SIZE) {
		if (!map_entry_read(&c, &s->key, &e)) {
			bad_entry(f, run, at, "an entry is damaged: the message it places cannot be read");
			continue;
		}
		if (e.id <= *last)
			bad_entry(f, run, at, "an entry is out of order");
		*last = e.id;
	}
}

static int check_run(struct fsck *f, struct store *s, const struct map_run *run)
{
	uint64_t at = MAP_HEADER_SIZE, end = at + run->count * MAP_ENTRY_SIZE, n, last = 0;
	struct scan_source src = {.fd = run->fd, .size = end};
	struct buf piece = {0};
	int answer = 0;

	for (; !answer && at < end; at += n) {
		n = end - at < PIECE ? end - at : PIECE;
		answer = scan_read(&src, at, n, &piece);
		if (!answer)
			check_entries(f, s, run, at, buf_str(&piece), &last);
		fsck_progress(f, "map", at, end);
	}
	buf_free(&piece);
	if (answer)
		bad_entry(f, run, at, strerror(errno));
	return 0;
}

/* ---- key-value files ---- */

static void check_generation(struct fsck *f, const struct generation *g)
{
	char path[GENERATION_NAME_SIZE + 4] = "kv/";
	uint64_t at = 0;

	generation_name(path + 3, g->number, g->class);
	while (generation_next_damage(g, &at)) {
		fsck_report(f, FSCK_KEY, path, at, "a page is damaged: what it says cannot be looked up");
		at += GENERATION_PAGE;
	}
}

int fsck_files(struct fsck *f, struct store *s)
{
	int answer = 0;

	for (size_t i = 0; !answer && i < s->map.runs.n; i++)
		answer = check_run(f, s, &s->map.runs.v[i]);
	for (size_t i = 0; i < s->generations.n; i++)
		check_generation(f, s->generations.v[i]);
	return answer;
}

/* ---- index files ---- */

static void each_tomb(void *arg, uint32_t uid, uint64_t modseq)
{
	(void)arg, (void)uid, (void)modseq;
}

/* 1 / 0 / -1 newer. */
static int head_good(struct fsck *f, const struct mailbox *m, const char *path)
{
	struct scan_source src = {.fd = openat(f->dirfd, path, O_RDONLY | O_CLOEXEC), .size = INDEX_UNIT};
	struct cursor c, in;
	struct buf b = {0};
	int good = 0;

	if (src.fd >= 0 && !scan_read(&src, 0, INDEX_UNIT, &b)) {
		c = cursor_from(buf_str(&b));
		good = checkpoint_take(&c, INDEX_UNIT, "SATINDEX", &f->key, &in);
		if (good == 1)
			good = cursor_u64(&in) == mailbox_id(m);
	}
	if (src.fd >= 0)
		close(src.fd);
	buf_free(&b);
	return good;
}

void fsck_index_file(struct fsck *f, const struct mailbox *m)
{
	char path[CHECKPOINT_NAME_MAX + 4] = "idx/";
	uint64_t floor = 0;
	int good;

	if (!m->index || !mailbox_exists(m))
		return;
	index_name(path + 4, m->id, index_name_number(m->index));
	if (index_open((struct mailbox *)(uintptr_t)m)) {
		fsck_report(f, errno == ENOTSUP ? FSCK_NEWER : FSCK_INDEX, path, 0, errno == ENOTSUP ?
			"written by a newer version" : "the directory is damaged, and the mailbox closed");
		return;
	}
	good = head_good(f, m, path);
	if (good != 1)
		fsck_report(f, good < 0 ? FSCK_NEWER : FSCK_INDEX, path, 0, good < 0 ?
			"written by a newer version" : "the header is damaged");
	if (index_expunged(m, 0, each_tomb, NULL, &floor) || floor == UINT64_MAX)
		fsck_report(f, FSCK_INDEX, path, 0, "what it remembers of expunged messages is damaged");
}
