/* SPDX-License-Identifier: 0BSD */
/* LMTP before the first MAIL, in the gate. */
#include "core/lmtp/lmtp.h"

#include "core/hooks.h"
#include "core/lmtp/command.h"
#include "core/lmtp/prelogin.h"

void lmtp_prelogin_greet(struct prelogin *p)
{
	buf_addv(&p->out, "220 ", p->hostname, " LMTP Satchel\r\n", NULL);
}

void lmtp_prelogin_bye(struct prelogin *p, const char *why)
{
	buf_addv(&p->out, "421 4.3.2 ", p->hostname, " ", why, "\r\n", NULL);
	p->want = PRELOGIN_CLOSE;
}

void lmtp_prelogin_wrong(struct prelogin *p, const char *reply)
{
	if (reply)
		buf_addv(&p->out, reply, "\r\n", NULL);
	if (++p->errors < LMTP_ERRORS_MAX)
		return;
	buf_addv(&p->out, "421 4.7.0 ", p->hostname, " Too many errors\r\n", NULL);
	p->want = PRELOGIN_CLOSE;
}

static void say_lhlo(struct prelogin *p, struct cursor *args)
{
	struct str name;

	if (lmtp_parse_lhlo(args, &name)) {
		lmtp_prelogin_wrong(p, "501 5.5.4 Say LHLO and your host name");
		return;
	}
	buf_clear(&p->lhlo);
	buf_addstr(&p->lhlo, name);
	p->state |= LMTP_GREETED;
	lmtp_add_lhlo(&p->out, p->hostname, p);
}

static void refuse_mail(struct prelogin *p)
{
	if (!(p->state & LMTP_GREETED))
		lmtp_prelogin_wrong(p, "503 5.5.1 Say LHLO first");
	else if (p->must_encrypt) /* RFC 3207 4 */
		lmtp_prelogin_wrong(p, "530 5.7.0 Encrypt the connection first");
	else /* RFC 4954 6 */
		lmtp_prelogin_wrong(p, "530 5.7.0 Authentication required");
}

static bool by_feature(struct prelogin *p, struct str line)
{
	struct cursor c = cursor_from(line);
	struct str verb = cursor_take_until(&c, ' ');

	FEATURE_EACH (f) {
		if (f->lmtp_gate && f->lmtp_gate(p, verb, c) != HOOK_PASS)
			return true;
	}
	return false;
}

static void command(struct prelogin *p, struct str line)
{
	struct cursor c = cursor_from(line);
	enum lmtp_verb verb = lmtp_parse_verb(&c);

	switch (verb) {
	case LMTP_LHLO:
		say_lhlo(p, &c);
		break;
	case LMTP_RSET:
		buf_adds(&p->out, "250 2.0.0 Ok\r\n");
		break;
	case LMTP_QUIT:
		buf_addv(&p->out, "221 2.0.0 ", p->hostname, " Bye\r\n", NULL);
		p->want = PRELOGIN_CLOSE;
		break;
	case LMTP_MAIL:
		refuse_mail(p);
		break;
	case LMTP_AUTH:
		if (ENABLE_LMTP_AUTH)
			lmtp_auth_command(p, &c);
		break;
	case LMTP_RCPT:
	case LMTP_DATA:
		lmtp_prelogin_wrong(p, "503 5.5.1 Say MAIL first");
		break;
	default:
		if (verb == LMTP_UNKNOWN && by_feature(p, line))
			break;
		if (lmtp_answer_common(&p->out, verb) > 0)
			lmtp_prelogin_wrong(p, NULL);
	}
}

/* The line at the front, with its end; 1 taken, 0 not complete. */
static int next_line(struct prelogin *p, struct str *line_r, size_t *taken_r)
{
	struct cursor c = cursor_from(buf_str(&p->in));
	bool ended;

	*line_r = cursor_take_line(&c, &ended);
	*taken_r = p->in.len - cursor_left(&c);
	return ended;
}

void lmtp_prelogin_input(struct prelogin *p)
{
	if (p->want == PRELOGIN_CLOSE || p->state & LMTP_WAITING)
		return;
	p->want = PRELOGIN_READ;
	while (p->want == PRELOGIN_READ && p->in.len) {
		struct str line;
		size_t taken;
		int ended = next_line(p, &line, &taken);
		struct cursor c = cursor_from(line);

		if (p->state & LMTP_SKIPPING) {
			p->state &= ended ? ~LMTP_SKIPPING : ~0;
		} else if (taken > LMTP_LINE_MAX) {
			p->state |= ended ? 0 : LMTP_SKIPPING;
			if (ENABLE_LMTP_AUTH && p->state & LMTP_RESPONSE)
				lmtp_auth_line(p, line, false);
			else
				lmtp_prelogin_wrong(p, "500 5.5.2 Line too long");
		} else if (!ended) {
			return;
		} else if (ENABLE_LMTP_AUTH && p->state & LMTP_RESPONSE) {
			lmtp_auth_line(p, line, true);
		} else if (p->state & LMTP_GREETED && lmtp_parse_verb(&c) == LMTP_MAIL &&
			   !p->must_encrypt && !p->must_login) {
			p->want = PRELOGIN_HANDOFF;
			return;
		} else {
			command(p, line);
		}
		buf_consume(&p->in, taken);
	}
}
