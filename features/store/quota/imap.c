/* SPDX-License-Identifier: 0BSD */
/* QUOTA (RFC 9208): one root, "", for all mailboxes of a user who has a limit. */
#include "features/store/quota/quota.h"

#include <errno.h>

#include "core/imap/parse.h"

#define KIB 1024

/* 1 in *q_r, 0 there is no limit, -1. */
static int find(struct imap_session *s, struct quota *q_r)
{
	return quota_find(s->base.mail, s->account, q_r);
}

static void add_resource(struct buf *out, const char **sep, const char *name, uint64_t used, uint64_t limit)
{
	if (!limit)
		return;
	buf_addv(out, *sep, name, " ", NULL);
	buf_addu(out, used);
	buf_addc(out, ' ');
	buf_addu(out, limit);
	*sep = " ";
}

/* RFC 9208 5.1, in units of 1024 octets */
static void add_quota(struct imap_session *s, const struct quota *q)
{
	struct buf *out = imap_out(s);
	const char *sep = "* QUOTA \"\" (";

	add_resource(out, &sep, "STORAGE", (q->used[QUOTA_STORAGE] + KIB - 1) / KIB,
		q->limit[QUOTA_STORAGE] / KIB);
	add_resource(out, &sep, "MESSAGE", q->used[QUOTA_MESSAGE], q->limit[QUOTA_MESSAGE]);
	buf_adds(out, ")\r\n");
	/* Any mailbox may have changed last. */
	imap_barrier(s, store_last_lsn(s->base.mail->store));
}

static void getquota_run(struct imap_session *s, struct imap_cmd *c)
{
	struct quota q;
	struct str root;
	int rc;

	if (imap_parse_sp(&c->args) || imap_parse_astring(&c->args, c->arena, &root) ||
		imap_parse_end(&c->args)) {
		imap_bad(s, c, "GETQUOTA: expected a quota root");
		return;
	}
	rc = find(s, &q);
	if (rc < 0) {
		imap_reply(s, c, IMAP_NO, "UNAVAILABLE", "Limits cannot be looked up now");
	} else if (rc == 0 || root.len) {
		imap_reply(s, c, IMAP_NO, "NONEXISTENT", "No such quota root");
	} else {
		add_quota(s, &q);
		imap_reply(s, c, IMAP_OK, NULL, "Quota given");
	}
}

static void getquotaroot_run(struct imap_session *s, struct imap_cmd *c)
{
	struct quota q;
	struct str name;
	int rc;

	if (imap_parse_sp(&c->args) || imap_parse_mailbox(&c->args, c->arena, &name) ||
		imap_parse_end(&c->args)) {
		imap_bad(s, c, "GETQUOTAROOT: expected a mailbox name");
		return;
	}
	if (!mailbox_find(s->account, name)) {
		imap_barrier(s, account_lsn(s->account));
		imap_reply_errno(s, c, ENOENT);
		return;
	}
	rc = find(s, &q);
	if (rc < 0) {
		imap_reply(s, c, IMAP_NO, "UNAVAILABLE", "Limits cannot be looked up now");
		return;
	}
	buf_adds(imap_out(s), "* QUOTAROOT ");
	imap_add_mailbox(s, imap_out(s), name);
	buf_adds(imap_out(s), rc ? " \"\"\r\n" : "\r\n");
	if (rc)
		add_quota(s, &q);
	imap_reply(s, c, IMAP_OK, NULL, "Quota root given");
}

const struct imap_command quota_imap_commands[] = {
	{"GETQUOTA", IMAP_LOGGED_IN, 0, getquota_run},
	{"GETQUOTAROOT", IMAP_LOGGED_IN, 0, getquotaroot_run},
	{0},
};

const struct imap_capability quota_imap_capabilities[] = {
	{"QUOTA", IMAP_LOGGED_IN},
	{"QUOTA=RES-STORAGE", IMAP_LOGGED_IN},
	{"QUOTA=RES-MESSAGE", IMAP_LOGGED_IN},
	{0},
};

static void add_deleted_storage(struct buf *out, const struct mailbox *m)
{
	buf_addu(out, mailbox_deleted_bytes(m));
}

/* RFC 9208 4.1.4; DELETED is core's. */
const struct imap_status_item quota_imap_status_items[] = {
	{"DELETED-STORAGE", 0, add_deleted_storage},
	{0},
};

/* RFC 9208 4.3: an untagged NO tells of a limit that is near. */
static void warn(struct imap_session *s, unsigned percent, bool full)
{
	struct buf line = {0};

	buf_adds(&line, full ? "NO [OVERQUOTA] Mailbox is full: " : "NO [ALERT] Mailbox is nearly full: ");
	buf_addu(&line, percent);
	buf_adds(&line, " % of the quota are used");
	buf_addc(&line, '\0');
	if (!line.failed)
		imap_untagged(s, buf_str(&line).p);
	buf_free(&line);
}

enum hook_result quota_imap_selected(struct imap_session *s, struct imap_cmd *c)
{
	struct quota_slot *slot = feature_slot(&s->base, &quota_feature);
	struct quota q;

	(void)c;
	if (slot->warned || find(s, &q) <= 0 || quota_percent(&q) < quota_policy.warning_percent)
		return HOOK_PASS;
	slot->warned = true;
	warn(s, quota_percent(&q), quota_percent(&q) >= 100);
	return HOOK_PASS;
}
