/* SPDX-License-Identifier: 0BSD */
/* Reading a checkpoint at start, and removing files that none names. */
#include <cdb.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lib/crc32c.h"
#include "core/lib/file.h"
#include "core/lib/log.h"
#include "core/store/checkpoint.h"
#include "core/store/io.h"

#define FILE_MAX ((size_t)8 << 30)

static int refuse(struct buf *error, const char *dir, const char *name, const char *why)
{
	buf_addv(error, dir, name, ": ", why, NULL);
	return -1;
}

static int read_in(struct store *s, const char *dir, const char *name, struct buf *out)
{
	int fd = openat(s->dirfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), answer;

	if (fd < 0)
		return -1;
	answer = file_read(fd, name, FILE_MAX, out);
	close(fd);
	return answer;
}

/* ---- the table ---- */

static int load_account(struct store *s, struct cursor *value)
{
	uint64_t modseq = cursor_u64(value);
	struct record_account r;
	struct account *a;

	if (record_read_account(cursor_take(value, cursor_left(value)), &r))
		return -1;
	a = account_add(s, &r);
	if (a)
		a->modseq = modseq;
	return a ? 0 : -1;
}

static int load_boxes(struct store *s, struct cursor *value)
{
	struct record_mailbox r;
	struct mailbox *m;

	while (!cursor_done(value)) {
		if (record_read_mailbox(cursor_str(value, UINT32_MAX), &r))
			return -1;
		m = mailbox_apply(s, &r, r.lsn);
		if (!m)
			return -1;
		m->index = r.index;
		m->dirty = false;
	}
	return 0;
}

static int load_kv(struct store *s, struct cursor *key, struct cursor *value)
{
	uint64_t lsn = cursor_u64(value);
	struct record_kv r = {.space = cursor_u16(key)};

	r.key = cursor_take(key, cursor_left(key));
	r.value = cursor_take(value, cursor_left(value));
	return value->failed || r.key.len > KV_KEY_MAX ? -1 : kv_apply(s, &r, lsn);
}

/* Accounts come first in the file, but nothing should depend on it: two passes. */
static int load_entry(struct store *s, int pass, struct str key_text, struct str text)
{
	struct cursor key = cursor_from(key_text), value = cursor_from(text);
	int type = cursor_get(&key);

	if (type == TABLE_ACCOUNT)
		return pass ? 0 : load_account(s, &value);
	if (!pass)
		return 0;
	if (type == TABLE_MAILBOXES)
		return load_boxes(s, &value);
	return type == TABLE_KV ? load_kv(s, &key, &value) : 0;
}

static int walk_table(struct store *s, struct cdb *c, int pass)
{
	struct str key, value;
	unsigned at;
	int more;

	cdb_seqinit(&at, c);
	while ((more = cdb_seqnext(&at, c)) > 0) {
		key = (struct str){cdb_getkey(c), cdb_keylen(c)};
		value = (struct str){cdb_getdata(c), cdb_datalen(c)};
		errno = EPROTO;
		if (!key.p || !value.p || load_entry(s, pass, key, value))
			return -1;
	}
	return more;
}

static int table_good(struct store *s, int fd, const struct checkpoint_head *h)
{
	uint32_t crc = s->key.seed;
	char piece[16384];
	uint64_t at = 0;
	ssize_t n;

	for (; (n = pread(fd, piece, sizeof(piece), (off_t)at)) > 0; at += (uint64_t)n)
		crc = crc32c(crc, piece, (size_t)n);
	return !n && at == h->table_size && crc == h->table_crc;
}

static int load_table(struct store *s, const struct checkpoint_head *h, struct buf *error)
{
	char name[CHECKPOINT_NAME_MAX];
	int dir = openat(s->dirfd, "kv", O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1, answer = -1;
	struct cdb c;

	table_name(name, h->files, ".cdb");
	if (dir >= 0)
		fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		refuse(error, "kv/", name, strerror(errno));
		goto close_dir;
	}
	errno = EPROTO;
	if (!table_good(s, fd, h) || cdb_init(&c, fd)) {
		refuse(error, "kv/", name, "damaged; restore it from a backup");
		goto close_fd;
	}
	answer = walk_table(s, &c, 0) || walk_table(s, &c, 1) ? -1 : 0;
	if (answer)
		refuse(error, "kv/", name, strerror(errno));
	cdb_free(&c);
close_fd:
	close(fd);
close_dir:
	if (dir >= 0)
		close(dir);
	return answer;
}

/* ---- the blob map ---- */

static int load_entries(struct store *s, struct cursor *c, uint64_t count)
{
	struct map_entry e;
	struct segment *g;
	struct blob *b;

	while (count--) {
		if (!map_entry_read(c, &s->key, &e)) {
			errno = EPROTO;
			return -1;
		}
		g = segment_find(s, e.segment);
		if (!g) {
			log_error("log segment missing", "first", log_num((int64_t)e.segment), "blob",
				log_num((int64_t)e.id), NULL);
			s->damaged++;
			continue;
		}
		b = blob_add(s, e.id, &e.blob);
		if (!b)
			return -1;
		blob_place(b, g, e.offset);
	}
	return 0;
}

static int load_map(struct store *s, const struct checkpoint_head *h, struct buf *error)
{
	char name[CHECKPOINT_NAME_MAX];
	struct buf b = {0};
	struct cursor c;
	uint64_t lsn, count;
	int answer = -1;

	table_name(name, h->files, ".map");
	if (read_in(s, "kv", name, &b)) {
		refuse(error, "kv/", name, strerror(errno));
		goto free_buf;
	}
	c = cursor_from(buf_str(&b));
	if (b.len != h->map_size || crc32c(s->key.seed, c.p, b.len) != h->map_crc ||
		map_head_read(&c, &s->key, &lsn, &count) != 1 || load_entries(s, &c, count)) {
		refuse(error, "kv/", name, "damaged; restore it from a backup");
		goto free_buf;
	}
	answer = 0;
free_buf:
	buf_free(&b);
	return answer;
}

/* ---- index files ---- */

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
	if (read_in(l->s, "idx", name, &l->bytes))
		return refuse(l->error, "idx/", name, strerror(errno));
	c = cursor_from(buf_str(&l->bytes));
	if (index_head_read(&c, &l->s->key, &h) != 1 || h.mailbox != m->id ||
		h.live + h.dead != cursor_left(&c) / MESSAGE_SIZE || load_messages(l, m, &c, &h))
		return refuse(l->error, "idx/", name, "damaged; restore it from a backup");
	m->lsn = lsn;
	m->highestmodseq = modseq;
	m->dirty = false;
	return 0;
}

/* ---- all of it ---- */

static void remove_unnamed(struct store *s, const char *dir, const struct checkpoint_head *h)
{
	int fd = openat(s->dirfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	char name[CHECKPOINT_NAME_MAX];
	struct mailbox *m;
	struct dirent *e;
	bool named;

	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		table_name(name, h->files, ".cdb");
		named = h->files && !strcmp(e->d_name, name);
		table_name(name, h->files, ".map");
		named |= h->files && !strcmp(e->d_name, name);
		m = mailbox_by_id(s, strtoull(e->d_name, NULL, 16));
		if (m && m->index) {
			index_name(name, m->id, m->index);
			named |= !strcmp(e->d_name, name);
		}
		if (!named)
			io_unlink(dirfd(d), e->d_name);
	}
	if (d)
		closedir(d);
}

static int load_files(struct store *s, const struct checkpoint_head *h, struct buf *error)
{
	struct load l = {.s = s, .error = error};
	int answer = load_table(s, h, error) || load_map(s, h, error) ||
		hash_each(&s->mailboxes, load_index, &l) ? -1 : 0;

	buf_free(&l.bytes);
	s->checkpoint_lsn = h->lsn;
	s->checkpoint_files = h->files;
	s->checkpoint_time = h->time;
	s->epoch = h->epoch;
	if (s->uidvalidity_last < h->uidvalidity_last)
		s->uidvalidity_last = h->uidvalidity_last;
	return answer;
}

int checkpoint_load(struct store *s, struct buf *error)
{
	struct checkpoint_head h = {0};
	struct buf b = {0};
	int answer;

	for (size_t i = 0; i < s->segments.n; i++)
		s->segments.v[i]->blobs = s->segments.v[i]->live = 0;
	if (file_read(s->dirfd, "checkpoint", 4096, &b)) {
		if (errno != ENOENT)
			return refuse(error, "", "checkpoint", strerror(errno));
		remove_unnamed(s, "idx", &h);
		remove_unnamed(s, "kv", &h);
		return 0;
	}
	answer = checkpoint_head_read(buf_str(&b), &s->key, &h);
	buf_free(&b);
	if (answer <= 0)
		return refuse(error, "", "checkpoint", answer ?
			"written by a newer version of this program; not touched" :
			"damaged; restore it from a backup");
	if (load_files(s, &h, error))
		return -1;
	remove_unnamed(s, "idx", &h);
	remove_unnamed(s, "kv", &h);
	return 0;
}
