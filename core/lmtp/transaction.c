/* SPDX-License-Identifier: 0BSD */
/* MAIL, RCPT and DATA (RFC 2033 4.2, RFC 5321 4.1.1). */
#include "core/lmtp/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/lib/vec.h"

#define MESSAGE_MAX ((uint64_t)CONFIG_MESSAGE_MAX_MB * 1024 * 1024)
#define RCPTS_KEPT  16

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
	return "555 5.5.4 Unknown parameter of MAIL";
}

static const char *mail_params(struct lmtp_session *s, struct cursor *args)
{
	struct str key, value;
	const char *wrong = NULL;
	int rc;

	while (!wrong && (rc = lmtp_parse_param(args, &key, &value)) != 0)
		wrong = rc < 0 ? "501 5.5.4 Malformed parameter" : mail_param(s, key, value);
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
	wrong = mail_params(s, args);
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

static struct str lower_case(struct arena *a, struct str s)
{
	struct str copy = arena_str(a, s);
	char *p = (char *)(uintptr_t)copy.p;

	for (size_t i = 0; p && i < copy.len; i++) {
		if (p[i] >= 'A' && p[i] <= 'Z')
			p[i] = (char)(p[i] + 'a' - 'A');
	}
	return copy;
}

/* Accounts are named in small letters.  1 found (*name_r in the arena), 0 no such account, -1. */
static int look_up(struct lmtp_session *s, struct str name, struct str *name_r)
{
	struct mail *m = s->base.mail;

	*name_r = lower_case(&s->arena, name);
	if (!name_r->p)
		return -1;
	return name.len ? m->account_lookup(m, *name_r) : 0;
}

/* The account of local@domain: one named by the whole address, else one named by the local part.
 * What follows the first '+' is the detail (RFC 5233 4). */
static int find_account(struct lmtp_session *s, const struct lmtp_path *path, struct lmtp_rcpt *r)
{
	struct buf name = {0};
	struct str local;
	struct cursor c;
	int rc = -1;

	if (lmtp_add_local(&name, path->local))
		goto free_name;
	local = arena_str(&s->arena, buf_str(&name));
	if (!local.p)
		goto free_name;
	c = cursor_from(local);
	local = cursor_take_until(&c, '+');
	r->detail = cursor_accept(&c, '+') ? cursor_take(&c, cursor_left(&c)) : STR("");
	rc = 0;
	if (path->domain.len) {
		buf_clear(&name);
		buf_addstr(&name, local);
		buf_addc(&name, '@');
		buf_addstr(&name, path->domain);
		r->user = arena_str(&s->arena, buf_str(&name));
		rc = name.failed || !r->user.p ? -1 : look_up(s, r->user, &r->user);
	}
	if (rc == 0)
		rc = look_up(s, local, &r->user);
free_name:
	buf_free(&name);
	return rc;
}

void lmtp_rcpt(struct lmtp_session *s, struct cursor *args)
{
	struct lmtp_rcpt r = {0};
	struct lmtp_path path;
	struct str key, value;
	int rc;

	if (!s->tx.open) {
		lmtp_reply(s, "503 5.5.1 Say MAIL first");
		return;
	}
	if (lmtp_parse_path(args, STR("TO:"), &path) || !path.local.len) {
		lmtp_reply(s, "501 5.1.3 Say RCPT TO:<address>");
		return;
	}
	rc = lmtp_parse_param(args, &key, &value);
	if (rc) {
		lmtp_reply(s, rc < 0 ? "501 5.5.4 Malformed parameter" :
				       "555 5.5.4 Unknown parameter of RCPT");
		return;
	}
	if (s->tx.rcpts.n >= CONFIG_RECIPIENTS_MAX) {
		lmtp_reply(s, "452 4.5.3 Too many recipients"); /* RFC 5321 4.5.3.1.10 */
		return;
	}
	rc = find_account(s, &path, &r);
	if (rc == 0) {
		/* Not an error of the client: a list may hold many old addresses. */
		buf_adds(&s->conn.out, "550 5.1.1 No such user\r\n");
		return;
	}
	r.address = arena_str(&s->arena, path.address);
	if (rc < 0 || !r.address.p || vec_push(&s->tx.rcpts, r)) {
		lmtp_reply(s, "451 4.3.0 Cannot look up users now");
		return;
	}
	lmtp_reply(s, "250 2.1.5 Ok");
}

void lmtp_data(struct lmtp_session *s, struct cursor *args)
{
	struct store *store = s->base.mail->store;
	int error;

	if (!cursor_done(args)) {
		lmtp_reply(s, "501 5.5.4 DATA takes no argument");
		return;
	}
	if (!s->tx.rcpts.n) {
		/* RFC 2033 4.2: no valid recipient, no data. */
		lmtp_reply(s, "503 5.5.1 No valid recipients");
		return;
	}
	error = store_admits(store, s->tx.declared);
	if (!error) {
		s->tx.body = body_new(store);
		error = s->tx.body ? 0 : errno;
	}
	if (error) {
		lmtp_reply(s, lmtp_error_reply(error));
		lmtp_transaction_reset(s);
		return;
	}
	body_expect(s->tx.body, s->tx.declared);
	body_notify(s->tx.body, lmtp_body_ready, s);
	s->phase = LMTP_TEXT;
	s->serial++;
	session_state(&s->base, "DATA");
	lmtp_reply(s, "354 Go ahead, end with CRLF . CRLF");
}

/* The text is still swallowed to its end, but no longer kept. */
static void refuse(struct lmtp_session *s, const char *reply)
{
	if (s->tx.refusal)
		return;
	s->tx.refusal = reply;
	body_free(&s->tx.body);
}

void lmtp_take_text(struct lmtp_session *s)
{
	struct lmtp_transaction *tx = &s->tx;
	struct str in = buf_str(&s->conn.in);
	int error = tx->body ? store_admits(s->base.mail->store, in.len) : 0;

	if (tx->body && body_full(tx->body)) {
		s->stalled = true;
		return;
	}
	if (error)
		refuse(s, lmtp_error_reply(error));
	buf_consume(&s->conn.in, lmtp_data_feed(&tx->data, in, tx->body ? body_buf(tx->body) : NULL));
	if (tx->data.size > MESSAGE_MAX)
		refuse(s, "552 5.3.4 Message is too large");
	else if (tx->body && body_added(tx->body) < 0)
		refuse(s, lmtp_error_reply(errno));
	if (!tx->data.done)
		return;
	if (tx->data.nul)
		refuse(s, "554 5.6.0 Message contains NUL");
	s->phase = LMTP_STORING;
	lmtp_deliver_begin(s);
}
