/* SPDX-License-Identifier: 0BSD */
#include "core/auth/user_value.h"

static const char kind[] = "FLAGS";

static const struct {
	const char *word;
	unsigned flag;
} flags[] = {{"disabled", USER_DISABLED}, {"admin", USER_ADMIN}, {"lmtp", USER_LMTP}};

unsigned user_flag_named(struct str word)
{
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (str_eq(word, str_from(flags[i].word)))
			return flags[i].flag;
	return 0;
}

struct str user_value_flag_words(struct str value)
{
	struct str line;

	if (!user_value_find(value, str_from(kind), &line))
		return STR("");
	return (struct str){line.p + sizeof(kind), line.len - sizeof(kind)};
}

unsigned user_value_flags(struct str value)
{
	struct str words = user_value_flag_words(value), word;
	unsigned all = 0;

	while (str_word(&words, ",", &word))
		all |= user_flag_named(word);
	return all;
}

static void add_word(struct buf *out, bool *any, struct str word)
{
	if (!*any)
		buf_addv(out, "\n", kind, "$", NULL);
	else
		buf_addc(out, ',');
	*any = true;
	buf_addstr(out, word);
}

/* All lines but that of the flags. */
static void add_others(struct str value, struct buf *out)
{
	struct str line, before = value;

	if (user_value_find(value, str_from(kind), &line)) {
		struct str after = {line.p + line.len, (size_t)(value.p + value.len - line.p) - line.len};

		before.len = (size_t)(line.p - value.p);
		if (before.len)
			before.len--; /* the line end in front goes with the line */
		else if (after.len)
			after = (struct str){after.p + 1, after.len - 1};
		buf_addstr(out, before);
		buf_addstr(out, after);
	} else {
		buf_addstr(out, value);
	}
}

int user_value_take_flags(struct str value, struct str from, struct buf *out)
{
	struct str words = user_value_flag_words(from), word;
	bool any = false;

	if (!buf_reserve(out, value.len + words.len + 64))
		return -1;
	add_others(value, out);
	while (str_word(&words, ",", &word))
		add_word(out, &any, word);
	return out->failed ? -1 : 0;
}

int user_value_set_flags(struct str value, unsigned set, unsigned clear, struct buf *out)
{
	struct str words = user_value_flag_words(value), word;
	bool any = false;

	/* In one piece: growing would leave parts of secrets in freed memory. */
	if (!buf_reserve(out, value.len + 64))
		return -1;
	add_others(value, out);
	while (str_word(&words, ",", &word)) {
		unsigned flag = user_flag_named(word);

		if (!(flag & (set | clear)))
			add_word(out, &any, word);
	}
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (flags[i].flag & set & ~clear)
			add_word(out, &any, str_from(flags[i].word));
	return out->failed ? -1 : 0;
}

int user_value_set_word(struct str value, struct str prefix, struct str word, struct buf *out)
{
	struct str words = user_value_flag_words(value), old;
	bool any = false;

	if (!buf_reserve(out, value.len + word.len + 64))
		return -1;
	add_others(value, out);
	while (str_word(&words, ",", &old)) {
		if (!str_istarts(old, prefix))
			add_word(out, &any, old);
	}
	if (word.len)
		add_word(out, &any, word);
	return out->failed ? -1 : 0;
}
