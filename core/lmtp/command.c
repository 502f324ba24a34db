/* SPDX-License-Identifier: 0BSD */
#include "core/lmtp/command.h"

#include "core/hooks.h"
#include "core/lib/text.h"
#include "core/lmtp/prelogin.h"

#define BYTES_PER_MB  1048576

static const unsigned char letters[256] = {['a' ... 'z'] = 1, ['A' ... 'Z'] = 1};
static const unsigned char keyword[256] = {
	['a' ... 'z'] = 1, ['A' ... 'Z'] = 1, ['0' ... '9'] = 1, ['-'] = 1};
/* RFC 5321 4.1.2 esmtp-value */
static const unsigned char value_bytes[256] = {[33 ... 60] = 1, [62 ... 126] = 1};
static const unsigned char graphic[256] = {[33 ... 126] = 1};
/* Dot-string (RFC 5321 4.1.2), with dots wherever people have put them, and UTF-8 (RFC 6531 3.3). */
static const unsigned char local_bytes[256] = {
	['a' ... 'z'] = 1, ['A' ... 'Z'] = 1, ['0' ... '9'] = 1, ['!'] = 1, ['#' ... '\''] = 1,
	['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1, ['/'] = 1, ['='] = 1, ['?'] = 1, ['^'] = 1,
	['_'] = 1, ['`'] = 1, ['{' ... '~'] = 1, [0x80 ... 0xff] = 1};
static const unsigned char domain_bytes[256] = {
	['a' ... 'z'] = 1, ['A' ... 'Z'] = 1, ['0' ... '9'] = 1, ['-'] = 1, ['.'] = 1, ['_'] = 1,
	[0x80 ... 0xff] = 1};
static const unsigned char ascii[256] = {[0 ... 127] = 1};
static const unsigned char literal_bytes[256] = {[33 ... 90] = 1, [94 ... 126] = 1};

enum lmtp_verb lmtp_parse_verb(struct cursor *c)
{
	static const struct {
		const char *name;
		enum lmtp_verb verb;
	} verbs[] = {
		{"LHLO", LMTP_LHLO}, {"MAIL", LMTP_MAIL}, {"RCPT", LMTP_RCPT}, {"DATA", LMTP_DATA},
		{"RSET", LMTP_RSET}, {"NOOP", LMTP_NOOP}, {"QUIT", LMTP_QUIT}, {"VRFY", LMTP_VRFY},
		{"HELP", LMTP_HELP}, {"HELO", LMTP_HELO}, {"EHLO", LMTP_HELO},
		{ENABLE_LMTP_AUTH ? "AUTH" : "", LMTP_AUTH},
	};
	struct str word = cursor_take_set(c, letters);

	if (!cursor_done(c) && cursor_peek(c) != ' ')
		return LMTP_UNKNOWN;
	for (size_t i = 0; word.len && i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (str_ieq(word, str_from(verbs[i].name)))
			return verbs[i].verb;
	}
	return LMTP_UNKNOWN;
}

static void skip_spaces(struct cursor *c)
{
	while (cursor_accept(c, ' '))
		;
}

int lmtp_parse_lhlo(struct cursor *c, struct str *name_r)
{
	skip_spaces(c);
	*name_r = cursor_take_set(c, graphic);
	skip_spaces(c);
	return name_r->len && name_r->len <= 255 && cursor_done(c) ? 0 : -1;
}

static int take_quoted(struct cursor *c)
{
	int byte;

	cursor_get(c);
	while ((byte = cursor_get(c)) != '"') {
		if (byte == '\\')
			byte = cursor_get(c);
		if (byte < 32 || byte == 127)
			return -1;
	}
	return 0;
}

static int take_domain(struct cursor *c)
{
	if (!cursor_accept(c, '['))
		return cursor_take_set(c, domain_bytes).len ? 0 : -1;
	cursor_take_set(c, literal_bytes);
	return cursor_accept(c, ']') ? 0 : -1;
}

/* "@one,@two:" (RFC 5321 appendix C): must be accepted, should be ignored. */
static int skip_route(struct cursor *c)
{
	if (cursor_peek(c) != '@')
		return 0;
	do {
		if (!cursor_accept(c, '@') || take_domain(c))
			return -1;
	} while (cursor_accept(c, ','));
	return cursor_accept(c, ':') ? 0 : -1;
}

static bool is_ascii(struct str s)
{
	struct cursor c = cursor_from(s);

	cursor_take_set(&c, ascii);
	return cursor_done(&c);
}

int lmtp_parse_path(struct cursor *c, struct str word, struct lmtp_path *path_r)
{
	struct cursor start, at;

	skip_spaces(c);
	if (!cursor_accept_word(c, word))
		return -1;
	skip_spaces(c); /* wrong, and common */
	if (!cursor_accept(c, '<') || skip_route(c))
		return -1;
	start = *c;
	if (cursor_peek(c) != '"')
		cursor_take_set(c, local_bytes);
	else if (take_quoted(c))
		return -1;
	path_r->local = cursor_between(&start, c);
	path_r->domain = STR("");
	if (path_r->local.len && cursor_accept(c, '@')) {
		at = *c;
		if (take_domain(c))
			return -1;
		path_r->domain = cursor_between(&at, c);
	}
	path_r->address = cursor_between(&start, c);
	path_r->utf8 = !is_ascii(path_r->address);
	if (path_r->utf8 && !text_is_utf8(path_r->address))
		return -1;
	return cursor_accept(c, '>') && path_r->address.len <= LMTP_PATH_MAX ? 0 : -1;
}

int lmtp_parse_param(struct cursor *c, struct str *key_r, struct str *value_r)
{
	bool space = cursor_peek(c) == ' ';

	skip_spaces(c);
	if (cursor_done(c))
		return 0;
	*key_r = cursor_take_set(c, keyword);
	*value_r = STR_NULL;
	if (!space || !key_r->len)
		return -1;
	if (cursor_accept(c, '=')) {
		*value_r = cursor_take_set(c, value_bytes);
		if (!value_r->len)
			return -1;
	}
	return cursor_done(c) || cursor_peek(c) == ' ' ? 1 : -1;
}

int lmtp_add_local(struct buf *out, struct str local)
{
	struct cursor c = cursor_from(local);

	if (!cursor_accept(&c, '"'))
		return buf_addstr(out, local);
	while (cursor_peek(&c) != '"' && !cursor_done(&c)) {
		cursor_accept(&c, '\\');
		buf_addc(out, (char)cursor_get(&c));
	}
	return out->failed ? -1 : 0;
}

void lmtp_add_lhlo(struct buf *out, const char *hostname, struct prelogin *p)
{
	buf_addv(out, "250-", hostname, "\r\n", NULL);
	FEATURE_EACH (f) {
		if (p && f->lmtp_lhlo)
			f->lmtp_lhlo(p, out);
		for (const char *const *word = f->lmtp_words; word && *word; word++)
			buf_addv(out, "250-", *word, "\r\n", NULL);
	}
	if (ENABLE_LMTP_AUTH && p)
		lmtp_auth_lhlo(p, out);
	buf_addv(out, "250-PIPELINING\r\n250-8BITMIME\r\n"
		"250-ENHANCEDSTATUSCODES\r\n250 SIZE ", NULL);
	buf_addu(out, (uint64_t)CONFIG_MESSAGE_MAX_MB * BYTES_PER_MB);
	buf_adds(out, "\r\n");
}

int lmtp_answer_common(struct buf *out, enum lmtp_verb verb)
{
	switch (verb) {
	case LMTP_NOOP:
		buf_adds(out, "250 2.0.0 Ok\r\n");
		return 0;
	case LMTP_VRFY:
		/* RFC 5321 3.5.3: neither a no nor a promise. */
		buf_adds(out, "252 2.5.2 Try RCPT\r\n");
		return 0;
	case LMTP_HELP:
		buf_adds(out, "214 2.0.0 LHLO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT (RFC 2033)\r\n");
		return 0;
	case LMTP_HELO:
		/* RFC 2033 4.1 */
		buf_adds(out, "500 5.5.1 This is LMTP: say LHLO\r\n");
		return 1;
	case LMTP_AUTH:
		/* RFC 4954 4 */
		buf_adds(out, "503 5.5.1 AUTH comes before the first MAIL, and once\r\n");
		return 1;
	case LMTP_UNKNOWN:
		buf_adds(out, "500 5.5.1 Unknown command\r\n");
		return 1;
	default:
		return -1;
	}
}

void lmtp_add_clean(struct buf *out, struct str text)
{
	struct cursor c = cursor_from(text);

	while (!cursor_done(&c)) {
		struct str run = cursor_take_set(&c, literal_bytes);
		int byte;

		buf_addstr(out, run);
		if (cursor_done(&c))
			return;
		byte = cursor_get(&c);
		buf_addc(out, byte == '[' || byte == ']' ? (char)byte : '?');
	}
}
