/* SPDX-License-Identifier: 0BSD */
#include "features/session/metrics/text.h"

#include "core/lib/cursor.h"

#define PREFIX "satchel_"
#define TOTAL  "_total"

static bool ends(struct str s, struct str tail)
{
	return s.len > tail.len && str_eq((struct str){s.p + (s.len - tail.len), tail.len}, tail);
}

/* What only grows while a process lives. */
static bool is_counter(struct str name)
{
	static const struct str names[] = {STR("records"), STR("batches"), STR("syncs"), STR("cold_reads"),
		STR("moved_bytes"), STR("checkpoints"), STR("checkpoints_failed")};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (str_eq(name, names[i]))
			return true;
	}
	return ends(name, STR(TOTAL)) || ends(name, STR("_restarts"));
}

static bool is_name(struct str name)
{
	struct cursor c = cursor_from(name);

	while (!cursor_done(&c)) {
		int b = cursor_get(&c), small = b | 32;

		if ((small < 'a' || small > 'z') && (b < '0' || b > '9') && b != '_')
			return false;
	}
	return name.len > 0;
}

static void add_name(struct buf *out, struct str name, bool counter)
{
	buf_adds(out, PREFIX);
	buf_addstr(out, name);
	if (counter && !ends(name, STR(TOTAL)))
		buf_adds(out, TOTAL);
}

/* Once for all lines of one name, which stand together. */
static void add_head(struct buf *out, struct str name, bool counter)
{
	buf_adds(out, "# HELP ");
	add_name(out, name, counter);
	buf_adds(out, " The line ");
	buf_addstr(out, name);
	buf_adds(out, " of satchel stat, see satchel(8).\n# TYPE ");
	add_name(out, name, counter);
	buf_adds(out, counter ? " counter\n" : " untyped\n");
}

static void add_line(struct buf *out, struct str line, struct str *last)
{
	struct cursor c = cursor_from(line), whole;
	struct str word = cursor_take_until(&c, ' '), name, labels;
	struct str value = str_trim(cursor_take(&c, cursor_left(&c)));
	uint64_t number;
	bool counter;

	whole = cursor_from(word);
	name = cursor_take_until(&whole, '{');
	labels = cursor_take(&whole, cursor_left(&whole));
	if (!is_name(name) || str_u64(value, UINT64_MAX, &number))
		return;
	counter = is_counter(name);
	if (!str_eq(name, *last))
		add_head(out, name, counter);
	*last = name;
	add_name(out, name, counter);
	buf_addstr(out, labels);
	buf_addc(out, ' ');
	buf_addu(out, number);
	buf_addc(out, '\n');
}

void metrics_text(struct str lines, struct buf *out)
{
	struct cursor c = cursor_from(lines);
	struct str last = STR("");
	bool ended;

	while (!cursor_done(&c))
		add_line(out, cursor_take_line(&c, &ended), &last);
}
