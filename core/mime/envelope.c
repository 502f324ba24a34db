/* SPDX-License-Identifier: 0BSD */
#include "core/mime/mime.h"

#include "core/mime/address.h"
#include "core/mime/header.h"
#include "core/mime/nstring.h"

/* In the order of RFC 9051 7.5.2. */
enum {
	DATE, SUBJECT, FROM, SENDER, REPLY_TO, TO, CC, BCC, IN_REPLY_TO, MESSAGE_ID, FIELDS
};

static const struct str names[FIELDS] = {
	[DATE] = {"Date", 4},
	[SUBJECT] = {"Subject", 7},
	[FROM] = {"From", 4},
	[SENDER] = {"Sender", 6},
	[REPLY_TO] = {"Reply-To", 8},
	[TO] = {"To", 2},
	[CC] = {"Cc", 2},
	[BCC] = {"Bcc", 3},
	[IN_REPLY_TO] = {"In-Reply-To", 11},
	[MESSAGE_ID] = {"Message-ID", 10},
};

struct found {
	struct str first[FIELDS];
	unsigned count[FIELDS];
};

static void collect(struct str header, struct found *found_r)
{
	struct cursor c = cursor_from(header);
	struct header_field f;

	*found_r = (struct found){0};
	while (header_next(&c, &f))
		for (unsigned i = 0; i < FIELDS; i++)
			if (str_ieq(f.name, names[i])) {
				if (found_r->count[i]++ == 0)
					found_r->first[i] = f.value;
				break;
			}
}

/* A list that stands in several fields (RFC 5322 3.6 forbids it, mailers do it) is shown whole. */
static unsigned add_repeated(struct buf *out, struct str header, struct str name)
{
	struct cursor c = cursor_from(header);
	struct header_field f;
	unsigned n = 0;

	while (n < ADDRESS_LIST_MAX && header_next(&c, &f))
		if (str_ieq(f.name, name))
			n += address_add_list(out, f.value);
	return n;
}

/* Appends "(" addresses ")"; nothing if there is none.  How many. */
static unsigned add_addresses(struct buf *out, struct str header, const struct found *found,
	unsigned field)
{
	struct buf list = {0};
	unsigned n = 0;

	if (found->count[field] > 1)
		n = add_repeated(&list, header, names[field]);
	else if (found->count[field])
		n = address_add_list(&list, found->first[field]);
	if (n) {
		buf_addc(out, '(');
		buf_addstr(out, buf_str(&list));
		buf_addc(out, ')');
	}
	out->failed |= list.failed;
	buf_free(&list);
	return n;
}

static void add_addresses_or_nil(struct buf *out, struct str header, const struct found *found,
	unsigned field)
{
	if (!add_addresses(out, header, found, field))
		buf_adds(out, "NIL");
}

/* From, and with it Sender and Reply-To, which mean From where they are absent or empty
 * (RFC 9051 7.5.2). */
static void add_authors(struct buf *out, struct str header, const struct found *found)
{
	struct buf from = {0};

	add_addresses_or_nil(&from, header, found, FROM);
	buf_addstr(out, buf_str(&from));
	buf_addc(out, ' ');
	if (!add_addresses(out, header, found, SENDER))
		buf_addstr(out, buf_str(&from));
	buf_addc(out, ' ');
	if (!add_addresses(out, header, found, REPLY_TO))
		buf_addstr(out, buf_str(&from));
	out->failed |= from.failed;
	buf_free(&from);
}

void mime_add_envelope(struct buf *out, struct str header)
{
	struct found found;

	collect(header, &found);
	buf_addc(out, '(');
	mime_add_field(out, found.first[DATE]);
	buf_addc(out, ' ');
	mime_add_field(out, found.first[SUBJECT]);
	buf_addc(out, ' ');
	add_authors(out, header, &found);
	for (unsigned field = TO; field <= BCC; field++) {
		buf_addc(out, ' ');
		add_addresses_or_nil(out, header, &found, field);
	}
	buf_addc(out, ' ');
	mime_add_field(out, found.first[IN_REPLY_TO]);
	buf_addc(out, ' ');
	mime_add_field(out, found.first[MESSAGE_ID]);
	buf_addc(out, ')');
}
