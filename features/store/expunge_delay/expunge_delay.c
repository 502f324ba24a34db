/* SPDX-License-Identifier: 0BSD */
#include "core/hooks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/lib/log.h"
#include "core/lib/settings.h"
#include "core/lib/vec.h"
#include "core/session.h"
#include "core/store/days.h"

#define SPACE     2
#define HIDDEN    "/undelete/"
#define DAYS_MAX  365
/* What one tick does at most, so that nobody waits long: accounts looked at, messages removed. */
#define ACCOUNTS_PER_TICK 50
#define MESSAGES_PER_TICK 2000

static uint64_t keep_days;
static struct mail *mail;
static struct store_days days;

/* Names of the accounts of which something is kept. */
static struct {
	char **v;
	size_t n, cap, next; /* next: to be looked at */
} owners;

struct uids {
	uint32_t *v;
	size_t n, cap;
};

/* ---- who has something here ---- */

static struct buf owner_key(struct str owner)
{
	struct buf key = {0};

	buf_addc(&key, 'a');
	buf_addstr(&key, owner);
	return key;
}

static int add_owner(struct str owner)
{
	char *copy = malloc(owner.len + 1);

	if (!copy)
		return -1;
	memcpy(copy, owner.p, owner.len);
	copy[owner.len] = '\0';
	if (!vec_push(&owners, copy))
		return 0;
	free(copy);
	return -1;
}

static void note_owner(struct str owner)
{
	struct buf key = owner_key(owner);

	if (!key.failed && store_kv_get(mail->store, SPACE, buf_str(&key), NULL, NULL) > 0)
		goto free_key;
	if (key.failed || store_kv_put(mail->store, SPACE, buf_str(&key), STR(""), NULL) || add_owner(owner))
		log_warning("expunged mail is kept too long: out of memory", NULL);
free_key:
	buf_free(&key);
}

static void forget_owner(size_t i)
{
	struct buf key = owner_key(str_from(owners.v[i]));

	store_kv_put(mail->store, SPACE, buf_str(&key), STR_NULL, NULL);
	buf_free(&key);
	free(owners.v[i]);
	owners.v[i] = owners.v[--owners.n];
}

static int load_one(void *arg, struct str key, struct str value)
{
	struct cursor c = cursor_from(key);

	(void)arg;
	(void)value;
	return cursor_accept(&c, 'a') ? add_owner(cursor_take(&c, cursor_left(&c))) : 0;
}

/* The hidden account of a user.  As account_open(). */
static int open_hidden(struct str owner, bool create, struct account **a_r)
{
	struct buf name = {0};
	int rc;

	buf_adds(&name, HIDDEN);
	buf_addstr(&name, owner);
	rc = name.failed ? -1 : account_open(mail->store, buf_str(&name), create, a_r);
	buf_free(&name);
	return rc;
}

/* ---- keeping ---- */

/* All of a mailbox.  0 / -1. */
static int collect(const struct mailbox *m, struct uids *all)
{
	struct message msg;
	int rc;

	for (uint32_t uid = 1; (rc = mailbox_next(m, uid, &msg)) == 1; uid = msg.uid + 1) {
		if (vec_push(all, msg.uid))
			return -1;
	}
	return rc;
}

/* The mailbox of that name; INBOX in place of one that cannot be made. */
static struct mailbox *find_or_make(struct account *a, struct str name)
{
	struct mailbox *m = mailbox_find(a, name);

	if ((!m || !mailbox_exists(m)) && !mailbox_create(a, name, 0, NULL))
		m = mailbox_find(a, name);
	return m && mailbox_exists(m) ? m : mailbox_find(a, STR("INBOX"));
}

static int keep(struct mailbox *from, const uint32_t *uids, uint32_t n)
{
	struct str owner = account_name(mailbox_account(from));
	struct account *hidden;
	struct mailbox *to;

	if (open_hidden(owner, true, &hidden) <= 0)
		return -1;
	to = find_or_make(hidden, mailbox_name(from));
	if (!to || mailbox_copy(from, uids, n, to, false, NULL, NULL, NULL, NULL))
		return -1;
	note_owner(owner);
	return 0;
}

static void expunge_delay_removing(struct mailbox *from, const uint32_t *uids, uint32_t n)
{
	struct str owner = account_name(mailbox_account(from));
	struct uids all = {0};
	int rc = 0;

	if (!owner.len || owner.p[0] == '/') /* from here it goes for good */
		return;
	if (!uids) {
		rc = collect(from, &all);
		uids = all.v;
		n = (uint32_t)all.n;
	}
	if (!rc && n)
		rc = keep(from, uids, n);
	if (rc)
		log_warning("expunged mail cannot be kept", "user", log_str(owner), "mailbox",
			log_str(mailbox_name(from)), "why", strerror(errno), NULL);
	free(all.v);
}

/* ---- removing for good ---- */

/* Messages that were put here before that LSN.  How many, -1. */
static int expire_mailbox(struct mailbox *m, uint64_t before, uint32_t room)
{
	struct uids old = {0};
	struct message msg;
	int rc = 0;

	for (uint32_t uid = 1; old.n < room && (rc = mailbox_next(m, uid, &msg)) == 1; uid = msg.uid + 1) {
		if (msg.lsn >= before) /* later ones came later */
			break;
		if (vec_push(&old, msg.uid))
			break;
	}
	if (old.n)
		rc = mailbox_expunge(m, old.v, (uint32_t)old.n, NULL);
	free(old.v);
	return rc < 0 ? -1 : (int)old.n;
}

/* True: nothing is left. */
static bool expire_account(struct account *a, uint64_t before, uint32_t *room)
{
	bool empty = true;

	/* Backwards: a mailbox that is empty goes, after those below it. */
	for (uint32_t i = account_mailbox_count(a); i-- > 0;) {
		struct mailbox *m = account_mailbox(a, i);
		int n = *room ? expire_mailbox(m, before, *room) : 0;

		*room -= n > 0 ? (uint32_t)n : 0;
		if (mailbox_messages(m))
			empty = false;
		else if (!str_eq(mailbox_name(m), STR("INBOX")))
			mailbox_delete(a, mailbox_name(m), NULL);
	}
	return empty;
}

static void expire(uint64_t before)
{
	uint32_t room = MESSAGES_PER_TICK;
	struct account *a;

	for (size_t looks = 0; looks < ACCOUNTS_PER_TICK && looks <= owners.n && owners.n && room; looks++) {
		size_t i = owners.next++ % owners.n;
		int rc = open_hidden(str_from(owners.v[i]), false, &a);

		if (rc == 0 || (rc > 0 && expire_account(a, before, &room)))
			forget_owner(i);
	}
}

static void expunge_delay_tick(struct mail *m)
{
	uint64_t before = store_days_look(m->store, SPACE, &days, keep_days ? keep_days : 1);

	if (before && owners.n)
		expire(before);
}

/* ---- bringing back ---- */

static void list(struct account *hidden, struct buf *out)
{
	for (uint32_t i = 0; hidden && i < account_mailbox_count(hidden); i++) {
		const struct mailbox *m = account_mailbox(hidden, i);

		if (!mailbox_messages(m))
			continue;
		buf_addstr(out, mailbox_name(m));
		buf_addc(out, '\t');
		buf_addu(out, mailbox_messages(m));
		buf_addc(out, '\t');
		buf_addu(out, mailbox_bytes(m));
		buf_addc(out, '\n');
	}
}

/* In one batch.  How many, or -1 + errno. */
static int bring_back(struct mailbox *from, struct account *a)
{
	struct uids all = {0};
	struct mailbox *to;
	uint32_t first, n = 0;
	int rc = -1;

	store_begin(mail->store);
	to = find_or_make(a, mailbox_name(from));
	if (!to || collect(from, &all) || mailbox_copy(from, all.v, (uint32_t)all.n, to, true, NULL, &n, &first, NULL))
		goto end;
	for (uint32_t i = 0; i < n; i++)
		all.v[i] = first + i;
	rc = mailbox_flag(to, all.v, n, MESSAGE_REMOVE, MESSAGE_DELETED, 0, NULL) ? -1 : (int)n;
end:
	store_end(mail->store);
	free(all.v);
	return rc;
}

static int undelete(struct account *hidden, struct account *a, struct str name, struct buf *out)
{
	struct mailbox *from = hidden ? mailbox_find(hidden, name) : NULL;
	int n;

	if (!from || !mailbox_messages(from)) {
		buf_adds(out, "undelete: nothing is kept of that mailbox\n");
		return -1;
	}
	n = bring_back(from, a);
	if (n < 0) {
		buf_addv(out, "undelete: ", strerror(errno), "\n", NULL);
		return -1;
	}
	buf_addu(out, (uint64_t)n);
	buf_adds(out, " messages are back\n");
	return 0;
}

static int expunge_delay_control(struct mail *m, struct str args, struct buf *out)
{
	struct account *hidden = NULL, *a;
	struct str user;

	if (!str_word(&args, " ", &user)) {
		buf_adds(out, "usage: undelete USER [MAILBOX]\n");
		return -1;
	}
	args = str_trim(args);
	if (account_open(m->store, user, false, &a) <= 0 || user.p[0] == '/') {
		buf_adds(out, "undelete: there is no mail of that user\n");
		return -1;
	}
	if (open_hidden(user, false, &hidden) < 0) {
		buf_addv(out, "undelete: ", strerror(errno), "\n", NULL);
		return -1;
	}
	if (args.len)
		return undelete(hidden, a, args, out);
	list(hidden, out);
	return 0;
}

/* ---- life ---- */

static int expunge_delay_start(struct mail *m)
{
	mail = m;
	if (store_days_load(m->store, SPACE, &days) || store_kv_each(m->store, SPACE, load_one, NULL))
		return -1;
	if (keep_days)
		store_keep(m->store, expunge_delay_removing);
	return 0;
}

static void expunge_delay_stop(struct mail *m)
{
	store_keep(m->store, NULL);
	while (owners.n)
		free(owners.v[--owners.n]);
	free(owners.v);
	owners.v = NULL;
	owners.cap = 0;
	store_days_free(&days);
}

static const struct control_command control[] = {
	{"undelete", expunge_delay_control, "USER [MAILBOX]", "lists or brings back expunged mail"},
	{0},
};

static const struct setting settings[] = {
	{"expunge_delay_days", SETTING_NUMBER, "0", 0, DAYS_MAX, &keep_days,
		"For how many days messages that were expunged can be brought back with `satchel undelete`. They "
		"take their space on the disk for so long. 0: they are gone at once.",
		"CONFIG_EXPUNGE_DELAY"},
	{NULL, SETTING_STRING, NULL, 0, 0, NULL, NULL, NULL},
};

const struct feature expunge_delay_feature = {
	.name = "expunge_delay",
	.kv_space = SPACE,
	.settings = settings,
	.control = control,
	.mail_start = expunge_delay_start,
	.mail_stop = expunge_delay_stop,
	.tick = expunge_delay_tick,
};
