/* SPDX-License-Identifier: 0BSD */
/* The two commands; and what a spool needs after it was restored. */
#include "features/store/backup/backup.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/hooks.h"
#include "core/lib/file.h"
#include "core/lib/loop.h"
#include "core/store/kv.h"
#include "core/store/state.h"

#define USAGE 2

struct ids {
	uint64_t *v;
	size_t n, cap;
};

static void figure(struct buf *out, uint64_t n, const char *what)
{
	buf_addu(out, n);
	buf_adds(out, what);
}

static void tell(const struct backup_figures *f)
{
	struct buf out = {0};

	figure(&out, f->copied, " files copied, ");
	figure(&out, f->linked, " linked, ");
	figure(&out, f->kept, " there already\n");
	file_write_all(STDOUT_FILENO, buf_str(&out));
	buf_free(&out);
}

static int backup_cli(const char *data, int argc, char **argv)
{
	struct backup_figures figures;

	if (argc != 2) {
		backup_complain("usage: satchel backup DIR", "");
		return USAGE;
	}
	if (backup_copy(data, argv[1], true, &figures))
		return 1;
	tell(&figures);
	return 0;
}

/* ---- restore ---- */

static int each_stored(void *arg, struct str key, struct str value)
{
	struct cursor c = cursor_from(key);
	struct ids *ids = arg;
	uint64_t id = cursor_u64(&c);

	(void)value;
	return c.failed ? 0 : vec_push(ids, id);
}

static int each_loaded(void *arg, struct hash_node *node)
{
	struct ids *ids = arg;

	return vec_push(ids, hash_owner(node, struct account, by_name)->id);
}

/* Clients may have seen UIDs that were given after the backup, and they will be given again: then
 * RFC 9051 2.3.1.1 wants a greater UIDVALIDITY.  Twice for one mailbox is no harm. */
static int raise_account(struct store *s, struct account *a, uint64_t *n_r)
{
	uint64_t now = (uint64_t)time(NULL);
	struct record_mailbox r;

	for (uint32_t i = 0; i < account_mailbox_count(a); i++) {
		mailbox_image(account_mailbox(a, i), &r);
		r.uidvalidity = now > s->uidvalidity_last ? (uint32_t)now : s->uidvalidity_last + 1;
		if (!mailbox_commit(s, &r))
			return -1;
		++*n_r;
	}
	return 0;
}

static int raise_all(struct store *s, uint64_t *n_r)
{
	struct ids ids = {0};
	struct account *a;
	int answer = store_kv_each(s, KV_SPACE_ACCOUNT, each_stored, &ids) ||
		hash_each(&s->accounts, each_loaded, &ids) ? -1 : 0;

	for (size_t i = 0; !answer && i < ids.n; i++)
		answer = account_get(s, ids.v[i], &a) == 1 ? raise_account(s, a, n_r) : -1;
	free(ids.v);
	return answer;
}

static int finish(const char *data, bool keep)
{
	struct store_options o = {.dir = data, .checkpoint_interval = 86400};
	struct buf out = {0};
	struct loop *l = loop_new();
	struct store *s = l ? store_open(l, &o, &out) : NULL;
	uint64_t n = 0;
	int answer = !s || (!keep && raise_all(s, &n)) ? 1 : 0;

	store_close(&s);
	if (l)
		loop_turn(l, 0);
	loop_free(&l);
	if (!answer && keep)
		buf_adds(&out, "UIDVALIDITY kept: right only if nothing was delivered after the backup");
	else if (!answer)
		figure(&out, n, " mailboxes have a new UIDVALIDITY: clients may have seen later mail");
	else if (!out.len)
		buf_adds(&out, "satchel: the restored spool cannot be changed");
	buf_addc(&out, '\n');
	file_write_all(answer ? STDERR_FILENO : STDOUT_FILENO, buf_str(&out));
	buf_free(&out);
	return answer;
}

static bool holds_spool(const char *data)
{
	int dir = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool there = dir >= 0 && !faccessat(dir, "spool", F_OK, 0);

	if (dir >= 0)
		close(dir);
	return there;
}

static int restore_cli(const char *data, int argc, char **argv)
{
	bool keep = argc == 3 && !strcmp(argv[2], "--keep-uidvalidity");
	struct backup_figures figures;

	if (argc != 2 && !keep) {
		backup_complain("usage: satchel restore DIR [--keep-uidvalidity]", "");
		return USAGE;
	}
	if (holds_spool(data))
		return backup_complain(data, ": holds a spool; move it away first");
	if (backup_copy(argv[1], data, false, &figures))
		return 1;
	tell(&figures);
	return finish(data, keep);
}

static const struct cli_command cli[] = {
	{"backup", "DIR", "copy the spool to DIR, also beside a running server", backup_cli},
	{"restore", "DIR [--keep-uidvalidity]", "make the spool from a backup", restore_cli},
	{NULL, NULL, NULL, NULL},
};

const struct feature backup_feature = {
	.name = "backup",
	.cli = cli,
};
