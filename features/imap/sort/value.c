/* SPDX-License-Identifier: 0BSD */
#include "features/imap/sort/sort.h"

#include <errno.h>

#include "core/imap/parse.h"
#include "core/mime/charset.h"
#include "core/mime/header.h"
#include "core/mime/subject.h"

/* Where things stand in an ENVELOPE (RFC 9051 7.5.2), counted from 0. */
enum envelope_place { ENVELOPE_SUBJECT = 1, ENVELOPE_FROM = 2, ENVELOPE_TO = 5, ENVELOPE_CC = 6 };

struct address {
	struct str name, route, mailbox, host;
};

/* A string, NIL or a list of such. */
static int skip_value(struct cursor *c, struct arena *a)
{
	unsigned depth = 0;
	struct str unused;

	do {
		if (cursor_accept(c, '('))
			depth++;
		else if (depth && cursor_accept(c, ')'))
			depth--;
		else if (depth && cursor_accept(c, ' '))
			continue;
		else if (imap_parse_nstring(c, a, &unused))
			return -1;
	} while (depth);
	return 0;
}

static int find_place(struct cursor *c, struct arena *a, enum envelope_place place)
{
	if (!cursor_accept(c, '('))
		return -1;
	for (unsigned i = 0; i < place; i++) {
		if (skip_value(c, a) || imap_parse_sp(c))
			return -1;
	}
	return 0;
}

/* The first address of a list; all empty where there is none. */
static int first_address(struct cursor *c, struct arena *a, struct address *r)
{
	*r = (struct address){0};
	if (!cursor_accept(c, '('))
		return 0;
	return !cursor_accept(c, '(') || imap_parse_nstring(c, a, &r->name) || imap_parse_sp(c) ||
			imap_parse_nstring(c, a, &r->route) || imap_parse_sp(c) ||
			imap_parse_nstring(c, a, &r->mailbox) || imap_parse_sp(c) ||
			imap_parse_nstring(c, a, &r->host)
		? -1 : 0;
}

static void add_decoded(struct buf *text, struct str value)
{
	struct buf decoded = {0};

	header_decode(&decoded, value);
	charset_fold(text, buf_str(&decoded));
	text->failed |= decoded.failed;
	buf_free(&decoded);
}

/* RFC 5957 3: the name, else the address. */
static void add_display(struct buf *text, const struct address *from)
{
	size_t before = text->len;

	if (from->name.len)
		add_decoded(text, from->name);
	else if (!from->host.p) /* the name of a group, or nobody */
		add_decoded(text, from->mailbox);
	if (text->len != before || !from->mailbox.len)
		return;
	charset_fold(text, from->mailbox);
	if (from->host.len)
		buf_addc(text, '@');
	charset_fold(text, from->host);
}

static void add_address(struct buf *text, struct arena *a, struct cursor c, enum sort_key key)
{
	static const enum envelope_place places[SORT_KEYS] = {
		[SORT_CC] = ENVELOPE_CC, [SORT_FROM] = ENVELOPE_FROM, [SORT_TO] = ENVELOPE_TO,
		[SORT_DISPLAYFROM] = ENVELOPE_FROM, [SORT_DISPLAYTO] = ENVELOPE_TO,
	};
	struct address first;

	if (find_place(&c, a, places[key]) || first_address(&c, a, &first))
		return;
	if (key == SORT_DISPLAYFROM || key == SORT_DISPLAYTO)
		add_display(text, &first);
	else
		charset_fold(text, first.mailbox);
}

static void add_subject(struct buf *text, struct arena *a, struct cursor c)
{
	struct str subject;

	if (!find_place(&c, a, ENVELOPE_SUBJECT) && !imap_parse_nstring(&c, a, &subject))
		subject_add_base(text, subject, NULL);
}

/* What was appended from `from` on becomes what is compared. */
static void collate(struct buf *text, size_t from)
{
	struct buf key = {0};
	struct str all = buf_str(text);

	charset_collate(&key, (struct str){all.p + from, all.len - from});
	text->len = from;
	buf_addstr(text, buf_str(&key));
	text->failed |= key.failed;
	buf_free(&key);
}

static int add_text(enum sort_key key, struct imap_content *x, struct arena *scratch, struct buf *text,
	union sort_value *value)
{
	size_t before = text->len;

	arena_reset(scratch);
	if (key == SORT_SUBJECT)
		add_subject(text, scratch, cursor_from(x->sum.envelope));
	else
		add_address(text, scratch, cursor_from(x->sum.envelope), key);
	if (!text->failed)
		collate(text, before);
	value->text.at = (uint32_t)before;
	value->text.len = (uint32_t)(text->len - before);
	if (!text->failed)
		return 0;
	errno = EMLINK;
	return -1;
}

int sort_value(enum sort_key key, struct imap_content *x, struct arena *scratch, struct buf *text,
	union sort_value *value)
{
	bool damaged;

	*value = (union sort_value){0};
	if (key == SORT_ARRIVAL) {
		value->number = x->m.internaldate;
		return 0;
	}
	if (key == SORT_SIZE) {
		value->number = x->m.size;
		return 0;
	}
	damaged = imap_content_summary(x);
	if (damaged && (errno == EAGAIN || errno == ENOMEM))
		return -1;
	if (key == SORT_DATE) {
		value->number = imap_content_sent(x);
		return 0;
	}
	return damaged ? 0 : add_text(key, x, scratch, text, value);
}
