/* SPDX-License-Identifier: 0BSD */
/* AUTH in LMTP (RFC 4954), in the gate.  Who is let in goes to mail at once, which says so. */
#include "core/lmtp/prelogin.h"

#include "core/lib/text.h"
#include "core/lmtp/command.h"
#include "core/lmtp/lmtp.h"
#include "core/sasl_offer.h"

#define FAILED_LOGIN_COST 5

void lmtp_auth_lhlo(const struct prelogin *p, struct buf *out)
{
	size_t before = out->len;

	if (!p->may_login)
		return;
	buf_adds(out, "250-AUTH");
	sasl_offer_add(p, " ", out);
	if (out->len == before + sizeof("250-AUTH") - 1)
		out->len = before;
	else
		buf_adds(out, "\r\n");
}

static void start(struct prelogin *p, struct str mechanism, struct str initial)
{
	/* In one piece: growing would leave parts of a password in freed memory. */
	struct buf decoded = {0};

	if (!buf_reserve(&decoded, initial.len + 1) || sasl_offer_decode(initial, true, &decoded)) {
		lmtp_prelogin_wrong(p, "501 5.5.2 The initial response is not base64");
	} else {
		sasl_offer_start(p, mechanism, initial.len ? buf_str(&decoded) : STR_NULL);
		p->state |= LMTP_WAITING;
	}
	buf_wipe(&decoded);
}

void lmtp_auth_command(struct prelogin *p, struct cursor *args)
{
	struct str mechanism, initial;
	enum sasl_offer offer;

	cursor_accept(args, ' ');
	mechanism = cursor_take_until(args, ' ');
	cursor_accept(args, ' ');
	initial = cursor_take(args, cursor_left(args));
	offer = sasl_offer_find(p, mechanism);
	if (!p->may_login)
		lmtp_prelogin_wrong(p, "502 5.5.1 Nobody logs in here");
	else if (!(p->state & LMTP_GREETED))
		lmtp_prelogin_wrong(p, "503 5.5.1 Say LHLO first");
	else if (!mechanism.len)
		lmtp_prelogin_wrong(p, "501 5.5.4 Name a mechanism");
	else if (offer == SASL_OFFER_SECURE)
		lmtp_prelogin_wrong(p, "538 5.7.11 Encrypt the connection first");
	else if (offer == SASL_OFFER_UNKNOWN)
		lmtp_prelogin_wrong(p, "504 5.5.4 No such mechanism");
	else
		start(p, mechanism, initial);
}

static void give_up(struct prelogin *p, const char *reply)
{
	p->auth_abort = true;
	lmtp_prelogin_wrong(p, reply);
}

void lmtp_auth_line(struct prelogin *p, struct str line, bool whole)
{
	struct buf decoded = {0};

	p->state &= (uint8_t)~LMTP_RESPONSE;
	if (!whole) {
		give_up(p, "500 5.5.6 The response is too long");
	} else if (str_eq(line, STR("*"))) {
		give_up(p, "501 5.7.0 The exchange was cancelled");
	} else if (!buf_reserve(&decoded, line.len + 1) || sasl_offer_decode(line, false, &decoded)) {
		give_up(p, "501 5.5.2 The response is not base64");
	} else {
		sasl_offer_step(p, buf_str(&decoded));
		p->state |= LMTP_WAITING;
	}
	buf_wipe(&decoded);
}

static void refuse(struct prelogin *p, const char *reply, struct str reason)
{
	buf_adds(&p->out, reply);
	if (reason.len) {
		buf_adds(&p->out, ": ");
		sasl_offer_add_reason(&p->out, reason);
	}
	buf_adds(&p->out, "\r\n");
	p->errors = (uint8_t)(p->errors + FAILED_LOGIN_COST - 1);
	lmtp_prelogin_wrong(p, NULL);
}

void lmtp_prelogin_auth(struct prelogin *p, enum prelogin_auth status, struct str data)
{
	if (p->want == PRELOGIN_CLOSE || !(p->state & LMTP_WAITING))
		return;
	p->want = PRELOGIN_READ;
	p->state &= (uint8_t)~LMTP_WAITING;
	switch (status) {
	case PRELOGIN_AUTH_CONTINUE:
		buf_adds(&p->out, "334 ");
		text_base64_encode(&p->out, data);
		buf_adds(&p->out, "\r\n");
		p->state |= LMTP_RESPONSE;
		break;
	case PRELOGIN_AUTH_OK:
		p->want = PRELOGIN_HANDOFF;
		return;
	case PRELOGIN_AUTH_FAILED:
		refuse(p, "535 5.7.8 Wrong name or password", STR(""));
		break;
	case PRELOGIN_AUTH_UNAVAILABLE:
		refuse(p, "454 4.7.0 Cannot check passwords now, try again later", data);
		break;
	case PRELOGIN_AUTH_REFUSED:
		refuse(p, "501 5.5.2 Authentication was refused", data);
		break;
	case PRELOGIN_AUTH_DENIED:
		refuse(p, "535 5.7.8 Not allowed", data);
		break;
	}
	/* The client may have sent on already. */
	lmtp_prelogin_input(p);
}
