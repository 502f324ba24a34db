/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_LIB_DATE_H
#define CORE_LIB_DATE_H

/* Calendar arithmetic without time zones of the host (proleptic Gregorian, UTC + offset). */

#include <stdbool.h>
#include <stdint.h>

#include "core/lib/buf.h"
#include "core/lib/cursor.h"

struct date {
	int year;              /* 1..9999 */
	int month, day;        /* 1.. */
	int hour, minute, second;
	int zone;              /* minutes east of UTC */
};

/* Seconds since 1970-01-01T00:00:00Z of a broken-down time. */
int64_t date_to_unix(const struct date *d);
void date_from_unix(int64_t seconds, int zone_minutes, struct date *d_r);
/* Days since 1970-01-01 of the date as written (time and zone left out): SEARCH ON, SENTON. */
int64_t date_day(const struct date *d);

/* " 1-Feb-2024 12:00:00 +0100", without quotes (RFC 9051 date-time). */
void date_add_imap(struct buf *out, int64_t seconds, int zone_minutes);
/* Same form (day may be one or two digits, or space and digit); takes it from c.  0 / -1. */
int date_parse_imap(struct cursor *c, struct date *d_r);
/* "1-Feb-2024" (RFC 9051 date-text).  0 / -1. */
int date_parse_imap_day(struct cursor *c, struct date *d_r);
/* RFC 5322 3.3 date-time with its obsolete forms and comments.  1 found, 0 not a date. */
int date_parse_5322(struct str s, struct date *d_r);
/* The same where the day counts most (RFC 5256 2.2): a zone that is none is UTC, a time that is none 00:00:00. */
int date_parse_sent(struct str s, struct date *d_r);
/* "Thu, 1 Feb 2024 12:00:00 +0100" (RFC 5322). */
void date_add_5322(struct buf *out, int64_t seconds, int zone_minutes);

#endif
