/* SPDX-License-Identifier: 0BSD */
/* MAIL, RCPT and DATA (RFC 2033 4.2, RFC 5321 4.1.1). */
#include "core/lmtp/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/hooks.h"
#include "core/lib/vec.h"
#include "core/lmtp/extend.h"

#define MESSAGE_MAX ((uint64_t)CONFIG_MESSAGE_MAX_MB * 1024 * 1024)
#define RCPTS_KEPT  16

static const char UNKNOWN[] = "555 5.5.4 Unknown parameter";
static const char BEGUN[] = "503 5.5.1 The message has begun";
/* RFC 6531 3.5 */
static const char NOT_ASCII[] = "553 5.6.7 Such an address needs SMTPUTF8";

void lmtp_transaction_reset(struct lmtp_session *s)
{
	struct lmtp_transaction *tx = &s->tx;

	body_free(&tx->body);
	if (tx->rcpts.cap > RCPTS_KEPT) {
		free(tx->rcpts.v);
		tx->rcpts.v = NULL;
		tx->rcpts.cap = 0;
	}
	*tx = (struct lmtp_transaction){.rcpts = {tx->rcpts.v, 0, tx->rcpts.cap}};
	arena_reset(&s->arena);
	s->phase = LMTP_COMMANDS;
}

/* RFC 1870 and 6152.  NULL, or the reply. */
static const char *mail_param(struct lmtp_session *s, struct str key, struct str value)
{
	if (str_ieq(key, STR("SIZE"))) {
		if (str_u64(value, UINT64_MAX, &s->tx.declared))
			return "501 5.5.4 SIZE needs a number";
		if (s->tx.declared > MESSAGE_MAX)
			return "552 5.3.4 Message is too large";
		return NULL;
	}
	if (str_ieq(key, STR("BODY"))) {
		if (str_ieq(value, STR("7BIT")) || str_ieq(value, STR("8BITMIME")))
			return NULL;
		return "501 5.5.4 BODY is 7BIT or 8BITMIME";
	}
	return UNKNOWN;
}

static const struct lmtp_param *find_param(struct str key, unsigned at)
{
	FEATURE_EACH (f) {
		for (const struct lmtp_param *p = f->lmtp_params; p && p->name; p++) {
			if (p->at & at && str_ieq(key, str_from(p->name)))
				return p;
		}
	}
	return NULL;
}

/* Parameters of MAIL (r NULL) or RCPT.  NULL, or the reply. */
static const char *take_params(struct lmtp_session *s, struct lmtp_rcpt *r, struct cursor *args)
{
	const struct lmtp_param *p;
	struct str key, value;
	const char *wrong = NULL;
	int rc;

	while (!wrong && (rc = lmtp_parse_param(args, &key, &value)) != 0) {
		if (rc < 0)
			return "501 5.5.4 Malformed parameter";
		wrong = r ? UNKNOWN : mail_param(s, key, value);
		if (wrong != UNKNOWN)
			continue;
		p = find_param(key, r ? LMTP_AT_RCPT : LMTP_AT_MAIL);
		wrong = p ? p->take(s, r, value) : UNKNOWN;
	}
	return wrong;
}

void lmtp_mail(struct lmtp_session *s, struct cursor *args)
{
	struct store *store = s->base.mail->store;
	struct lmtp_path path;
	const char *wrong;
	int error;

	if (s->tx.open) {
		lmtp_reply(s, "503 5.5.1 MAIL was said already"); /* RFC 5321 4.1.4 */
		return;
	}
	if (lmtp_parse_path(args, STR("FROM:"), &path)) {
		lmtp_reply(s, "501 5.5.2 Say MAIL FROM:<address>");
		return;
	}
	s->tx.declared = 0;
	s->tx.utf8 = false;
	wrong = take_params(s, NULL, args);
	if (!wrong && path.utf8 && !s->tx.utf8)
		wrong = NOT_ASCII;
	if (wrong) {
		lmtp_reply(s, wrong);
		return;
	}
	error = store_admits(store, s->tx.declared);
	if (error) {
		lmtp_reply(s, lmtp_error_reply(error));
		return;
	}
	s->tx.sender = arena_str(&s->arena, path.address);
	if (!s->tx.sender.p) {
		lmtp_reply(s, lmtp_error_reply(ENOMEM));
		return;
	}
	s->tx.open = true;
	session_state(&s->base, "MAIL");
	lmtp_reply(s, "250 2.1.0 Ok");
}

static const char *ask_features(struct lmtp_session *s, const struct lmtp_rcpt *r)
{
	const char *wrong = NULL;

	FEATURE_EACH (f) {
		if (!wrong && f->lmtp_rcpt)
			wrong = f->lmtp_rcpt(s, r);
	}
	return wrong;
}

void lmtp_rcpt(struct lmtp_session *s, struct cursor *args)
{
	struct lmtp_rcpt r = {0};
	struct lmtp_path path;
	const char *wrong;
	int rc;

	if (!s->tx.open || s->tx.begun) {
		lmtp_reply(s, s->tx.open ? BEGUN : "503 5.5.1 Say MAIL first");
		return;
	}
	if (lmtp_parse_path(args, STR("TO:"), &path) || !path.local.len) {
		lmtp_reply(s, "501 5.1.3 Say RCPT TO:<address>");
		return;
	}
	wrong = take_params(s, &r, args);
	if (!wrong && path.utf8 && !s->tx.utf8)
		wrong = NOT_ASCII;
	if (wrong) {
		lmtp_reply(s, wrong);
		return;
	}
	if (s->tx.rcpts.n >= CONFIG_RECIPIENTS_MAX) {
		lmtp_reply(s, "452 4.5.3 Too many recipients"); /* RFC 5321 4.5.3.1.10 */
		return;
	}
	rc = lmtp_find_recipient(s, &path, &r);
	if (rc == 0) {
		/* Not an error of the client: a list may hold many old addresses. */
		buf_adds(&s->conn.out, "550 5.1.1 No such user\r\n");
		return;
	}
	wrong = rc > 0 ? ask_features(s, &r) : NULL;
	if (wrong) {
		buf_addv(&s->conn.out, wrong, "\r\n", NULL);
		return;
	}
	r.address = arena_str(&s->arena, path.address);
	if (rc < 0 || !r.address.p || vec_push(&s->tx.rcpts, r)) {
		lmtp_reply(s, "451 4.3.0 Cannot look up users now");
		return;
	}
	lmtp_reply(s, "250 2.1.5 Ok");
}

int lmtp_text_begin(struct lmtp_session *s)
{
	struct store *store = s->base.mail->store;
	int error = store_admits(store, s->tx.declared);

	s->tx.begun = true;
	s->serial++;
	session_state(&s->base, "DATA");
	if (error)
		return error;
	s->tx.body = body_new(store);
	if (!s->tx.body)
		return errno;
	body_expect(s->tx.body, s->tx.declared);
	body_notify(s->tx.body, lmtp_body_ready, s);
	return 0;
}

void lmtp_text_refuse(struct lmtp_session *s, const char *reply)
{
	if (s->tx.refusal)
		return;
	s->tx.refusal = reply;
	body_free(&s->tx.body);
}

size_t lmtp_text_take(struct lmtp_session *s, struct str in)
{
	struct lmtp_transaction *tx = &s->tx;
	int error = tx->body ? store_admits(s->base.mail->store, in.len) : 0;
	size_t taken;

	if (tx->body && body_full(tx->body)) {
		s->stalled = true;
		return 0;
	}
	if (error)
		lmtp_text_refuse(s, lmtp_error_reply(error));
	taken = lmtp_data_feed(&tx->data, in, tx->body ? body_buf(tx->body) : NULL);
	buf_consume(&s->conn.in, taken);
	if (tx->data.size > MESSAGE_MAX)
		lmtp_text_refuse(s, "552 5.3.4 Message is too large");
	else if (tx->body && body_added(tx->body) < 0)
		lmtp_text_refuse(s, lmtp_error_reply(errno));
	return taken;
}

void lmtp_text_end(struct lmtp_session *s)
{
	if (s->tx.data.nul)
		lmtp_text_refuse(s, "554 5.6.0 Message contains NUL");
	s->phase = LMTP_STORING;
	lmtp_deliver_begin(s);
}

static void take_data(struct lmtp_session *s)
{
	lmtp_text_take(s, buf_str(&s->conn.in));
	if (s->tx.data.done)
		lmtp_text_end(s);
}

void lmtp_data(struct lmtp_session *s, struct cursor *args)
{
	int error;

	if (!cursor_done(args)) {
		lmtp_reply(s, "501 5.5.4 DATA takes no argument");
		return;
	}
	if (s->tx.begun) {
		lmtp_reply(s, BEGUN);
		return;
	}
	if (!s->tx.rcpts.n) {
		/* RFC 2033 4.2: no valid recipient, no data. */
		lmtp_reply(s, "503 5.5.1 No valid recipients");
		return;
	}
	error = lmtp_text_begin(s);
	if (error) {
		lmtp_reply(s, lmtp_error_reply(error));
		lmtp_transaction_reset(s);
		return;
	}
	s->tx.take = take_data;
	s->phase = LMTP_TEXT;
	lmtp_reply(s, "354 Go ahead, end with CRLF . CRLF");
}
