/* SPDX-License-Identifier: 0BSD */
#include "core/imap/content.h"

#include <errno.h>

#include "core/imap/message.h"
#include "core/lib/date.h"
#include "core/mime/header.h"

/* Memory kept from one message to the next; larger buffers are given back. */
#define KEEP_BYTES (1024 * 1024)

static void reuse(struct buf *b)
{
	if (b->cap > KEEP_BYTES)
		buf_free(b);
	else
		buf_clear(b);
}

void imap_content_set(struct imap_content *x, const struct message *m)
{
	x->m = *m;
	if (x->has_summary)
		reuse(&x->summary);
	if (x->has_header)
		reuse(&x->header);
	if (x->has_whole)
		reuse(&x->whole);
	if (x->top || x->reader)
		arena_reset(&x->arena);
	if (x->scratch.cap)
		reuse(&x->scratch);
	x->top = NULL;
	x->has_summary = x->has_header = x->has_whole = false;
	if (x->reader)
		mime_reader_free(&x->reader);
	if (x->scan)
		search_scan_free(&x->scan);
}

int imap_content_summary(struct imap_content *x)
{
	if (x->has_summary)
		return 0;
	x->has_summary = true;
	buf_clear(&x->summary);
	x->sum = (struct mime_summary){0};
	if (message_summary(x->store, &x->m, &x->summary, &x->sum)) {
		x->has_summary = false;
		return -1;
	}
	x->bytes += x->summary.len;
	return 0;
}

int64_t imap_content_sent(const struct imap_content *x)
{
	struct header_field field;
	struct date date;

	if (!x->has_summary || header_find(x->sum.fields, STR("Date"), &field) != 1 ||
	    date_parse_sent(field.value, &date) != 1)
		return x->m.internaldate;
	return date_to_unix(&date);
}

int imap_content_header_size(struct imap_content *x, uint64_t *size_r)
{
	if (imap_content_summary(x))
		return -1;
	*size_r = (uint64_t)x->m.prefix_size + x->sum.header_len;
	if (*size_r <= x->m.size)
		return 0;
	errno = EPROTO;
	return -1;
}

static int read_into(struct imap_content *x, struct buf *b, uint64_t length)
{
	buf_clear(b);
	if (message_read(x->store, &x->m, 0, length, b))
		return -1;
	x->bytes += b->len;
	if (!b->failed)
		return 0;
	errno = ENOMEM;
	return -1;
}

int imap_content_header(struct imap_content *x, struct str *header_r)
{
	uint64_t size;

	if (x->has_whole && !imap_content_header_size(x, &size)) {
		*header_r = (struct str){buf_str(&x->whole).p, size};
		return 0;
	}
	if (!x->has_header) {
		if (imap_content_header_size(x, &size) || read_into(x, &x->header, size))
			return -1;
		x->has_header = true;
	}
	*header_r = buf_str(&x->header);
	return 0;
}

int imap_content_whole(struct imap_content *x, struct str *whole_r)
{
	if (!x->has_whole && read_into(x, &x->whole, x->m.size))
		return -1;
	x->has_whole = true;
	*whole_r = buf_str(&x->whole);
	return 0;
}

bool imap_content_long(const struct imap_content *x)
{
	return x->m.size > IMAP_SLICE_BYTES;
}

static int read_piece(struct imap_content *x, struct buf *piece)
{
	uint64_t left = x->m.size - x->read, n = left < CONTENT_PIECE ? left : CONTENT_PIECE;

	buf_clear(piece);
	if (message_read(x->store, &x->m, x->read, n, piece))
		return -1;
	mime_reader_feed(x->reader, buf_str(piece));
	x->read += n;
	x->bytes += n;
	return 0;
}

/* Reads on, for one slice, one piece at least.  0 all was read / -1 + errno. */
static int read_slice(struct imap_content *x)
{
	struct buf piece = {0};
	int answer;

	do
		answer = read_piece(x, &piece);
	while (!answer && x->read < x->m.size && x->bytes < IMAP_SLICE_BYTES);
	buf_free(&piece);
	if (answer || x->read == x->m.size)
		return answer;
	errno = EAGAIN;
	return -1;
}

static const struct mime_part *read_long(struct imap_content *x)
{
	if (!x->reader) {
		x->read = 0;
		x->reader = mime_reader_new(&x->arena);
	}
	if (!x->reader)
		return NULL;
	if (!read_slice(x)) {
		x->top = mime_reader_end(&x->reader);
		errno = ENOMEM;
	} else if (errno != EAGAIN) {
		mime_reader_free(&x->reader);
		arena_reset(&x->arena);
	}
	return x->top;
}

int imap_content_piece(struct imap_content *x, const struct mime_part *part, uint64_t *at, struct buf *out)
{
	uint64_t left = part->body_len - *at, n = left < CONTENT_PIECE ? left : CONTENT_PIECE;

	buf_clear(out);
	if (message_read(x->store, &x->m, part->body_at + *at, n, out))
		return -1;
	*at += n;
	x->bytes += n;
	errno = out->failed ? ENOMEM : EPROTO;
	return out->failed || out->len != n ? -1 : 0;
}

const struct mime_part *imap_content_mime(struct imap_content *x)
{
	struct str whole;

	if (x->top)
		return x->top;
	if (imap_content_long(x))
		return read_long(x);
	if (imap_content_whole(x, &whole))
		return NULL;
	x->top = mime_parse(&x->arena, whole);
	if (!x->top)
		errno = ENOMEM;
	return x->top;
}

void imap_content_drop_whole(struct imap_content *x)
{
	if (!x->has_whole)
		return; /* a long one: its tree is not */
	buf_free(&x->whole);
	arena_reset(&x->arena);
	x->top = NULL;
	x->has_whole = false;
}

bool imap_content_is_common(struct str field)
{
	/* The list of struct mime_summary (core/mime/mime.h). */
	static const char *const common[] = {"From", "To", "Cc", "Bcc", "Subject", "Date",
		"Message-ID", "In-Reply-To", "References", "Reply-To", "Sender", NULL};

	for (unsigned i = 0; common[i]; i++) {
		if (str_ieq(field, str_from(common[i])))
			return true;
	}
	return false;
}

void imap_content_free(struct imap_content *x)
{
	buf_free(&x->summary);
	buf_free(&x->header);
	buf_free(&x->whole);
	buf_free(&x->scratch);
	mime_reader_free(&x->reader);
	search_scan_free(&x->scan);
	arena_free(&x->arena);
}
