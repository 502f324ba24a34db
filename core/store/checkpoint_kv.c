/* SPDX-License-Identifier: 0BSD */
/* Accounts, mailboxes and keys in checkpoints: a table in a TinyCDB. */
#include <cdb.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/lib/crc32c.h"
#include "core/store/checkpoint.h"
#include "core/store/io.h"

/* ---- on the loop ---- */

static void table_add(struct checkpoint_job *job, const struct buf *key, const struct buf *value)
{
	buf_putstr(&job->kv.table, buf_str(key));
	buf_putstr(&job->kv.table, buf_str(value));
	if (key->failed || value->failed)
		job->kv.table.failed = true;
}

static void encode_boxes(struct checkpoint_job *job, const struct account *a, struct buf *value)
{
	struct record_mailbox r;
	struct buf one = {0};

	for (size_t i = 0; i < a->boxes.n; i++) {
		mailbox_image(a->boxes.v[i], &r);
		record_add_mailbox(&one, &r);
		buf_putstr(value, buf_str(&one));
		if (one.failed)
			job->kv.table.failed = true;
		buf_clear(&one);
	}
	buf_free(&one);
}

static int encode_account(void *arg, struct hash_node *n)
{
	const struct account *a = hash_owner(n, struct account, by_id);
	struct record_account r = {a->id, account_name(a)};
	struct checkpoint_job *job = arg;
	struct buf key = {0}, value = {0};

	buf_put8(&key, TABLE_ACCOUNT);
	buf_put64(&key, a->id);
	buf_put64(&value, a->modseq);
	record_add_account(&value, &r);
	table_add(job, &key, &value);
	buf_clear(&key);
	buf_clear(&value);
	buf_put8(&key, TABLE_MAILBOXES);
	buf_put64(&key, a->id);
	encode_boxes(job, a, &value);
	table_add(job, &key, &value);
	buf_free(&key);
	buf_free(&value);
	return job->kv.table.failed;
}

static int encode_kv(void *arg, struct hash_node *n)
{
	const struct kv *kv = hash_owner(n, struct kv, node);
	struct buf *t = &((struct checkpoint_job *)arg)->kv.table;

	buf_put32(t, 3u + kv->key_len);
	buf_put8(t, TABLE_KV);
	buf_put16(t, kv->space);
	buf_add(t, kv->bytes, kv->key_len);
	buf_put32(t, 8 + kv->value_len);
	buf_put64(t, kv->lsn);
	buf_add(t, kv->bytes + kv->key_len, kv->value_len);
	return t->failed;
}

static int freeze_kv(struct checkpoint_job *job)
{
	return hash_each(&job->s->accounts_by_id, encode_account, job) ||
		hash_each(&job->s->kvs, encode_kv, job) ? -1 : 0;
}

static void finish_kv(struct checkpoint_job *job, bool good)
{
	(void)good;
	buf_free(&job->kv.table);
}

/* ---- in the thread ---- */

static int fill_table(struct checkpoint_job *job, int fd)
{
	struct cursor c = cursor_from(buf_str(&job->kv.table));
	struct str key, value;
	struct cdb_make make;

	if (cdb_make_start(&make, fd))
		return -1;
	while (!cursor_done(&c)) {
		key = cursor_str(&c, UINT32_MAX);
		value = cursor_str(&c, UINT32_MAX);
		if (cdb_make_add(&make, key.p, (unsigned)key.len, value.p, (unsigned)value.len)) {
			cdb_make_finish(&make);
			return -1;
		}
	}
	return cdb_make_finish(&make);
}

/* TinyCDB has no checksum of its own. */
static int file_crc(int fd, uint32_t seed, uint64_t *size_r, uint32_t *crc_r)
{
	char piece[16384];
	ssize_t n;

	*crc_r = seed;
	for (*size_r = 0; (n = pread(fd, piece, sizeof(piece), (off_t)*size_r)) > 0; *size_r += (uint64_t)n)
		*crc_r = crc32c(*crc_r, piece, (size_t)n);
	return (int)n;
}

static int make_table(struct checkpoint_job *job, int dir)
{
	char name[CHECKPOINT_NAME_MAX];
	int fd, answer;

	table_name(name, job->head.files, ".cdb");
	if (job->kv.table.len > TABLE_BYTES_MAX) {
		errno = EFBIG;
		return -1;
	}
	fd = io_open(dir, name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		return -1;
	answer = fill_table(job, fd) || io_fsync(fd) ||
		file_crc(fd, job->s->key.seed, &job->head.table_size, &job->head.table_crc) ? -1 : 0;
	close(fd);
	return answer;
}

static int write_kv(struct checkpoint_job *job)
{
	int dir = checkpoint_open_dir(job->s, "kv"), answer;

	if (dir < 0)
		return -1;
	answer = make_table(job, dir) || io_fsync(dir) ? -1 : 0;
	close(dir);
	return answer;
}

static void clean_kv(struct checkpoint_job *job)
{
	char name[CHECKPOINT_NAME_MAX];
	int dir = job->old ? checkpoint_open_dir(job->s, "kv") : -1;

	if (dir < 0)
		return;
	table_name(name, job->old, ".cdb");
	io_unlink(dir, name);
	close(dir);
}

/* ---- at start ---- */

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
	int dir = checkpoint_open_dir(s, "kv"), fd = -1, answer = -1;
	struct cdb c;

	table_name(name, h->files, ".cdb");
	if (dir >= 0)
		fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		checkpoint_refuse(error, "kv/", name, strerror(errno));
		goto close_dir;
	}
	errno = EPROTO;
	if (!table_good(s, fd, h) || cdb_init(&c, fd)) {
		checkpoint_refuse(error, "kv/", name, "damaged; restore it from a backup");
		goto close_fd;
	}
	answer = walk_table(s, &c, 0) || walk_table(s, &c, 1) ? -1 : 0;
	if (answer)
		checkpoint_refuse(error, "kv/", name, strerror(errno));
	cdb_free(&c);
close_fd:
	close(fd);
close_dir:
	if (dir >= 0)
		close(dir);
	return answer;
}

static bool kv_names(const struct store *s, const struct checkpoint_head *h, const char *dir,
	const char *file)
{
	char name[CHECKPOINT_NAME_MAX];

	(void)s;
	table_name(name, h->files, ".cdb");
	return h->files && !strcmp(dir, "kv") && !strcmp(file, name);
}

const struct checkpoint_part checkpoint_kv = {
	.freeze = freeze_kv,
	.write = write_kv,
	.clean = clean_kv,
	.finish = finish_kv,
	.load = load_table,
	.names = kv_names,
};
