/* SPDX-License-Identifier: 0BSD */
/*
 * BODY and TEXT in a message that is too long for memory: its parts are read, decoded and searched piece
 * by piece, and after a slice other sessions have their turn.
 */
#include "core/imap/search.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/mime/charset.h"
#include "core/mime/transfer.h"

/* A line of text longer than this is cut somewhere. */
#define LINE_MAX (16 * 1024)

struct search_scan {
	const struct search_key *key;
	const struct mime_part *part; /* being searched; NULL: all done */
	bool entered;                 /* its header was searched, the rest is valid */
	bool text, ascii;             /* it is text; the needle can be looked for in its bytes */
	struct str charset;
	uint64_t at;                  /* read of its body */
	struct transfer transfer;
	struct buf piece, decoded, window; /* window: searched text, the end of which may be half of a match */
};

void search_scan_free(struct search_scan **at)
{
	struct search_scan *scan = *at;

	*at = NULL;
	if (!scan)
		return;
	transfer_free(&scan->transfer);
	buf_free(&scan->piece);
	buf_free(&scan->decoded);
	buf_free(&scan->window);
	free(scan);
}

static int begin(struct imap_content *x, const struct search_key *key, const struct mime_part *top)
{
	if (x->scan && x->scan->key == key)
		return 0;
	search_scan_free(&x->scan);
	x->scan = calloc(1, sizeof(*x->scan));
	if (!x->scan)
		return -1;
	x->scan->key = key;
	x->scan->part = top;
	return 0;
}

/* The part that stands behind this one and those in it. */
static const struct mime_part *behind(const struct mime_part *part)
{
	while (part && !part->next)
		part = part->parent;
	return part ? part->next : NULL;
}

/* True: the needle is in the header. */
static bool enter(struct imap_content *x, struct search_scan *scan)
{
	const struct mime_part *part = scan->part;

	scan->entered = true;
	scan->text = !part->first_child && (!part->type.len || str_ieq(part->type, STR("text")));
	scan->charset = mime_param_value(part, STR("charset"));
	scan->ascii = scan->key->needle.ascii && search_reads_ascii(scan->charset);
	scan->at = 0;
	transfer_free(&scan->transfer);
	transfer_begin(&scan->transfer, part->encoding);
	buf_clear(&scan->decoded);
	buf_clear(&scan->window);
	/* The message's own header was looked at before, if it was to be. */
	return part->parent && search_in_header(part->header, &scan->key->needle, &x->scratch);
}

/* How much can be understood without what follows: whole lines. */
static size_t whole_lines(struct str s, bool last)
{
	const char *end = s.len && !last ? memrchr(s.p, '\n', s.len) : NULL;

	if (last || (!end && s.len >= LINE_MAX))
		return s.len;
	return end ? (size_t)(end - s.p) + 1 : 0;
}

/* Decoded text to the window, in the form in which the needle is looked for. */
static void take_text(struct search_scan *scan, struct buf *scratch, bool last)
{
	struct str text = buf_str(&scan->decoded);

	text.len = scan->ascii ? text.len : whole_lines(text, last);
	if (scan->ascii) {
		buf_addstr(&scan->window, text);
	} else {
		buf_clear(scratch);
		charset_to_utf8(scratch, scan->charset.len ? scan->charset : STR("UTF-8"), text);
		charset_fold(&scan->window, buf_str(scratch));
	}
	buf_consume(&scan->decoded, text.len);
}

static bool in_window(struct search_scan *scan)
{
	struct str window = buf_str(&scan->window), needle = scan->key->needle.text;
	size_t keep = needle.len ? needle.len - 1 : 0;
	bool found;

	if (scan->ascii)
		found = search_find_ascii(window, needle);
	else
		found = !needle.len || (window.len >= needle.len && memmem(window.p, window.len, needle.p, needle.len));
	if (window.len > keep)
		buf_consume(&scan->window, window.len - keep);
	return found;
}

/* Searches the text of the part from where it stopped, one piece at least.  1 / 0 / -1 + errno. */
static int in_text(struct imap_content *x, struct search_scan *scan)
{
	bool last = scan->at == scan->part->body_len;

	while (!last) {
		if (imap_content_piece(x, scan->part, &scan->at, &scan->piece))
			return -1;
		last = scan->at == scan->part->body_len;
		transfer_feed(&scan->transfer, buf_str(&scan->piece), last, &scan->decoded);
		take_text(scan, &x->scratch, last);
		if (scan->decoded.failed || scan->window.failed || x->scratch.failed) {
			errno = ENOMEM;
			return -1;
		}
		if (in_window(scan))
			return 1;
		errno = EAGAIN;
		if (x->bytes >= IMAP_SLICE_BYTES && !last)
			return -1;
	}
	return !scan->key->needle.text.len;
}

int search_in_long(struct imap_content *x, const struct search_key *key)
{
	const struct mime_part *top = imap_content_mime(x);
	struct search_scan *scan;
	int found;

	if (!top || begin(x, key, top))
		return -1;
	for (scan = x->scan; scan->part; scan->entered = false) {
		if (!scan->entered && enter(x, scan))
			return 1;
		found = scan->text ? in_text(x, scan) : 0;
		if (found)
			return found;
		scan->part = scan->part->first_child ? scan->part->first_child : behind(scan->part);
	}
	return 0;
}
