/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/imap/fetch.h"

static struct arena arena;

static const char *parse(const char *text, bool uid, struct fetch_items *items)
{
	struct cursor c = cursor_from(str_from(text));
	const char *wrong = fetch_parse_items(&c, &arena, uid, items);

	return wrong || cursor_done(&c) ? wrong : "something follows the items";
}

static void assert_str(struct str got, const char *want)
{
	assert_int_equal(got.len, strlen(want));
	assert_memory_equal(got.p, want, got.len);
}

static int reset(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static void labels_are_what_the_answer_says(void **state)
{
	static const struct { const char *asked, *label; } cases[] = {
		{" BODY[]", "BODY[]"},
		{" body.peek[header]", "BODY[HEADER]"},
		{" BODY.PEEK[1.2.mime]<7.9>", "BODY[1.2.MIME]<7>"},
		{" BODY[Header.Fields (From to)]", "BODY[HEADER.FIELDS (From to)]"},
		{" BODY[1.HEADER.FIELDS.NOT (X)]", "BODY[1.HEADER.FIELDS.NOT (X)]"},
		{" BODY[HEADER.FIELDS (\"a b\" {1+}\r\nc)]", "BODY[HEADER.FIELDS (\"a b\" c)]"},
		{" RFC822", "RFC822"},
		{" (RFC822.TEXT)", "RFC822.TEXT"},
		{" BINARY.PEEK[3]", "BINARY[3]"},
		{" BINARY.SIZE[3.1]", "BINARY.SIZE[3.1]"},
	};
	struct fetch_items items;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_null(parse(cases[i].asked, false, &items));
		assert_int_equal(items.n, 1);
		assert_str(items.v[0].label, cases[i].label);
	}
}

static void only_whole_bodies_without_peek_set_seen(void **state)
{
	static const char *const seen[] = {" BODY[]", " RFC822", " RFC822.TEXT", " BODY[1.MIME]",
		" (UID BINARY[1])"};
	static const char *const peek[] = {" BODY.PEEK[]", " RFC822.HEADER", " BODY", " FULL",
		" BINARY.SIZE[1]", " BINARY.PEEK[1]", " BODYSTRUCTURE"};
	struct fetch_items items;

	(void)state;
	for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++) {
		assert_null(parse(seen[i], false, &items));
		assert_true(items.sets_seen);
	}
	for (size_t i = 0; i < sizeof(peek) / sizeof(peek[0]); i++) {
		assert_null(parse(peek[i], false, &items));
		assert_false(items.sets_seen);
	}
}

static void plain_items_are_kept_once_and_uid_comes_first(void **state)
{
	struct fetch_items items;

	(void)state;
	assert_null(parse(" (FLAGS uid FLAGS UID RFC822.SIZE)", true, &items));
	assert_int_equal(items.n, 3);
	assert_int_equal(items.v[0].what, FETCH_UID);
	assert_int_equal(items.v[1].what, FETCH_FLAGS);
	assert_int_equal(items.v[2].what, FETCH_SIZE);
	assert_null(parse(" FULL", false, &items));
	assert_int_equal(items.n, 5);
}

static void what_is_malformed_is_named(void **state)
{
	static const char *const cases[] = {"", " ", " X", " (", " ()", " (FLAGS", " FLAGS)", " (FLAGS  UID)",
		" (ALL)", " BODY.PEEK", " BODY[", " BODY[1", " BODY[1.]", " BODY[.1]", " BODY[0]", " BODY[MIME]",
		" BODY[1.FOO]", " BODY[HEADER.FIELDS]", " BODY[HEADER.FIELDS ()]", " BODY[HEADER.FIELDS (a]",
		" BODY[]<", " BODY[]<1>", " BODY[]<1.0>", " BODY[]<1.2", " BODY[]<99999999999.1>",
		" BINARY[HEADER]", " BINARY.SIZE[1]<0.1>", " UID UID", " RFC822[]", " BODY[1]x"};
	struct fetch_items items;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (!parse(cases[i], false, &items))
			fail_msg("was taken: %s", cases[i]);
	}
}

static void items_and_part_numbers_are_bounded(void **state)
{
	struct fetch_items items;
	struct buf text = {0};

	(void)state;
	buf_adds(&text, " (BODY[1]");
	for (unsigned i = 0; i < FETCH_ITEMS_MAX; i++)
		buf_adds(&text, " BODY[1]");
	buf_add(&text, ")", 2);
	assert_non_null(parse(buf_str(&text).p, false, &items));
	buf_clear(&text);
	buf_adds(&text, " BODY[1");
	for (unsigned i = 0; i < CONFIG_MIME_DEPTH_MAX; i++)
		buf_adds(&text, ".1");
	buf_add(&text, "]", 2);
	assert_null(parse(buf_str(&text).p, false, &items));
	buf_clear(&text);
	buf_adds(&text, " BODY[1");
	for (unsigned i = 0; i < CONFIG_MIME_DEPTH_MAX + 1; i++)
		buf_adds(&text, ".1");
	buf_add(&text, "]", 2);
	assert_non_null(parse(buf_str(&text).p, false, &items));
	buf_free(&text);
}

static void partials_never_leave_the_bytes(void **state)
{
	static const struct { uint32_t start, length; uint64_t offset_r, length_r; } cases[] = {
		{0, 5, 100, 5}, {3, 5, 103, 5}, {3, 100, 103, 7}, {10, 1, 110, 0}, {11, 1, 110, 0},
		{UINT32_MAX, UINT32_MAX, 110, 0}, {0, UINT32_MAX, 100, 10},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fetch_item item = {.partial = true, .start = cases[i].start, .length = cases[i].length};
		uint64_t offset = 100, length = 10;

		fetch_cut_partial(&item, &offset, &length);
		assert_int_equal(offset, cases[i].offset_r);
		assert_int_equal(length, cases[i].length_r);
	}
}

/* ---- sections of a message that is already in memory ---- */

static const char message[] =
	"From: a@example.org\r\nX-Fold: one\r\n two\r\nnonsense line\r\nSubject: s\r\n"
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	"--b\r\nContent-Transfer-Encoding: base64\r\n\r\naGk=\r\n"
	"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ninner\r\n--b\r\n"
	"Content-Transfer-Encoding: x-odd\r\n\r\nodd\r\n--b--\r\n";

static void fill(struct imap_content *x)
{
	*x = (struct imap_content){.m = {.uid = 1, .size = sizeof(message) - 1}};
	buf_adds(&x->whole, message);
	x->has_whole = x->has_summary = true;
	x->sum.header_len = (uint32_t)(strstr(message, "\r\n\r\n") + 4 - message);
	x->sum.fields = STR("From: a@example.org\r\nSubject: s\r\n");
}

/* The bytes of the first item asked for; NULL if there are none. */
static const char *bytes_of(struct imap_content *x, const char *asked, int *found_r)
{
	static char text[sizeof(message) + 1];
	struct fetch_items items;
	struct str bytes = STR_NULL;
	uint64_t offset, length;

	assert_null(parse(asked, false, &items));
	if (items.v[0].what != FETCH_SECTION)
		*found_r = fetch_binary_bytes(x, &items.v[0].section, &bytes);
	else if (!fetch_is_range(&items.v[0].section))
		*found_r = fetch_section_bytes(x, &items.v[0].section, &bytes);
	else
		*found_r = fetch_section_range(x, &items.v[0].section, &offset, &length);
	if (*found_r != 1)
		return NULL;
	if (!bytes.p) {
		assert_true(offset + length <= x->whole.len);
		bytes = (struct str){buf_str(&x->whole).p + offset, length};
	}
	memcpy(text, bytes.p, bytes.len);
	text[bytes.len] = 0;
	return text;
}

static void sections_are_the_bytes_of_their_parts(void **state)
{
	static const struct { const char *asked, *bytes; } cases[] = {
		{" BODY[HEADER.FIELDS (subject from)]", "From: a@example.org\r\nSubject: s\r\n\r\n"},
		{" BODY[HEADER.FIELDS (x-fold)]", "X-Fold: one\r\n two\r\n\r\n"},
		{" BODY[HEADER.FIELDS.NOT (x-fold content-type from)]", "Subject: s\r\n\r\n"},
		{" BODY[1]", "aGk="},
		{" BODY[1.MIME]", "Content-Transfer-Encoding: base64\r\n\r\n"},
		{" BODY[2]", "Subject: in\r\n\r\ninner"},
		{" BODY[2.HEADER]", "Subject: in\r\n\r\n"},
		{" BODY[2.TEXT]", "inner"},
		{" BODY[2.1]", "inner"},
		{" BODY[2.HEADER.FIELDS (subject)]", "Subject: in\r\n\r\n"},
		{" BODY[4]", NULL}, {" BODY[1.1]", NULL}, {" BODY[1.TEXT]", NULL}, {" BODY[1.HEADER]", NULL},
		{" BINARY[1]", "hi"},
		{" BINARY[9]", NULL},
	};
	struct imap_content x;
	const char *got;
	int found;

	(void)state;
	fill(&x);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		got = bytes_of(&x, cases[i].asked, &found);
		assert_int_equal(found, cases[i].bytes ? 1 : 0);
		if (cases[i].bytes)
			assert_string_equal(got, cases[i].bytes);
	}
	assert_null(bytes_of(&x, " BINARY[3]", &found));
	assert_int_equal(found, -1);
	assert_int_equal(errno, ENOTSUP);
	imap_content_free(&x);
}

static void header_and_text_need_no_parsing(void **state)
{
	static const struct { const char *asked; int found; uint64_t offset, length; } cases[] = {
		{" BODY[]", 1, 0, 100}, {" BODY[HEADER]", 1, 0, 30}, {" BODY[TEXT]", 1, 30, 70},
		{" RFC822.HEADER", 1, 0, 30},
	};
	struct imap_content x = {.m = {.size = 100, .prefix_size = 10}, .has_summary = true, .sum = {.header_len = 20}};
	struct fetch_items items;
	uint64_t offset, length;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		offset = length = 0;
		assert_null(parse(cases[i].asked, false, &items));
		assert_int_equal(fetch_section_range(&x, &items.v[0].section, &offset, &length), cases[i].found);
		assert_int_equal(offset, cases[i].offset);
		assert_int_equal(length, cases[i].length);
	}
	assert_null(x.top);
	assert_null(parse(" BODY[HEADER.FIELDS (a)]", false, &items));
	assert_false(fetch_is_range(&items.v[0].section));
	/* A summary that does not fit its message is damage, not a range. */
	x.sum.header_len = 91;
	assert_null(parse(" BODY[TEXT]", false, &items));
	assert_int_equal(fetch_section_range(&x, &items.v[0].section, &offset, &length), -1);
	assert_int_equal(errno, EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(labels_are_what_the_answer_says, reset),
		cmocka_unit_test_teardown(only_whole_bodies_without_peek_set_seen, reset),
		cmocka_unit_test_teardown(plain_items_are_kept_once_and_uid_comes_first, reset),
		cmocka_unit_test_teardown(what_is_malformed_is_named, reset),
		cmocka_unit_test_teardown(items_and_part_numbers_are_bounded, reset),
		cmocka_unit_test_teardown(partials_never_leave_the_bytes, reset),
		cmocka_unit_test_teardown(sections_are_the_bytes_of_their_parts, reset),
		cmocka_unit_test_teardown(header_and_text_need_no_parsing, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
