/* SPDX-License-Identifier: 0BSD */
/* The requests `who` and `kick`. */
#include <string.h>
#include <time.h>

#include "core/session.h"
#include "features/session/proc/proc.h"

enum { NUMBER, SERVICE, LOGIN, AGE, HOST, USER, MAILBOX, STATE, COLUMNS };

static const char *const titles[COLUMNS] = {
	"ID", "SERVICE", "LOGIN", "SECONDS", "HOST", "USER", "MAILBOX", "STATE"};

static void add_cell(struct buf *out, const struct session *s, int column)
{
	const char *text[COLUMNS] = {
		[SERVICE] = s->service, [LOGIN] = s->mechanism, [HOST] = s->peer, [USER] = s->user,
		[MAILBOX] = s->mailbox, [STATE] = s->state};
	uint64_t now = (uint64_t)time(NULL);

	if (column == NUMBER)
		buf_addu(out, s->id);
	else if (column == AGE)
		buf_addu(out, now > s->since ? now - s->since : 0);
	else
		proc_add_field(out, text[column]);
	if (column == LOGIN && s->tls)
		buf_adds(out, "+TLS");
}

/* Columns on a screen: a UTF-8 sequence counts as one. */
static size_t width(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

static void add_padded(struct buf *out, struct str cell, size_t to)
{
	buf_addstr(out, cell);
	for (size_t n = width(cell); n < to + 2; n++)
		buf_addc(out, ' ');
}

static void measure(const struct mail *m, size_t widths[COLUMNS])
{
	struct buf cell = {0};

	for (int i = 0; i < COLUMNS; i++)
		widths[i] = strlen(titles[i]);
	for (const struct session *s = m->sessions; s; s = s->next) {
		for (int i = 0; i < COLUMNS; i++) {
			buf_clear(&cell);
			add_cell(&cell, s, i);
			if (width(buf_str(&cell)) > widths[i])
				widths[i] = width(buf_str(&cell));
		}
	}
	buf_free(&cell);
}

/* One line, the last column unpadded; s NULL: the titles. */
static void add_row(struct buf *out, const struct session *s, const size_t widths[COLUMNS])
{
	struct buf cell = {0};

	for (int i = 0; i < COLUMNS; i++) {
		buf_clear(&cell);
		if (s)
			add_cell(&cell, s, i);
		else
			buf_adds(&cell, titles[i]);
		if (i < COLUMNS - 1)
			add_padded(out, buf_str(&cell), widths[i]);
		else
			buf_addstr(out, buf_str(&cell));
	}
	buf_addc(out, '\n');
	buf_free(&cell);
}

int proc_who(struct mail *m, struct str args, struct buf *out)
{
	size_t widths[COLUMNS];

	if (args.len) {
		buf_adds(out, "who takes no argument\n");
		return -1;
	}
	measure(m, widths);
	add_row(out, NULL, widths);
	for (const struct session *s = m->sessions; s; s = s->next)
		add_row(out, s, widths);
	return 0;
}

int proc_kick(struct mail *m, struct str args, struct buf *out)
{
	struct session *s = m->sessions;
	uint64_t id;

	if (str_u64(args, UINT64_MAX, &id)) {
		buf_adds(out, "kick needs the number of a session, see `satchel who`\n");
		return -1;
	}
	while (s && s->id != id)
		s = s->next;
	if (!s) {
		buf_adds(out, "there is no session ");
		buf_addu(out, id);
		buf_addc(out, '\n');
		return -1;
	}
	s->end(s, "Ended by the administrator");
	buf_adds(out, "session ");
	buf_addu(out, id);
	buf_adds(out, " was told to end\n");
	return 0;
}
