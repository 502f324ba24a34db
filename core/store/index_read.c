/* SPDX-License-Identifier: 0BSD */
/* Index files as they are read: directory, blocks under their layers, tombstones. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/lib/crc32c.h"
#include "core/lib/log.h"
#include "core/store/checkpoint.h"
#include "core/store/index_private.h"

#define DIRECTORY_MAX ((uint64_t)1 << 26) /* blocks: 4096 million messages */

/* Whole or not at all. */
static int read_at(int fd, void *p, size_t n, uint64_t at)
{
	ssize_t got;

	for (char *to = p; n; to += got, at += (uint64_t)got, n -= (size_t)got) {
		got = pread(fd, to, n, (off_t)at);
		if (got < 0 && errno == EINTR) {
			got = 0;
		} else if (got <= 0) {
			errno = got ? errno : EBADMSG;
			return -1;
		}
	}
	return 0;
}

static void complain(const struct mailbox *m, uint32_t number, const char *why)
{
	char name[CHECKPOINT_NAME_MAX];
	struct buf path = {0};

	index_name(name, m->id, number);
	buf_addv(&path, "idx/", name, NULL);
	log_error("index unreadable", "file", log_str(buf_str(&path)), "error", why, "remedy",
		"satchel fsck --repair", NULL);
	buf_free(&path);
}

/* ---- descriptors: a few stay open ---- */

void index_forget_fd(struct index_shared *sh, uint64_t mailbox)
{
	for (size_t i = 0; i < INDEX_FDS; i++) {
		if (!sh->fds[i].mailbox || (mailbox && sh->fds[i].mailbox != mailbox))
			continue;
		close(sh->fds[i].fd);
		sh->fds[i].mailbox = 0;
	}
}

static int index_fd(struct store *s, const struct mailbox *m, uint32_t number)
{
	struct index_fd *f = s->index.fds, *old = f;
	char path[CHECKPOINT_NAME_MAX + 4] = "idx/";
	int fd;

	for (; f < s->index.fds + INDEX_FDS; f++) {
		if (f->mailbox == m->id && f->number == number) {
			f->used = ++s->index.clock;
			return f->fd;
		}
		if (old->mailbox && (!f->mailbox || f->used < old->used))
			old = f;
	}
	index_name(path + 4, m->id, number);
	fd = openat(s->dirfd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (old->mailbox)
		close(old->fd);
	*old = (struct index_fd){m->id, ++s->index.clock, number, fd};
	return fd;
}

/* ---- the directory ---- */

static int take_head(struct index *ix, const struct index_head *h)
{
	ix->floor = h->floor;
	ix->end = h->end;
	ix->runs = h->runs;
	memcpy(ix->run, h->run, sizeof(ix->run));
	if (!h->blocks)
		return 0;
	return vec_grow(&ix->blocks.v, &ix->blocks.cap, h->blocks, sizeof(*ix->blocks.v));
}

static int read_blocks(struct index *ix, const struct format_key *k, int fd, uint64_t at,
	const struct index_head *h)
{
	size_t size = (size_t)h->blocks * INDEX_ENTRY_SIZE;
	char *p = malloc(size ? size : 1);
	struct cursor c = cursor_from((struct str){p, size});
	struct index_block b;
	int answer = -1;

	if (!p || read_at(fd, p, size, at + INDEX_HEAD_SIZE))
		goto free_bytes;
	errno = EBADMSG;
	if (crc32c(k->seed, p, size) != h->crc)
		goto free_bytes;
	while (ix->blocks.n < h->blocks) {
		index_block_read(&c, &b);
		if (!b.stored || (uint64_t)b.place + b.stored > h->end ||
			(ix->blocks.n && ix->blocks.v[ix->blocks.n - 1].first >= b.first))
			goto free_bytes;
		ix->blocks.v[ix->blocks.n++] = b;
	}
	answer = index_count_again(ix);
	errno = answer ? ENOMEM : EBADMSG;
	if (!answer && ix->live != h->live)
		answer = -1;
free_bytes:
	free(p);
	return answer;
}

static int read_directory(struct mailbox *m, struct index *ix)
{
	struct store *s = m->account->store;
	uint64_t at = index_name_unit(m->index) * INDEX_UNIT;
	int fd = index_fd(s, m, ix->number), answer;
	char head[INDEX_HEAD_SIZE];
	struct index_head h;
	struct cursor c = cursor_from((struct str){head, sizeof(head)});

	if (fd < 0 || read_at(fd, head, sizeof(head), at))
		return -1;
	answer = index_head_read(&c, &s->key, &h);
	errno = answer < 0 ? ENOTSUP : EBADMSG;
	if (answer != 1 || h.mailbox != m->id || h.blocks > DIRECTORY_MAX)
		return -1;
	return take_head(ix, &h) || read_blocks(ix, &s->key, fd, at, &h) ? -1 : 0;
}

static void index_used(struct index_shared *sh, struct index *ix)
{
	ring_remove(&ix->ring);
	ring_add(&sh->ring, &ix->ring);
}

int index_open(struct mailbox *m)
{
	struct index *ix;
	int error;

	if (m->ix) {
		if (m->ix->idle)
			index_used(&m->account->store->index, m->ix);
		return 0;
	}
	if (m->index_bad) {
		errno = EBADMSG;
		return -1;
	}
	ix = calloc(1, sizeof(*ix));
	if (!ix)
		return -1;
	ix->mailbox = m;
	ix->blocks.v = malloc(sizeof(*ix->blocks.v)); /* most need no more */
	ix->blocks.cap = ix->blocks.v ? 1 : 0;
	ix->number = ix->last_number = index_name_number(m->index);
	ix->top = m->uidnext ? m->uidnext - 1 : 0;
	if (!m->index || !read_directory(m, ix)) {
		m->ix = ix;
		index_place(ix);
		if (index_take_kept(m) >= 0)
			return 0;
		m->ix = NULL;
	}
	error = errno;
	complain(m, ix->number, error == EBADMSG ? "damaged" :
		error == ENOTSUP ? "written by a newer version of this program; not touched" : strerror(error));
	if (error == EBADMSG || error == ENOENT || error == ENOTSUP) {
		m->index_bad = true;
		m->account->store->damaged++;
	}
	index_release(&m->account->store->index, &ix);
	errno = error;
	return -1;
}

/* ---- blocks ---- */

size_t index_merge_room(const struct index_block *b, const struct index_layer *lower,
	const struct index_layer *upper)
{
	return (size_t)b->stored + (lower ? lower->n : 0) + (upper ? upper->n : 0);
}

/* Puts a layer over v[0..n), which has room behind it: moved there, then merged forward. */
static size_t put_over(struct message *v, size_t n, const struct index_layer *l)
{
	size_t from, to = 0, end, i = 0;

	if (!l)
		return n;
	/* Only from the first UID of the layer on does anything change. */
	while (to < n && l->n && v[to].uid < l->v[0].msg.uid)
		to++;
	from = to + l->n;
	end = n + l->n;
	memmove(v + from, v + to, (n - to) * sizeof(*v));
	while (i < l->n || from < end) {
		if (i == l->n || (from < end && v[from].uid < l->v[i].msg.uid)) {
			v[to++] = v[from++];
			continue;
		}
		if (from < end && v[from].uid == l->v[i].msg.uid)
			from++;
		if (!(l->v[i].msg.flags & MESSAGE_EXPUNGED))
			v[to++] = l->v[i].msg;
		i++;
	}
	return to;
}

/* One damaged record costs one message, and no other its number: it keeps its place under the UID
 * it most likely had, and reading it says that it is damaged. */
static void stand_in(struct message *msg, uint32_t uid, uint32_t limit)
{
	*msg = (struct message){.uid = uid < limit ? uid : limit, .flags = MESSAGE_SEEN, .modseq = 1};
}

static int decode(const struct format_key *k, const struct index_block *b, const char *p,
	struct message *v, unsigned *damaged_r)
{
	struct cursor c = cursor_from((struct str){p, (size_t)b->stored * MESSAGE_SIZE});
	uint32_t last = b->first - 1;

	for (size_t i = 0; i < b->stored; i++) {
		if (!message_decode(&c, k, &v[i]) || v[i].uid <= last ||
			v[i].flags & MESSAGE_EXPUNGED) {
			stand_in(&v[i], last + 1, UINT32_MAX - 1);
			++*damaged_r;
		} else if (!v[i].blob) {
			++*damaged_r; /* such a stand-in, which a checkpoint has written */
		}
		last = v[i].uid;
	}
	return 0;
}

int index_merge(int fd, const struct format_key *k, const struct index_block *b,
	const struct index_layer *lower, const struct index_layer *upper, struct message *v_r,
	unsigned *damaged_r)
{
	char small[INDEX_BLOCK * MESSAGE_SIZE], *p = small;
	size_t size = (size_t)b->stored * MESSAGE_SIZE, n = b->stored;
	int answer = 0;

	*damaged_r = 0;
	if (size > sizeof(small))
		p = malloc(size);
	if (!p)
		return -1;
	if (size)
		answer = read_at(fd, p, size, (uint64_t)b->place * INDEX_UNIT) ? -1 :
			decode(k, b, p, v_r, damaged_r);
	if (p != small)
		free(p);
	if (answer)
		return -1;
	n = put_over(v_r, n, lower);
	return (int)put_over(v_r, n, upper);
}

void index_forget_cache(struct index_shared *sh, const struct index *ix)
{
	for (size_t i = 0; i < INDEX_CACHE; i++)
		if (sh->cache[i].ix == ix)
			sh->cache[i].ix = NULL;
}

static struct index_cached *oldest(struct index_shared *sh)
{
	struct index_cached *c = sh->cache;

	for (size_t i = 1; i < INDEX_CACHE && c->ix; i++)
		if (!sh->cache[i].ix || sh->cache[i].used < c->used)
			c = &sh->cache[i];
	return c;
}

struct index_cached *index_cached(struct store *s, const struct index *ix, size_t block)
{
	struct index_cached *c = s->index.cache;

	for (; c < s->index.cache + INDEX_CACHE; c++) {
		if (c->ix == ix && c->block == block) {
			c->used = ++s->index.clock;
			return c;
		}
	}
	return NULL;
}

struct index_cached *index_load(struct store *s, struct index *ix, size_t block)
{
	const struct index_block *b = &ix->blocks.v[block];
	struct index_cached *c = index_cached(s, ix, block);
	unsigned damaged;
	int fd = -1, n;

	if (c)
		return c;
	c = oldest(&s->index);
	c->ix = NULL;
	if (vec_grow(&c->v, &c->cap, index_merge_room(b, b->frozen, b->over) + 1, sizeof(*c->v)))
		return NULL;
	if (b->stored)
		fd = index_fd(s, ix->mailbox, ix->number);
	if (b->stored && fd < 0) {
		complain(ix->mailbox, ix->number, strerror(errno));
		return NULL;
	}
	n = index_merge(fd, &s->key, b, b->frozen, b->over, c->v, &damaged);
	if (n < 0) {
		complain(ix->mailbox, ix->number, strerror(errno));
		return NULL;
	}
	if (damaged) {
		complain(ix->mailbox, ix->number, "damaged records");
		s->damaged += damaged;
		ix->damaged = true;
	}
	c->n = (size_t)n;
	c->ix = ix;
	c->block = block;
	c->used = ++s->index.clock;
	return c;
}

/* ---- tombstones ---- */

static int read_run(struct store *s, const struct index *ix, const struct index_run *r,
	struct buf *bytes)
{
	size_t size = (size_t)r->n * INDEX_TOMB_SIZE;
	int fd = index_fd(s, ix->mailbox, ix->number);
	char *p = fd < 0 ? NULL : buf_reserve(bytes, size);

	if (!p || read_at(fd, p, size, r->at))
		return -1;
	buf_commit(bytes, size);
	return 0;
}

/* Forgets the oldest of those in the file. */
int index_drop_tombs(struct store *s, struct index *ix, uint32_t n)
{
	struct index_run last;
	struct index_tomb t;
	struct buf b = {0};
	struct cursor c;

	while (n && ix->runs) {
		struct index_run *r = ix->run;
		uint32_t some = n < r->n ? n : r->n;

		last = (struct index_run){r->at + (uint64_t)(some - 1) * INDEX_TOMB_SIZE, 1};
		buf_clear(&b);
		if (read_run(s, ix, &last, &b)) {
			buf_free(&b);
			return -1;
		}
		c = cursor_from(buf_str(&b));
		/* A damaged one does not say how far: then as far as any can have gone. */
		ix->floor = index_tomb_read(&c, &s->key, &t) ? t.modseq : ix->mailbox->highestmodseq;
		r->at += (uint64_t)some * INDEX_TOMB_SIZE;
		r->n -= some;
		n -= some;
		if (!r->n)
			memmove(r, r + 1, --ix->runs * sizeof(*r));
	}
	buf_free(&b);
	return 0;
}

int index_expunged(const struct mailbox *m, uint64_t modseq,
	void (*each)(void *arg, uint32_t uid, uint64_t modseq), void *arg, uint64_t *floor_r)
{
	const struct index *ix = index_of(m);
	struct index_tomb t;
	struct buf b = {0};
	struct cursor c;

	if (!ix)
		return -1;
	*floor_r = ix->floor;
	for (unsigned i = 0; i < ix->runs; i++) {
		buf_clear(&b);
		if (read_run(m->account->store, ix, &ix->run[i], &b)) {
			buf_free(&b);
			return -1;
		}
		c = cursor_from(buf_str(&b));
		while (!cursor_done(&c)) {
			if (!index_tomb_read(&c, &m->account->store->key, &t)) {
				complain(m, ix->number, "damaged tombstone");
				*floor_r = UINT64_MAX; /* nobody knows what is missing */
			} else if (t.modseq > modseq) {
				each(arg, t.uid, t.modseq);
			}
		}
	}
	buf_free(&b);
	for (size_t i = 0; i < ix->tombs.n; i++)
		if (ix->tombs.v[i].modseq > modseq)
			each(arg, ix->tombs.v[i].uid, ix->tombs.v[i].modseq);
	return 0;
}
