/* SPDX-License-Identifier: 0BSD */
#include "core/imap/fetch.h"

#define BIT(what) (1u << (what))
#define NO_MEMORY "out of memory"

static const struct simple {
	const char *name;
	unsigned items;         /* bits of enum fetch_what, or 0: then it is a section */
	enum fetch_section_text text;
	bool peek;
} simple[] = {
	{"UID", BIT(FETCH_UID), 0, true},
	{"FLAGS", BIT(FETCH_FLAGS), 0, true},
	{"INTERNALDATE", BIT(FETCH_INTERNALDATE), 0, true},
	{"RFC822.SIZE", BIT(FETCH_SIZE), 0, true},
	{"ENVELOPE", BIT(FETCH_ENVELOPE), 0, true},
	{"BODY", BIT(FETCH_BODY), 0, true},
	{"BODYSTRUCTURE", BIT(FETCH_BODYSTRUCTURE), 0, true},
	{"RFC822", 0, SECTION_ALL, false},
	{"RFC822.HEADER", 0, SECTION_HEADER, true},
	{"RFC822.TEXT", 0, SECTION_TEXT, false},
};

/* RFC 9051 6.4.5: these stand alone, not in a list. */
#define MACRO_FAST (BIT(FETCH_FLAGS) | BIT(FETCH_INTERNALDATE) | BIT(FETCH_SIZE))
#define MACRO_ALL (MACRO_FAST | BIT(FETCH_ENVELOPE))
#define MACRO_FULL (MACRO_ALL | BIT(FETCH_BODY))

static const struct {
	const char *name;
	unsigned items;
} macros[] = {{"ALL", MACRO_ALL}, {"FAST", MACRO_FAST}, {"FULL", MACRO_FULL}};

static const struct bracketed {
	const char *name;
	const char *label;
	enum fetch_what what;
	bool peek;
} bracketed[] = {
	{"BODY", "BODY", FETCH_SECTION, false},
	{"BODY.PEEK", "BODY", FETCH_SECTION, true},
	{"BINARY", "BINARY", FETCH_BINARY, false},
	{"BINARY.PEEK", "BINARY", FETCH_BINARY, true},
	{"BINARY.SIZE", "BINARY.SIZE", FETCH_BINARY_SIZE, true},
};

static const unsigned char name_bytes[256] = {
	['A' ... 'Z'] = 1, ['a' ... 'z'] = 1, ['0' ... '9'] = 1, ['.'] = 1,
};

static struct fetch_item *item_new(struct fetch_items *items, struct arena *a)
{
	struct fetch_item *v;
	size_t cap = items->cap ? items->cap * 2 : 8;

	if (items->n == items->cap) {
		v = arena_array(a, cap, sizeof(*v));
		if (!v)
			return NULL;
		for (size_t i = 0; i < items->n; i++)
			v[i] = items->v[i];
		items->v = v;
		items->cap = cap;
	}
	return &items->v[items->n++];
}

static const char *add_simple(struct fetch_items *items, struct arena *a, unsigned bits)
{
	struct fetch_item *item;

	for (enum fetch_what what = 0; what < FETCH_SECTION; what++) {
		if (!(bits & BIT(what)) || (items->once & BIT(what)))
			continue;
		item = item_new(items, a);
		if (!item)
			return NO_MEMORY;
		item->what = what;
		items->once |= BIT(what);
	}
	return NULL;
}

static const char *add_rfc822(struct fetch_items *items, struct arena *a, const struct simple *named)
{
	struct fetch_item *item = item_new(items, a);

	if (!item)
		return NO_MEMORY;
	item->what = FETCH_SECTION;
	item->section.text = named->text;
	item->label = str_from(named->name);
	items->sets_seen |= !named->peek;
	return NULL;
}

/* "<" number "." nz-number ">" */
static const char *parse_partial(struct cursor *c, struct fetch_item *item, struct buf *label)
{
	uint64_t start;

	if (!cursor_accept(c, '<'))
		return NULL;
	if (imap_parse_number(c, UINT32_MAX, &start) || !cursor_accept(c, '.') ||
			imap_parse_nz_number(c, &item->length) || !cursor_accept(c, '>'))
		return "expected <start.length> after the section";
	item->partial = true;
	item->start = (uint32_t)start;
	/* RFC 9051 7.5.2: the answer names the origin octet only. */
	buf_addc(label, '<');
	buf_addu(label, start);
	buf_addc(label, '>');
	return NULL;
}

static const char *check_binary(const struct fetch_item *item)
{
	if (item->what == FETCH_SECTION)
		return NULL;
	if (item->section.text != SECTION_ALL)
		return "BINARY takes part numbers only";
	if (item->what == FETCH_BINARY_SIZE && item->partial)
		return "BINARY.SIZE takes no partial";
	return NULL;
}

static const char *parse_bracketed(struct cursor *c, struct arena *a, struct fetch_item *item,
	const struct bracketed *named, struct buf *label)
{
	const char *wrong;

	item->what = named->what;
	buf_adds(label, named->label);
	buf_addc(label, '[');
	wrong = fetch_parse_section(c, a, &item->section, label);
	if (wrong)
		return wrong;
	buf_addc(label, ']');
	wrong = parse_partial(c, item, label);
	if (wrong)
		return wrong;
	item->label = arena_str(a, buf_str(label));
	if (!item->label.p || label->failed)
		return NO_MEMORY;
	return check_binary(item);
}

static const char *add_bracketed(struct cursor *c, struct arena *a, struct fetch_items *items,
	const struct bracketed *named)
{
	struct fetch_item *item = item_new(items, a);
	struct buf label = {0};
	const char *wrong;

	if (!item)
		return NO_MEMORY;
	wrong = parse_bracketed(c, a, item, named, &label);
	buf_free(&label);
	items->sets_seen |= !named->peek;
	return wrong;
}

const char *fetch_add_word(struct fetch_items *items, struct arena *a, const struct imap_fetch_word *word)
{
	struct fetch_item *item;

	for (size_t i = 0; i < items->n; i++) {
		if (items->v[i].word == word)
			return NULL;
	}
	item = item_new(items, a);
	if (!item)
		return NO_MEMORY;
	item->what = FETCH_WORD;
	item->word = word;
	items->enables |= word->enables;
	return NULL;
}

static const char *parse_item(struct cursor *c, struct arena *a, struct str name, struct fetch_items *items)
{
	bool bracket = cursor_accept(c, '[');
	const struct imap_fetch_word *word;
	const char *wrong;

	if (items->n >= FETCH_ITEMS_MAX)
		return "too many items";
	for (size_t i = 0; bracket && i < sizeof(bracketed) / sizeof(bracketed[0]); i++) {
		if (str_ieq(name, str_from(bracketed[i].name)))
			return add_bracketed(c, a, items, &bracketed[i]);
	}
	for (size_t i = 0; !bracket && i < sizeof(simple) / sizeof(simple[0]); i++) {
		if (!str_ieq(name, str_from(simple[i].name)))
			continue;
		return simple[i].items ? add_simple(items, a, simple[i].items)
				       : add_rfc822(items, a, &simple[i]);
	}
	word = bracket ? NULL : imap_fetch_word_find(name);
	if (!word)
		return "unknown item";
	wrong = word->take ? word->take(c) : NULL;
	return wrong ? wrong : fetch_add_word(items, a, word);
}

static const char *parse_list(struct cursor *c, struct arena *a, struct fetch_items *items)
{
	const char *wrong;

	do {
		wrong = parse_item(c, a, cursor_take_set(c, name_bytes), items);
		if (wrong)
			return wrong;
	} while (cursor_accept(c, ' '));
	return cursor_accept(c, ')') ? NULL : "expected ) after the items";
}

static const char *parse_one(struct cursor *c, struct arena *a, struct fetch_items *items)
{
	struct str name = cursor_take_set(c, name_bytes);

	for (size_t i = 0; i < sizeof(macros) / sizeof(macros[0]); i++) {
		if (str_ieq(name, str_from(macros[i].name)))
			return add_simple(items, a, macros[i].items);
	}
	return parse_item(c, a, name, items);
}

const char *fetch_parse_items(struct cursor *c, struct arena *a, bool uid, struct fetch_items *items_r)
{
	const char *wrong;

	*items_r = (struct fetch_items){0};
	/* RFC 9051 6.4.9: UID FETCH answers tell the UID whether asked or not. */
	wrong = uid ? add_simple(items_r, a, BIT(FETCH_UID)) : NULL;
	if (wrong)
		return wrong;
	if (imap_parse_sp(c))
		return "expected items after the set";
	return cursor_accept(c, '(') ? parse_list(c, a, items_r) : parse_one(c, a, items_r);
}
