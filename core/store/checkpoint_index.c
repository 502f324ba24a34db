/* SPDX-License-Identifier: 0BSD */
/*
 * Index files in a checkpoint.  The loop freezes the layers of blocks that changed and lays out
 * where everything will stand; the thread merges and writes; the loop then takes the new places.
 * Changed blocks and a new directory are appended to the file, never written over: the directory
 * that the last checkpoint names stays whole.  When more than half of a file is out of date it is
 * written anew under the next number.
 */
#include "core/store/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/lib/crc32c.h"
#include "core/lib/log.h"
#include "core/store/io.h"

#define FLUSH_BYTES 262144
#define SYNC_GROUP 64 /* files written before they are synced: docs/format.md */
#define SLACK_UNITS 512 /* out of date in a small file: 64 KiB */
#define SLACK_BLOCKS 16

struct index_part {
	uint64_t mailbox;
	uint64_t old_name;      /* of the last checkpoint, 0 = none */
	uint32_t old_number, number;
	bool rewrite;
	uint32_t top;
	uint64_t start, directory; /* units */
	struct index_head head;
	struct index_block *v;  /* as they were; `over` is not the thread's */
	uint32_t *place;        /* of those that changed */
	size_t n;
	struct index_run old_run[INDEX_RUNS]; /* to be written as one */
	unsigned old_runs;
	struct index_tomb *tombs;
	size_t tombs_n;
	struct index_block *fresh; /* cut anew by the thread */
	size_t fresh_n;
};

/* ---- freezing, on the loop ---- */

static uint64_t units(uint64_t bytes)
{
	return format_align(bytes, INDEX_UNIT) / INDEX_UNIT;
}

static bool rewrite_pays(const struct index *ix, const struct mailbox *m)
{
	uint64_t needed = ix->live + units(index_head_bytes(ix->blocks.n));

	return ix->rewrite || !m->index || ix->end > 2 * needed + SLACK_UNITS ||
		ix->blocks.n > 2 * (size_t)(ix->live / INDEX_BLOCK) + SLACK_BLOCKS ||
		ix->end + needed > UINT32_MAX;
}

/* Where what changed will stand: after the end of the file. */
static uint64_t lay_out_changes(struct index_part *p, uint64_t at)
{
	for (size_t i = 0; i < p->n; i++) {
		struct index_block *b = &p->v[i];

		p->head.blocks += !!b->live;
		if (!b->frozen)
			continue;
		p->place[i] = (uint32_t)at;
		at += b->live;
	}
	return at;
}

static uint64_t lay_out_tombs(struct index_part *p, uint64_t at)
{
	struct index_head *h = &p->head;
	uint64_t n = p->tombs_n;

	if (h->runs && (p->rewrite || (n && h->runs == INDEX_RUNS))) {
		memcpy(p->old_run, h->run, sizeof(p->old_run));
		p->old_runs = h->runs;
		for (unsigned i = 0; i < h->runs; i++)
			n += h->run[i].n;
		memset(h->run, 0, sizeof(h->run));
		h->runs = 0;
	}
	if (!n)
		return at;
	h->run[h->runs++] = (struct index_run){at * INDEX_UNIT, (uint32_t)n};
	return at + units(n * INDEX_TOMB_SIZE);
}

static void lay_out(struct index_part *p, const struct index *ix)
{
	uint64_t at;

	if (p->rewrite) {
		p->start = 1;
		at = 1 + ix->live;
		p->head.blocks = (ix->live + INDEX_BLOCK - 1) / INDEX_BLOCK;
	} else {
		p->start = ix->end;
		at = lay_out_changes(p, ix->end);
	}
	p->directory = lay_out_tombs(p, at);
	p->head.end = p->directory + units(index_head_bytes(p->head.blocks));
}

static int copies(struct index_part *p, const struct index *ix)
{
	p->n = ix->blocks.n;
	p->tombs_n = ix->tombs.n;
	p->v = malloc((p->n ? p->n : 1) * sizeof(*p->v));
	p->place = calloc(p->n ? p->n : 1, sizeof(*p->place));
	p->tombs = malloc((p->tombs_n ? p->tombs_n : 1) * sizeof(*p->tombs));
	return p->v && p->place && p->tombs ? 0 : -1;
}

static void part_free(struct index_part *p)
{
	free(p->v);
	free(p->place);
	free(p->tombs);
	free(p->fresh);
}

/* A number that no file of this mailbox has: from the checkpoint's, which is never used twice. */
static uint32_t new_number(const struct checkpoint_job *job, const struct index *ix)
{
	uint32_t n = job->head.files & 0xffffff;

	while (n == ix->number || n == ix->last_number)
		n = (n + 1) & 0xffffff;
	return n;
}

static int freeze_file(struct checkpoint_job *job, struct index *ix)
{
	struct checkpoint_index *parts = &job->index;
	struct mailbox *m = ix->mailbox;
	struct index_part p = {
		.mailbox = m->id,
		.old_name = m->index,
		.old_number = ix->number,
		.number = ix->number,
		.rewrite = rewrite_pays(ix, m),
		.top = ix->top,
		.head = {m->id, m->lsn, ix->floor, ix->bytes, 0, ix->live, ix->unseen, ix->deleted, 0, 0,
			ix->runs, {{0, 0}}},
	};

	if (copies(&p, ix) || vec_grow(&parts->v, &parts->cap, parts->n + 1, sizeof(*parts->v))) {
		part_free(&p);
		return -1;
	}
	for (size_t i = 0; i < p.n; i++) {
		struct index_block *b = &ix->blocks.v[i];

		b->frozen = b->over;
		b->over = NULL;
	}
	if (p.n)
		memcpy(p.v, ix->blocks.v, p.n * sizeof(*p.v));
	if (p.tombs_n)
		memcpy(p.tombs, ix->tombs.v, p.tombs_n * sizeof(*p.tombs));
	memcpy(p.head.run, ix->run, sizeof(ix->run));
	if (p.rewrite)
		p.number = new_number(job, ix);
	lay_out(&p, ix);
	ix->last_number = p.number;
	ix->tombs_frozen = p.tombs_n;
	ix->changed = 0;
	ix->frozen = true;
	index_clean(ix);
	m->index = index_name_make(p.number, p.directory);
	account_dirty(m->account);
	parts->v[parts->n++] = p;
	return 0;
}

static int freeze(struct checkpoint_job *job, struct index *ix)
{
	int kept = index_keep(ix, job->head.files);

	if (kept < 0)
		return -1;
	if (!kept)
		return freeze_file(job, ix);
	/* The layers stay: the key says the same. */
	account_dirty(ix->mailbox->account);
	index_clean(ix);
	return 0;
}

static int freeze_index(struct checkpoint_job *job)
{
	struct store *s = job->s;

	job->index.garbage.v = s->garbage.v;
	job->index.garbage.n = s->garbage.n;
	job->index.garbage.cap = s->garbage.cap;
	memset(&s->garbage, 0, sizeof(s->garbage));
	while (s->index.dirty)
		if (freeze(job, s->index.dirty))
			return -1;
	return 0;
}

/* ---- writing, in the thread ---- */

struct writer {
	const struct format_key *key;
	int fd, old;
	uint64_t at;
	struct buf out;
	struct message *room;
	size_t cap;
	int unsynced[SYNC_GROUP]; /* files that are written */
	size_t n;
};

static int flush(struct writer *w, size_t above)
{
	if (w->out.failed) {
		errno = ENOMEM;
		return -1;
	}
	if (w->out.len <= above)
		return 0;
	if (io_pwrite(w->fd, w->out.data + w->out.off, w->out.len, w->at))
		return -1;
	w->at += w->out.len;
	buf_clear(&w->out);
	return 0;
}

static int merge(struct writer *w, const struct index_block *b)
{
	unsigned damaged;
	int n;

	if (vec_grow(&w->room, &w->cap, index_merge_room(b, b->frozen, NULL) + 1, sizeof(*w->room)))
		return -1;
	n = index_merge(w->old, w->key, b, b->frozen, NULL, w->room, &damaged);
	if (n < 0 || n == b->live)
		return n;
	errno = EBADMSG; /* the file says something else than its directory */
	return -1;
}

static int write_changes(struct writer *w, struct index_part *p)
{
	for (size_t i = 0; i < p->n; i++) {
		struct index_block *b = &p->v[i];
		int n = b->frozen ? merge(w, b) : 0;

		if (n < 0)
			return -1;
		for (int j = 0; j < n; j++)
			message_encode(&w->out, &w->room[j], w->key);
		if (b->frozen) {
			b->place = p->place[i];
			b->stored = (uint16_t)n;
		}
		if (flush(w, FLUSH_BYTES))
			return -1;
	}
	return 0;
}

static void block_take(struct index_part *p, const struct message *msg)
{
	struct index_block *b = p->fresh_n ? &p->fresh[p->fresh_n - 1] : NULL;

	if (!b || b->stored == INDEX_BLOCK) {
		b = &p->fresh[p->fresh_n++];
		*b = (struct index_block){.first = msg->uid,
			.place = (uint32_t)(1 + (p->fresh_n - 1) * INDEX_BLOCK)};
	}
	b->stored++;
	b->slots++;
	b->live++;
	b->unseen += !(msg->flags & MESSAGE_SEEN);
	b->deleted += !!(msg->flags & MESSAGE_DELETED);
	b->bytes += msg->size;
	if (b->modseq < msg->modseq)
		b->modseq = msg->modseq;
}

static int write_all(struct writer *w, struct index_part *p)
{
	int n;

	p->fresh = malloc(((size_t)p->head.blocks + 1) * sizeof(*p->fresh));
	if (!p->fresh)
		return -1;
	for (size_t i = 0; i < p->n; i++) {
		n = merge(w, &p->v[i]);
		if (n < 0)
			return -1;
		for (int j = 0; j < n; j++) {
			message_encode(&w->out, &w->room[j], w->key);
			block_take(p, &w->room[j]);
		}
		if (flush(w, FLUSH_BYTES))
			return -1;
	}
	return 0;
}

static void pad(struct writer *w)
{
	while (!w->out.failed && (w->at + w->out.len) % INDEX_UNIT)
		buf_put8(&w->out, 0);
}

static int copy_run(struct writer *w, const struct index_run *r)
{
	size_t left = (size_t)r->n * INDEX_TOMB_SIZE, some;
	uint64_t at = r->at;
	ssize_t n;
	char *p;

	for (; left; left -= (size_t)n, at += (uint64_t)n) {
		some = left < FLUSH_BYTES ? left : FLUSH_BYTES;
		p = buf_reserve(&w->out, some);
		n = p ? pread(w->old, p, some, (off_t)at) : -1;
		if (n <= 0) {
			errno = p && !n ? EBADMSG : errno;
			return -1;
		}
		buf_commit(&w->out, (size_t)n);
		if (flush(w, FLUSH_BYTES))
			return -1;
	}
	return 0;
}

static int write_tombs(struct writer *w, const struct index_part *p)
{
	for (unsigned i = 0; i < p->old_runs; i++)
		if (copy_run(w, &p->old_run[i]))
			return -1;
	for (size_t i = 0; i < p->tombs_n; i++)
		index_tomb_write(&w->out, w->key, &p->tombs[i]);
	pad(w);
	return flush(w, FLUSH_BYTES);
}

static int write_directory(struct writer *w, struct index_part *p)
{
	const struct index_block *v = p->rewrite ? p->fresh : p->v;
	size_t n = p->rewrite ? p->fresh_n : p->n;
	struct buf entries = {0};

	for (size_t i = 0; i < n; i++)
		if (v[i].live)
			index_block_write(&entries, &v[i]);
	p->head.crc = crc32c(w->key->seed, entries.data ? entries.data + entries.off : "", entries.len);
	index_head_write(&w->out, w->key, &p->head);
	buf_addstr(&w->out, buf_str(&entries));
	if (entries.failed)
		w->out.failed = true;
	buf_free(&entries);
	pad(w);
	if (flush(w, 0))
		return -1;
	if (w->at == p->head.end * INDEX_UNIT)
		return 0;
	errno = EBADMSG;
	return -1;
}

static int write_part(struct writer *w, int dir, struct index_part *p)
{
	char name[CHECKPOINT_NAME_MAX];
	int answer = -1;

	index_name(name, p->mailbox, p->number);
	w->fd = io_open(dir, name, p->rewrite ? O_RDWR | O_CREAT | O_TRUNC : O_RDWR, 0600);
	w->old = w->fd;
	w->at = p->rewrite ? 0 : p->start * INDEX_UNIT;
	if (w->fd < 0)
		return -1;
	if (p->rewrite) {
		index_file_head_write(&w->out, w->key, p->mailbox);
		index_name(name, p->mailbox, p->old_number);
		w->old = p->old_name ? openat(dir, name, O_RDONLY | O_CLOEXEC) : -1;
		if (p->old_name && w->old < 0)
			goto close_file;
	}
	answer = (p->rewrite ? write_all(w, p) : write_changes(w, p)) || write_tombs(w, p) ||
		write_directory(w, p) ? -1 : 0;
	if (p->rewrite && w->old >= 0)
		close(w->old);
close_file:
	if (answer)
		close(w->fd);
	else
		w->unsynced[w->n++] = w->fd;
	return answer;
}

/* good: what was written is to stay. */
static int end_group(struct writer *w, bool good)
{
	int answer = 0;

	for (size_t i = 0; i < w->n; i++) {
		if (good && !answer)
			answer = io_fsync(w->unsynced[i]);
		close(w->unsynced[i]);
	}
	w->n = 0;
	return answer;
}

static int write_index(struct checkpoint_job *job)
{
	struct writer w = {.key = &job->s->key};
	int dir = checkpoint_open_dir(job->s, "idx"), answer = 0;

	if (dir < 0)
		return -1;
	for (size_t i = 0; i < job->index.n && !answer; i++) {
		buf_clear(&w.out);
		answer = write_part(&w, dir, &job->index.v[i]);
		if (!answer && w.n == SYNC_GROUP)
			answer = end_group(&w, true);
	}
	if (end_group(&w, !answer))
		answer = -1;
	if (!answer)
		answer = io_fsync(dir);
	buf_free(&w.out);
	free(w.room);
	close(dir);
	return answer;
}

/* Nothing names these any more; a name that stays behind is swept after the next crash. */
static void clean_index(struct checkpoint_job *job)
{
	int dir = checkpoint_open_dir(job->s, "idx");

	for (size_t i = 0; dir >= 0 && i < job->index.garbage.n; i++)
		io_unlink(dir, job->index.garbage.v[i]);
	if (dir >= 0 && job->sweep)
		checkpoint_sweep(job, dir);
	if (dir >= 0)
		close(dir);
}

static void undo_index(struct checkpoint_job *job)
{
	int dir = checkpoint_open_dir(job->s, "idx");
	char name[CHECKPOINT_NAME_MAX];

	for (size_t i = 0; dir >= 0 && i < job->index.n; i++) {
		if (!job->index.v[i].rewrite)
			continue;
		index_name(name, job->index.v[i].mailbox, job->index.v[i].number);
		io_unlink(dir, name);
	}
	if (dir >= 0)
		close(dir);
}

/* ---- taking the answer, on the loop ---- */

static void garbage(struct store *s, const struct index_part *p, uint32_t number)
{
	/* A file that is not remembered is swept after the next crash. */
	if (!vec_grow(&s->garbage.v, &s->garbage.cap, s->garbage.n + 1, sizeof(*s->garbage.v)))
		index_name(s->garbage.v[s->garbage.n++], p->mailbox, number);
}

/* ix NULL: the mailbox is gone. */
static void free_frozen(struct index *ix, struct index_part *p)
{
	for (size_t i = 0; i < p->n; i++)
		index_layer_free(ix, &p->v[i].frozen);
}

static void drop_empty(struct index *ix)
{
	size_t to = 0;

	for (size_t i = 0; i < ix->blocks.n; i++) {
		struct index_block *b = &ix->blocks.v[i];

		if (b->live || b->stored || b->over)
			ix->blocks.v[to++] = *b;
	}
	if (to == ix->blocks.n)
		return;
	ix->blocks.n = to;
	index_forget_cache(&ix->mailbox->account->store->index, ix);
	if (index_count_again(ix))
		bug("a smaller tree needs no memory");
}

static void take_places(struct index *ix, const struct index_part *p)
{
	for (size_t i = 0; i < p->n; i++) {
		struct index_block *b = &ix->blocks.v[i];

		if (!b->frozen)
			continue;
		b->frozen = NULL;
		b->place = p->v[i].place;
		b->stored = b->slots = p->v[i].stored;
		for (size_t j = 0; b->over && j < b->over->n; j++)
			b->slots += !(b->over->v[j].was & INDEX_EXISTS);
	}
	drop_empty(ix);
}

/* The blocks were cut anew: what changed meanwhile goes over the new ones. */
static void take_blocks(struct store *s, struct mailbox *m, struct index_part *p)
{
	struct index *ix = m->ix;
	struct index_block *old = ix->blocks.v;
	size_t n = ix->blocks.n;
	uint32_t top = ix->top;

	index_forget_cache(&s->index, ix);
	ix->blocks.v = p->fresh;
	ix->blocks.n = p->fresh_n;
	ix->blocks.cap = (size_t)p->head.blocks + 1;
	p->fresh = NULL;
	ix->top = p->top;
	if (index_count_again(ix))
		bug("out of memory while taking a checkpoint");
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; old[i].over && j < old[i].over->n; j++)
			if (index_entry_move(m, &old[i].over->v[j]))
				bug("out of memory while taking a checkpoint");
		index_layer_free(ix, &old[i].over);
	}
	if (ix->top < top)
		ix->top = top;
	free(old);
	if (p->old_name)
		garbage(s, p, p->old_number);
	index_forget_fd(&s->index, m->id);
}

static void take(struct store *s, struct index_part *p)
{
	struct mailbox *m = mailbox_by_id(s, p->mailbox);
	struct index *ix = m ? m->ix : NULL;

	if (!ix) {
		/* Deleted meanwhile; its new file is known as garbage. */
		if (p->rewrite && p->old_name)
			garbage(s, p, p->old_number);
		free_frozen(NULL, p);
		return;
	}
	if (p->rewrite)
		take_blocks(s, m, p);
	else
		take_places(ix, p);
	free_frozen(ix, p);
	ix->number = p->number;
	ix->end = p->head.end;
	ix->rewrite = ix->frozen = false;
	memcpy(ix->run, p->head.run, sizeof(ix->run));
	ix->runs = p->head.runs;
	ix->tombs.n -= ix->tombs_frozen;
	if (ix->tombs.n)
		memmove(ix->tombs.v, ix->tombs.v + ix->tombs_frozen,
			ix->tombs.n * sizeof(*ix->tombs.v));
	ix->tombs_frozen = 0;
	index_place(ix);
}

/* Puts what was frozen back under what changed since. */
static void thaw(struct index *ix, struct index_block *b)
{
	struct index_layer *upper = b->over;

	b->over = b->frozen;
	b->frozen = NULL;
	for (size_t i = 0; upper && i < upper->n; i++)
		if (index_layer_put(ix, &b->over, &upper->v[i]))
			bug("out of memory while giving up a checkpoint");
	index_layer_free(ix, &upper);
}

static void give_up(struct store *s, struct index_part *p)
{
	struct mailbox *m = mailbox_by_id(s, p->mailbox);
	struct index *ix = m ? m->ix : NULL;

	if (!ix) {
		free_frozen(NULL, p);
		if (p->old_name)
			garbage(s, p, p->old_number);
		return;
	}
	for (size_t i = 0; i < p->n; i++)
		if (ix->blocks.v[i].frozen)
			thaw(ix, &ix->blocks.v[i]);
	/* Nobody knows which checkpoint the disk holds now: neither file is written to again. */
	ix->rewrite = true;
	ix->frozen = false;
	ix->tombs_frozen = 0;
	m->index = p->old_name;
	account_dirty(m->account);
	index_dirty(ix);
	index_place(ix);
	if (p->rewrite)
		garbage(s, p, p->number);
}

static void finish_index(struct checkpoint_job *job, bool good)
{
	struct checkpoint_index *x = &job->index;

	for (size_t i = 0; i < x->n; i++) {
		if (good)
			take(job->s, &x->v[i]);
		else
			give_up(job->s, &x->v[i]);
		part_free(&x->v[i]);
	}
	free(x->v);
	free(x->garbage.v);
	memset(x, 0, sizeof(*x));
}

/* ---- at start ---- */

/* Directories are read when a mailbox is first used. */
static int load_indexes(struct store *s, const struct checkpoint_head *h, struct buf *error)
{
	(void)error;
	s->messages = h->messages;
	s->account_count = h->accounts;
	s->mailbox_count = h->mailboxes;
	return 0;
}

const struct checkpoint_part checkpoint_index = {
	.freeze = freeze_index,
	.write = write_index,
	.clean = clean_index,
	.undo = undo_index,
	.finish = finish_index,
	.load = load_indexes,
};
