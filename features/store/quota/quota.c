/* SPDX-License-Identifier: 0BSD */
/* Where limits are checked. */
#include "features/store/quota/quota.h"

#include <errno.h>
#include <string.h>

#include "core/lib/log.h"
#include "core/lib/network.h"
#include "core/lib/prelogin.h"
#include "core/lmtp/delivery.h"
#include "core/lmtp/extend.h"

static uint64_t refused;
static struct mail *mail;
/* Of the delivery that was checked last, to see whether it was the one that passed the mark. */
static struct quota before;

/* ---- in the store: APPEND, COPY ---- */

static int quota_check_store(struct mailbox *to, uint64_t messages, uint64_t bytes)
{
	struct account *a = mailbox_account(to);
	struct quota q;

	/* A limit that cannot be looked up stops no user from keeping a draft. */
	if (quota_find(mail, a, &q) <= 0 || quota_fits(&q, messages, bytes))
		return 0;
	refused++;
	return EDQUOT;
}

static const struct store_watch watch = {quota_check_store, quota_usage_count};

/* ---- delivery ---- */

static const char *over_reply(void)
{
	refused++;
	return strcmp(quota_policy.over, "bounce") == 0 ? "552 5.2.2 Mailbox is full" :
							  "452 4.2.2 Mailbox is full";
}

/* RFC 1870 6.1: the declared size is judged before the message is sent. */
static const char *quota_rcpt(struct lmtp_session *s, const struct lmtp_rcpt *r)
{
	struct account *a;
	struct quota q = {0};

	if (r->exempt || !quota_limits(r->words, q.limit))
		return NULL;
	if (account_open(s->base.mail->store, r->user, false, &a) > 0)
		quota_usage(a, q.used);
	return quota_fits(&q, 1, s->tx.declared) ? NULL : over_reply();
}

static enum hook_result quota_deliver(struct delivery *d)
{
	bool limited;

	before = (struct quota){0};
	limited = !d->exempt && quota_limits(d->words, before.limit);
	d->exempt = true; /* the store need not ask again */
	if (!limited)
		return HOOK_PASS;
	quota_usage(d->account, before.used);
	if (quota_fits(&before, 1, body_size(d->body)))
		return HOOK_PASS;
	d->refusal = over_reply();
	return HOOK_FAIL;
}

static void quota_delivered(struct delivery *d)
{
	struct quota now = before;

	if (!before.limit[QUOTA_STORAGE] && !before.limit[QUOTA_MESSAGE])
		return;
	quota_usage(d->account, now.used);
	if (quota_percent(&before) < quota_policy.warning_percent &&
		quota_percent(&now) >= quota_policy.warning_percent)
		log_warning("mailbox is nearly full", "user", log_str(d->user), "percent",
			log_num(quota_percent(&now)), NULL);
}

/* ---- IGNOREQUOTA, as Cyrus has it ---- */

static void quota_lhlo(struct prelogin *p, struct buf *out)
{
	if (network_listed_text(quota_policy.ignore_from, p->peer))
		buf_adds(out, "250-IGNOREQUOTA\r\n");
}

static const char *quota_ignore(struct lmtp_session *s, struct lmtp_rcpt *r, struct str value)
{
	if (value.p)
		return "501 5.5.4 IGNOREQUOTA takes no value";
	if (!network_listed_text(quota_policy.ignore_from, s->base.peer))
		return "550 5.7.1 IGNOREQUOTA is not taken from your address";
	r->exempt = true;
	return NULL;
}

static const struct lmtp_param params[] = {
	{"IGNOREQUOTA", LMTP_AT_RCPT, quota_ignore},
	{NULL, 0, NULL},
};

/* ---- for the admin ---- */

static void add_resource(struct buf *out, const char *name, uint64_t used, uint64_t limit)
{
	buf_addv(out, name, " ", NULL);
	buf_addu(out, used);
	if (limit) {
		buf_adds(out, " of ");
		buf_addu(out, limit);
	}
	buf_addc(out, '\n');
}

static int quota_control(struct mail *m, struct str args, struct buf *out)
{
	struct account *a;
	struct quota q;
	int rc = account_open(m->store, args, false, &a);

	if (rc <= 0) {
		buf_adds(out, rc ? "usage: cannot look\n" : "usage: there is no mail of that user\n");
		return -1;
	}
	if (quota_find(m, a, &q) < 0)
		log_warning("accounts.cdb cannot be read: limits are not known", NULL);
	quota_usage(a, q.used);
	add_resource(out, "bytes", q.used[QUOTA_STORAGE], q.limit[QUOTA_STORAGE]);
	add_resource(out, "messages", q.used[QUOTA_MESSAGE], q.limit[QUOTA_MESSAGE]);
	return 0;
}

static const struct control_command control[] = {
	{"usage", quota_control, "NAME", "bytes and messages that a user has, and may have"},
	{0},
};

static void quota_metrics(struct mail *m, struct buf *out)
{
	(void)m;
	buf_adds(out, "quota_refused ");
	buf_addu(out, refused);
	buf_addc(out, '\n');
}

static int quota_start(struct mail *m)
{
	mail = m;
	return quota_usage_start(m->store, &watch);
}

static void quota_stop(struct mail *m)
{
	store_watch(m->store, NULL);
	quota_usage_stop();
}

const struct feature quota_feature = {
	.name = "quota",
	.session_size = sizeof(struct quota_slot),
	.settings = quota_settings,
	.check_settings = quota_check_settings,
	.cli = quota_cli,
	.control = control,
	.imap_commands = quota_imap_commands,
	.imap_capabilities = quota_imap_capabilities,
	.imap_status_items = quota_imap_status_items,
	.imap_selected = quota_imap_selected,
	.lmtp_lhlo = ENABLE_LMTP ? quota_lhlo : NULL,
	.lmtp_params = ENABLE_LMTP ? params : NULL,
	.lmtp_rcpt = ENABLE_LMTP ? quota_rcpt : NULL,
	.deliver_check = ENABLE_LMTP ? quota_deliver : NULL,
	.deliver_done = ENABLE_LMTP ? quota_delivered : NULL,
	.mail_start = quota_start,
	.mail_stop = quota_stop,
	.metrics = quota_metrics,
};
