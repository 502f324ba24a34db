/* SPDX-License-Identifier: 0BSD */
#include "features/delivery/alias/alias.h"

#include "core/lib/text.h"

/* Where the last '@' stands; address.len: nowhere. */
static size_t domain_at(struct str address)
{
	struct cursor c = cursor_from(address);
	size_t at = address.len;

	while (!cursor_done(&c)) {
		cursor_take_until(&c, '@');
		if (!cursor_done(&c)) {
			at = address.len - cursor_left(&c);
			cursor_get(&c);
		}
	}
	return at;
}

int alias_clean(struct str address, bool key, struct buf *out)
{
	struct cursor c = cursor_from(address);
	size_t at = domain_at(address);

	if (!address.len || address.len > ALIAS_MAX || at + 1 == address.len || !text_is_utf8(address))
		return -1;
	for (size_t i = 0; !cursor_done(&c); i++) {
		int byte = cursor_get(&c);

		if (byte <= ' ' || byte == 127 || (key && byte == '+' && i < at))
			return -1;
		buf_addc(out, (char)(byte >= 'A' && byte <= 'Z' ? byte + 'a' - 'A' : byte));
	}
	return out->failed ? -1 : 0;
}

/* Without its line end and comment. */
static struct str next_line(struct cursor *c)
{
	bool ended;
	struct cursor line = cursor_from(cursor_take_line(c, &ended));

	return str_trim(cursor_take_until(&line, '#'));
}

int alias_line(struct cursor *c, unsigned *number, struct buf *address, struct buf *target)
{
	struct str line = STR(""), from, to, more;

	while (!line.len && !cursor_done(c)) {
		line = next_line(c);
		++*number;
	}
	if (!line.len)
		return 0;
	buf_clear(address);
	buf_clear(target);
	if (!str_word(&line, " \t", &from) || !str_word(&line, " \t", &to) || str_word(&line, " \t", &more))
		return -1;
	if (from.len > 1 && from.p[from.len - 1] == ':')
		from.len--;
	return alias_clean(from, true, address) || alias_clean(to, false, target) ? -1 : 1;
}
