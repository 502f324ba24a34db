/* SPDX-License-Identifier: 0BSD */
#ifndef FEATURES_IMAP_SORT_SORT_H
#define FEATURES_IMAP_SORT_SORT_H

/* SORT (RFC 5256): what a message is sorted by. */

#include "core/imap/content.h"

enum sort_key {
	SORT_ARRIVAL, SORT_SIZE, SORT_DATE, /* numbers; the rest are texts */
	SORT_CC, SORT_FROM, SORT_SUBJECT, SORT_TO, SORT_DISPLAYFROM, SORT_DISPLAYTO,
	SORT_KEYS,
};

/* A number, or a text that stands in a buffer. */
union sort_value {
	int64_t number;
	struct { uint32_t at, len; } text;
};

/* What stays of a message in `value`; texts are appended to `text`, ready to be compared byte by byte.
 * scratch is reset.  0 / -1 + errno: EAGAIN (the summary is not in memory yet), EMLINK (text is full),
 * ENOMEM.  A message whose summary is damaged has empty texts. */
int sort_value(enum sort_key key, struct imap_content *x, struct arena *scratch, struct buf *text,
	union sort_value *value);

#endif
