/* SPDX-License-Identifier: 0BSD */
/* Any lines as "day TAB subject TAB message-id TAB references TAB in-reply-to": whatever the trees become, each
 * message is told once, and the parentheses fit. */
#include <stdint.h>
#include <stdlib.h>

#include "core/mime/subject.h"
#include "features/imap/thread/thread.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool holds)
{
	if (!holds)
		abort();
}

static struct str column(struct cursor *c)
{
	struct str s = cursor_take_until(c, '\t');

	cursor_accept(c, '\t');
	return s;
}

static void add_subject(struct threads *t, struct str value, struct thread_message *m)
{
	struct str all, base;

	m->subject = (uint32_t)t->text.len;
	subject_add_base(&t->text, value, &m->reply);
	all = buf_str(&t->text);
	base = (struct str){all.p + m->subject, all.len - m->subject};
	need(str_eq(subject_base(base, NULL), base));
	m->subject_len = (uint32_t)base.len;
}

static void add_line(struct threads *t, struct str line, bool references)
{
	struct cursor c = cursor_from(line);
	struct thread_message m = {.number = (uint32_t)t->message.n + 1, .node = THREAD_NONE};
	struct str id, ancestors;

	m.date = (int64_t)column(&c).len;
	add_subject(t, column(&c), &m);
	id = column(&c);
	ancestors = column(&c);
	need(!(references ? thread_references_add(t, &m, id, ancestors, column(&c)) : thread_add(t, &m)));
}

static void check_answer(const struct threads *t)
{
	struct thread_tell where = {0};
	struct buf out = {0};
	struct cursor c;
	char *seen = calloc(t->message.n + 1, 1);
	int depth = 0;
	size_t count = 0;

	for (bool end = !t->message.n; !end;)
		end = thread_tell_next(t, &where, &out);
	for (c = cursor_from(buf_str(&out)); !cursor_done(&c);) {
		if (cursor_accept(&c, '(')) {
			depth++;
		} else if (cursor_accept(&c, ')')) {
			need(--depth >= 0);
		} else if (!cursor_accept(&c, ' ')) {
			uint64_t n = cursor_number(&c, UINT32_MAX);

			need(!c.failed && n && n <= t->message.n && depth > 0 && !seen[n]);
			seen[n] = 1;
			count++;
		}
	}
	need(!depth && count == t->message.n);
	free(seen);
	buf_free(&out);
}

static void run(struct str text, bool references)
{
	struct threads t = {.text.max = THREAD_TEXT_MAX};
	struct cursor c = cursor_from(text);
	bool ended;

	while (!cursor_done(&c))
		add_line(&t, cursor_take_line(&c, &ended), references);
	while (!thread_sort(&t, 3))
		;
	while (!(references ? thread_references_finish : thread_ordered_finish)(&t, 3))
		;
	check_answer(&t);
	thread_free(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = {(const char *)data, size};

	run(text, true);
	run(text, false);
	return 0;
}
