/* SPDX-License-Identifier: 0BSD */
/* Index files in checkpoints. */
#include "core/store/checkpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/lib/log.h"
#include "core/store/io.h"

/* ---- on the loop ---- */

static int encode_mailbox(void *arg, struct hash_node *n)
{
	struct mailbox *m = hash_owner(n, struct mailbox, by_id);
	struct checkpoint_job *job = arg;
	struct checkpoint_index_file f = {.mailbox = m->id, .replaced = m->index};
	struct index_head h = {m->id, m->lsn, m->history_floor, m->list.n, m->history.n};

	if (!m->dirty)
		return 0;
	if (buf_reserve(&f.bytes, INDEX_HEADER_SIZE + (m->list.n + m->history.n) * MESSAGE_SIZE))
		index_head_write(&f.bytes, &job->s->key, &h);
	for (size_t i = 0; i < m->list.n; i++)
		message_encode(&f.bytes, &m->list.v[i], &job->s->key);
	for (size_t i = 0; i < m->history.n; i++)
		message_encode(&f.bytes, &m->history.v[i], &job->s->key);
	if (f.bytes.failed || vec_push(&job->index.files, f)) {
		buf_free(&f.bytes);
		return -1;
	}
	m->dirty = false;
	m->index = job->head.files;
	return 0;
}

static int freeze_index(struct checkpoint_job *job)
{
	struct store *s = job->s;

	job->index.garbage.v = s->garbage.v;
	job->index.garbage.n = s->garbage.n;
	job->index.garbage.cap = s->garbage.cap;
	memset(&s->garbage, 0, sizeof(s->garbage));
	return hash_each(&s->mailboxes, encode_mailbox, job) ? -1 : 0;
}

/* Mailboxes whose index file did not come to be are dirty again. */
static int dirty_again(void *arg, struct hash_node *n)
{
	struct mailbox *m = hash_owner(n, struct mailbox, by_id);
	const struct checkpoint_job *job = arg;

	if (m->index == job->head.files)
		m->dirty = true;
	return 0;
}

static void finish_index(struct checkpoint_job *job, bool good)
{
	if (!good)
		hash_each(&job->s->mailboxes, dirty_again, job);
	for (size_t i = 0; i < job->index.files.n; i++)
		buf_free(&job->index.files.v[i].bytes);
	free(job->index.files.v);
	free(job->index.garbage.v);
}

/* ---- in the thread ---- */

static int write_index(struct checkpoint_job *job)
{
	char name[CHECKPOINT_NAME_MAX];
	int dir = checkpoint_open_dir(job->s, "idx"), answer = 0;

	if (dir < 0)
		return -1;
	for (size_t i = 0; i < job->index.files.n && !answer; i++) {
		index_name(name, job->index.files.v[i].mailbox, job->head.files);
		answer = checkpoint_write_file(dir, name, &job->index.files.v[i].bytes);
		buf_free(&job->index.files.v[i].bytes);
	}
	if (!answer)
		answer = io_fsync(dir);
	close(dir);
	return answer;
}

/* Nothing names these any more; a name that stays behind is removed at the next start. */
static void clean_index(struct checkpoint_job *job)
{
	const struct checkpoint_index *x = &job->index;
	char name[CHECKPOINT_NAME_MAX];
	int dir = checkpoint_open_dir(job->s, "idx");

	if (dir < 0)
		return;
	for (size_t i = 0; i < x->files.n; i++) {
		if (!x->files.v[i].replaced)
			continue;
		index_name(name, x->files.v[i].mailbox, x->files.v[i].replaced);
		io_unlink(dir, name);
	}
	for (size_t i = 0; i < x->garbage.n; i++)
		io_unlink(dir, x->garbage.v[i]);
	close(dir);
}

/* ---- at start ---- */

struct load {
	struct store *s;
	struct buf *error;
	struct buf bytes;
};

static int load_messages(struct load *l, struct mailbox *m, struct cursor *c, const struct index_head *h)
{
	struct store *s = l->s;
	struct message msg;
	uint64_t left;

	s->images.n = 0;
	for (left = h->live + h->dead; left; left--) {
		if (!message_decode(c, &s->key, &msg)) {
			s->damaged++; /* one record costs one message */
			log_error("damaged index record", "mailbox", log_num((int64_t)m->id), NULL);
			continue;
		}
		if (left <= h->dead ? vec_push(&m->history, msg) : vec_push(&s->images, msg))
			return -1;
	}
	m->history_floor = h->history_floor;
	return messages_apply(m, s->images.v, s->images.n);
}

static int load_index(void *arg, struct hash_node *n)
{
	struct mailbox *m = hash_owner(n, struct mailbox, by_id);
	char name[CHECKPOINT_NAME_MAX];
	uint64_t lsn = m->lsn, modseq = m->highestmodseq;
	struct load *l = arg;
	struct index_head h;
	struct cursor c;

	if (!m->index)
		return 0;
	index_name(name, m->id, m->index);
	buf_clear(&l->bytes);
	if (checkpoint_read(l->s, "idx", name, &l->bytes))
		return checkpoint_refuse(l->error, "idx/", name, strerror(errno));
	c = cursor_from(buf_str(&l->bytes));
	if (index_head_read(&c, &l->s->key, &h) != 1 || h.mailbox != m->id ||
		h.live + h.dead != cursor_left(&c) / MESSAGE_SIZE || load_messages(l, m, &c, &h))
		return checkpoint_refuse(l->error, "idx/", name, "damaged; restore it from a backup");
	m->lsn = lsn;
	m->highestmodseq = modseq;
	m->dirty = false;
	return 0;
}

static int load_indexes(struct store *s, const struct checkpoint_head *h, struct buf *error)
{
	struct load l = {.s = s, .error = error};
	int answer;

	(void)h;
	s->loading = true; /* the blob map has their references */
	answer = hash_each(&s->mailboxes, load_index, &l) ? -1 : 0;
	s->loading = false;
	buf_free(&l.bytes);
	return answer;
}

static bool index_names(const struct store *s, const struct checkpoint_head *h, const char *dir,
	const char *file)
{
	struct mailbox *m = strcmp(dir, "idx") ? NULL : mailbox_by_id(s, strtoull(file, NULL, 16));
	char name[CHECKPOINT_NAME_MAX];

	(void)h;
	if (!m || !m->index)
		return false;
	index_name(name, m->id, m->index);
	return !strcmp(file, name);
}

const struct checkpoint_part checkpoint_index = {
	.freeze = freeze_index,
	.write = write_index,
	.clean = clean_index,
	.finish = finish_index,
	.load = load_indexes,
	.names = index_names,
};
