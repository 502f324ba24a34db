/* SPDX-License-Identifier: 0BSD */
#include "core/imap/fetch.h"

#include <errno.h>
#include <string.h>

#include "core/lib/date.h"

void fetch_cut_partial(const struct fetch_item *item, uint64_t *offset, uint64_t *length)
{
	uint64_t skip = item->start;

	if (!item->partial)
		return;
	/* RFC 9051 6.4.5: a start beyond the end gives the empty string. */
	if (skip > *length)
		skip = *length;
	*offset += skip;
	*length -= skip;
	if (*length > item->length)
		*length = item->length;
}

static bool is_range(const struct imap_content *x, const struct fetch_item *item)
{
	if (item->what == FETCH_SECTION)
		return fetch_is_range(&item->section);
	/* BINARY[] of a long message; as it is stored it holds no NUL. */
	return item->what == FETCH_BINARY && !item->section.depth && imap_content_long(x);
}

/* 1 with the whole bytes of the item; 0: there is no such part; -1 + errno. */
static int find_bytes(struct imap_content *x, const struct fetch_item *item, struct fetch_literal *l)
{
	struct str bytes = STR_NULL;
	int found;

	if (is_range(x, item))
		return fetch_section_range(x, &item->section, &l->offset, &l->left);
	found = item->what == FETCH_BINARY ? fetch_binary_bytes(x, &item->section, &bytes)
					   : fetch_section_bytes(x, &item->section, &bytes);
	if (found == 1)
		*l = (struct fetch_literal){.memory = bytes.p, .left = bytes.len};
	return found;
}

/* A small part of a message that is in memory is taken from there; a large one is read once more, so
 * that a client that reads slowly does not keep the message in memory. */
static void use_memory(const struct imap_content *x, struct fetch_literal *l)
{
	if (!l->memory && x->has_whole && l->left <= FETCH_PIECE)
		l->memory = buf_str(&x->whole).p;
}

int fetch_open_literal(struct buf *out, struct imap_content *x, const struct fetch_item *item,
	struct fetch_literal *l_r)
{
	int found;

	*l_r = (struct fetch_literal){0};
	found = find_bytes(x, item, l_r);
	if (found < 0)
		return -1;
	buf_addstr(out, item->label);
	if (!found) {
		buf_adds(out, " NIL");
		return 0;
	}
	fetch_cut_partial(item, &l_r->offset, &l_r->left);
	/* literal8 (RFC 3516) where a literal may not go: it cannot hold NUL. */
	buf_adds(out, item->what == FETCH_BINARY && l_r->left && l_r->memory &&
			memchr(l_r->memory + l_r->offset, 0, l_r->left) ? " ~{" : " {");
	buf_addu(out, l_r->left);
	buf_adds(out, "}\r\n");
	use_memory(x, l_r);
	return 0;
}

static int add_binary_size(struct buf *out, struct imap_content *x, const struct fetch_item *item)
{
	struct fetch_item body = {.what = FETCH_BINARY, .section = item->section};
	struct fetch_literal l = {0};

	if (find_bytes(x, &body, &l) < 0)
		return -1;
	buf_addstr(out, item->label);
	buf_addc(out, ' ');
	return buf_addu(out, l.left);
}

static int add_summary(struct buf *out, struct imap_content *x, enum fetch_what what)
{
	if (imap_content_summary(x))
		return -1;
	if (what == FETCH_ENVELOPE) {
		buf_add(out, "ENVELOPE ", 9);
		return buf_addstr(out, x->sum.envelope);
	}
	if (what == FETCH_BODY) {
		buf_add(out, "BODY ", 5);
		return buf_addstr(out, x->sum.body);
	}
	buf_add(out, "BODYSTRUCTURE ", 14);
	return buf_addstr(out, x->sum.bodystructure);
}

static void add_date(struct buf *out, const struct message *m)
{
	buf_add(out, "INTERNALDATE \"", 14);
	date_add_imap(out, m->internaldate, m->zone);
	buf_addc(out, '"');
}

int fetch_add_item(struct imap_session *s, struct buf *out, struct imap_content *x,
	const struct fetch_item *item)
{
	switch (item->what) {
	case FETCH_UID:
		buf_add(out, "UID ", 4);
		buf_addu(out, x->m.uid);
		break;
	case FETCH_FLAGS:
		buf_add(out, "FLAGS ", 6);
		imap_add_flags(out, view_mailbox(s->view), x->m.flags, x->m.keywords,
			imap_shows_recent(s, x->m.uid));
		break;
	case FETCH_INTERNALDATE:
		add_date(out, &x->m);
		break;
	case FETCH_SIZE:
		buf_add(out, "RFC822.SIZE ", 12);
		buf_addu(out, x->m.size);
		break;
	case FETCH_ENVELOPE:
	case FETCH_BODY:
	case FETCH_BODYSTRUCTURE:
		if (add_summary(out, x, item->what))
			return -1;
		break;
	case FETCH_BINARY_SIZE:
		if (add_binary_size(out, x, item))
			return -1;
		break;
	case FETCH_WORD:
		if (item->word->read)
			return item->word->read(out, x);
		item->word->add(out, &x->m);
		break;
	case FETCH_SECTION:
	case FETCH_BINARY:
		break; /* fetch_open_literal() */
	}
	errno = ENOMEM;
	return out->failed ? -1 : 0;
}
