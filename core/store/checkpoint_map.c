/* SPDX-License-Identifier: 0BSD */
/* The blob map in checkpoints. */
#include "core/store/checkpoint.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/lib/crc32c.h"
#include "core/lib/log.h"
#include "core/store/io.h"

/* ---- on the loop ---- */

static int encode_blob(void *arg, struct hash_node *n)
{
	struct checkpoint_job *job = arg;
	const struct blob *b = hash_owner(n, struct blob, node);
	struct map_entry e = {
		.id = n->hash,
		.offset = b->offset,
		.blob = {b->kind, b->summary_len, b->summary_crc, b->body_len, b->body_crc, 0},
	};

	/* What is not on the disk yet has a record above the checkpoint. */
	if (!b->segment)
		return 0;
	e.segment = b->segment->first;
	map_entry_write(&job->map.bytes, &job->s->key, &e);
	return job->map.bytes.failed;
}

/* The head is written with the count when the entries are there. */
static int freeze_map(struct checkpoint_job *job)
{
	struct store *s = job->s;
	struct buf head = {0};
	uint64_t count;

	if (!buf_reserve(&job->map.bytes, MAP_HEADER_SIZE + s->blobs.n * MAP_ENTRY_SIZE))
		return -1;
	map_head_write(&job->map.bytes, &s->key, job->head.files, 0);
	if (hash_each(&s->blobs, encode_blob, job))
		return -1;
	count = (job->map.bytes.len - MAP_HEADER_SIZE) / MAP_ENTRY_SIZE;
	map_head_write(&head, &s->key, job->head.files, count);
	if (!head.failed)
		memcpy(job->map.bytes.data + job->map.bytes.off, head.data + head.off, MAP_HEADER_SIZE);
	buf_free(&head);
	return 0;
}

static void finish_map(struct checkpoint_job *job, bool good)
{
	(void)good;
	buf_free(&job->map.bytes);
}

/* ---- in the thread ---- */

static int write_map(struct checkpoint_job *job)
{
	const struct buf *b = &job->map.bytes;
	char name[CHECKPOINT_NAME_MAX];
	int dir = checkpoint_open_dir(job->s, "kv"), answer;

	if (dir < 0)
		return -1;
	table_name(name, job->head.files, ".map");
	job->head.map_size = b->len;
	job->head.map_crc = crc32c(job->s->key.seed, b->data + b->off, b->len);
	answer = checkpoint_write_file(dir, name, b) || io_fsync(dir) ? -1 : 0;
	close(dir);
	return answer;
}

static void clean_map(struct checkpoint_job *job)
{
	char name[CHECKPOINT_NAME_MAX];
	int dir = job->old ? checkpoint_open_dir(job->s, "kv") : -1;

	if (dir < 0)
		return;
	table_name(name, job->old, ".map");
	io_unlink(dir, name);
	close(dir);
}

/* ---- at start ---- */

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
	if (checkpoint_read(s, "kv", name, &b)) {
		checkpoint_refuse(error, "kv/", name, strerror(errno));
		goto free_buf;
	}
	c = cursor_from(buf_str(&b));
	if (b.len != h->map_size || crc32c(s->key.seed, c.p, b.len) != h->map_crc ||
		map_head_read(&c, &s->key, &lsn, &count) != 1 || load_entries(s, &c, count)) {
		checkpoint_refuse(error, "kv/", name, "damaged; restore it from a backup");
		goto free_buf;
	}
	answer = 0;
free_buf:
	buf_free(&b);
	return answer;
}

static bool map_names(const struct store *s, const struct checkpoint_head *h, const char *dir,
	const char *file)
{
	char name[CHECKPOINT_NAME_MAX];

	(void)s;
	table_name(name, h->files, ".map");
	return h->files && !strcmp(dir, "kv") && !strcmp(file, name);
}

const struct checkpoint_part checkpoint_map = {
	.freeze = freeze_map,
	.write = write_map,
	.clean = clean_map,
	.finish = finish_map,
	.load = load_map,
	.names = map_names,
};
