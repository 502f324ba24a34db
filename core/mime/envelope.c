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

struct writer {
	struct buf *out;
	struct str header;
	struct found found;
	struct address_scratch scratch;
};

/* A list that stands in several fields (RFC 5322 3.6 forbids it, mailers do it) is shown whole. */
static unsigned add_repeated(struct writer *w, struct str name)
{
	struct cursor c = cursor_from(w->header);
	struct header_field f;
	unsigned n = 0;

	while (n < ADDRESS_LIST_MAX && header_next(&c, &f))
		if (str_ieq(f.name, name))
			n += address_add_list(w->out, f.value, &w->scratch);
	return n;
}

/* Appends "(" addresses ")"; nothing and false if there is none. */
static bool add_addresses(struct writer *w, unsigned field)
{
	size_t before = w->out->len;
	unsigned n = 0;

	if (!w->found.count[field])
		return false;
	buf_addc(w->out, '(');
	if (w->found.count[field] > 1)
		n = add_repeated(w, names[field]);
	else
		n = address_add_list(w->out, w->found.first[field], &w->scratch);
	if (n)
		buf_addc(w->out, ')');
	else
		w->out->len = before;
	return n != 0;
}

static void add_addresses_or_nil(struct writer *w, unsigned field)
{
	buf_addc(w->out, ' ');
	if (!add_addresses(w, field))
		buf_adds(w->out, "NIL");
}

/* Appends what stands in the same buffer from `start` on. */
static void add_copy(struct buf *out, size_t start, size_t n)
{
	if (buf_reserve(out, n))
		buf_add(out, out->data + out->off + start, n);
}

/* From, and with it Sender and Reply-To, which mean From where they are absent or empty
 * (RFC 9051 7.5.2). */
static void add_authors(struct writer *w)
{
	size_t start = w->out->len, n;

	add_addresses_or_nil(w, FROM);
	n = w->out->len - start;
	for (unsigned field = SENDER; field <= REPLY_TO; field++) {
		size_t before = w->out->len;

		buf_addc(w->out, ' ');
		if (!add_addresses(w, field)) {
			w->out->len = before;
			add_copy(w->out, start, n);
		}
	}
}

static void add_text(struct writer *w, unsigned field)
{
	mime_add_field(w->out, w->found.first[field]);
}

void mime_add_envelope(struct buf *out, struct str header)
{
	struct writer w = {.out = out, .header = header};

	collect(header, &w.found);
	buf_addc(out, '(');
	add_text(&w, DATE);
	buf_addc(out, ' ');
	add_text(&w, SUBJECT);
	add_authors(&w);
	for (unsigned field = TO; field <= BCC; field++)
		add_addresses_or_nil(&w, field);
	buf_addc(out, ' ');
	add_text(&w, IN_REPLY_TO);
	buf_addc(out, ' ');
	add_text(&w, MESSAGE_ID);
	buf_addc(out, ')');
	address_scratch_free(&w.scratch);
}
