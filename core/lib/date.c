/* SPDX-License-Identifier: 0BSD */
#include "core/lib/date.h"

#include <string.h>

#define DAY         86400
#define FIRST_SECOND (-62135596800) /* 0001-01-01T00:00:00Z */
#define LAST_SECOND  253402300799   /* 9999-12-31T23:59:59Z */

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char weekdays[] = "ThuFriSatSunMonTueWed"; /* 1970-01-01 was a Thursday */

static bool is_leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_in(int year, int month)
{
	static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[month - 1] + (month == 2 && is_leap(year));
}

/* Counts in years that begin in March, so that the leap day is the last of its year. */
int64_t date_day(const struct date *d)
{
	int64_t year = d->year - (d->month <= 2);
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t of_era = year - era * 400;
	int64_t of_year = (153 * (d->month + (d->month > 2 ? -3 : 9)) + 2) / 5 + d->day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

int64_t date_to_unix(const struct date *d)
{
	return date_day(d) * DAY + d->hour * 3600 + d->minute * 60 + d->second -
	       (int64_t)d->zone * 60;
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

void date_from_unix(int64_t seconds, int zone_minutes, struct date *d_r)
{
	int64_t day, of_day, era, of_era, year, of_year, month;

	seconds += (int64_t)zone_minutes * 60;
	if (seconds < FIRST_SECOND)
		seconds = FIRST_SECOND;
	if (seconds > LAST_SECOND)
		seconds = LAST_SECOND;
	day = floor_div(seconds, DAY);
	of_day = seconds - day * DAY;
	day += 719468;
	era = floor_div(day, 146097);
	of_era = day - era * 146097;
	year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	of_year = of_era - (365 * year + year / 4 - year / 100);
	month = (5 * of_year + 2) / 153;
	d_r->day = (int)(of_year - (153 * month + 2) / 5 + 1);
	d_r->month = (int)(month < 10 ? month + 3 : month - 9);
	d_r->year = (int)(year + era * 400 + (d_r->month <= 2));
	d_r->hour = (int)(of_day / 3600);
	d_r->minute = (int)(of_day / 60 % 60);
	d_r->second = (int)(of_day % 60);
	d_r->zone = zone_minutes;
}

static void add_zone(struct buf *out, int zone)
{
	unsigned minutes = (unsigned)(zone < 0 ? -zone : zone);

	buf_addc(out, zone < 0 ? '-' : '+');
	buf_addpad(out, minutes / 60, 2);
	buf_addpad(out, minutes % 60, 2);
}

static void add_clock(struct buf *out, const struct date *d)
{
	buf_addc(out, ' ');
	buf_addpad(out, (unsigned)d->hour, 2);
	buf_addc(out, ':');
	buf_addpad(out, (unsigned)d->minute, 2);
	buf_addc(out, ':');
	buf_addpad(out, (unsigned)d->second, 2);
	buf_addc(out, ' ');
	add_zone(out, d->zone);
}

void date_add_imap(struct buf *out, int64_t seconds, int zone_minutes)
{
	struct date d;

	date_from_unix(seconds, zone_minutes, &d);
	if (d.day < 10)
		buf_addc(out, ' '); /* RFC 9051 date-day-fixed */
	buf_addu(out, (unsigned)d.day);
	buf_addc(out, '-');
	buf_add(out, months + 3 * (d.month - 1), 3);
	buf_addc(out, '-');
	buf_addpad(out, (unsigned)d.year, 4);
	add_clock(out, &d);
}

void date_add_5322(struct buf *out, int64_t seconds, int zone_minutes)
{
	struct date d;
	int64_t day;

	date_from_unix(seconds, zone_minutes, &d);
	day = date_day(&d);
	buf_add(out, weekdays + 3 * (day - floor_div(day, 7) * 7), 3);
	buf_adds(out, ", ");
	buf_addu(out, (unsigned)d.day);
	buf_addc(out, ' ');
	buf_add(out, months + 3 * (d.month - 1), 3);
	buf_addc(out, ' ');
	buf_addpad(out, (unsigned)d.year, 4);
	add_clock(out, &d);
}

/* ---- reading ---- */

/* Exactly `least` to `most` digits with no further digit behind; -1 if not so. */
static int take_digits(struct cursor *c, int least, int most)
{
	int value = 0, n = 0;

	while (n < most && cursor_peek(c) >= '0' && cursor_peek(c) <= '9') {
		value = value * 10 + (cursor_get(c) - '0');
		n++;
	}
	if (n < least || (cursor_peek(c) >= '0' && cursor_peek(c) <= '9'))
		return -1;
	return value;
}

static int take_month(struct cursor *c)
{
	for (int i = 0; i < 12; i++) {
		if (cursor_accept_word(c, (struct str){months + 3 * i, 3}))
			return i + 1;
	}
	return -1;
}

static int check(const struct date *d)
{
	if (d->year < 1 || d->year > 9999 || d->month < 1 || d->month > 12 || d->day < 1)
		return -1;
	if (d->day > days_in(d->year, d->month) || d->hour < 0 || d->hour > 23)
		return -1;
	if (d->minute < 0 || d->minute > 59 || d->second < 0 || d->second > 60)
		return -1;
	return 0;
}

/* "+0100"; any two digits of minutes would be a wrong clock, so 59 is the most. */
static int take_numeric_zone(struct cursor *c, int *zone_r)
{
	int sign = cursor_accept(c, '-') ? -1 : cursor_accept(c, '+') ? 1 : 0;
	int digits = sign ? take_digits(c, 4, 4) : -1;

	if (digits < 0 || digits % 100 > 59)
		return -1;
	*zone_r = sign * (digits / 100 * 60 + digits % 100);
	return 0;
}

static int take_day_month_year(struct cursor *c, struct date *d_r)
{
	*d_r = (struct date){0};
	d_r->day = take_digits(c, 1, 2);
	if (d_r->day < 0 || !cursor_accept(c, '-'))
		return -1;
	d_r->month = take_month(c);
	if (d_r->month < 0 || !cursor_accept(c, '-'))
		return -1;
	d_r->year = take_digits(c, 4, 4);
	return d_r->year < 0 ? -1 : 0;
}

int date_parse_imap_day(struct cursor *c, struct date *d_r)
{
	return take_day_month_year(c, d_r) || check(d_r) ? -1 : 0;
}

int date_parse_imap(struct cursor *c, struct date *d_r)
{
	cursor_accept(c, ' ');
	if (take_day_month_year(c, d_r) || !cursor_accept(c, ' '))
		return -1;
	d_r->hour = take_digits(c, 2, 2);
	if (!cursor_accept(c, ':'))
		return -1;
	d_r->minute = take_digits(c, 2, 2);
	if (!cursor_accept(c, ':'))
		return -1;
	d_r->second = take_digits(c, 2, 2);
	if (!cursor_accept(c, ' ') || take_numeric_zone(c, &d_r->zone))
		return -1;
	return check(d_r);
}

/* Folding white space and (nested, quoted) comments: RFC 5322 3.2.2. */
static void skip_cfws(struct cursor *c)
{
	unsigned depth = 0;

	for (;;) {
		int byte = cursor_peek(c);

		if (byte == '(') {
			depth++;
		} else if (byte == ')' && depth) {
			depth--;
		} else if (byte == '\\' && depth) {
			cursor_get(c);
			if (cursor_done(c))
				return;
		} else if (byte < 0 || (!depth && !memchr(" \t\r\n", byte, 4))) {
			return;
		}
		cursor_get(c);
	}
}

static bool is_alpha(int byte)
{
	return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
}

/* RFC 5322 4.3: the named zones that have a meaning; all others mean -0000. */
static int named_zone(struct str name)
{
	static const struct {
		char name[4]; /* three letters and NUL */
		short minutes;
	} zones[] = {{"EDT", -240}, {"EST", -300}, {"CDT", -300}, {"CST", -360}, {"MDT", -360},
		{"MST", -420}, {"PDT", -420}, {"PST", -480}};

	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
		if (str_ieq(name, str_from(zones[i].name)))
			return zones[i].minutes;
	}
	return 0;
}

static struct str take_letters(struct cursor *c)
{
	const char *start = c->p;
	size_t n = 0;

	while (is_alpha(cursor_peek(c))) {
		cursor_get(c);
		n++;
	}
	return (struct str){start, n};
}

static int take_5322_year(struct cursor *c)
{
	size_t before = cursor_left(c);
	int year = take_digits(c, 2, 4);

	if (year < 0)
		return -1;
	/* RFC 5322 4.3: two digits 00-49 are 2000s, 50-99 and three digits are 1900s. */
	if (before - cursor_left(c) == 2)
		return year + (year < 50 ? 2000 : 1900);
	return before - cursor_left(c) == 3 ? year + 1900 : year;
}

static int take_5322_clock(struct cursor *c, struct date *d)
{
	d->hour = take_digits(c, 1, 2);
	skip_cfws(c);
	if (d->hour < 0 || !cursor_accept(c, ':'))
		return -1;
	skip_cfws(c);
	d->minute = take_digits(c, 1, 2);
	if (d->minute < 0)
		return -1;
	skip_cfws(c);
	if (!cursor_accept(c, ':'))
		return 0;
	skip_cfws(c);
	d->second = take_digits(c, 1, 2);
	skip_cfws(c);
	return d->second;
}

/* Up to the year.  1 / 0. */
static int take_5322_day(struct cursor *c, struct date *d)
{
	skip_cfws(c);
	if (take_letters(c).len) {
		skip_cfws(c);
		if (!cursor_accept(c, ','))
			return 0;
		skip_cfws(c);
	}
	d->day = take_digits(c, 1, 2);
	skip_cfws(c);
	d->month = take_month(c);
	if (d->month < 0 || is_alpha(cursor_peek(c)))
		return 0;
	skip_cfws(c);
	d->year = take_5322_year(c);
	skip_cfws(c);
	return 1;
}

static int take_5322_zone(struct cursor *c, int *zone)
{
	if (cursor_peek(c) == '+' || cursor_peek(c) == '-')
		return take_numeric_zone(c, zone);
	*zone = named_zone(take_letters(c));
	return 0;
}

int date_parse_5322(struct str s, struct date *d_r)
{
	struct cursor c = cursor_from(s);
	struct date d = {0};

	if (!take_5322_day(&c, &d) || take_5322_clock(&c, &d) < 0 || take_5322_zone(&c, &d.zone) || check(&d))
		return 0;
	*d_r = d;
	return 1;
}

int date_parse_sent(struct str s, struct date *d_r)
{
	struct cursor c = cursor_from(s);
	struct date d = {0}, day;

	if (!take_5322_day(&c, &d))
		return 0;
	day = d;
	if (take_5322_clock(&c, &d) < 0) {
		d = day;
	} else {
		day = d;
		if (take_5322_zone(&c, &d.zone) || check(&d))
			d = day;
		if (check(&d))
			d.hour = d.minute = d.second = 0;
	}
	if (check(&d))
		return 0;
	*d_r = d;
	return 1;
}
