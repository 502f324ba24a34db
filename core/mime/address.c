/* SPDX-License-Identifier: 0BSD */
#include "core/mime/address.h"

#include "core/mime/field.h"
#include "core/mime/nstring.h"

struct parser {
	struct cursor c;
	struct buf *out;
	unsigned count;
	bool group;          /* between "name:" and ";" */
	struct str comment;  /* the last one of this address */
	struct address_scratch *s;
};

/* Ends a word.  More than RFC 5322 3.2.3 allows is let into words: "[list] Bob" is a name that
 * people send. */
static const unsigned char word_end[256] = {[' '] = 1, ['\t'] = 1, ['\r'] = 1, ['\n'] = 1,
	['('] = 1, [')'] = 1, ['<'] = 1, ['>'] = 1, [','] = 1, [';'] = 1, [':'] = 1, ['@'] = 1,
	['"'] = 1, ['.'] = 1};

static struct str take_word(struct cursor *c)
{
	struct cursor start = *c;

	while (!cursor_done(c) && !word_end[cursor_peek(c)])
		cursor_skip(c, 1);
	return cursor_between(&start, c);
}

static bool ends_in_dot(const struct buf *b)
{
	struct str s = buf_str(b);

	return s.len && s.p[s.len - 1] == '.';
}

/* Takes words and dots up to a byte that means something else, which is returned (-1: the end). */
static int take_words(struct parser *p, struct buf *phrase, struct buf *local)
{
	for (;;) {
		bool gap = field_skip_cfws(&p->c, &p->comment);
		int byte = cursor_peek(&p->c);
		bool word = byte == '"' || (byte >= 0 && !word_end[byte]);

		if (!word && byte != '.')
			return byte;
		if (gap && phrase->len)
			buf_addc(phrase, ' ');
		if (gap && word && local->len && !ends_in_dot(local))
			buf_addc(local, ' ');
		if (byte == '"') {
			struct str inside = field_quoted(&p->c);

			field_add_unescaped(phrase, inside);
			field_add_unescaped(local, inside);
		} else {
			struct str s = byte == '.' ? cursor_take(&p->c, 1) : take_word(&p->c);

			buf_addstr(phrase, s);
			buf_addstr(local, s);
		}
	}
}

/* RFC 5322 3.4.1: dot-atom or [literal], with blanks and comments where 4.4 had them. */
static void take_domain(struct parser *p, struct buf *domain)
{
	bool dot = true;

	for (;;) {
		int byte;

		field_skip_cfws(&p->c, &p->comment);
		byte = cursor_peek(&p->c);
		if (byte == '.') {
			buf_addstr(domain, cursor_take(&p->c, 1));
			dot = true;
		} else if (byte == '[' && dot) {
			buf_addstr(domain, cursor_take_until(&p->c, ']'));
			buf_addstr(domain, STR("]"));
			cursor_accept(&p->c, ']');
			dot = false;
		} else if (byte >= 0 && !word_end[byte] && dot) {
			buf_addstr(domain, take_word(&p->c));
			dot = false;
		} else {
			return;
		}
	}
}

static void add_address(struct parser *p, struct str name, struct str adl, struct str mailbox,
	struct str host)
{
	static const char separators[][3] = {"(", " ", " ", " "};
	struct str fields[] = {name, adl, mailbox, host};

	for (unsigned i = 0; i < 4; i++) {
		buf_adds(p->out, separators[i]);
		mime_add_nstring(p->out, fields[i]);
	}
	buf_addc(p->out, ')');
	p->count++;
}

static struct str or_nil(struct str s)
{
	return s.len ? s : STR_NULL;
}

static void add_mailbox(struct parser *p, const struct buf *local)
{
	struct str name = or_nil(buf_str(&p->s->phrase));

	/* RFC 822's way to give a name: joe@example.com (Joe Doe). */
	if (!name.len && p->comment.len) {
		buf_clear(&p->s->phrase);
		field_add_unescaped(&p->s->phrase, p->comment);
		name = or_nil(buf_str(&p->s->phrase));
	}
	add_address(p, name, or_nil(buf_str(&p->s->route)), buf_str(local), buf_str(&p->s->domain));
}

/* RFC 5322 4.4 obs-route: <@a,@b:local@domain>. */
static void take_route(struct parser *p)
{
	for (;;) {
		field_skip_cfws(&p->c, NULL);
		if (cursor_peek(&p->c) == '@') {
			buf_addstr(&p->s->route, cursor_take(&p->c, 1));
			take_domain(p, &p->s->route);
		} else if (cursor_peek(&p->c) == ',') {
			buf_addstr(&p->s->route, cursor_take(&p->c, 1));
		} else {
			cursor_accept(&p->c, ':');
			return;
		}
	}
}

/* "<" [route] local "@" domain ">", the "<" not yet taken. */
static void take_angle(struct parser *p)
{
	cursor_accept(&p->c, '<');
	buf_clear(&p->s->local);
	buf_clear(&p->s->domain);
	field_skip_cfws(&p->c, NULL);
	if (cursor_peek(&p->c) == '@')
		take_route(p);
	buf_clear(&p->s->unused);
	take_words(p, &p->s->unused, &p->s->local);
	if (cursor_accept(&p->c, '@'))
		take_domain(p, &p->s->domain);
	while (!cursor_done(&p->c) && cursor_peek(&p->c) != '>' && cursor_peek(&p->c) != ',')
		cursor_skip(&p->c, 1);
	cursor_accept(&p->c, '>');
	field_skip_cfws(&p->c, &p->comment);
	add_mailbox(p, &p->s->local);
}

/* Behind local "@" domain: are there more words and then "<"?  Then all of it is the name, such as
 * people send in joe@x Joe <joe@x>.  Otherwise nothing is taken. */
static bool take_name_with_at(struct parser *p)
{
	struct cursor back = p->c;
	bool name;

	buf_addc(&p->s->phrase, '@');
	buf_addstr(&p->s->phrase, buf_str(&p->s->domain));
	if (cursor_peek(&p->c) != '<')
		buf_addc(&p->s->phrase, ' ');
	buf_clear(&p->s->unused);
	name = take_words(p, &p->s->phrase, &p->s->unused) == '<';
	if (!name)
		p->c = back;
	return name;
}

static void take_at(struct parser *p)
{
	struct str comment;

	cursor_accept(&p->c, '@');
	take_domain(p, &p->s->domain);
	comment = p->comment;
	if (take_name_with_at(p)) {
		take_angle(p);
		return;
	}
	p->comment = comment;
	buf_clear(&p->s->phrase);
	add_mailbox(p, &p->s->local);
}

static void end_group(struct parser *p)
{
	if (p->group)
		add_address(p, STR_NULL, STR_NULL, STR_NULL, STR_NULL);
	p->group = false;
}

static void begin_group(struct parser *p)
{
	cursor_accept(&p->c, ':');
	if (p->group)
		return;
	add_address(p, STR_NULL, STR_NULL, buf_str(&p->s->phrase), STR_NULL);
	p->group = true;
}

static void begin_address(struct parser *p)
{
	buf_clear(&p->s->phrase);
	buf_clear(&p->s->local);
	buf_clear(&p->s->domain);
	buf_clear(&p->s->route);
	p->comment = STR_NULL;
}

/* One address, group begin or group end; false when nothing is left. */
static bool take_address(struct parser *p)
{
	int byte;

	begin_address(p);
	byte = take_words(p, &p->s->phrase, &p->s->local);
	if (byte == '<') {
		take_angle(p);
	} else if (byte == '@') {
		take_at(p);
	} else if (byte == ':') {
		begin_group(p);
	} else {
		buf_clear(&p->s->phrase);
		if (p->s->local.len)
			add_mailbox(p, &p->s->local);
		if (byte >= 0)
			cursor_skip(&p->c, 1);
		if (byte == ';')
			end_group(p);
	}
	return byte >= 0;
}

static bool has_failed(const struct address_scratch *s)
{
	return s->phrase.failed || s->local.failed || s->domain.failed || s->route.failed ||
		s->unused.failed;
}

unsigned address_add_list(struct buf *out, struct str value, struct address_scratch *s)
{
	struct parser p = {.c = cursor_from(value), .out = out, .s = s};

	while (p.count < ADDRESS_LIST_MAX && take_address(&p))
		out->failed |= has_failed(s);
	end_group(&p);
	return p.count;
}

void address_scratch_free(struct address_scratch *s)
{
	buf_free(&s->phrase);
	buf_free(&s->local);
	buf_free(&s->domain);
	buf_free(&s->route);
	buf_free(&s->unused);
}
