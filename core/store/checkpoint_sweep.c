/* SPDX-License-Identifier: 0BSD */
/*
 * Files in idx/ that no checkpoint names: an attempt that a crash ended has left them.  They harm
 * nothing but space, so a start does not look for them (it would have to look at all mailboxes): the
 * thread of the first checkpoint does, once the checkpoint is there, and asks its generations.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/store/checkpoint.h"
#include "core/store/io.h"

/* 1 / 0 / -1, as generation_find(); the newest generation that knows the key decides. */
static int find(const struct kv_stack *g, uint16_t space, uint64_t id, struct buf *out)
{
	struct generation_value v;
	struct buf key = {0};
	int answer = buf_put64(&key, id) ? -1 : 0;

	buf_clear(out);
	for (size_t i = 0; i < g->n && !answer; i++)
		if (g->v[i]->class == GENERATION_KEPT)
			answer = generation_find(g->v[i], space, buf_str(&key), &v, out);
	buf_free(&key);
	return answer > 0 && v.removed ? 0 : answer;
}

/* Does the account's value say that this is the mailbox's index?  1 / 0 / -1. */
static int says(struct str account, uint64_t mailbox, const char *file)
{
	struct cursor c = cursor_from(account);
	char name[CHECKPOINT_NAME_MAX];
	struct record_mailbox r;

	cursor_skip(&c, 16);
	cursor_str(&c, UINT32_MAX);
	while (!cursor_done(&c) && !c.failed) {
		if (record_read_mailbox(cursor_str(&c, UINT32_MAX), &r))
			return -1;
		if (r.id != mailbox || !r.index)
			continue;
		index_name(name, r.id, index_name_number(r.index));
		return !strcmp(name, file);
	}
	return c.failed ? -1 : 0;
}

static int is_named(const struct kv_stack *g, const char *file, struct buf *room)
{
	uint64_t mailbox = strtoull(file, NULL, 16);
	int answer = find(g, KV_SPACE_BOX, mailbox, room);
	struct cursor c = cursor_from(buf_str(room));

	if (answer > 0)
		answer = find(g, KV_SPACE_ACCOUNT, cursor_u64(&c), room);
	return answer > 0 ? says(buf_str(room), mailbox, file) : answer;
}

void checkpoint_sweep(const struct checkpoint_job *job, int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct buf room = {0};
	struct dirent *e;

	/* What cannot be decided stays. */
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.' && !is_named(&job->kv.new, e->d_name, &room))
			io_unlink(dir, e->d_name);
	if (d)
		closedir(d);
	buf_free(&room);
}
