/* SPDX-License-Identifier: 0BSD */
/* From a complete message to mailboxes, and one reply per recipient (RFC 2033 4.2). */
#include "core/lmtp/internal.h"

#include <errno.h>
#include <time.h>

#include "core/hooks.h"
#include "core/lib/date.h"
#include "core/lib/log.h"
#include "core/lmtp/delivery.h"
#include "core/mime/header.h"

/* Recipients served before the loop may turn to somebody else. */
#define SLICE 64
/* More Received fields than this mean that the message goes round in circles (RFC 5321 6.3). */
#define HOPS_MAX 100

/* What all recipients of one slice share. */
struct slice {
	struct delivery d;
	struct buf prefix, received, id;
};

static bool loops(struct str header)
{
	struct cursor c = cursor_from(header);
	struct header_field f;
	unsigned hops = 0;

	/* "Received:" and a line end for each: most headers are too short to be asked. */
	if (header.len < HOPS_MAX * 11)
		return false;
	while (header_next(&c, &f) > 0)
		hops += str_ieq(f.name, STR("Received"));
	return hops > HOPS_MAX;
}

void lmtp_deliver_begin(struct lmtp_session *s)
{
	struct lmtp_transaction *tx = &s->tx;
	int done = tx->refusal ? 0 : body_finish(tx->body);

	if (done == 1)
		return;
	s->phase = LMTP_DELIVERING;
	if (done)
		tx->refusal = lmtp_error_reply(errno);
	else if (!tx->refusal && loops(body_header(tx->body)))
		tx->refusal = "554 5.4.6 Too many hops";
}

/* RFC 5321 4.4.  The id names the message in the log. */
static void add_received(struct lmtp_session *s, struct slice *sl)
{
	struct buf *out = &sl->received;
	struct str peer = str_from(s->base.peer);
	struct cursor c = cursor_from(peer);
	bool v6 = cursor_take_until(&c, ':').len < peer.len;
	bool address = v6 || (peer.len && peer.p[0] >= '0' && peer.p[0] <= '9');

	buf_adds(out, "Received: from ");
	lmtp_add_clean(out, buf_str(&s->lhlo));
	buf_addv(out, address ? " ([" : " (", v6 ? "IPv6:" : "", s->base.peer, address ? "])" : ")",
		"\r\n\tby ", s->base.mail->hostname, s->tx.utf8 ? " with UTF8LMTP" : " with LMTP",
		s->base.tls ? "S" : "", s->mechanism[0] ? "A id " : " id ",
		NULL); /* RFC 3848, RFC 6531 4.3 */
	buf_addstr(out, buf_str(&sl->id));
	buf_adds(out, ";\r\n\t");
	date_add_5322(out, (int64_t)sl->d.now, 0);
	buf_adds(out, "\r\n");
}

static void add_prefix(struct slice *sl)
{
	struct buf *out = &sl->prefix;

	buf_clear(out);
	buf_adds(out, "Return-Path: <");
	buf_addstr(out, sl->d.sender);
	buf_adds(out, ">\r\nDelivered-To: ");
	buf_addstr(out, sl->d.recipient);
	buf_adds(out, "\r\n");
	buf_addstr(out, buf_str(&sl->received));
}

static enum hook_result ask_features(struct delivery *d)
{
	enum hook_result r = HOOK_PASS;

	FEATURE_EACH (f) {
		if (r == HOOK_PASS && f->deliver_route)
			r = f->deliver_route(d);
	}
	FEATURE_EACH (f) {
		if (r == HOOK_PASS && f->deliver_check)
			r = f->deliver_check(d);
	}
	return r;
}

static int append(struct slice *sl)
{
	struct message_new message = {
		.body = sl->d.body, .flags = sl->d.flags, .exempt = sl->d.exempt,
		.internaldate = (int64_t)sl->d.now};

	add_prefix(sl);
	message.prefix = buf_str(&sl->prefix);
	if (sl->prefix.failed) {
		errno = ENOMEM;
		return -1;
	}
	if (mailbox_append(sl->d.mailbox, &message, 1, &sl->d.uid, &sl->d.lsn))
		return -1;
	FEATURE_EACH (f) {
		if (f->deliver_done)
			f->deliver_done(&sl->d);
	}
	return 0;
}

/* One recipient, between store_begin() and store_end().  0, or an errno. */
static int deliver(struct slice *sl)
{
	struct delivery *d = &sl->d;
	int rc = account_open(d->store, d->user, true, &d->account);

	if (rc <= 0)
		return rc ? errno : EIO;
	d->mailbox = mailbox_find(d->account, STR("INBOX"));
	if (!d->mailbox)
		return EIO;
	switch (ask_features(d)) {
	case HOOK_DONE:
		return 0;
	case HOOK_FAIL:
		return EAGAIN;
	default:
		return append(sl) ? errno : 0;
	}
}

static void tell(struct lmtp_session *s, const struct delivery *d, const char *id, int error)
{
	struct buf *out = &s->conn.out;

	if (error) {
		const char *reply = d->refusal ? d->refusal : lmtp_error_reply(error);

		log_warning("delivery failed", "id", id, "user", log_str(d->user), "reply", reply, NULL);
		buf_addv(out, reply, "\r\n", NULL);
		return;
	}
	buf_adds(out, "250 2.1.5 <");
	buf_addstr(out, d->recipient);
	buf_addv(out, d->note ? "> " : "> stored", d->note ? d->note : "", "\r\n", NULL);
	log_info(d->note ? d->note : "delivered", "id", id, "user", log_str(d->user), "from",
		log_str(d->sender), "size", log_num((int64_t)body_size(d->body)), "uid",
		log_num(d->uid), NULL);
}

static void slice_init(struct lmtp_session *s, struct slice *sl)
{
	struct lmtp_transaction *tx = &s->tx;

	sl->d = (struct delivery){
		.session = &s->base, .store = s->base.mail->store, .sender = tx->sender,
		.body = tx->body, .header = body_header(tx->body), .now = (uint64_t)time(NULL)};
	buf_reserve(&sl->prefix, 512);
	buf_addhex(&sl->id, s->base.since, 8);
	buf_addc(&sl->id, '-');
	buf_addhex(&sl->id, s->base.id, 1);
	buf_addc(&sl->id, '-');
	buf_addhex(&sl->id, s->serial, 1);
	add_received(s, sl);
	buf_addc(&sl->id, '\0');
}

static uint64_t deliver_slice(struct lmtp_session *s, size_t until)
{
	struct lmtp_transaction *tx = &s->tx;
	struct slice sl = {0};
	uint64_t barrier = 0;

	slice_init(s, &sl);
	for (; tx->delivered < until; tx->delivered++) {
		const struct lmtp_rcpt *r = &tx->rcpts.v[tx->delivered];
		int error;

		sl.d.recipient = r->address;
		sl.d.user = r->user;
		sl.d.words = r->words;
		sl.d.detail = r->detail;
		sl.d.account = NULL;
		sl.d.mailbox = NULL;
		sl.d.uid = 0;
		sl.d.lsn = 0;
		sl.d.flags = 0;
		sl.d.exempt = r->exempt;
		sl.d.refusal = sl.d.note = NULL;
		store_begin(sl.d.store);
		error = deliver(&sl);
		store_end(sl.d.store);
		if (!error && sl.d.lsn > barrier)
			barrier = sl.d.lsn;
		tell(s, &sl.d, buf_str(&sl.id).p, error);
	}
	buf_free(&sl.prefix);
	buf_free(&sl.received);
	buf_free(&sl.id);
	return barrier;
}

bool lmtp_deliver_some(struct lmtp_session *s)
{
	struct lmtp_transaction *tx = &s->tx;
	size_t until = tx->rcpts.n - tx->delivered > SLICE ? tx->delivered + SLICE : tx->rcpts.n;

	if (tx->refusal) {
		for (; tx->delivered < until; tx->delivered++)
			buf_addv(&s->conn.out, tx->refusal, "\r\n", NULL);
	} else {
		conn_barrier(&s->conn, deliver_slice(s, until));
	}
	return tx->delivered == tx->rcpts.n;
}
