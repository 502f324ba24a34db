/* SPDX-License-Identifier: 0BSD */
/*
 * IMAP before login, in the gate: everything a stranger may say.  A command is collected whole in
 * p->in, literals and all; together they may not pass CONFIG_PRELOGIN_LINE_MAX.
 */
#include "core/imap/commands.h"

#include <string.h>

#include "core/lib/log.h"
#include "core/lib/text.h"
#include "core/sasl_offer.h"

enum { COMMAND, RESPONSE, WAITING };  /* low bits of p->state; RESPONSE: a line of a SASL exchange */
#define STATE_MASK 3
#define CONTINUED 4                   /* in steps of: literals of this command already asked for */
#define CONTINUED_MAX 8
#define ERRORS_MAX 10
#define FAILED_LOGIN_COST 3

static unsigned state_of(const struct prelogin *p)
{
	return p->state & STATE_MASK;
}

static void end_with(struct prelogin *p, const char *text)
{
	imap_tagged(&p->out, STR(""), "BYE", NULL, text);
	p->want = PRELOGIN_CLOSE;
}

static void count_errors(struct prelogin *p, unsigned cost)
{
	p->errors = (uint8_t)(p->errors + cost);
	if (p->errors >= ERRORS_MAX)
		end_with(p, "Too many errors");
}

static void bad(struct prelogin *p, struct str tag, const char *what)
{
	imap_tagged(&p->out, tag, "BAD", NULL, what);
	count_errors(p, 1);
}

void imap_prelogin_greet(struct prelogin *p)
{
	buf_adds(&p->out, "* OK [CAPABILITY ");
	imap_add_capabilities(&p->out, IMAP_NOT_AUTHENTICATED, p);
	buf_addv(&p->out, "] ", p->hostname ? p->hostname : "", " Satchel ready\r\n", NULL);
}

void imap_prelogin_bye(struct prelogin *p, const char *why)
{
	end_with(p, why);
}

static void keep_tag(struct prelogin *p, struct str tag)
{
	buf_clear(&p->tag);
	buf_addstr(&p->tag, tag);
}

static void do_capability(struct prelogin *p, struct str tag, struct cursor *args)
{
	if (imap_parse_end(args)) {
		bad(p, tag, "CAPABILITY takes no arguments");
		return;
	}
	buf_adds(&p->out, "* CAPABILITY ");
	imap_add_capabilities(&p->out, IMAP_NOT_AUTHENTICATED, p);
	buf_adds(&p->out, "\r\n");
	imap_tagged(&p->out, tag, "OK", NULL, "That is all");
}

static void do_noop(struct prelogin *p, struct str tag, struct cursor *args)
{
	if (imap_parse_end(args))
		bad(p, tag, "NOOP takes no arguments");
	else
		imap_tagged(&p->out, tag, "OK", NULL, "Nothing done");
}

static void do_logout(struct prelogin *p, struct str tag, struct cursor *args)
{
	if (imap_parse_end(args)) {
		bad(p, tag, "LOGOUT takes no arguments");
		return;
	}
	end_with(p, "Logging out");
	imap_tagged(&p->out, tag, "OK", NULL, "Logged out");
}

static void do_login(struct prelogin *p, struct str tag, struct cursor *args)
{
	struct arena arena = {.max = 2 * CONFIG_PRELOGIN_LINE_MAX};
	struct str user, password;

	if (imap_parse_sp(args) || imap_parse_astring(args, &arena, &user) || imap_parse_sp(args) ||
	    imap_parse_astring(args, &arena, &password) || imap_parse_end(args)) {
		bad(p, tag, "LOGIN: expected a name and a password");
	} else if (!p->secure) {
		/* RFC 9051 6.2.3: LOGINDISABLED was announced. */
		imap_tagged(&p->out, tag, "NO", "PRIVACYREQUIRED", "Passwords need TLS");
		count_errors(p, 1);
	} else {
		keep_tag(p, tag);
		sasl_offer_login(p, user, password);
		p->state = WAITING;
	}
	arena_wipe(&arena);
}

static void start_sasl(struct prelogin *p, struct str tag, struct str mechanism, struct str initial)
{
	/* In one piece: growing would leave parts of a password in freed memory. */
	struct buf decoded = {0};

	if (!buf_reserve(&decoded, initial.len + 1) ||
			sasl_offer_decode(initial, true, &decoded)) {
		bad(p, tag, "AUTHENTICATE: the initial response is not base64");
	} else {
		keep_tag(p, tag);
		sasl_offer_start(p, mechanism, initial.p ? buf_str(&decoded) : STR_NULL);
		p->state = WAITING;
	}
	buf_wipe(&decoded);
}

static void do_authenticate(struct prelogin *p, struct str tag, struct cursor *args)
{
	struct str name, initial;
	enum sasl_offer offer;
	bool has_initial;

	if (imap_parse_sp(args) || imap_parse_atom(args, &name)) {
		bad(p, tag, "AUTHENTICATE: expected a mechanism");
		return;
	}
	has_initial = cursor_accept(args, ' ');
	initial = cursor_take(args, cursor_left(args));
	if (initial.len && !has_initial) {
		bad(p, tag, "AUTHENTICATE: expected a mechanism");
		return;
	}
	offer = sasl_offer_find(p, name);
	if (offer == SASL_OFFER_YES) {
		start_sasl(p, tag, name, has_initial ? initial : STR_NULL);
		return;
	}
	imap_tagged(&p->out, tag, "NO", offer ? "PRIVACYREQUIRED" : "CANNOT",
		offer ? "Passwords need TLS" : "No such mechanism");
	count_errors(p, 1);
}

static const struct {
	const char *name;
	void (*run)(struct prelogin *p, struct str tag, struct cursor *args);
} commands[] = {
	{"CAPABILITY", do_capability}, {"NOOP", do_noop}, {"LOGOUT", do_logout},
	{"LOGIN", do_login}, {"AUTHENTICATE", do_authenticate},
};

static void run_command(struct prelogin *p, struct str text)
{
	struct cursor c = cursor_from(text);
	struct str tag, name;
	const char *wrong = imap_parse_head(&c, &tag, &name);

	if (!wrong && memchr(text.p, 0, text.len))
		wrong = "NUL bytes cannot stand in a command";
	if (wrong) {
		bad(p, tag, wrong);
		return;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (str_ieq(name, str_from(commands[i].name))) {
			commands[i].run(p, tag, &c);
			return;
		}
	}
	FEATURE_EACH (f) {
		if (f->imap_gate && f->imap_gate(p, tag, name, c) != HOOK_PASS)
			return;
	}
	bad(p, tag, imap_command_find(name, false) || str_ieq(name, STR("UID"))
			    ? "Log in first" : "Unknown command");
}

static void abort_sasl(struct prelogin *p, const char *what)
{
	p->auth_abort = true;
	p->state = COMMAND;
	bad(p, buf_str(&p->tag), what);
}

static void take_response(struct prelogin *p, struct str line)
{
	struct buf decoded = {0};

	if (str_eq(line, STR("*"))) {
		abort_sasl(p, "AUTHENTICATE was cancelled"); /* RFC 9051 6.2.2 */
	} else if (!buf_reserve(&decoded, line.len + 1) || sasl_offer_decode(line, false, &decoded)) {
		abort_sasl(p, "AUTHENTICATE: the response is not base64");
	} else {
		sasl_offer_step(p, buf_str(&decoded));
		p->state = WAITING;
	}
	buf_wipe(&decoded);
}

/* A literal too large to keep.  What was asked for beforehand is refused with its tag and never
 * sent; what comes without being asked for cannot be told from commands once it is cut. */
static void refuse_literal(struct prelogin *p, struct str in, const struct imap_line *l)
{
	imap_tagged(&p->out, imap_scan_tag(in), l->nonsync ? "BAD" : "NO", "TOOBIG", "Literal too large");
	p->state = COMMAND;
	if (l->nonsync)
		end_with(p, "Literal too large");
	else
		count_errors(p, 1);
	buf_consume(&p->in, l->end);
}

/* Only commands that are run here may go on with a literal; the others are answered at once. */
static bool takes_literals(struct str in)
{
	struct cursor c = cursor_from(in);
	const struct imap_command *command;
	struct str tag, name;

	if (imap_parse_head(&c, &tag, &name))
		return false;
	command = imap_command_find(name, false);
	return str_ieq(name, STR("LOGIN")) || (command && (command->flags & IMAP_GATE));
}

/* Length of the command at the front of p->in, 0 if it is not complete. *text_r: without line end. */
static size_t collect(struct prelogin *p, size_t *text_r)
{
	struct str in = buf_str(&p->in);
	unsigned seen = 0;
	struct imap_line l;
	size_t at = 0;

	while (at <= in.len && imap_scan_line(in, at, &l)) {
		if (!l.literal || (!l.nonsync && !takes_literals(in))) {
			*text_r = l.text;
			return l.end;
		}
		if (l.end > CONFIG_PRELOGIN_LINE_MAX || seen == CONTINUED_MAX ||
		    l.size > CONFIG_PRELOGIN_LINE_MAX - l.end) {
			refuse_literal(p, in, &l);
			return 0;
		}
		if (++seen > p->state / CONTINUED) {
			if (!l.nonsync)
				buf_adds(&p->out, "+ OK\r\n");
			p->state = (uint8_t)(p->state + CONTINUED);
		}
		at = l.end + (size_t)l.size;
	}
	if (in.len >= CONFIG_PRELOGIN_LINE_MAX) {
		imap_tagged(&p->out, imap_scan_tag(in), "BAD", NULL, "Line too long");
		end_with(p, "Line too long");
		buf_consume(&p->in, in.len);
	}
	return 0;
}

/* One command or response; false: nothing complete is there. */
static bool take_one(struct prelogin *p)
{
	size_t before = p->in.len, text, n;
	struct str in = buf_str(&p->in);
	struct imap_line l;

	if (state_of(p) == RESPONSE) {
		if (imap_scan_line(in, 0, &l)) {
			take_response(p, (struct str){in.p, l.text});
			buf_consume(&p->in, l.end);
		} else if (in.len >= CONFIG_PRELOGIN_LINE_MAX) {
			abort_sasl(p, "AUTHENTICATE: the response is too long");
			end_with(p, "Line too long");
		}
	} else {
		n = collect(p, &text);
		if (n) {
			p->state = COMMAND;
			run_command(p, (struct str){in.p, text});
			buf_consume(&p->in, n);
		}
	}
	return p->in.len != before;
}

void imap_prelogin_input(struct prelogin *p)
{
	if (p->want == PRELOGIN_CLOSE || state_of(p) == WAITING)
		return;
	p->want = PRELOGIN_READ;
	while (p->want == PRELOGIN_READ && take_one(p))
		;
}

/* reason: auth's, or text where it gave none. */
static void refuse_login(struct prelogin *p, const char *code, struct str reason, const char *text)
{
	struct buf line = {0};

	if (reason.len) {
		sasl_offer_add_reason(&line, reason);
		buf_addc(&line, '\0');
	}
	imap_tagged(&p->out, buf_str(&p->tag), "NO", code, line.data ? buf_str(&line).p : text);
	count_errors(p, FAILED_LOGIN_COST);
	buf_free(&line);
}

void imap_prelogin_auth(struct prelogin *p, enum prelogin_auth status, struct str data)
{
	if (p->want == PRELOGIN_CLOSE || state_of(p) != WAITING)
		return;
	p->want = PRELOGIN_READ;
	p->state = COMMAND;
	switch (status) {
	case PRELOGIN_AUTH_CONTINUE:
		buf_adds(&p->out, "+ ");
		text_base64_encode(&p->out, data);
		buf_adds(&p->out, "\r\n");
		p->state = RESPONSE;
		break;
	case PRELOGIN_AUTH_OK:
		p->want = PRELOGIN_HANDOFF;
		return;
	case PRELOGIN_AUTH_FAILED:
		refuse_login(p, "AUTHENTICATIONFAILED", STR(""), "Wrong name or password");
		break;
	case PRELOGIN_AUTH_UNAVAILABLE:
		refuse_login(p, "UNAVAILABLE", data, "Cannot check passwords now, try again later");
		break;
	case PRELOGIN_AUTH_REFUSED:
		refuse_login(p, "CANNOT", data, "Authentication was refused");
		break;
	case PRELOGIN_AUTH_DENIED: /* RFC 5530 3 */
		refuse_login(p, "AUTHORIZATIONFAILED", data, "Not allowed");
		break;
	}
	/* The client may have sent on already. */
	imap_prelogin_input(p);
}
