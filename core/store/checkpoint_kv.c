/* SPDX-License-Identifier: 0BSD */
/* Key-value in checkpoints: the table in memory becomes a generation, or a part of one. */
#include "core/store/checkpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/store/io.h"

/* ---- on the loop ---- */

static int put_dirty(struct checkpoint_job *job)
{
	struct ring *dirty = &job->s->cache.dirty;
	struct account *a;

	while (dirty->prev != dirty) {
		a = hash_owner(dirty->prev, struct account, ring);
		if (vec_grow(&job->kv.accounts.v, &job->kv.accounts.cap, job->kv.accounts.n + 1,
				sizeof(*job->kv.accounts.v)) || account_put(job->s, a, job->head.files))
			return -1;
		job->kv.accounts.v[job->kv.accounts.n++] = a;
		account_frozen(a);
	}
	return 0;
}

static int copy_horizons(struct checkpoint_job *job)
{
	const struct store *s = job->s;

	if (!s->horizons.n)
		return 0;
	job->kv.horizon = malloc(s->horizons.n * sizeof(*job->kv.horizon));
	if (!job->kv.horizon)
		return -1;
	memcpy(job->kv.horizon, s->horizons.v, s->horizons.n * sizeof(*job->kv.horizon));
	job->kv.horizons = s->horizons.n;
	return 0;
}

static int freeze_kv(struct checkpoint_job *job)
{
	struct store *s = job->s;
	struct kv_table *frozen = malloc(sizeof(*frozen));

	if (!frozen || copy_horizons(job) || put_dirty(job)) {
		free(frozen);
		return -1;
	}
	*frozen = s->kv;
	s->kv = (struct kv_table){0};
	s->kv_frozen = job->kv.frozen = frozen;
	job->kv.old = s->generations;
	return 0;
}

/* What was frozen and not written is as if it had just been changed. */
static int thaw(void *arg, struct hash_node *n)
{
	const struct kv *kv = hash_owner(n, struct kv, node);
	struct store *s = arg;

	/* Out of memory: the log still has it, but this life of the store must not go on without. */
	if (!kv_table_find(&s->kv, kv->space, kv_key(kv)) &&
		kv_table_put(&s->kv, kv->space, kv_key(kv), kv_value(kv), kv->removed, kv->lsn))
		return -1;
	return 0;
}

static void finish_kv(struct checkpoint_job *job, bool good)
{
	struct checkpoint_kv *k = &job->kv;
	struct store *s = job->s;

	free(k->horizon);
	for (size_t i = 0; i < k->accounts.n; i++)
		account_thawed(k->accounts.v[i], good);
	free(k->accounts.v);
	if (!k->frozen)
		return;
	if (good) {
		kv_stack_release(&s->generations, &k->new);
		s->generations = k->new;
	} else {
		kv_stack_release(&k->new, &k->old);
		if (hash_each(&k->frozen->hash, thaw, s)) {
			s->failed = true;
			s->error = ENOMEM;
		}
	}
	s->kv_frozen = NULL;
	kv_table_free(k->frozen);
	free(k->frozen);
}

/* ---- in the thread ---- */

static int write_kv(struct checkpoint_job *job)
{
	struct checkpoint_kv *k = &job->kv;
	struct checkpoint_head *h = &job->head;
	int dir = checkpoint_open_dir(job->s, "kv"), answer;
	const struct kv_merge m = {
		.dirfd = dir,
		.key = &job->s->key,
		.number = h->files,
		.frozen = k->frozen,
		.horizon = k->horizon,
		.horizons = k->horizons,
		.old = &k->old,
		.next = &k->new,
	};

	if (dir < 0)
		return -1;
	answer = kv_merge(&m) || io_fsync(dir) ? -1 : 0;
	close(dir);
	h->generations = (uint32_t)k->new.n;
	for (size_t i = 0; i < k->new.n; i++) {
		h->generation[i].number = k->new.v[i]->number;
		h->generation[i].class = k->new.v[i]->class;
	}
	return answer;
}

static void clean_kv(struct checkpoint_job *job)
{
	const struct checkpoint_kv *k = &job->kv;
	char name[GENERATION_NAME_SIZE];
	int dir = checkpoint_open_dir(job->s, "kv");

	if (dir < 0)
		return;
	for (size_t i = 0; i < k->old.n; i++) {
		if (kv_stack_has(&k->new, k->old.v[i]))
			continue;
		generation_name(name, k->old.v[i]->number, k->old.v[i]->class);
		io_unlink(dir, name);
	}
	close(dir);
}

static void undo_kv(struct checkpoint_job *job)
{
	const struct checkpoint_kv *k = &job->kv;
	char name[GENERATION_NAME_SIZE];
	int dir = checkpoint_open_dir(job->s, "kv");

	for (size_t i = 0; dir >= 0 && i < k->new.n; i++) {
		if (kv_stack_has(&k->old, k->new.v[i]))
			continue;
		generation_name(name, k->new.v[i]->number, k->new.v[i]->class);
		io_unlink(dir, name);
	}
	if (dir >= 0)
		close(dir);
}

/* ---- at start ---- */

/* Accounts are read when they are asked for.  But only a start can redo the log in the place of a
 * damaged file, so what accounts depend on is verified: it is small beside the log. */
static int load_generation(struct store *s, uint64_t number, uint16_t class, int dir, struct buf *error)
{
	struct generation *g = generation_open(dir, number, class, &s->key, error);
	char name[GENERATION_NAME_SIZE];
	uint64_t at = 0;

	if (!g)
		return -1;
	s->generations.v[s->generations.n++] = g;
	if (class != GENERATION_KEPT || !generation_next_damage(g, &at))
		return 0;
	generation_name(name, number, class);
	return checkpoint_unreadable(error, "kv/", name);
}

static int load_kv(struct store *s, const struct checkpoint_head *h, struct buf *error)
{
	int dir = checkpoint_open_dir(s, "kv"), answer = 0;

	if (dir < 0)
		return checkpoint_unreadable(error, "", "kv");
	for (uint32_t i = 0; !answer && i < h->generations; i++)
		answer = load_generation(s, h->generation[i].number, h->generation[i].class, dir, error);
	close(dir);
	return answer;
}

static bool kv_names(const struct store *s, const struct checkpoint_head *h, const char *dir,
	const char *file)
{
	char name[GENERATION_NAME_SIZE];

	(void)s;
	for (uint32_t i = 0; !strcmp(dir, "kv") && i < h->generations; i++) {
		generation_name(name, h->generation[i].number, h->generation[i].class);
		if (!strcmp(file, name))
			return true;
	}
	return false;
}

const struct checkpoint_part checkpoint_kv = {
	.freeze = freeze_kv,
	.write = write_kv,
	.clean = clean_kv,
	.undo = undo_kv,
	.finish = finish_kv,
	.load = load_kv,
	.names = kv_names,
};
