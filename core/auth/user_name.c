/* SPDX-License-Identifier: 0BSD */
#include "core/auth/users.h"

#include <errno.h>

#include "core/lib/text.h"

/* U+0080 to U+009F, the second half of the control characters, are C2 80 to C2 9F in UTF-8. */
static bool has_control(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20 || c == 0x7f)
			return true;
		if (c == 0xc2 && i + 1 < s.len && (unsigned char)s.p[i + 1] < 0xa0)
			return true;
	}
	return false;
}

static bool has_byte(struct str s, char byte)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] == byte)
			return true;
	return false;
}

int user_name_clean(struct str name, struct buf *out)
{
	char *to;

	/* '/' parts mailbox names, ':' parts the lines of an import; libsasl2 cuts spaces off. */
	if (!name.len || name.len > USER_NAME_MAX || has_control(name) || has_byte(name, '/') ||
			has_byte(name, ':') || name.p[0] == ' ' || name.p[name.len - 1] == ' ' ||
			!text_is_utf8(name)) {
		errno = EINVAL;
		return -1;
	}
	to = buf_reserve(out, name.len);
	if (!to) {
		errno = ENOMEM;
		return -1;
	}
	for (size_t i = 0; i < name.len; i++) {
		char c = name.p[i];

		to[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
	}
	buf_commit(out, name.len);
	return 0;
}
