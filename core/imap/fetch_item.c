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

static void add_bytes(struct buf *out, const struct fetch_item *item, struct str bytes)
{
	uint64_t offset = 0, length = bytes.len;

	fetch_cut_partial(item, &offset, &length);
	bytes = (struct str){bytes.p + offset, length};
	/* literal8 (RFC 3516) where a literal may not go: it cannot hold NUL. */
	if (item->what == FETCH_BINARY && length && memchr(bytes.p, 0, length))
		buf_addc(out, '~');
	buf_addc(out, '{');
	buf_addu(out, length);
	buf_adds(out, "}\r\n");
	buf_addstr(out, bytes);
}

static int add_section(struct buf *out, struct imap_content *x, const struct fetch_item *item)
{
	bool binary = item->what != FETCH_SECTION;
	struct str bytes = STR_NULL;
	int found = binary ? fetch_binary_bytes(x, &item->section, &bytes)
			   : fetch_section_bytes(x, &item->section, &bytes);

	if (found < 0)
		return -1;
	buf_addstr(out, item->label);
	buf_addc(out, ' ');
	if (item->what == FETCH_BINARY_SIZE)
		buf_addu(out, found ? bytes.len : 0);
	else if (found)
		add_bytes(out, item, bytes);
	else
		buf_adds(out, "NIL");
	return 0;
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
	case FETCH_SECTION:
	case FETCH_BINARY:
	case FETCH_BINARY_SIZE:
		if (add_section(out, x, item))
			return -1;
		break;
	}
	errno = ENOMEM;
	return out->failed ? -1 : 0;
}
